"""Does the cost grow? CPU of a call beside 1 to 1,000 waiters, and of a job in bulk runs of 1,000 to 100,000.

    python benchmarks/growth.py [--quick] [--json FILE]

The emulator serves in a process of its own, without ledger; each measurement has a fresh client process, whose CPU and
memory are the client's alone. Flat is a ratio near 1 between the ends of each series.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rows import Row, table, write_json

WAITERS = (1, 10, 100, 1_000)
JOBS = (1_000, 10_000, 100_000)
CALLS = 1_000
CONCURRENCY = 64


def serve() -> None:
    """Serve an endpoint that answers at once, and one without workers, until standard input ends."""
    from runpod_sdk.emulator import Emulator, Options

    with Emulator(options=Options(ledger=0, record=0)) as emulator:
        emulator.endpoint("quick", lambda _: 0, workers=CONCURRENCY)
        emulator.endpoint("idle", workers=0)
        with emulator.serve() as server:
            print(json.dumps(server.connection), flush=True)
            for _ in sys.stdin:
                pass


async def beside_waiters(connection: dict[str, Any], waiters: int) -> tuple[float, float]:
    """Return CPU µs of a look at a job while others wait, and CPU of the parked waiters, % of a core.

    One client has 400 requests held at once; waiters beyond those look at their jobs now and then.
    """
    from runpod_sdk import AsyncClient

    async with AsyncClient(**connection) as client:
        endpoint = client.endpoint("idle")
        jobs = [await endpoint.run({}) for _ in range(waiters)]
        waits = [asyncio.create_task(job.wait()) for job in jobs]
        await asyncio.sleep(5)  # until all are on the wire, or wait for their turn to be held
        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.sleep(2)
        idle = (time.process_time() - cpu) / (time.perf_counter() - began) * 100
        job = jobs[0]
        cpu = time.process_time()
        for _ in range(CALLS):
            await job.state()
        each = (time.process_time() - cpu) / CALLS * 1e6
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
    return each, idle


def in_bulk(connection: dict[str, Any], jobs: int) -> tuple[float, float]:
    """Return CPU µs of a job in a bulk run, and the peak of memory, MB."""
    from runpod_sdk import Client

    with Client(**connection) as client:
        endpoint = client.endpoint("quick")
        list(endpoint.map([{}] * CONCURRENCY))  # imports and connections
        cpu = time.process_time()
        inputs: Any = ({"n": n} for n in range(jobs))
        done = sum(result.is_success for result in endpoint.map(inputs, concurrency=CONCURRENCY))
        each = (time.process_time() - cpu) / jobs * 1e6
    if done != jobs:
        raise SystemExit(f"{jobs - done} of {jobs} jobs failed")
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage: bytes there, KiB elsewhere
    return each, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def measured(kind: str, connection: str, size: int) -> tuple[float, float]:
    """Measure in a fresh process."""
    command = [sys.executable, __file__, "--measure", kind, connection, str(size)]
    first, second = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)  # noqa: S603
    return first, second


def rows(*, quick: bool = False, repeat: int = 3) -> list[Row]:
    """Measure both series, round by round, and return their rows."""
    series = {"waiters": WAITERS, "jobs": JOBS[:2] if quick else JOBS}
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    with subprocess.Popen(  # noqa: S603  this file itself
        [sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        connection = server.stdout.readline() if server.stdout is not None else ""
        for turn in range(1 if quick else repeat):
            for kind, sizes in series.items():
                for size in sizes:
                    if turn == 0 or size < JOBS[-1]:  # the largest takes minutes
                        found.setdefault((kind, size), []).append(measured(kind, connection, size))
        if server.stdin is not None:
            server.stdin.close()
    made: list[Row] = []
    for (kind, size), pairs in found.items():
        first, second = zip(*pairs, strict=True)
        if kind == "waiters":
            made.append(Row(figure="CPU of a call beside waiters", who=f"{size:,} waiters", unit="µs", values=first))
            made.append(Row(figure="CPU of parked waiters", who=f"{size:,} waiters", unit="%", values=second))
        else:
            made.append(Row(figure="CPU of a job in bulk", who=f"{size:,} jobs", unit="µs", values=first))
            made.append(Row(figure="peak memory in bulk", who=f"{size:,} jobs", unit="MB", values=second))
    return sorted(made, key=lambda row: row.figure)


def main(argv: list[str] | None = None) -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round, and up to 10,000 jobs")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args(argv)
    if asked.serve:
        serve()
    elif asked.measure:
        kind, connection, size = asked.measure
        facts = json.loads(connection)
        print(
            json.dumps(
                asyncio.run(beside_waiters(facts, int(size))) if kind == "waiters" else in_bulk(facts, int(size))
            )
        )
    else:
        found = rows(quick=asked.quick)
        print(table(found))
        if asked.json:
            write_json(asked.json, found)


if __name__ == "__main__":
    main()
