"""The clients of calls.py; each in a process of its own, which prints CPU microseconds a call, and its memory.

python benchmarks/calls_clients.py CLIENT sync|async URL CALLS AT_ONCE
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any

from processes import AIOHTTP, FAST, FLOOR, HTTPX, LIMITS, OFFICIAL, OURS, begin, end, peak

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

    endpoint = Client("key", base_url=url, limits=LIMITS).endpoint("abc")
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


async def async_floor(url: str, _: AsyncExitStack) -> AsyncCall:
    """Floor: a protocol of asyncio, a connection for each task that is at work."""
    from http_load import Connection

    idle: list[Connection] = []

    async def call(turn: int) -> object:
        connection = idle.pop() if idle else await Connection.open(url, "Bearer key")
        if turn % 2:
            _, answer = await connection.ask("GET", f"/abc/status/{JOB}")
        else:
            _, answer = await connection.ask("POST", "/abc/run", {"input": {"prompt": "hello"}})
        idle.append(connection)
        return answer

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


async def async_sdk(url: str, stack: AsyncExitStack) -> AsyncCall:
    """AsyncClient, with the parser that its environment has: h11, or httptools with the extra `fast`."""
    from runpod_sdk import AsyncClient

    client = await stack.enter_async_context(AsyncClient("key", base_url=url, limits=LIMITS))
    endpoint = client.endpoint("abc")
    job = endpoint.job(JOB)

    async def call(turn: int) -> object:
        return await (job.state() if turn % 2 else endpoint.run({"prompt": "hello"}))

    return call


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


SYNC = {FLOOR: sync_http_client, HTTPX: sync_httpx, OURS: sync_sdk, OFFICIAL: sync_official}
ASYNC = {
    FLOOR: async_floor,
    AIOHTTP: async_aiohttp,
    HTTPX: async_httpx,
    OURS: async_sdk,
    FAST: async_sdk,
    OFFICIAL: async_official,
}


def measure_sync(name: str, url: str, calls: int, threads: int) -> float:
    """Return CPU microseconds a call, from so many threads."""
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
    """Return CPU microseconds a call, with so many at once."""
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


def run(name: str, flavour: str, url: str, calls: int, at_once: int) -> dict[str, Any]:
    """Measure one client in this process."""
    begin(name)
    is_sync = flavour == "sync"
    cpu = measure_sync(name, url, calls, at_once) if is_sync else asyncio.run(measure_async(name, url, calls, at_once))
    return {"cpu": cpu, "rss": peak()}


if __name__ == "__main__":
    end(run(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])))
