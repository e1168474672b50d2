"""How long after its end a job is with the caller, and a chunk after its yield; with the official client beside.

    python benchmarks/latency.py [--quick] [--json]

The emulator serves in a process of its own, on loopback, and again behind a proxy that takes 25 ms each way; there the
way back is taken off. A handler returns, and yields, the time at which it does so; the caller compares it with its own
clock, which is the same. RUNPOD_OFFICIAL_PYTHON names the Python that has the official client; without it that row is
left out. Rows are data: figure, p50, p95, requests a job, target, and whether it is met.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from statistics import median, quantiles
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

ONE_WAY = 0.025
WORK, PACE, CHUNKS = 0.2, 0.1, 10
KINDS = ("output", "run_sync", "stream")
CLIENTS = ("sync", "async", "official")
# p50 and p95 in ms, and requests a job. A stream's first chunk has a target of its own.
TARGETS = {
    "output": (2.0, 10.0, 2),
    "run_sync": (2.0, 10.0, 1),
    "stream": (2.0, 15.0, None),
    "first": (10.0, 10.0, None),
}


class Delayed(asyncio.Protocol):
    """One side of a proxied connection; what comes goes out on the other after `ONE_WAY`."""

    def __init__(self, other: Delayed | None, port: int) -> None:
        self._other = other
        self._port = port
        self._early: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the other side, if this is the caller's."""
        self._transport = cast("asyncio.Transport", transport)
        if self._other is None:
            self._other = Delayed(self, self._port)
            loop = asyncio.get_running_loop()
            self._opening = asyncio.ensure_future(loop.create_connection(lambda: self._other, "127.0.0.1", self._port))
        for data in self._early:
            self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Hand on, later."""
        if self._other is not None:
            asyncio.get_running_loop().call_later(ONE_WAY, self._other.send, data)

    def send(self, data: bytes) -> None:
        """Send, as soon as there is a connection."""
        if self._transport is None:
            self._early.append(data)
        else:
            self._transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        """Close the other side too."""
        if self._other is not None and self._other._transport is not None:
            asyncio.get_running_loop().call_later(ONE_WAY, self._other._transport.close)


def serve() -> None:
    """Serve until standard input ends; answer each line with the number of requests so far."""
    from runpod_sdk.emulator import Emulator

    async def plain(job: dict[str, Any]) -> float:
        await asyncio.sleep(job["input"]["work"])
        return time.time()

    async def chunked(_: dict[str, Any]) -> AsyncIterator[float]:
        for _turn in range(CHUNKS):
            await asyncio.sleep(PACE)
            yield time.time()

    async def main(emulator: Emulator, url: str, key: str) -> None:
        port = urlsplit(url).port or 0
        loop = asyncio.get_running_loop()
        proxy = await loop.create_server(lambda: Delayed(None, port), "127.0.0.1", 0)
        behind = url.replace(str(port), str(proxy.sockets[0].getsockname()[1]))
        print(json.dumps({"loopback": url, "50 ms": behind, "key": key}), flush=True)
        while await loop.run_in_executor(None, sys.stdin.readline):
            print(len(emulator.requests), flush=True)

    with Emulator() as emulator:
        emulator.endpoint("plain", plain, workers=4)
        emulator.endpoint("chunked", chunked, workers=4)
        with emulator.serve() as server:
            asyncio.run(main(emulator, str(server.connection["base_url"]), str(server.connection["api_key"])))


def lag(at: float) -> float:
    """Return the milliseconds since."""
    return (time.time() - at) * 1e3


def with_sync(kind: str, url: str, key: str, jobs: int) -> list[list[float]]:
    """Measure Client; the lags of each job."""
    from runpod_sdk import Client

    with Client(key, base_url=url) as client:
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
        async with AsyncClient(key, base_url=url) as client:
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


RUNS = {"sync": with_sync, "async": with_async, "official": with_official}


def row(client: str, place: str, figure: str, lags: list[float], requests: float) -> dict[str, Any]:
    """Return one row, with its target for our own clients."""
    p50, p95 = median(lags), quantiles(lags, n=20)[-1] if len(lags) > 1 else lags[0]
    most_p50, most_p95, most_requests = TARGETS[figure]
    met = p50 <= most_p50 and p95 <= most_p95 and (most_requests is None or requests <= most_requests + 0.1)
    target = f"{most_p50:g} / {most_p95:g}" + ("" if most_requests is None else f", {most_requests} requests")
    facts = {"client": client, "place": place, "figure": figure, "p50_ms": p50, "p95_ms": p95, "requests": requests}
    return {**facts, "target": target, "met": None if client == "official" else met}


def compare(jobs: int) -> list[dict[str, Any]]:
    """Measure all, each run in a process of its own."""
    rows: list[dict[str, Any]] = []
    server = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        asked, answers = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)
        urls = json.loads(answers.readline())

        def count() -> int:
            print(file=asked, flush=True)
            return int(answers.readline())

        for place in ("loopback", "50 ms"):
            for kind in KINDS:
                for client in CLIENTS:
                    python = os.environ.get("RUNPOD_OFFICIAL_PYTHON") if client == "official" else sys.executable
                    if python is None:
                        continue
                    command = [python, __file__, "--run", client, kind, urls[place], urls["key"], str(jobs)]
                    before = count()
                    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603  this file
                    requests = (count() - before - 1) / jobs
                    away = ONE_WAY * 1e3 if place == "50 ms" else 0.0
                    lags = [[one - away for one in job] for job in json.loads(done.stdout.splitlines()[-1])]
                    rows.append(row(client, place, kind, [one for job in lags for one in job], requests))
                    if kind == "stream":
                        rows.append(row(client, place, "first", [job[0] for job in lags], requests))
        asked.close()
    return rows


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the jobs")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--run", nargs=5, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve()
        return
    if asked.run:
        client, kind, url, key, jobs = asked.run
        print(json.dumps(RUNS[client](kind, url, key, int(jobs))))
        return
    rows = compare(5 if asked.quick else 50)
    if asked.json:
        print(json.dumps(rows, indent=1))
        return
    print("| client | place | figure | p50 ms | p95 ms | requests a job | target | met |\n" + "|---" * 8 + "|")
    for one in rows:
        met = {None: "", True: "yes", False: "no"}[one["met"]]
        print(
            f"| {one['client']} | {one['place']} | {one['figure']} | {one['p50_ms']:.1f} | {one['p95_ms']:.1f} "
            f"| {one['requests']:.1f} | {one['target']} | {met} |"
        )


if __name__ == "__main__":
    main()
