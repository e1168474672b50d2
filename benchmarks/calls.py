"""CPU per call: POST run and GET status in turn, against a static server, each client in a process of its own.

    python benchmarks/calls.py [--quick]

Rounds are interleaved, so that a busy machine slows all of them alike; read the ratios. A client that is not installed
is left out by name.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

JOB = "60902e6c-08a1-426e-9cb9-9eaec90f5e2b-u1"
BODY = json.dumps({"input": {"prompt": "hello"}}).encode()
HEADERS = {"authorization": "Bearer key", "content-type": "application/json", "accept": "application/json"}
WARM_UP = 50  # calls before the clock starts: connections, imports, caches

SyncCall = Callable[[int], object]
AsyncCall = Callable[[int], Awaitable[object]]


def sync_http_client(url: str) -> SyncCall:
    """Floor: the standard library, one connection."""
    import http.client

    connection = http.client.HTTPConnection(url.split("/")[2])

    def call(turn: int) -> object:
        method, path, body = ("GET", f"/v2/abc/status/{JOB}", None) if turn % 2 else ("POST", "/v2/abc/run", BODY)
        connection.request(method, path, body, HEADERS)
        return json.loads(connection.getresponse().read())

    return call


def sync_httpx(url: str) -> SyncCall:
    """The library that the SDK stands on."""
    import httpx

    client = httpx.Client(headers=HEADERS)

    def call(turn: int) -> object:
        sent = client.get(f"{url}/abc/status/{JOB}") if turn % 2 else client.post(f"{url}/abc/run", content=BODY)
        return sent.json()

    return call


def sync_sdk(url: str) -> SyncCall:
    """Client."""
    from runpod_sdk import Client

    endpoint = Client("key", base_url=url).endpoint("abc")
    job = endpoint.job(JOB)
    return lambda turn: job.state() if turn % 2 else endpoint.run({"prompt": "hello"})


def sync_official(url: str) -> SyncCall:
    """The official client, over requests."""
    os.environ["RUNPOD_ENDPOINT_BASE_URL"] = url
    import runpod

    runpod.api_key = "key"
    endpoint = runpod.Endpoint("abc")
    job = endpoint.run({"prompt": "hello"})

    def call(turn: int) -> object:
        job.job_output = job.job_status = None
        return job.status() if turn % 2 else endpoint.run({"prompt": "hello"})

    return call


async def async_httpx(url: str, stack: AsyncExitStack) -> AsyncCall:
    """Httpx's own connections, as many as it is given."""
    import httpx

    limits = httpx.Limits(max_connections=400, max_keepalive_connections=400)
    client = await stack.enter_async_context(httpx.AsyncClient(headers=HEADERS, limits=limits, timeout=60))

    async def call(turn: int) -> object:
        if turn % 2:
            return (await client.get(f"{url}/abc/status/{JOB}")).json()
        return (await client.post(f"{url}/abc/run", content=BODY)).json()

    return call


async def async_aiohttp(url: str, stack: AsyncExitStack) -> AsyncCall:
    """Aiohttp alone."""
    import aiohttp

    session = await stack.enter_async_context(
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=400), headers=HEADERS)
    )

    async def call(turn: int) -> object:
        asked = session.get(f"{url}/abc/status/{JOB}") if turn % 2 else session.post(f"{url}/abc/run", data=BODY)
        async with asked as answer:
            return json.loads(await answer.read())

    return call


async def _sdk(url: str, stack: AsyncExitStack, *, is_fast: bool) -> AsyncCall:
    from runpod_sdk import AsyncClient
    from runpod_sdk._http import _transports

    if is_fast:
        import aiohttp  # noqa: F401  the row is left out where it is missing
    _transports.has_aiohttp = lambda: is_fast
    client = await stack.enter_async_context(AsyncClient("key", base_url=url))
    endpoint = client.endpoint("abc")
    job = endpoint.job(JOB)

    async def call(turn: int) -> object:
        return await (job.state() if turn % 2 else endpoint.run({"prompt": "hello"}))

    return call


async def async_sdk(url: str, stack: AsyncExitStack) -> AsyncCall:
    """AsyncClient as the base install has it, over httpcore."""
    return await _sdk(url, stack, is_fast=False)


async def async_sdk_fast(url: str, stack: AsyncExitStack) -> AsyncCall:
    """AsyncClient with the extra `fast`, over aiohttp."""
    return await _sdk(url, stack, is_fast=True)


async def async_official(url: str, stack: AsyncExitStack) -> AsyncCall:
    """The official asyncio client, over aiohttp."""
    os.environ["RUNPOD_ENDPOINT_BASE_URL"] = url
    import runpod
    from runpod import AsyncioEndpoint, http_client

    runpod.api_key = "key"
    session = await stack.enter_async_context(http_client.AsyncClientSession())
    endpoint = AsyncioEndpoint("abc", session)
    job = await endpoint.run({"prompt": "hello"})

    async def call(turn: int) -> object:
        job.job_output = job.job_status = None
        return await (job.status() if turn % 2 else endpoint.run({"prompt": "hello"}))

    return call


SYNC = {
    "http.client": sync_http_client,
    "httpx": sync_httpx,
    "runpod_sdk": sync_sdk,
    "runpod (official)": sync_official,
}
SHARED = ("httpx", "runpod_sdk")  # of which threads may share one
ASYNC = {
    "aiohttp": async_aiohttp,
    "httpx": async_httpx,
    "runpod_sdk": async_sdk,
    "runpod_sdk[fast]": async_sdk_fast,
    "runpod (official)": async_official,
}


def measure_sync(name: str, url: str, calls: int, threads: int) -> float:
    """Return CPU microseconds per call, from so many threads."""
    call = SYNC[name](url)
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(call, range(WARM_UP)):
            pass
        began = time.process_time()
        share = calls // threads
        for _ in pool.map(lambda _: [call(turn) for turn in range(share)], range(threads)):
            pass
        return (time.process_time() - began) / (share * threads) * 1e6


async def measure_async(name: str, url: str, calls: int, at_once: int) -> float:
    """Return CPU microseconds per call, with so many at once."""
    async with AsyncExitStack() as stack:
        call = await ASYNC[name](url, stack)
        await asyncio.gather(*(call(turn) for turn in range(min(at_once, WARM_UP))))
        turns = iter(range(calls))

        async def work() -> None:
            for turn in turns:
                await call(turn)

        began = time.process_time()
        await asyncio.gather(*(work() for _ in range(at_once)))
        return (time.process_time() - began) / calls * 1e6


def child(options: argparse.Namespace) -> None:
    """Measure one client, and print the figure."""
    try:
        if options.threads == 0:
            print(asyncio.run(measure_async(options.client, options.url, options.calls, options.at_once)), flush=True)
        else:
            print(measure_sync(options.client, options.url, options.calls, options.threads), flush=True)
    except ImportError as error:
        print(f"not installed: {error.name}", file=sys.stderr)
    finally:
        sys.stdout.flush()
        os._exit(0)  # clients that leave threads or sessions behind are not what is measured


def run_child(name: str, url: str, calls: int, threads: int, at_once: int) -> float | None:
    """Measure one client in a process of its own, in the official client's environment where it is that one."""
    python = os.environ.get("RUNPOD_OFFICIAL_PYTHON", sys.executable) if "official" in name else sys.executable
    command = [python, __file__, "--client", name, "--url", url, "--calls", str(calls)]
    command += ["--threads", str(threads), "--at-once", str(at_once)]
    printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
    return float(printed.splitlines()[-1]) if printed else None


def report(rounds: int, calls: int) -> dict[str, Any]:
    """Measure all, print a table, and return the medians."""
    figures: dict[str, list[float]] = {}
    rows = [(name, threads, 0) for threads in (1, 16) for name in SYNC if threads == 1 or name in SHARED]
    rows += [(name, 0, at_once) for at_once in (1, 16, 64, 200) for name in ASYNC]
    server = [sys.executable, str(Path(__file__).with_name("static_server.py"))]
    with subprocess.Popen(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        url = f"http://127.0.0.1:{int(process.stdout.readline())}/v2" if process.stdout else ""
        for _ in range(rounds):
            for name, threads, at_once in rows:
                slow = name == "httpx" and at_once > 1
                figure = run_child(name, url, calls // 4 if slow else calls, threads, at_once)
                if figure is not None:
                    figures.setdefault(f"{name}|{threads}|{at_once}", []).append(figure)
        if process.stdin:
            process.stdin.close()
    print("| client | sync | 16 threads | async, 1 | 16 | 64 | 200 |\n|---|---|---|---|---|---|---|")
    for name in dict.fromkeys([*SYNC, *ASYNC]):
        cells = [figures.get(f"{name}|{place}") for place in ("1|0", "16|0", "0|1", "0|16", "0|64", "0|200")]
        shown = ["-" if cell is None else f"{statistics.median(cell):.0f}" for cell in cells]
        print(f"| {name} | {' | '.join(shown)} |")
    return {key: statistics.median(found) for key, found in figures.items()}


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="CPU microseconds per call (median of interleaved rounds)")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    for name, kind in (("--client", str), ("--url", str), ("--calls", int), ("--threads", int), ("--at-once", int)):
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        child(options)
    figures = report(rounds=2 if options.quick else 5, calls=600 if options.quick else 2000)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
