"""The clients of latency.py; each in a process of its own, which prints the lags of each job, ms.

python benchmarks/latency_clients.py CLIENT sync|async output|run_sync|stream URL KEY JOBS
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import TYPE_CHECKING

from processes import LIMITS, OFFICIAL, begin, end

if TYPE_CHECKING:
    from collections.abc import Callable

WORK = 0.2  # seconds that a job takes


def lag(at: float) -> float:
    """Return the milliseconds since."""
    return (time.time() - at) * 1e3


def with_sync(kind: str, url: str, key: str, jobs: int) -> list[list[float]]:
    """Measure Client; the lags of each job."""
    from runpod_sdk import Client

    with Client(key, base_url=url, limits=LIMITS) as client:
        plain, chunked = client.endpoint("plain"), client.endpoint("chunked")
        plain.run_sync({"work": 0})  # imports and connections
        calls: dict[str, Callable[[], list[float]]] = {
            "output": lambda: [lag(plain.run({"work": WORK}).output())],
            "run_sync": lambda: [lag(plain.run_sync({"work": WORK}))],
            "stream": lambda: [lag(at) for at in chunked.stream({"go": 1})],
        }
        return [calls[kind]() for _ in range(jobs)]


def with_async(kind: str, url: str, key: str, jobs: int) -> list[list[float]]:
    """Measure AsyncClient; the lags of each job."""
    from runpod_sdk import AsyncClient

    async def main() -> list[list[float]]:
        async with AsyncClient(key, base_url=url, limits=LIMITS) as client:
            plain, chunked = client.endpoint("plain"), client.endpoint("chunked")
            await plain.run_sync({"work": 0})
            found: list[list[float]] = []
            for _ in range(jobs):
                if kind == "output":
                    found.append([lag(await (await plain.run({"work": WORK})).output())])
                elif kind == "run_sync":
                    found.append([lag(await plain.run_sync({"work": WORK}))])
                else:
                    found.append([lag(at) async for at in chunked.stream({"go": 1})])
            return found

    return asyncio.run(main())


def with_official(kind: str, url: str, key: str, jobs: int) -> list[list[float]]:
    """Measure the official client; the lags of each job."""
    os.environ["RUNPOD_ENDPOINT_BASE_URL"] = url
    import runpod

    runpod.api_key = key
    plain, chunked = runpod.Endpoint("plain"), runpod.Endpoint("chunked")
    plain.run_sync({"input": {"work": 0}})
    calls: dict[str, Callable[[], list[float]]] = {
        "output": lambda: [lag(plain.run({"input": {"work": WORK}}).output(timeout=60))],
        "run_sync": lambda: [lag(plain.run_sync({"input": {"work": WORK}}))],
        "stream": lambda: [lag(at) for at in chunked.run({"input": {"go": 1}}).stream()],
    }
    return [calls[kind]() for _ in range(jobs)]


RUNS = {"sync": with_sync, "async": with_async}


def run(name: str, flavour: str, kind: str, url: str, key: str, jobs: int) -> list[list[float]]:
    """Measure one client in this process."""
    begin(name)
    return (with_official if name == OFFICIAL else RUNS[flavour])(kind, url, key, jobs)


if __name__ == "__main__":
    given = sys.argv
    end(run(given[1], given[2], given[3], given[4], given[5], int(given[6])))
