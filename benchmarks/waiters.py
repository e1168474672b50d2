"""A crowd that waits on one client: its CPU and descriptors while nothing happens, and how long others take then.

    python benchmarks/waiters.py [--quick]

1,000 tasks, or 300 threads, wait for one job each. The service holds 400 of their requests, the others share 20 looks a
second. Without --quick nothing happens for 20 seconds, else for 3.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any, cast

TASKS, THREADS = 1_000, 300
SETTLE = 3.0  # seconds until every waiter has its place


def serve() -> None:
    """Serve until standard input ends."""
    from runpod_sdk.emulator import Emulator, Options

    with Emulator(options=Options(ledger=0, record=0)) as emulator:
        emulator.endpoint("idle", workers=0)
        with emulator.serve() as server:
            print(json.dumps(server.connection), flush=True)
            sys.stdin.read()


def descriptors() -> int:
    """Return how many are open (Linux)."""
    opened = Path("/proc/self/fd")
    return len(list(opened.iterdir())) if opened.is_dir() else -1


def figures(flavour: str, waiters: int, idle: tuple[float, float], run: float, cancel: float) -> str:
    """Return a row."""
    wall, cpu = idle
    share, open_ = cpu / wall * 100, descriptors()
    return f"| {flavour} | {waiters} | {share:.1f} | {open_} | {run * 1e3:.1f} | {cancel * 1e3:.1f} |"


def with_threads(connection: dict[str, Any], idle: float) -> None:
    """Measure Client."""
    from runpod_sdk import Client

    client = Client(**connection)
    endpoint = client.endpoint("idle")
    job = endpoint.run({"n": 1})
    for _ in range(THREADS):
        threading.Thread(target=job.wait, daemon=True).start()
    time.sleep(SETTLE)
    began, cpu = time.perf_counter(), time.process_time()
    time.sleep(idle)
    parked = time.perf_counter() - began, time.process_time() - cpu
    began = time.perf_counter()
    other = endpoint.run({"n": 2})
    ran = time.perf_counter() - began
    began = time.perf_counter()
    other.cancel()
    print(figures("threads", THREADS, parked, ran, time.perf_counter() - began), flush=True)
    os._exit(0)  # the waiters wait on


async def with_tasks(connection: dict[str, Any], idle: float) -> None:
    """Measure AsyncClient."""
    from runpod_sdk import AsyncClient

    client = AsyncClient(**connection)
    endpoint = client.endpoint("idle")
    job = await endpoint.run({"n": 1})
    crowd = [asyncio.ensure_future(job.wait()) for _ in range(TASKS)]
    await asyncio.sleep(SETTLE)
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.sleep(idle)
    parked = time.perf_counter() - began, time.process_time() - cpu
    began = time.perf_counter()
    other = await endpoint.run({"n": 2})
    ran = time.perf_counter() - began
    began = time.perf_counter()
    await other.cancel()
    print(figures("tasks", len(crowd), parked, ran, time.perf_counter() - began), flush=True)
    os._exit(0)  # the waiters wait on


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve()
        return
    if asked.run:
        flavour, connection, idle = asked.run[0], json.loads(asked.run[1]), float(asked.run[2])
        if flavour == "threads":
            with_threads(connection, idle)
        asyncio.run(with_tasks(connection, idle))
        return
    server = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        connection = cast("IO[str]", process.stdout).readline()
        print(
            "| waiters | how many | % of a core while parked | descriptors | run ms | cancel ms |\n" + "|---" * 6 + "|"
        )
        for flavour in ("threads", "tasks"):
            command = [sys.executable, __file__, "--run", flavour, connection, "3" if asked.quick else "20"]
            print(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip())  # noqa: S603
        cast("IO[str]", process.stdin).close()


if __name__ == "__main__":
    main()
