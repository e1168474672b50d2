"""How much of the tests the default suite has: of what can be of any size, and of what has many cases.

The sizes are one setting, TEST_SCALE.

1 is the default suite. `nox -s tests` takes 5, `nox -s contract` 10, `nox -s chaos` 50; the variable overrides each.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _pytest.mark import ParameterSet

T = TypeVar("T")

SLOW = (pytest.mark.slow,)
SCALE = int(os.environ.get("TEST_SCALE", "1"))


def scaled(size: int, most: int | None = None) -> int:
    """Return what is `size` in the default suite, at the scale of this run, up to `most`."""
    return size * SCALE if most is None else min(size * SCALE, most)


def telling(cases: Mapping[str, T], *names: str) -> list[ParameterSet]:
    """Return a parameter of each case, called as the case is; all but `names` are left to the slow tests."""
    assert cases.keys() >= {*names}, f"no such case: {names}"
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), id=name, marks=() if name in names else SLOW)
        for name, case in cases.items()
    ]
