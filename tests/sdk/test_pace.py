"""Pace as a client keeps it, in virtual time: after a 429, by the documented rates, and where a turn comes too late."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import APITimeoutError, AsyncClient, RateLimitError, RetryPolicy, WaitTimeoutError
from runpod_sdk.clock import VIRTUAL_EPOCH
from runpod_sdk.emulator import Emulator, Fault, Options
from tests.sdk.flavours import World, both_flavours, caught

if TYPE_CHECKING:
    from collections.abc import Iterator


def echo(job: dict[str, Any]) -> Any:
    return job["input"]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(options=Options(rate_limits=True)) as emulator:
        emulator.endpoint("abc", echo)
        emulator.endpoint("asleep", workers=0)
        yield emulator


def by_second(emulator: Emulator, operation: str) -> list[int]:
    """Return how many requests came in each second."""
    times = [int(request.time - VIRTUAL_EPOCH) for request in emulator.requests if request.operation == operation]
    return [Counter(times)[second] for second in range(max(times) + 1)]


@both_flavours
async def test_a_submit_whose_turn_comes_after_its_deadline_is_not_sent(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    endpoint = world.client(retry=None).endpoint("abc")
    world.emulator.inject(Fault.rate_limited(on="run", times=1))
    await caught(RateLimitError, lambda: endpoint.run({"n": 1}))
    await endpoint.run({"n": 2}, timeout=3)  # its turn is now, the next one's in a third of a second
    error = await caught(APITimeoutError, lambda: endpoint.run({"n": 3}, timeout=0.2))
    assert "not sent: requests are paced, and its turn would come in 0.3 s, after the timeout" in str(error)
    assert (world.operations.count("run"), world.now) == (2, 0)
    await endpoint.run({"n": 4}, timeout=0.5)
    assert world.operations.count("run") == 3
    assert 0 < world.now < 0.5


def test_a_crowd_of_submits_is_refused_at_once_and_does_not_burst_at_the_deadline(emulator: Emulator) -> None:
    async def main() -> list[Any]:
        async with AsyncClient(**emulator.connection, retry=None) as client:
            endpoint = client.endpoint("asleep")
            with emulator.inject(Fault.rate_limited(on="runsync", times=1)), pytest.raises(RateLimitError):
                await endpoint.run_sync({"n": 0}, 3)
            calls = [endpoint.run_sync({"n": n}, 3.0) for n in range(40)]
            return list(await asyncio.gather(*calls, return_exceptions=True))

    kinds = Counter(type(result).__name__ for result in asyncio.run(main()))
    assert kinds == {"WaitTimeoutError": 3, "APITimeoutError": 37}
    assert by_second(emulator, "runsync") == [2, 1, 1]
    assert by_second(emulator, "cancel")[-1] == 3


@pytest.mark.slow
def test_submits_go_on_below_the_rate_at_which_they_were_refused(emulator: Emulator) -> None:
    async def main(count: int) -> None:
        async with AsyncClient(**emulator.connection, retry=RetryPolicy(attempts=50)) as client:
            endpoint = client.endpoint("abc")
            await asyncio.gather(*[endpoint.run({"n": n}) for n in range(count)])

    asyncio.run(main(1500))
    refused = sum(request.status == 429 for request in emulator.requests)
    sent = by_second(emulator, "run")
    assert sum(sent) - refused == 1500
    assert refused <= 2500, "a burst of 1,500 where 1,000 may come in ten seconds is refused, but not again and again"
    assert len(sent) <= 40, "the line moves on as the rate grows"


@pytest.mark.slow
def test_documented_limits_are_never_exceeded(emulator: Emulator) -> None:
    async def main() -> None:
        async with AsyncClient(**emulator.connection, limits="documented") as client:
            endpoint = client.endpoint("abc")
            jobs = await asyncio.gather(*[endpoint.run({"n": n}) for n in range(600)])
            assert emulator.clock.monotonic() == pytest.approx(4.0)  # 200 at once, then 100 a second
            await asyncio.gather(*[job.cancel() for job in jobs[:50]])

    asyncio.run(main())
    assert [request.status for request in emulator.requests if request.status != 200] == []


@both_flavours
async def test_with_limits_off_nothing_is_paced(world: World) -> None:
    world.emulator.endpoint("abc", echo)
    endpoint = world.client(retry=None, limits="off").endpoint("abc")
    world.emulator.inject(Fault.rate_limited(on="run", times=1))
    await caught(RateLimitError, lambda: endpoint.run({"n": 1}))
    for n in range(5):
        await endpoint.run({"n": n}, timeout=0.1)
    assert world.now == 0


@both_flavours
async def test_a_wait_in_a_slow_line_lasts_until_its_deadline(world: World) -> None:
    world.emulator.endpoint("abc", workers=0)
    client = world.client()
    job = await client.endpoint("abc").run({"n": 1})
    world.emulator.inject(Fault.rate_limited(on=["status", "status-sync"]))
    error = await caught(WaitTimeoutError, lambda: job.wait(20))
    assert world.now == 20
    assert error.state is None
