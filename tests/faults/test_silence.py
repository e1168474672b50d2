"""Connections that are lost without a word, and a process that was stopped: what a job did meanwhile is not lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import PollPolicy, SystemClock
from runpod_sdk.emulator import Emulator
from tests.faults.flavours import FLAVOURS, Flavour, settled
from tests.faults.one_job import CHUNKS
from tests.faults.relay import relay
from tests.faults.server import FaultServer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

flavours = pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)


async def by_output(endpoint: Any) -> Any:
    return await settled((await settled(endpoint.run({"n": 1}))).output(timeout=20))


async def without_end(endpoint: Any) -> Any:
    return await settled((await settled(endpoint.run({"n": 1}))).output())


async def by_map(endpoint: Any) -> Any:
    results = endpoint.map([{"n": 1}])
    found = [one async for one in results] if hasattr(results, "__anext__") else list(results)
    return found[0].output


@pytest.mark.slow
@flavours
@pytest.mark.parametrize(
    ("call", "all_of_them"), [(by_output, False), (without_end, False), (by_map, False), (without_end, True)]
)
def test_an_output_comes_though_its_connection_was_dropped_without_a_word(
    flavour: Flavour,
    call: Callable[[Any], Coroutine[Any, Any, Any]],
    *,
    all_of_them: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runpod_sdk._flows._exchange.HELD_PATIENCE", 0.2)

    async def body(client: Any) -> Any:
        return await call(client.endpoint("e"))

    with FaultServer() as server, relay(server.url, all_of_them=all_of_them) as line:
        options = {"base_url": line.url, "timeout": 3, "poll": PollPolicy(hold=1)}
        assert flavour.play(server, body, **options) == list(CHUNKS)
        assert line.dropped == 1


CHILD = """
import asyncio, sys
from runpod_sdk import AsyncClient, Client

url, key, flavour = sys.argv[1:]

async def waited():
    async with AsyncClient(key, base_url=url) as client:
        return await (await client.endpoint("e").run({"n": 1})).output(timeout=3)

if flavour == "async":
    print(asyncio.run(waited()))
else:
    with Client(key, base_url=url) as client:
        print(client.endpoint("e").run({"n": 1}).output(timeout=3))
"""
# Seconds that are well beyond the deadline of the child and its grace.
STOPPED = 9.0


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="there is no such signal here")
@pytest.mark.parametrize("flavour", ["sync", "async"])
def test_a_process_that_was_stopped_beyond_its_deadline_learns_what_became_of_its_job(flavour: str) -> None:
    over = threading.Event()

    def handler(_: dict[str, Any]) -> str:
        over.wait()
        return "paid for"

    with Emulator(clock=SystemClock()) as emulator, emulator.serve() as server, relay(server.url) as line:
        emulator.endpoint("e", handler)
        command = [sys.executable, "-c", CHILD, line.url, server.connection["api_key"], flavour]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603  our own script
        try:
            assert line.passed.wait(60)
            child.send_signal(signal.SIGSTOP)
            over.set()
            emulator.clock.sleep(STOPPED)
            child.send_signal(signal.SIGCONT)
            assert child.communicate(timeout=60)[0].strip() == "paid for"
        finally:
            over.set()
            child.kill()
            child.communicate()
