"""The clients of bulk.py; each in a process of its own, which prints wall, CPU, peak memory and requests.

python benchmarks/bulk_clients.py CLIENT FLAVOUR CONNECTION JOBS SECONDS IN_FLIGHT

FLAVOUR is "sync" or "async"; with ", journal" behind it the run keeps one, and with ", slow journal" each commit of it
takes 20 ms more.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import AsyncExitStack
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from processes import AIOHTTP, FAST, FLOOR, HTTPX, LIMITS, OFFICIAL, OURS, begin, end, peak

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    # Runs one job, and returns how many requests that took.
    Job = Callable[[dict[str, Any]], Awaitable[int]]

HOLD = "?wait=90000"
SLOW_COMMIT = 0.02  # seconds
OFFICIAL_IN_FLIGHT = 800  # a connection each, and they sleep for a second between looks


def slow_commits(seconds: float) -> None:
    """Let a journal's disk take so much longer for each commit."""
    from runpod_sdk._client._journal import _run

    opened = _run.opened

    class Slow:
        def __init__(self, database: Any) -> None:
            self._database = database

        def execute(self, sql: str, *values: Any) -> Any:
            if sql == "COMMIT":
                time.sleep(seconds)
            return self._database.execute(sql, *values)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._database, name)

    _run.opened = lambda path, **options: opened(path, **options) if options else Slow(opened(path))


def with_sdk_sync(
    connection: dict[str, Any], inputs: list[dict[str, Any]], in_flight: int, journal: str | None = None
) -> int:
    """Run `Endpoint.map`."""
    from runpod_sdk import Client

    with Client(**connection, limits=LIMITS) as client:
        results = client.endpoint("bulk").map(iter(inputs), concurrency=in_flight, journal=journal)
        done = sum(result.is_success for result in results)
        stats = client.stats
    return checked(done, len(inputs), sum(stat.requests for stat in stats.values()))


async def with_sdk(
    connection: dict[str, Any], inputs: list[dict[str, Any]], in_flight: int, journal: str | None = None
) -> int:
    """Run `AsyncEndpoint.map`."""
    from runpod_sdk import AsyncClient

    async with AsyncClient(**connection, limits=LIMITS) as client:
        results = client.endpoint("bulk").map(iter(inputs), concurrency=in_flight, journal=journal)
        done = sum([result.is_success async for result in results])
        stats = client.stats
    return checked(done, len(inputs), sum(stat.requests for stat in stats.values()))


async def raw_floor(connection: dict[str, Any], _: AsyncExitStack) -> Job:
    """A protocol of asyncio, a connection a job that is in flight."""
    from http_load import Connection

    url = f"{connection['base_url']}/bulk"
    idle: list[Connection] = []

    async def job(given: dict[str, Any]) -> int:
        used = idle.pop() if idle else await Connection.open(url, f"Bearer {connection['api_key']}")
        _, made = await used.ask("POST", "/run", {"input": given})
        _, state = await used.ask("GET", f"/status-sync/{made['id']}{HOLD}")
        idle.append(used)
        return checked(state["status"] == "COMPLETED", 1, 2)

    return job


async def raw_httpx(connection: dict[str, Any], stack: AsyncExitStack) -> Job:
    """Httpx with connections enough."""
    import httpx

    limits = httpx.Limits(max_connections=400, max_keepalive_connections=400)
    headers = {"authorization": f"Bearer {connection['api_key']}"}
    client = await stack.enter_async_context(httpx.AsyncClient(headers=headers, limits=limits, timeout=120))
    url = f"{connection['base_url']}/bulk"

    async def job(given: dict[str, Any]) -> int:
        made = (await client.post(f"{url}/run", json={"input": given})).json()
        state = (await client.get(f"{url}/status-sync/{made['id']}{HOLD}")).json()
        return checked(state["status"] == "COMPLETED", 1, 2)

    return job


async def raw_aiohttp(connection: dict[str, Any], stack: AsyncExitStack) -> Job:
    """Aiohttp with connections enough."""
    import aiohttp

    headers = {"authorization": f"Bearer {connection['api_key']}"}
    connector = aiohttp.TCPConnector(limit=400)
    session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, headers=headers))
    url = f"{connection['base_url']}/bulk"

    async def job(given: dict[str, Any]) -> int:
        async with session.post(f"{url}/run", json={"input": given}) as answer:
            made = await answer.json()
        async with session.get(f"{url}/status-sync/{made['id']}{HOLD}") as answer:
            state = await answer.json()
        return checked(state["status"] == "COMPLETED", 1, 2)

    return job


async def official(connection: dict[str, Any], stack: AsyncExitStack) -> Job:
    """The official asyncio client; it looks at a job once a second, and once more for its output."""
    os.environ["RUNPOD_ENDPOINT_BASE_URL"] = connection["base_url"]
    import runpod
    from runpod import AsyncioEndpoint, http_client

    runpod.api_key = connection["api_key"]
    session = await stack.enter_async_context(http_client.AsyncClientSession())
    sent = 0

    async def count(*_: Any) -> None:
        nonlocal sent
        sent += 1

    session.trace_configs.append(counting(count))
    endpoint = AsyncioEndpoint("bulk", session)

    async def job(given: dict[str, Any]) -> int:
        nonlocal sent
        output = await (await endpoint.run(given)).output(timeout=120)  # 0 means at once
        taken, sent = sent, 0
        return checked(output == 0, 1, taken)

    return job


def counting(count: Any) -> Any:
    """Return what lets aiohttp tell of each request."""
    import aiohttp

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(count)
    trace.freeze()
    return trace


RAW = {FLOOR: raw_floor, HTTPX: raw_httpx, AIOHTTP: raw_aiohttp, OFFICIAL: official}


async def raw(name: str, connection: dict[str, Any], inputs: list[dict[str, Any]], in_flight: int) -> int:
    """Run all jobs, so many at a time; the requests."""
    async with AsyncExitStack() as stack:
        job = await RAW[name](connection, stack)
        rest = iter(inputs)
        requests = 0

        async def work() -> None:
            nonlocal requests
            for given in rest:
                took = await job(given)
                requests += took

        await asyncio.gather(*(work() for _ in range(OFFICIAL_IN_FLIGHT if name == OFFICIAL else in_flight)))
    return requests


def checked(done: int, jobs: int, requests: int) -> int:
    """Return the requests, if all jobs were done."""
    if done != jobs:
        raise SystemExit(f"{jobs - done} of {jobs} jobs failed")
    return requests


def run(name: str, flavour: str, connection: dict[str, Any], jobs: int, seconds: float, in_flight: int) -> Any:
    """Make one bulk run in this process."""
    begin(name)
    inputs = [{"seconds": seconds}] * jobs
    flavour, _, kept = flavour.partition(", ")
    if kept.startswith("slow"):
        slow_commits(SLOW_COMMIT)
    with TemporaryDirectory() as folder:
        journal = f"{folder}/run.sqlite" if kept else None
        wall, cpu = time.perf_counter(), time.process_time()
        if flavour == "sync":
            requests = with_sdk_sync(connection, inputs, in_flight, journal)
        elif name in (OURS, FAST):
            requests = asyncio.run(with_sdk(connection, inputs, in_flight, journal))
        else:
            requests = asyncio.run(raw(name, connection, inputs, in_flight))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"wall": wall, "cpu": cpu, "rss": peak(), "requests": requests}


if __name__ == "__main__":
    given = sys.argv
    end(run(given[1], given[2], json.loads(given[3]), int(given[4]), float(given[5]), int(given[6])))
