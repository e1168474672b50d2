"""A connection of tasks has one timer for all that it carries: each request has its own limit all the same."""

from __future__ import annotations

import asyncio

import pytest

from runpod_sdk import AsyncClient
from runpod_sdk.clock import VirtualClock
from runpod_sdk.errors import APITimeoutError
from tests.faults.server import KEY, Connection, FaultServer, answer


class Jumping(asyncio.SelectorEventLoop):
    """A loop whose time passes only where a test says so."""

    now = 0.0

    def time(self) -> float:
        return self.now

    async def jump(self, seconds: float) -> None:
        """Let time pass, and do what is due then."""
        self.now += seconds
        for _ in range(5):
            await asyncio.sleep(0)


def held(connection: Connection) -> None:
    """Answer once the test says so."""
    whole = connection.server.take(connection)
    connection.server.stalled.release()
    connection.server.released.wait()
    connection.send(whole or b"")


@pytest.mark.parametrize("is_answered", [False, True])
@pytest.mark.parametrize(("before", "limit"), [(600.0, 10.0), (10.0, 600.0), (10.0, 10.0)])
def test_a_request_has_a_limit_of_its_own_after_others(before: float, limit: float, *, is_answered: bool) -> None:
    loop = Jumping()

    async def main() -> None:
        clock = VirtualClock()
        async with AsyncClient(KEY, base_url=server.url, retry=None, timeout=before, clock=clock) as client:
            await client.endpoint("e").job("j1").state()
            await loop.jump(3.0)
            other = client.with_options(timeout=limit)
            waiting = asyncio.ensure_future(other.endpoint("e").job("j1").state())
            await asyncio.to_thread(server.stalled.acquire)
            await loop.jump(limit / 2)
            await loop.jump(limit / 2 - 1.0)
            assert not waiting.done()
            if is_answered:
                server.released.set()
                assert (await waiting).is_final
                return
            await loop.jump(1.5)
            assert not waiting.done(), "a loop that comes late reads first what came meanwhile"
            await loop.jump(1.5)
            assert waiting.done()
            with pytest.raises(APITimeoutError, match="timed out waiting for the answer"):
                waiting.result()

    with FaultServer() as server:
        server.script("e", answer, held)
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(main())
    assert [arrival.nth for arrival in server.arrivals] == [1, 2]
