"""What all tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings

if TYPE_CHECKING:
    import pytest

# The same examples in every run, in no fixed time: machines that run tests are sometimes busy.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Run all tests in a process per core, but chosen ones in this process: sooner, and what they print can be seen."""
    is_chosen = bool(config.option.file_or_dir) or config.option.capture == "no"
    return 0 if is_chosen else None
