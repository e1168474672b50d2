"""Streams that are left without a word: by `break`, by an exception, or by the end of the program."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import AsyncClient, Client, SystemClock
from runpod_sdk.emulator import Emulator
from tests.sdk.flavours import World, both_flavours, caught

if TYPE_CHECKING:
    from collections.abc import Iterator

    Job = dict[str, Any]


def counting(emulator: Emulator, job: Job) -> Iterator[int]:
    for number in range(100):
        yield number
        emulator.clock.sleep(1)


def endpoint_of(world: World, **options: Any) -> Any:
    world.emulator.endpoint("abc", partial(counting, world.emulator))
    return world.client(**options).endpoint("abc")


def short(_: Job) -> Iterator[int]:
    yield from (1, 2)


def statuses(emulator: Emulator) -> list[str]:
    return [str(job.status) for job in emulator.jobs.values()]


async def broken_off(stream: Any) -> None:
    async for _ in stream:
        break


async def broken_off_chunks(stream: Any) -> None:
    async for _ in stream.chunks():
        break


async def failed(stream: Any) -> None:
    async for _ in stream:
        raise LookupError


async def asked_for_one(stream: Any) -> None:
    await anext(stream)


@both_flavours
async def test_a_stream_that_nobody_holds_any_more_cancels_the_job_that_it_made(world: World) -> None:
    endpoint = endpoint_of(world)
    for leave in (broken_off, broken_off_chunks, asked_for_one):
        await leave(endpoint.stream({"n": 1}))
    await caught(LookupError, lambda: failed(endpoint.stream({"n": 1})))
    gc.collect()
    await world.close()
    assert statuses(world.emulator) == ["CANCELLED"] * 4
    assert world.operations.count("cancel") == 4


@both_flavours
async def test_one_of_a_job_that_is_to_go_on_leaves_it_alone(world: World) -> None:
    endpoint = endpoint_of(world)
    await broken_off(endpoint.stream({"n": 1}, on_abandon="detach"))
    await broken_off((await endpoint.run({"n": 1})).stream())
    await world.close()
    assert "cancel" not in world.operations
    await broken_off_chunks((await world.client().endpoint("abc").run({"n": 1})).stream(on_abandon="cancel"))
    await world.close()
    assert statuses(world.emulator).count("CANCELLED") == 1


@both_flavours
async def test_one_that_has_ended_or_was_closed_is_left_alone(world: World) -> None:
    world.emulator.endpoint("short", short)
    endpoint = endpoint_of(world)
    assert [chunk async for chunk in world.client().endpoint("short").stream({"n": 1})] == [1, 2]
    async with endpoint.stream({"n": 1}) as stream:
        await anext(stream)
    stream = endpoint.stream({"n": 1})
    await anext(stream)
    await stream.aclose()
    del stream
    await world.close()
    assert world.operations.count("cancel") == 2


@both_flavours
async def test_the_end_of_a_client_is_the_end_of_its_streams(world: World) -> None:
    world.emulator.endpoint("abc", partial(counting, world.emulator), workers=3)
    client = world.client()
    clients = (client, client.with_options(timeout=5), client.with_options(retry=None))
    streams = [one.endpoint("abc").stream({"n": 1}) for one in clients]
    for stream in streams:
        await anext(stream)
    await client.aclose()
    assert statuses(world.emulator) == ["CANCELLED"] * 3
    await client.aclose()
    assert world.operations.count("cancel") == 3


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        emulator.endpoint("abc", partial(counting, emulator))
        yield emulator


@pytest.mark.parametrize("leave", [broken_off, broken_off_chunks, asked_for_one, failed])
def test_the_end_of_the_loop_waits_for_it(emulator: Emulator, leave: Any) -> None:
    async def main() -> None:
        await leave(AsyncClient(**emulator.connection).endpoint("abc").stream({"n": 1}))

    if leave is failed:
        with pytest.raises(LookupError):
            asyncio.run(main())
    else:
        asyncio.run(main())
    assert statuses(emulator) == ["CANCELLED"]


def test_one_may_be_forgotten_in_another_thread(emulator: Emulator) -> None:
    async def main() -> None:
        async with AsyncClient(**emulator.connection) as client:
            held = [client.endpoint("abc").stream({"n": 1})]
            await anext(held[0])
            await asyncio.to_thread(held.clear)

    asyncio.run(main())
    assert statuses(emulator) == ["CANCELLED"]


def test_no_thread_or_task_is_left(emulator: Emulator) -> None:
    before = {*threading.enumerate()}  # a clock of a test before keeps its thread for a second

    def left() -> list[str]:
        return [thread.name for thread in {*threading.enumerate()} - before if "runpod-sdk" in thread.name]

    async def main() -> None:
        async with AsyncClient(**emulator.connection) as client:
            await broken_off(client.endpoint("abc").stream({"n": 1}))
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
    with Client(**emulator.connection) as client:
        for _ in client.endpoint("abc").stream({"n": 1}):
            break
    assert left() == []


def test_where_no_thread_can_be_had_the_job_is_cancelled_all_the_same(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with Client(**emulator.connection) as client:
        stream = client.endpoint("abc").stream({"n": 1})
        next(stream)
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            del stream
        assert statuses(emulator) == ["CANCELLED"]


BROKEN_OFF = """
for _ in client.endpoint("abc").stream({"n": 1}):
    break
"""
HELD = """
stream = client.endpoint("abc").stream({"n": 1})
next(stream)
"""
RAISED = """
for _ in client.endpoint("abc").stream({"n": 1}):
    raise SystemExit
"""
FORKED = """
import os, threading, warnings
warnings.simplefilter("ignore")
stream = client.endpoint("abc").stream({"n": 1})
next(stream)
child = os.fork()
if child == 0:
    client.endpoint("abc").health()
    stream = None
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join()
    client.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(client.endpoint("abc").job(stream.job.id).status())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "said"),
    [
        (BROKEN_OFF, ""),
        (HELD, ""),
        (RAISED, ""),
        pytest.param(
            FORKED, "IN_PROGRESS", marks=pytest.mark.skipif(sys.platform == "win32", reason="there is no fork here")
        ),
    ],
    ids=["broken off", "held", "raised", "forked"],
)
def test_the_end_of_a_program_is_the_end_of_its_streams(program: str, said: str) -> None:
    over = threading.Event()

    def handler(_: Job) -> Iterator[int]:
        yield 1
        over.wait()

    with Emulator(clock=SystemClock()) as emulator, emulator.serve() as server:
        emulator.endpoint("abc", handler)
        first = f"from runpod_sdk import Client\nclient = Client(**{server.connection!r})\n"
        command = [sys.executable, "-c", first + program]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)  # noqa: S603
            assert (done.stdout.strip(), done.stderr) == (said, "")
            assert statuses(emulator) == ["CANCELLED"]
        finally:
            over.set()
