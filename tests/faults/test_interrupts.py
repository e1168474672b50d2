"""A task is cancelled, in any of its awaits: nothing is left behind, and no job is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import pytest

from runpod_sdk import AsyncClient
from tests.faults.acts import cut, nothing
from tests.faults.flavours import ImpatientClock, listed
from tests.faults.server import KEY, Connection, FaultServer, answer

# How many awaits none of these calls reaches.
AWAITS_MAX = 200

Body = Callable[[AsyncClient], Awaitable[Any]]


class Interrupted:
    """Awaits something, and has its task cancelled in those of its awaits, counted from 1."""

    def __init__(self, body: Awaitable[Any], at: set[int]) -> None:
        self.body = body
        self.at = at
        self.awaits = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self.body.__await__()
        error: BaseException | None = None
        while True:
            try:
                step = next(steps) if error is None else steps.throw(error)
            except StopIteration as stop:
                return stop.value
            self.awaits += 1
            task = asyncio.current_task()
            if self.awaits in self.at and task is not None:
                task.cancel()
            error = None
            try:
                yield step
            except BaseException as thrown:  # noqa: BLE001  handed on
                error = thrown


async def tell(_item: object) -> None:
    """Be an on_update that awaits."""
    await asyncio.sleep(0)


async def _run(client: AsyncClient) -> Any:
    return await client.endpoint("e").run({"n": 1})


async def _run_sync(client: AsyncClient) -> Any:
    return await client.endpoint("e").run_sync({"n": 1}, on_update=tell)


async def _wait(client: AsyncClient) -> Any:
    return await client.endpoint("e").job("j1").wait(on_update=tell)


async def _stream(client: AsyncClient) -> Any:
    async with client.endpoint("e").stream({"n": 1}) as stream:
        return await listed(stream)


BODIES: dict[str, Body] = {"run": _run, "run_sync": _run_sync, "wait": _wait, "stream": _stream}


def play(body: Body, at: set[int]) -> bool:
    """Interrupt a call; check that nothing is left; return whether it was reached at all."""

    async def whole() -> tuple[Interrupted, BaseException | None, int]:
        problem: BaseException | None = None
        async with AsyncClient(KEY, base_url=server.url, clock=ImpatientClock()) as client:
            call = Interrupted(body(client), at)
            try:
                await call
            except asyncio.CancelledError as error:
                problem = error
                task = asyncio.current_task()
                while task is not None and task.cancelling():
                    task.uncancel()
            assert await client.endpoint("other").health(), "the client is as good as before"
            unknowns = len(client.unknowns)
        # The abandoned jobs are cancelled by tasks of their own, which a second interruption leaves behind.
        for _ in range(3):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return call, problem, unknowns

    with FaultServer() as server:
        job = server.script("e", looks=2)
        call, problem, unknowns = asyncio.run(whole())
        while server.connections:
            assert server.closed.acquire(timeout=30), "a connection was left open"
    told = "\n".join(getattr(problem, "__notes__", []))
    known = job.status == "CANCELLED" or unknowns or 'job("j1")' in told
    assert problem is None or not job.queued or known, f"a job without a record, interrupted in await {at}"
    assert job.queued <= 1
    return call.awaits >= max(at)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_task_may_be_cancelled_in_any_await(body: Body) -> None:
    reached = [play(body, {at}) for at in range(1, next_unreached(body))]
    assert reached
    assert all(reached)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_task_may_be_cancelled_twice(body: Body) -> None:
    for at in range(1, next_unreached(body)):
        play(body, {at, at + 1})


def next_unreached(body: Body) -> int:
    """Return the number of the first await that a call does not have."""
    return next(at for at in range(1, AWAITS_MAX) if not play(body, {at}))


def test_a_task_that_is_cancelled_in_async_with_ends_at_once_and_cancels_its_job() -> None:
    """`async with` closes the client after the abandoned job has been cancelled, not before."""

    async def work(url: str) -> None:
        async with AsyncClient(KEY, base_url=url) as client:
            await client.endpoint("e").run_sync({"n": 1})

    async def main(server: FaultServer) -> None:
        task = asyncio.create_task(work(server.url))
        await asyncio.to_thread(server.stalled.acquire)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.value.__notes__ == ["The job was cancelled (j1)"]

    with FaultServer() as server:
        server.script("e", answer, cut(nothing, Connection.stall), looks=9)
        asyncio.run(main(server))
    assert server.jobs["e"].status == "CANCELLED"
    assert server.operations("e") == ["runsync", "status-sync", "cancel"]


def test_a_cancelled_submit_that_does_not_come_home_leaves_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runpod_sdk._client._async_shell.GRACE", 0.05)

    async def main(server: FaultServer) -> None:
        async with AsyncClient(KEY, base_url=server.url) as client:
            task = asyncio.ensure_future(client.endpoint("e").run({"n": 1}))
            await asyncio.to_thread(server.stalled.acquire)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            [record] = client.unknowns
            assert record.input_sha256[:16] in caught.value.__notes__[0]

    with FaultServer() as server:
        server.script("e", cut(nothing, Connection.stall))
        asyncio.run(main(server))
    assert server.operations("e") == ["run"]
