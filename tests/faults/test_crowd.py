"""A thousand waiters on one client: they do not storm the service, and a submit is not kept waiting by them."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk import AsyncClient, PollPolicy
from runpod_sdk._flows._holds import HELD_MAX, POLL_BUDGET
from runpod_sdk._http._wire import _ORDINARY_MAX  # pyright: ignore[reportPrivateUsage]
from runpod_sdk.clock import VirtualClock
from runpod_sdk.emulator import Emulator
from runpod_sdk.errors import APIConnectionError
from tests.faults.flavours import ASYNC, FLAVOURS, Flavour, closed, settled
from tests.faults.server import Connection, FaultServer, answer
from tests.scale import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator

flavours = pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(clock=VirtualClock()) as emulator:
        emulator.endpoint("slow")
        emulator.endpoint("quick", lambda job: job["input"])
        yield emulator


@pytest.mark.slow
def test_a_thousand_waiters_share_a_budget_and_a_submit_gets_through(emulator: Emulator) -> None:
    waiters, seconds = 500 + scaled(100, 500), 300.0
    hold = PollPolicy().hold

    async def main() -> None:
        async with AsyncClient(**emulator.connection) as client:
            job = await client.endpoint("slow").run({"mock_delay": seconds, "mock_return": "done"})
            crowd = [asyncio.ensure_future(job.output()) for _ in range(waiters)]
            await emulator.clock.sleep_async(seconds / 2)
            before = emulator.clock.monotonic()
            assert await client.endpoint("quick").run_sync({"n": 1}) == {"n": 1}
            assert emulator.clock.monotonic() - before < 1
            assert not any(waiter.done() for waiter in crowd)
            assert await asyncio.gather(*crowd) == ["done"] * waiters

    asyncio.run(main())
    asked = Counter(request.operation for request in emulator.requests)
    assert asked["run"] == asked["runsync"] == 1
    # Who is held asks once in a hold; the others share the budget, and look once each when the job has ended.
    assert asked["status-sync"] + asked["status"] <= HELD_MAX * (seconds / hold + 2) + POLL_BUDGET * seconds + waiters
    first, *seconds_after = polls_by_second(emulator)
    assert first <= waiters - HELD_MAX + POLL_BUDGET, "each who is not held looks once, at once"
    assert max(seconds_after) <= POLL_BUDGET, "from then on they share the budget"


def polls_by_second(emulator: Emulator) -> list[int]:
    polls = Counter(int(request.time) for request in emulator.requests if request.operation == "status")
    return [polls[second] for second in sorted(polls)]


@pytest.mark.slow
def test_a_crowd_of_streams_waits_and_submits_takes_turns(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """More streams than the service holds requests for, and waits beside them: all are whole, and no submit is late."""
    held, streams, waits, seconds = 8, 40, 20, 20.0
    monkeypatch.setattr("runpod_sdk._flows._holds.HELD_MAX", held)
    emulator.endpoint("talks", workers=streams, return_aggregate_stream=False)
    talk = {"mock_delay": seconds, "mock_return": ["a", "b"]}

    async def read(client: AsyncClient) -> list[Any]:
        return [chunk async for chunk in client.endpoint("talks").stream(talk)]

    async def main() -> None:
        async with AsyncClient(**emulator.connection) as client:
            job = await client.endpoint("slow").run({"mock_delay": seconds, "mock_return": "done"})
            readers = [asyncio.ensure_future(read(client)) for _ in range(streams)]
            waiters = [asyncio.ensure_future(job.output()) for _ in range(waits)]
            await emulator.clock.sleep_async(seconds / 2)
            before = emulator.clock.monotonic()
            for number in range(5):
                assert await client.endpoint("quick").run_sync({"n": number}) == {"n": number}
            assert emulator.clock.monotonic() - before < 0.05
            assert await asyncio.gather(*readers) == [["a", "b"]] * streams
            assert await asyncio.gather(*waiters) == ["done"] * waits

    asyncio.run(main())
    begun = emulator.requests[0].time
    waiting = [request for request in emulator.requests if request.time < begun + seconds]
    asked = Counter(int(request.time - begun) for request in waiting if request.operation in ("stream", "status"))
    assert max(asked.values()) <= held + POLL_BUDGET + 1, "those that are held, and the others in turn"


@flavours
def test_waiters_on_a_socket_do_not_keep_a_submit_waiting(flavour: Flavour) -> None:
    waiters = _ORDINARY_MAX + 20  # more than there are connections for ordinary requests
    over = threading.Event()

    def hold(connection: Connection) -> None:
        if "/slow/status-sync/" in connection.peek().decode():
            connection.server.stalled.release()
            over.wait()
        answer(connection)

    def all_held(server: FaultServer) -> bool:
        return all(server.stalled.acquire(timeout=20) for _ in range(waiters))

    async def tasks(client: Any, server: FaultServer) -> list[Any]:
        crowd = [asyncio.ensure_future(client.endpoint("slow").job("j1").output()) for _ in range(waiters)]
        try:
            assert await asyncio.to_thread(all_held, server)
            assert (await client.endpoint("quick").run({"n": 1})).id == "j1"
        finally:
            over.set()
        return await asyncio.gather(*crowd)

    async def threads(client: Any, server: FaultServer) -> list[Any]:
        with ThreadPoolExecutor(waiters) as pool:
            crowd = [pool.submit(client.endpoint("slow").job("j1").output) for _ in range(waiters)]
            try:
                assert all_held(server)
                assert client.endpoint("quick").run({"n": 1}).id == "j1"
            finally:
                over.set()
            return [waiter.result() for waiter in crowd]

    with FaultServer(default=hold) as server:
        body = tasks if flavour is ASYNC else threads
        assert flavour.play(server, lambda client: body(client, server)) == [["a", "b"]] * waiters
    assert server.counts() == {"status-sync": waiters, "run": 1}


class Outage(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """No network from one moment to another."""

    def __init__(self, emulator: Emulator, begin: float, end: float) -> None:
        self.refused = 0
        self._emulator = emulator
        self._begin, self._end = begin, end

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._check()
        response = self._emulator.transport.handle_request(request)
        self._check()  # what was held breaks off too
        return response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._check()
        response = await self._emulator.transport.handle_async_request(request)
        self._check()
        return response

    def _check(self) -> None:
        if self._begin <= self._emulator.clock.monotonic() < self._end:
            self.refused += 1
            raise httpx.ConnectError("the network is down")


@flavours
@pytest.mark.parametrize(("minutes", "survives"), [(2, True), (6, False)])
def test_a_network_lost_in_the_middle_of_a_wait(
    flavour: Flavour, minutes: float, *, survives: bool, emulator: Emulator
) -> None:
    outage = Outage(emulator, begin=60, end=60 + 60 * minutes)

    async def main() -> Any:
        connection = {**emulator.connection, "transport": outage}
        client = flavour.client(**connection)
        job = await settled(client.endpoint("slow").run({"mock_delay": 300, "mock_return": "done"}))
        try:
            return await settled(job.output())
        finally:
            await closed(client)

    if survives:
        assert flavour.run(main()) == "done"
    else:
        with pytest.raises(APIConnectionError) as caught:
            flavour.run(main())
        assert "Re-attach" in caught.value.__notes__[0]
    assert outage.refused > 5
