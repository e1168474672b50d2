"""procrastinate on a PostgreSQL server of the test's own, with workers that are killed, each process a real one."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.engines.service import ENGINES, Service, happened, inputs_in, needs
from tests.scale import scaled

ROWS = scaled(300, most=2_000)
KILLS = 4
AT_ONCE = 32  # as in the example
DEAD_AFTER = "1"

pytestmark = pytest.mark.slow


def test_procrastinate_goes_on_after_kills_of_its_worker(service: Service, database: str, tmp_path: Path) -> None:
    needs("procrastinate")
    program, more = ENGINES / "procrastinate_bulk.py", {"DATABASE_URL": database, "DEAD_AFTER": DEAD_AFTER}
    service.done(program, "schema", **more)
    inputs = inputs_in(tmp_path / "inputs.jsonl", range(ROWS))
    service.done(program, "add", inputs, **more)
    service.done(program, "add", inputs, **more)  # known keys are left out
    for kill in range(1, KILLS + 1):
        worker = service.start(program, "work", **more)
        happened(lambda: len(service.emulator.jobs) >= kill * ROWS // (KILLS + 1))  # noqa: B023  at once
        worker.kill()
        worker.communicate()
    service.done(program, "work", **more)
    shown = json.loads(service.done(program, "show", **more))
    submits = service.submits()
    assert max(submits.values()) == 1, "none is doubled"
    keys, unknown = {f"k{n}" for n in range(ROWS)}, set(shown["unknown"])
    assert shown["results"] + len(unknown) == ROWS, "none is lost: what has no result is named"
    assert keys - unknown <= set(submits)
    assert len(unknown) <= KILLS * AT_ONCE
    sys.stdout.write(f"procrastinate: {ROWS} rows, {KILLS} kills, 0 doubled, {len(unknown)} unknown, 0 lost\n")


def test_procrastinate_with_one_queue_submits_again(service: Service, database: str, tmp_path: Path) -> None:
    needs("procrastinate")
    program, more = Path(__file__).with_name("programs") / "procrastinate_plain.py", {"DATABASE_URL": database}
    more["DEAD_AFTER"] = DEAD_AFTER
    known, rows = service.submits(), 120
    service.done(program, "schema", **more)
    service.done(program, "add", inputs_in(tmp_path / "inputs.jsonl", range(10_000, 10_000 + rows)), **more)
    worker = service.start(program, "work", **more)
    happened(lambda: len(service.emulator.jobs) - known.total() >= rows // 2)
    worker.kill()
    worker.communicate()
    service.done(program, "work", **more)
    submits = Counter(service.submits() - known)
    doubled = sum(n > 1 for n in submits.values())
    assert len(submits) == rows
    assert doubled > 1
    sys.stdout.write(f"procrastinate, one queue: {rows} rows, 1 kill, {doubled} doubled, 0 unknown, 0 lost\n")
