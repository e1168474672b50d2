"""What all tests share."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

# The same examples in every run, in no fixed time: machines that run tests are sometimes busy.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Run all tests in a process per core, but chosen ones in this process: sooner, and what they print can be seen."""
    is_chosen = bool(config.option.file_or_dir) or config.option.capture == "no"
    return 0 if is_chosen else None


@pytest.fixture(autouse=True)
def _no_runpod_is_left() -> Iterator[None]:
    """Forget the package `runpod` that a test's worker file was given: the next test may bring one of its own."""
    yield
    if "runpod" in sys.modules:
        for name in [name for name in sys.modules if name.partition(".")[0] == "runpod"]:
            del sys.modules[name]
