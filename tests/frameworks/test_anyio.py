"""Scopes of anyio, and its task groups, end calls: at once, with nothing left behind and no job forgotten.

They differ from other cancellations in that they cancel again and again, in each turn of the loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio
import pytest

from runpod_sdk import AsyncClient
from tests.faults.server import KEY, Connection, FaultServer, answer
from tests.frameworks.calls import ASYNC_CALLS, ASYNC_SUBMITS

# More turns of a loop than a cancellation takes from the scope to the task.
TURNS = 20

Call = Callable[[], Coroutine[Any, Any, None]]


class Reached:
    """Whether the service has got a request; told to the loop from the server's threads."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self._ended = threading.Event()

    def tell(self) -> None:
        """Let the loop know, and return when whoever waited for it has ended the call."""
        self._loop.call_soon_threadsafe(self._told)  # once: the loop may be closed a moment later
        self._ended.wait()

    def _told(self) -> None:
        self._event.set()
        self._pass(TURNS)

    def _pass(self, turns: int) -> None:
        if turns:
            self._loop.call_soon(self._pass, turns - 1)
        else:
            self.release()

    def release(self) -> None:
        """Let the server's thread go on."""
        self._ended.set()

    async def wait(self) -> None:
        await self._event.wait()


class OtherError(Exception):
    """What another task of a group raises."""


# Ways to end a call once it has been reached.


async def _end_now(scope: anyio.CancelScope, reached: Reached) -> None:
    await reached.wait()
    scope.deadline = anyio.current_time()


async def _move_on_after(call: Call, reached: Reached) -> None:
    with anyio.move_on_after(3600) as scope:
        asyncio.ensure_future(_end_now(scope, reached)).add_done_callback(lambda done: done.result())
        await call()
    assert scope.cancelled_caught


async def _fail_after(call: Call, reached: Reached) -> None:
    async def within() -> None:
        with anyio.fail_after(3600) as scope:
            asyncio.ensure_future(_end_now(scope, reached)).add_done_callback(lambda done: done.result())
            await call()

    with pytest.raises(TimeoutError):
        await within()


async def _group_is_cancelled(call: Call, reached: Reached) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(call)
        await reached.wait()
        group.cancel_scope.cancel()


async def _other_task_fails(call: Call, reached: Reached) -> None:
    with pytest.RaisesGroup(OtherError):
        async with anyio.create_task_group() as group:
            group.start_soon(call)
            await reached.wait()
            raise OtherError


async def _scopes_within_scopes(call: Call, reached: Reached) -> None:
    async with anyio.create_task_group() as group:

        async def within() -> None:
            with anyio.CancelScope(), anyio.fail_after(3600):
                await call()

        group.start_soon(within)
        await reached.wait()
        group.cancel_scope.cancel()
        group.cancel_scope.cancel()


async def _asyncio_timeout(call: Call, reached: Reached) -> None:
    async def within() -> None:
        async with asyncio.timeout(None) as scope:
            asyncio.ensure_future(reached.wait()).add_done_callback(lambda _: scope.reschedule(0))
            await call()

    with pytest.raises(TimeoutError):
        await within()


ENDS = {
    "move_on_after": _move_on_after,
    "fail_after": _fail_after,
    "a group that is cancelled": _group_is_cancelled,
    "a group in which another task fails": _other_task_fails,
    "scopes within scopes": _scopes_within_scopes,
    "asyncio.timeout": _asyncio_timeout,
}


async def ended(server: FaultServer, name: str, end: Callable[[Call, Reached], Awaitable[None]], tell: Any) -> int:
    """End a call, and return how many unknowns are left; the client is as good as before."""
    reached = Reached()
    tell(reached)
    async with AsyncClient(KEY, base_url=server.url) as client:

        async def call() -> None:
            await ASYNC_CALLS[name](client.endpoint("e"))

        await end(call, reached)
        reached.release()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        assert await client.endpoint("other").health()
        unknowns = len(client.unknowns)
    for _ in range(3):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}, "no task is left"
    return unknowns


@pytest.mark.one_in(11)
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", ASYNC_CALLS)
def test_a_scope_ends_any_call(name: str, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing comes any more, a submit is in the client's unknowns."""
    monkeypatch.setattr("runpod_sdk._client._async_shell.GRACE", 0.05)
    told: list[Reached] = []

    def act(connection: Connection) -> None:
        connection.read()
        told[0].tell()
        connection.stall()

    with FaultServer() as server:
        server.script("e", act, looks=9)
        unknowns = asyncio.run(ended(server, name, ENDS[end], told.append))
        while server.connections:
            assert server.closed.acquire(timeout=30), "a connection was left open"
    assert unknowns == (name in ASYNC_SUBMITS)
    assert len(server.operations("e")) == 1, "nothing is asked again"


@pytest.mark.one_in(11)
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", ASYNC_SUBMITS)
def test_a_submit_that_a_scope_ends_comes_home_and_its_job_is_cancelled(name: str, end: str) -> None:
    told: list[Reached] = []

    def act(connection: Connection) -> None:
        told[0].tell()
        answer(connection)

    with FaultServer() as server:
        server.script("e", act, looks=10**6)
        unknowns = asyncio.run(ended(server, name, ENDS[end], told.append))
    assert unknowns == 0
    assert server.jobs["e"].queued == 1
    assert server.jobs["e"].status == "CANCELLED"
