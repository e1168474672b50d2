"""How large the tests are that can be of any size: one setting, TEST_SCALE.

1 is the default suite. `nox -s tests` takes 5, `nox -s contract` 10, `nox -s chaos` 50; the variable overrides each.
"""

from __future__ import annotations

import os

SCALE = int(os.environ.get("TEST_SCALE", "1"))


def scaled(size: int, most: int | None = None) -> int:
    """Return what is `size` in the default suite, at the scale of this run, up to `most`."""
    return size * SCALE if most is None else min(size * SCALE, most)
