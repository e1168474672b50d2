"""Each official client, each operation, each outcome: what it returns or raises, and what the service saw of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.official.stage import play, python_command
from tests.official.table import Cell, Seen, cells, golden

if TYPE_CHECKING:
    from pathlib import Path

CELLS = {cell.endpoint_id: cell for cell in cells()}


@pytest.fixture(scope="session")
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    """Let every client that is there play all of its cells, at the same time; by endpoint id, what was seen."""

    def is_there(fixture: str) -> Any:
        try:
            return request.getfixturevalue(fixture)
        except (pytest.skip.Exception, pytest.fail.Exception):
            return None  # the tests that need it say so

    python, javascript = is_there("official_python"), is_there("official_javascript")
    commands: dict[str, tuple[list[str], Path]] = {}
    if python:
        commands["python"] = python_command(python, "python_sync")
        commands["asyncio"] = python_command(python, "python_asyncio")
    if javascript:
        commands["javascript"] = (["node", "javascript.js"], javascript)
    return play(commands, tmp_path_factory.mktemp("curl") if is_there("curl") else None)


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
@pytest.mark.fidelity(
    "official clients: Python, asyncio, JavaScript and curl do each operation, with each of 11 outcomes",
    source="official source",
)
def test_each_cell_is_as_it_was_seen(cell: Cell, request: pytest.FixtureRequest) -> None:
    needed = {"python": "official_python", "asyncio": "official_python", "javascript": "official_javascript"}
    request.getfixturevalue(needed.get(cell.client, "curl"))
    played: dict[str, Seen] = request.getfixturevalue("played")
    assert played[cell.endpoint_id] == golden()[cell.client][cell.operation][cell.outcome]
