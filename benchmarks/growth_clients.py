"""The clients of growth.py; each in a process of its own, which prints what it measured.

python benchmarks/growth_clients.py CLIENT tasks|threads|jobs CONNECTION SIZE
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from processes import LIMITS, begin, end, peak

if TYPE_CHECKING:
    from collections.abc import Callable

SETTLE, SETTLE_FEW = 5.0, 1.0  # seconds until every waiter has its place: of hundreds, of less
IDLE = 2.0  # seconds over which nothing happens
CALLS = 1_000
IN_FLIGHT = 64


def beside_tasks(connection: dict[str, Any], waiters: int) -> dict[str, float]:
    """Measure AsyncClient: a loop that has its tasks waiting, and is asked to do something else."""
    from runpod_sdk import AsyncClient

    runner = asyncio.Runner()  # never closed: that would wait for a thousand cancels

    async def started() -> Any:
        endpoint = AsyncClient(**connection, limits=LIMITS).endpoint("idle")
        jobs = [await endpoint.run({}) for _ in range(waiters)]
        return endpoint, jobs, [asyncio.create_task(job.wait()) for job in jobs]

    endpoint, jobs, _ = runner.run(started())
    runner.run(asyncio.sleep(settling(waiters)))
    parked = share(lambda: runner.run(asyncio.sleep(IDLE)))

    async def look() -> None:
        for _ in range(CALLS):
            await jobs[0].state()

    cpu = time.process_time()
    runner.run(look())
    cpu = time.process_time() - cpu
    return figures(parked, cpu, *timed(lambda: runner.run(endpoint.run({})), lambda job: runner.run(job.cancel())))


def beside_threads(connection: dict[str, Any], waiters: int) -> dict[str, float]:
    """Measure Client, on which threads wait."""
    from runpod_sdk import Client

    endpoint = Client(**connection, limits=LIMITS).endpoint("idle")
    job = endpoint.run({})
    for _ in range(waiters):
        threading.Thread(target=job.wait, daemon=True).start()
    time.sleep(settling(waiters))
    parked = share(lambda: time.sleep(IDLE))
    cpu = time.process_time()
    for _ in range(CALLS):
        job.state()
    cpu = time.process_time() - cpu
    return figures(parked, cpu, *timed(lambda: endpoint.run({}), lambda other: other.cancel()))


def settling(waiters: int) -> float:
    """Return the seconds until all have their places."""
    return SETTLE if waiters > 100 else SETTLE_FEW


def share(wait: Callable[[], object]) -> float:
    """Return the CPU taken while nothing happens, % of a core."""
    began, cpu = time.perf_counter(), time.process_time()
    wait()
    return (time.process_time() - cpu) / (time.perf_counter() - began) * 100


def timed(run: Callable[[], Any], cancel: Callable[[Any], object]) -> tuple[float, float]:
    """Return the milliseconds that a submit and a cancel take."""
    began = time.perf_counter()
    job = run()
    ran = time.perf_counter()
    cancel(job)
    return (ran - began) * 1e3, (time.perf_counter() - ran) * 1e3


def figures(parked: float, cpu: float, run: float, cancel: float) -> dict[str, float]:
    """Return all that is measured of waiters, while they wait."""
    opened = Path("/proc/self/fd")  # Linux
    descriptors = len(list(opened.iterdir())) if opened.is_dir() else 0
    return {"cpu": cpu / CALLS * 1e6, "parked": parked, "descriptors": descriptors, "run": run, "cancel": cancel}


def in_bulk(connection: dict[str, Any], jobs: int) -> dict[str, float]:
    """Measure a bulk run."""
    from runpod_sdk import Client

    with Client(**connection, limits=LIMITS) as client:
        endpoint = client.endpoint("bulk")
        list(endpoint.map([{}] * IN_FLIGHT))  # imports and connections
        cpu = time.process_time()
        inputs: Any = ({"n": n} for n in range(jobs))
        done = sum(result.is_success for result in endpoint.map(inputs, concurrency=IN_FLIGHT))
        cpu = time.process_time() - cpu
    if done != jobs:
        raise SystemExit(f"{jobs - done} of {jobs} jobs failed")
    return {"cpu": cpu / jobs * 1e6, "rss": peak()}


KINDS = {"tasks": beside_tasks, "threads": beside_threads, "jobs": in_bulk}


if __name__ == "__main__":
    begin(sys.argv[1])
    end(KINDS[sys.argv[2]](json.loads(sys.argv[3]), int(sys.argv[4])))
