"""Where descriptors or threads run out, a call ends in an error of ours, and nothing is called unknown for it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from runpod_sdk import Client, RunpodError
from tests.faults.server import KEY, FaultServer
from tests.frameworks.calls import CALLS

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent.parent

PROGRAM = """
import asyncio, json, os, resource, sys

from runpod_sdk import AsyncClient, Client, PollPolicy, RetryPolicy, RunpodError
from tests.frameworks.calls import ASYNC_CALLS, CALLS

url, flavour = sys.argv[1:]
options = {"base_url": url, "retry": RetryPolicy(attempts=2), "poll": PollPolicy(outage=0.1)}


def leave_none():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    next_free = os.open(os.devnull, os.O_RDONLY)
    while next_free < max(map(int, os.listdir("/proc/self/fd"))) - 1:  # the last one lists
        next_free = os.open(os.devnull, os.O_RDONLY)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_free + 1, hard))


def told(client, error):
    return [isinstance(error, RunpodError), repr(error), len(client.unknowns)]


def of(client, found):
    return told(client, found[0].error if type(found) is list and found else None)


def threads():
    Client("k", **options).endpoint("warm").run({})
    list(Client("k", **options).endpoint("warm").map([{}]))
    for name, call in CALLS.items():
        client = Client("k", **options)
        leave_none()
        try:
            yield name, of(client, call(client.endpoint("e")))
        except BaseException as error:
            yield name, told(client, error)


async def tasks(found):
    async with AsyncClient("k", **options) as client:
        await client.endpoint("warm").run({})
        async for _ in client.endpoint("warm").map([{}]):
            pass
    for name, call in ASYNC_CALLS.items():
        async with AsyncClient("k", **options) as client:
            for _ in range(9):  # until what was closed is
                await asyncio.sleep(0)
            leave_none()
            try:
                found[name] = of(client, await call(client.endpoint("e")))
            except BaseException as error:
                found[name] = told(client, error)


found = {}
if flavour == "sync":
    found.update(threads())
else:
    asyncio.run(tasks(found))
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="it needs /proc")
@pytest.mark.parametrize("flavour", ["sync", "async"])
def test_without_descriptors_every_call_ends_in_an_error_of_ours(flavour: str) -> None:
    with FaultServer() as server:
        done = subprocess.run(  # noqa: S603  ours
            [sys.executable, "-c", PROGRAM, server.url, flavour],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.keys() == CALLS.keys()
    assert {name: told for name, told in found.items() if not told[0] or told[2]} == {}
    assert server.operations("e") == []


@pytest.mark.parametrize("name", ["map", "as_completed"])
def test_without_threads_a_bulk_run_ends_in_an_error_of_ours(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise RuntimeError("can't start new thread")

    call: Callable[..., object] = CALLS[name]
    start = "_start_joinable_thread" if hasattr(threading, "_start_joinable_thread") else "_start_new_thread"
    with FaultServer() as server, Client(KEY, base_url=server.url) as client:
        with monkeypatch.context() as patch:
            patch.setattr(threading, start, refuse)
            with pytest.raises(RunpodError, match="nothing was sent: can't start new thread"):
                call(client.endpoint("e"))
        assert server.arrivals == []
        assert call(client.endpoint("e")), "and goes on once there are some"
