"""Ray Data with workers that are killed, each process a real one."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.engines.service import ENGINES, Service, happened, inputs_in, needs
from tests.scale import scaled

ROWS = scaled(300, most=20_000)
FILES = 4
KILLS = 2
AT_ONCE = 16
PLAIN = Path(__file__).with_name("programs") / "ray_plain.py"

pytestmark = pytest.mark.slow


def test_ray_runs_files_whose_workers_are_killed(service: Service, tmp_path: Path) -> None:
    needs("ray")
    part = ROWS // FILES
    files = [inputs_in(tmp_path / f"{n}.jsonl", range(n * part, (n + 1) * part)) for n in range(FILES)]
    process = service.start(ENGINES / "ray_bulk.py", *files, AT_ONCE=str(AT_ONCE), RAY_DISABLE_IMPORT_WARNING="1")
    killed: set[int] = set()
    for kill in range(1, KILLS + 1):
        enough = kill * ROWS // (KILLS + 2)
        happened(lambda: len(service.begun) >= enough, service.patience(ROWS))  # noqa: B023  at once
        killed.add(kill_holder(files, killed))
    process.communicate(timeout=service.patience(ROWS))
    assert process.returncode == 0
    submits = service.submits()
    assert max(submits.values()) == 1, "none is doubled"
    found = [json.loads(line) for file in files for line in results_of(file).read_text("utf-8").splitlines()]
    assert Counter(row["key"] for row in found) == Counter(f"k{n}" for n in range(ROWS)), "all rows are there once"
    assert all(row["status"] == "UNKNOWN" or row["output"] == f"done {row['key']}" for row in found)
    unknown = {row["key"] for row in found if row["status"] == "UNKNOWN"}
    assert len(unknown) <= KILLS * AT_ONCE
    assert {row["key"] for row in found} - unknown <= set(submits)
    sys.stdout.write(f"Ray Data: {len(found)} rows, {KILLS} kills, 0 doubled, {len(unknown)} unknown, 0 lost\n")


def test_ray_as_it_comes_submits_a_block_again(service: Service, tmp_path: Path) -> None:
    needs("ray")
    rows = 80
    inputs = inputs_in(tmp_path / "inputs.jsonl", range(rows))
    known = len(service.emulator.jobs)
    process = service.start(PLAIN, inputs, RAY_DISABLE_IMPORT_WARNING="1")
    happened(lambda: len(service.emulator.jobs) - known >= rows // 4)
    os.kill([job.input["pid"] for job in service.emulator.jobs.values() if "pid" in job.input][-1], signal.SIGKILL)
    process.communicate(timeout=service.patience(rows))
    assert process.returncode == 0
    submits = Counter(job.input["key"] for job in service.emulator.jobs.values() if "pid" in job.input)
    doubled = sum(n > 1 for n in submits.values())
    assert len(submits) == rows
    assert doubled > 1
    sys.stdout.write(f"Ray Data, a row a task: {rows} rows, 1 kill, {doubled} doubled, 0 unknown, 0 lost\n")


def results_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.results.jsonl")


def kill_holder(files: list[Path], killed: set[int]) -> int:
    """Kill a process that is at work with a journal."""
    found: list[int] = []

    def find() -> bool:
        for lock in [path for file in files for path in file.parent.glob(f"{file.name}.sqlite*lock*")]:
            try:
                pid = json.loads(lock.read_text())["pid"]
            except (OSError, ValueError, KeyError):
                continue
            if pid not in killed:
                found.append(pid)
        return bool(found)

    happened(find)
    os.kill(found[0], signal.SIGKILL)
    return found[0]
