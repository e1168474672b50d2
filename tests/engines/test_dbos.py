"""DBOS with a process that is killed; its steps are recorded in PostgreSQL."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runpod_sdk.emulator import Fault
from tests.engines.service import ENGINES, Service, happened, inputs_in, needs
from tests.scale import scaled

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = scaled(200, most=1_000)
KILLS = 4
AT_ONCE = 32  # as in the example
PLAIN = Path(__file__).with_name("programs") / "dbos_plain.py"

pytestmark = pytest.mark.slow


@pytest.fixture
def run(service: Service, database: str, tmp_path: Path) -> Callable[[Path, range], list[str]]:
    """Run a program that is killed again and again, and return what it printed at last."""
    needs("dbos")

    def run(program: Path, keys: range) -> list[str]:
        inputs, known = inputs_in(tmp_path / "inputs.jsonl", keys), len(service.emulator.jobs)
        more = {"DBOS_SYSTEM_DATABASE_URL": database}
        for kill in range(1, KILLS + 1):
            process = service.start(program, inputs, **more)
            happened(lambda: len(service.emulator.jobs) - known >= kill * len(keys) // (KILLS + 1))  # noqa: B023  at once
            process.kill()
            process.communicate()
        return service.done(program, inputs, **more).splitlines()

    return run


def test_dbos_goes_on_after_kills(service: Service, run: Callable[[Path, range], list[str]]) -> None:
    found = [json.loads(line) for line in run(ENGINES / "dbos_bulk.py", range(ROWS))]
    submits = service.submits()
    assert max(submits.values()) == 1, "none is doubled"
    assert [row["key"] for row in found] == [f"k{n}" for n in range(ROWS)], "all rows are there once"
    assert all(row["status"] == "UNKNOWN" or row["output"] == f"done {row['key']}" for row in found)
    unknown = {row["key"] for row in found if row["status"] == "UNKNOWN"}
    assert len(unknown) <= KILLS * AT_ONCE
    assert {row["key"] for row in found} - unknown <= set(submits)
    sys.stdout.write(f"DBOS: {ROWS} rows, {KILLS} kills, 0 doubled, {len(unknown)} unknown, 0 lost\n")


def test_dbos_says_what_was_refused(service: Service, database: str, tmp_path: Path) -> None:
    needs("dbos")
    service.emulator.inject(Fault.status(400, on="run", times=1))
    inputs = inputs_in(tmp_path / "inputs.jsonl", range(20_000, 20_003))
    found = service.done(ENGINES / "dbos_bulk.py", inputs, DBOS_SYSTEM_DATABASE_URL=database).splitlines()
    assert sorted(json.loads(row)["status"] for row in found) == ["COMPLETED", "COMPLETED", "ERROR"]


def test_dbos_without_a_ticket_submits_again(service: Service, run: Callable[[Path, range], list[str]]) -> None:
    known = service.submits()
    run(PLAIN, range(10_000, 10_000 + ROWS))
    submits = service.submits() - known
    doubled = sum(n > 1 for n in submits.values())
    assert len(submits) == ROWS
    assert doubled > 0
    sys.stdout.write(f"DBOS, no ticket: {ROWS} rows, {KILLS} kills, {doubled} doubled, 0 unknown, 0 lost\n")
