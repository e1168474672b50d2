"""The examples for engines, with the engine really running and worker processes really killed: none doubled, none lost.

Each engine is the real one, in processes of its own; so is the service's emulator, at a URL. `nox -s engines` has what
they need; elsewhere they are left out by name.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk.clock import SystemClock
from runpod_sdk.emulator import Emulator, Options
from tests.scale import SCALE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENGINES = Path(__file__).parent.parent.parent / "examples" / "engines"
ROWS = 300 * SCALE
KILLS = 4
# After so many seconds a run has come to a standstill.
LONG = 240.0
# Where Debian has its servers.
POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))

pytestmark = pytest.mark.slow


def needs(*modules: str, programs: bool = True) -> None:
    """Skip by name what is not installed, unless it has to be (`nox -s engines`)."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    missing += [] if programs else ["a PostgreSQL server"]
    if missing and os.environ.get("REQUIRE_ENGINES"):
        pytest.fail(f"not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


class Service:
    """The emulator at a URL, whose jobs take a moment each."""

    def __init__(self, url: str, emulator: Emulator, api_key: str) -> None:
        self.emulator = emulator
        self.environment = {
            **os.environ,
            "RUNPOD_API_KEY": api_key,
            "RUNPOD_ENDPOINT_BASE_URL": url,
            "RUNPOD_ENDPOINT": "abc",
            "PYTHONUNBUFFERED": "1",
        }

    def submits(self) -> Counter[str]:
        """Return how often each key was submitted."""
        return Counter(job.input["key"] for job in self.emulator.jobs.values())

    def start(self, *command: object, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603  ours
            [sys.executable, *map(str, command)], env={**self.environment, **more}, text=True, stdout=subprocess.PIPE
        )

    def done(self, *command: object, **more: str) -> str:
        process = self.start(*command, **more)
        out, _ = process.communicate(timeout=LONG)
        assert process.returncode == 0
        return out


@pytest.fixture
def service() -> Iterator[Service]:
    """Provide the service in this process."""
    with Emulator(clock=SystemClock(), options=Options(ledger=0)) as emulator:

        def handler(job: dict[str, Any]) -> str:
            time.sleep(0.1)
            return f"done {job['input']['key']}"

        emulator.endpoint("abc", handler, workers=16)
        with emulator.serve() as server:
            yield Service(server.url, emulator, server.api_key)


def happened(what: Callable[[], object]) -> None:
    """Wait until another process has done something."""
    until = time.monotonic() + LONG
    while not what():
        assert time.monotonic() < until, "nothing happens any more"
        time.sleep(0.01)


def inputs_in(path: Path, keys: range) -> Path:
    rows = [{"key": f"k{n}", "input": {"key": f"k{n}"}} for n in keys]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


# Ray Data.


def test_ray_runs_files_whose_workers_are_killed(service: Service, tmp_path: Path) -> None:
    needs("ray")
    part = ROWS // 3
    files = [inputs_in(tmp_path / f"{n}.jsonl", range(n * part, (n + 1) * part)) for n in range(3)]
    process = service.start(ENGINES / "ray_bulk.py", *files, RAY_DISABLE_IMPORT_WARNING="1")
    killed: set[int] = set()
    for kill in range(1, 3):
        happened(lambda: len(service.emulator.jobs) >= kill * ROWS // 4)  # noqa: B023  at once
        killed.add(kill_holder(files, killed))
    process.communicate(timeout=LONG)
    assert process.returncode == 0
    assert len(killed) == 2
    submits = service.submits()
    assert max(submits.values()) == 1, "none is doubled"
    found = [json.loads(line) for file in files for line in results_of(file).read_text("utf-8").splitlines()]
    assert sorted(row["key"] for row in found) == sorted(f"k{n}" for n in range(ROWS)), "all rows are there once"
    for row in found:
        assert row["status"] == "UNKNOWN" or row["output"] == f"done {row['key']}"
    unknown = [row["key"] for row in found if row["status"] == "UNKNOWN"]
    assert len(unknown) <= 2 * 16
    sys.stdout.write(f"Ray Data: {len(found)} rows, {len(killed)} kills, 0 doubled, {len(unknown)} unknown\n")
    assert {row["key"] for row in found} - set(unknown) <= set(submits)


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


# procrastinate, on PostgreSQL.


@pytest.fixture
def database(tmp_path: Path) -> Iterator[str]:
    """Provide a PostgreSQL server of our own, on loopback."""
    needs("procrastinate", "psycopg", programs=bool(POSTGRES))
    # It refuses to run as root.
    user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    folder = Path(subprocess.run([*user, "mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())  # noqa: S603
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    bin_ = POSTGRES[-1]
    make: list[str | Path] = [*user, bin_ / "initdb", "-D", folder / "data", "-A", "trust", "-U", "me"]
    subprocess.run(make, check=True, capture_output=True)  # noqa: S603
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=60"
    control: list[str | Path] = [*user, bin_ / "pg_ctl", "-D", folder / "data", "-l", folder / "log", "-w"]
    subprocess.run([*control, "-o", options, "start"], check=True, capture_output=True)  # noqa: S603
    try:
        yield f"postgresql://me@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True)  # noqa: S603
        shutil.rmtree(folder, ignore_errors=True)


def test_procrastinate_goes_on_after_kills_of_its_worker(service: Service, database: str, tmp_path: Path) -> None:
    program, more = ENGINES / "procrastinate_bulk.py", {"DATABASE_URL": database, "DEAD_AFTER": "1"}
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
    assert len(unknown) <= KILLS * 32
    sys.stdout.write(f"procrastinate: {ROWS} rows, {KILLS} kills, 0 doubled, {len(unknown)} unknown\n")
