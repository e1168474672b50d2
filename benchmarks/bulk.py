"""Measure bulk runs: 2,000 jobs of 200 ms on 100 workers, and 20,000 trivial ones, with both flavours of `map`.

    python benchmarks/bulk.py [--quick] [--repeat N] [--json] [--without PACKAGE …]

The emulator serves in a process of its own on loopback, each run has a fresh client process: its CPU and its peak
memory are the client's alone. "KB a job" is by how much that peak grows over a run of a tenth of the jobs. The client
uses aiohttp where it is installed; `--without aiohttp` measures the base install. httpx imports rich and click, 6 MB,
where they are: `--without rich click`. Compare only within one run of this script, on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from runpod_sdk import AsyncClient, Client

if TYPE_CHECKING:
    from collections.abc import Sequence

# Name: jobs, seconds each, workers, jobs in flight.
CASES = {"200 ms": (2_000, 0.2, 100, 128), "trivial": (20_000, 0.0, 100, 64)}
FLAVOURS = ("sync", "async")


@dataclass(frozen=True)
class Figures:
    """What one client process did."""

    jobs: int
    wall: float
    cpu: float
    rss_mb: float
    requests: int


def serve() -> None:
    """Serve every case until standard input ends."""
    from runpod_sdk.emulator import Emulator, Options  # the client's process need not hold it

    async def handler(job: dict[str, Any]) -> int:
        if seconds := job["input"]["seconds"]:
            await asyncio.sleep(seconds)
        return 0

    with Emulator(options=Options(ledger=0, record=0)) as emulator:
        emulator.endpoint("bulk", handler, workers=100)
        with emulator.serve() as server:
            print(json.dumps(server.connection), flush=True)
            for _ in sys.stdin:
                pass


def run(flavour: str, connection: dict[str, Any], jobs: int, seconds: float, concurrency: int) -> Figures:
    """Make one bulk run in this process."""
    inputs = ({"seconds": seconds} for _ in range(jobs))
    began, cpu = time.perf_counter(), time.process_time()
    if flavour == "sync":
        with Client(**connection) as client:
            done = sum(result.is_success for result in client.endpoint("bulk").map(inputs, concurrency=concurrency))
            stats = client.stats
    else:

        async def main() -> tuple[int, Any]:
            async with AsyncClient(**connection) as client:
                results = client.endpoint("bulk").map(inputs, concurrency=concurrency)
                return sum([result.is_success async for result in results]), client.stats

        done, stats = asyncio.run(main())
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    if done != jobs:
        raise SystemExit(f"{jobs - done} of {jobs} jobs failed")
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage: bytes there, KiB elsewhere
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    return Figures(jobs, wall, cpu, rss, sum(stat.requests for stat in stats.values()))


def measured(
    flavour: str, connection: str, jobs: int, seconds: float, concurrency: int, without: Sequence[str]
) -> Figures:
    """Make one bulk run in a process of its own, which knows nothing of some packages."""
    command = [sys.executable, __file__, "--run", flavour, connection, str(jobs), str(seconds), str(concurrency)]
    command += ["--without", *without]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603  this file itself
    return Figures(**json.loads(done.stdout))


def compare(*, quick: bool, repeat: int, as_json: bool, without: Sequence[str]) -> None:
    """Run every case with both flavours, in turn, and print the medians."""
    from statistics import median  # 2 MB that a client's process need not hold

    server = subprocess.Popen(  # noqa: S603  as above
        [sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    rows: list[dict[str, Any]] = []
    try:
        connection = server.stdout.readline() if server.stdout is not None else ""
        for case, (jobs, seconds, _, concurrency) in CASES.items():
            count = jobs // 10 if quick else jobs
            runs: dict[str, list[Figures]] = {flavour: [] for flavour in FLAVOURS}
            for _ in range(repeat):
                for flavour in FLAVOURS:
                    runs[flavour].append(measured(flavour, connection, count, seconds, concurrency, without))
            for flavour in FLAVOURS:
                small = measured(flavour, connection, count // 10, seconds, concurrency, without)
                middle = {name: median(getattr(one, name) for one in runs[flavour]) for name in asdict(small)}
                grown = (middle["rss_mb"] - small.rss_mb) * 1e3 / (count - small.jobs)
                rows.append({"case": case, "flavour": flavour, "concurrency": concurrency, **middle, "kb_a_job": grown})
    finally:
        server.communicate("")
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    print("| case | flavour | jobs | in flight | wall s | CPU s | CPU ms a job | peak RSS MB | KB a job | requests |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['case']} | {row['flavour']} | {row['jobs']:.0f} | {row['concurrency']} | {row['wall']:.2f} "
            f"| {row['cpu']:.2f} | {row['cpu'] / row['jobs'] * 1e3:.2f} | {row['rss_mb']:.1f} "
            f"| {row['kb_a_job']:.2f} | {row['requests']:.0f} |"
        )


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the jobs")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each kind; medians are shown")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--without", nargs="*", default=[], metavar="PACKAGE", help="as if it were not installed")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--run", nargs=5, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    sys.modules.update(dict.fromkeys(asked.without))  # None: not to be found
    if asked.serve:
        serve()
    elif asked.run:
        flavour, connection, jobs, seconds, concurrency = asked.run
        figures = run(flavour, json.loads(connection), int(jobs), float(seconds), int(concurrency))
        print(json.dumps(asdict(figures)))
    else:
        compare(quick=asked.quick, repeat=asked.repeat, as_json=asked.json, without=asked.without)


if __name__ == "__main__":
    main()
