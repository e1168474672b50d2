"""The clients of large.py; each in a process of its own, which prints CPU and memory of a large input and output.

python benchmarks/large_clients.py CLIENT sync|async URL REPEAT
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import tracemalloc
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING, Any

from large_server import JOB, SIZE, TEXT
from processes import AIOHTTP, HTTPX, LIMITS, OFFICIAL, begin, end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GIVEN = {"text": TEXT}
BODY = json.dumps({"output": TEXT})
HEADERS = {"authorization": "Bearer key", "content-type": "application/json"}

# What sends a large input, and what reads a large output.
Calls = tuple["Callable[[], object]", "Callable[[], object]"]


@contextmanager
def with_sdk(url: str) -> Iterator[Calls]:
    """Client."""
    from runpod_sdk import Client

    with Client("key", base_url=url, limits=LIMITS) as client:
        endpoint = client.endpoint("abc")
        yield lambda: endpoint.run(GIVEN), endpoint.job(JOB).state


@contextmanager
def with_sdk_async(url: str) -> Iterator[Calls]:
    """AsyncClient, over what its environment has."""
    from runpod_sdk import AsyncClient

    with asyncio.Runner() as runner:
        client = AsyncClient("key", base_url=url, limits=LIMITS)
        endpoint = client.endpoint("abc")
        yield lambda: runner.run(endpoint.run(GIVEN)), lambda: runner.run(endpoint.job(JOB).state())
        runner.run(client.aclose())


@contextmanager
def with_httpx(url: str) -> Iterator[Calls]:
    """Httpx, as one would write it."""
    import httpx

    with httpx.Client(headers=HEADERS, timeout=60) as client:
        yield (
            lambda: client.post(f"{url}/abc/run", json={"input": GIVEN}).json(),
            lambda: client.get(f"{url}/abc/status/{JOB}").json(),
        )


@contextmanager
def with_aiohttp(url: str) -> Iterator[Calls]:
    """Aiohttp, as one would write it."""
    import aiohttp

    with asyncio.Runner() as runner:

        async def opened() -> aiohttp.ClientSession:
            return aiohttp.ClientSession(headers=HEADERS)

        session = runner.run(opened())

        async def ask(method: str, path: str, **options: Any) -> object:
            async with session.request(method, f"{url}/abc/{path}", **options) as answer:
                return await answer.json()

        yield (
            lambda: runner.run(ask("POST", "run", json={"input": GIVEN})),
            lambda: runner.run(ask("GET", f"status/{JOB}")),
        )
        runner.run(session.close())


@contextmanager
def with_official(url: str) -> Iterator[Calls]:
    """The official client."""
    os.environ["RUNPOD_ENDPOINT_BASE_URL"] = url
    import runpod

    runpod.api_key = "key"
    endpoint = runpod.Endpoint("abc")
    job = endpoint.run({"prompt": "hello"})

    def look() -> object:
        job.job_output = job.job_status = None
        return job.output(timeout=60)

    yield lambda: endpoint.run(GIVEN), look


RAW = {HTTPX: with_httpx, AIOHTTP: with_aiohttp, OFFICIAL: with_official}


def cpu(call: Callable[[], object], repeat: int) -> float:
    """Return milliseconds of CPU."""
    found: list[float] = []
    for _ in range(repeat):
        began = time.process_time()
        call()
        found.append(time.process_time() - began)
    return median(found) * 1e3


def peak(call: Callable[[], object]) -> float:
    """Return by how many bodies the traced memory grows at most, to the hundredth."""
    call()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    call()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return round((most - before) / SIZE, 2)


def run(name: str, flavour: str, url: str, repeat: int) -> dict[str, float]:
    """Measure one client in this process."""
    begin(name)
    floor_in = cpu(lambda: json.dumps({"input": GIVEN}).encode(), repeat)
    floor_out = cpu(lambda: json.loads(BODY.encode()), repeat)
    calls = RAW.get(name) or (with_sdk if flavour == "sync" else with_sdk_async)
    with calls(url) as (send, look):
        return {
            "in": cpu(send, repeat) - floor_in,
            "out": cpu(look, repeat) - floor_out,
            "peak_in": peak(send),
            "peak_out": peak(look),
        }


if __name__ == "__main__":
    end(run(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
