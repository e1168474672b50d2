"""A worker's file in a process of its own: how many jobs a second go through one, and how soon it is there.

    python benchmarks/worker_file.py [--quick] [--json PATH]

Jobs are submitted in process, without a client and without HTTP, so that what is measured is the worker: its loop, the
socket between it and the emulator, and the emulator's queue. The official worker takes one job a second.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from processes import OURS
from rows import Row, main

from runpod_sdk.clock import SystemClock, VirtualClock
from runpod_sdk.emulator import Emulator
from runpod_sdk.emulator._queue import _requests as ask

HANDLER = "import runpod\nrunpod.serverless.start({'handler': lambda job: job['input']['number']})\n"
TEST = """\
def test_it(runpod_emulator):
    endpoint = runpod_emulator.serve("handler.py")
    assert endpoint.run_sync({"number": 1}, timeout=60) == 1
"""
PATIENCE = 120  # seconds
SPANS = {"execution_timeout": 600.0, "ttl": 86_400.0, "retention": 1_800.0}
TRIVIAL = """\
def test_it():
    assert True
"""


def jobs_a_second(file: str, jobs: int, clock: Any) -> float:
    """Let one worker run so many jobs, and return how many a second that were."""
    with Emulator(clock=clock) as emulator:
        emulator.endpoint("e", file)
        hub = emulator._open(type(clock)).hub
        endpoint = hub.endpoints["e"]
        left, over = [jobs], threading.Event()

        def seen(row: tuple[Any, ...]) -> None:
            if "COMPLETED" in row:
                left[0] -= 1
                if not left[0]:
                    over.set()

        emulator.ledger.listen(seen)
        for number in range(jobs):
            hub.ask(endpoint, ask.Submit(input={"number": number}, **SPANS))
        began, still = time.perf_counter(), left[0]  # of those before, some time went into their submits
        if not over.wait(PATIENCE):
            raise SystemExit(f"{left[0]} jobs are not done")
        return still / (time.perf_counter() - began)


def ready(file: str) -> float:
    """Return milliseconds from the declaration of an endpoint until its worker takes jobs."""
    with Emulator() as emulator:
        began = time.perf_counter()
        emulator.endpoint("e", file)
        return (time.perf_counter() - began) * 1000


def tested(folder: str, test: str) -> float:
    """Return milliseconds that a run of pytest with this test takes."""
    Path(folder, "test_it.py").write_text(test, encoding="utf-8")
    Path(folder, "pytest.ini").write_text("[pytest]", encoding="utf-8")  # else those of folders above hold
    command = [sys.executable, "-m", "pytest", "-q", "-p", "runpod_sdk.pytest_plugin", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # those of others are not measured
    began = time.perf_counter()
    subprocess.run([*command, "test_it.py"], cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True)  # noqa: S603  ours
    return (time.perf_counter() - began) * 1000


def measure(quick: bool) -> list[Row]:  # noqa: FBT001  as `main` calls it
    """Measure all."""
    rounds, jobs = (3, 2_000) if quick else (5, 10_000)
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory())
        file = str(Path(folder, "handler.py"))
        Path(file).write_text(HANDLER, encoding="utf-8")
        virtual = tuple(jobs_a_second(file, jobs, VirtualClock()) for _ in range(rounds))
        real = tuple(jobs_a_second(file, jobs, SystemClock()) for _ in range(rounds))
        starts = tuple(ready(file) for _ in range(rounds))
        alone = [tested(folder, TRIVIAL) for _ in range(rounds)]
        whole = [tested(folder, TEST) for _ in range(rounds)]
    more = tuple(one - min(alone) for one in whole)
    return [
        Row(figure="jobs through one worker process", who=OURS, unit="jobs/s", values=virtual, least=2_000),
        Row(figure="the same, in real time", who=OURS, unit="jobs/s", values=real, least=2_000),
        Row(figure="from declared to ready", who=OURS, unit="ms", values=starts, most=300),
        Row(figure="a test of five lines, above an empty one", who=OURS, unit="ms", values=more, most=500),
    ]


if __name__ == "__main__":
    main(measure, __doc__)
