"""Which tests of faults every run has: those over one kind of connections for threads, and one for tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

EVERYDAY = ("h11", "async-httptools")  # both flavours, both parsers


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the same tests over each further kind of connections to the long tail."""
    here = Path(__file__).parent
    for item in items:
        if isinstance(item, pytest.Function) and here in item.path.parents and hasattr(item, "callspec"):
            wire = item.callspec.params.get("wire", EVERYDAY[0])
            if wire not in EVERYDAY:
                item.add_marker(pytest.mark.slow)
