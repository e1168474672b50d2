"""The limit of a request is one moment, which the flow makes: whoever carries it asks what is left until then."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from runpod_sdk import AsyncClient, Client, SystemClock
from runpod_sdk._flows import _api
from runpod_sdk._http._message import Address, TooLateError
from runpod_sdk._http._wire import AsyncWire, Wire
from runpod_sdk._values._hidden import Hidden
from runpod_sdk._values._outcomes import Failure, Result
from runpod_sdk._values._service import Service
from runpod_sdk.clock import AdjustableClock, VirtualClock

SERVICE = Service.resolve(Hidden("key"), "http://localhost:1/v2", allow_http=True)


@pytest.mark.parametrize("waited", [0.0, 4.0, 10.0, 3600.0])
def test_what_a_request_waits_for_before_it_is_carried_counts(waited: float) -> None:
    clock = VirtualClock()
    transfer = Address(SERVICE, is_ours=True).transfer(_api.health("abc"), clock, clock.monotonic() + 10, 0.0)
    clock.advance(waited)
    assert transfer.left == transfer.seconds == max(0.0, 10.0 - waited)


def test_a_request_is_not_begun_with_too_little_time_left_for_its_answer() -> None:
    clock = VirtualClock()
    until = clock.monotonic() + 10
    transfer = Address(SERVICE, is_ours=True).transfer(_api.health("abc"), clock, until, until - 1)
    clock.advance(8.9)
    transfer.check_time()
    clock.advance(0.2)
    with pytest.raises(TooLateError):
        transfer.check_time()


@pytest.mark.parametrize("kind", [Wire, AsyncWire])
def test_what_comes_too_late_to_a_transport_that_cannot_tell_was_not_sent(kind: type[Wire | AsyncWire]) -> None:
    """As where a bulk run waits for one of the threads that send for it."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200)

    async def main() -> Result:
        wire: Any = kind(SERVICE, VirtualClock(), None, httpx.MockTransport(answer))
        found: Any = wire.send(wire.transfer(_api.health("abc"), 10.0, -1.0))
        return found if isinstance(found, Failure) else await found

    result = asyncio.run(main())
    assert isinstance(result, Failure)
    assert (result.sent, asked) == (0, [])


def test_a_clock_of_another_rate_leaves_less_of_this_worlds_time() -> None:
    clock = SystemClock(rate=60.0)
    transfer = Address(SERVICE, is_ours=True).transfer(_api.health("abc"), clock, clock.monotonic() + 600, 0.0)
    assert 0 < transfer.seconds <= 10 < transfer.left <= 600


def test_a_clock_that_stands_still_leaves_a_limit_in_this_world() -> None:
    clock = AdjustableClock()
    clock.set_rate(0)
    transfer = Address(SERVICE, is_ours=True).transfer(_api.health("abc"), clock, clock.monotonic() + 600, 0.0)
    assert transfer.seconds == 600


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_transport_of_the_callers_is_told_it(kind: type[Client | AsyncClient]) -> None:
    told: list[dict[str, float]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        told.append(request.extensions["timeout"])
        return httpx.Response(200, json={"id": "j1", "status": "IN_QUEUE"})

    transport: Any = httpx.MockTransport(answer)
    client: Any = kind("key", base_url="http://localhost:1/v2", transport=transport, clock=VirtualClock(), timeout=30)
    endpoint = client.endpoint("abc")
    limits: tuple[dict[str, float], ...] = ({}, {"timeout": 100}, {"timeout": 10}, {"timeout": 0})

    async def main() -> None:
        for limit in limits:
            submitted = endpoint.run({"n": 1}, **limit)
            if kind is AsyncClient:
                await submitted

    asyncio.run(main())
    assert [limits["connect"] for limits in told] == [30, 30, 15, 5]
    assert all(set(limits.values()) == {limits["connect"]} for limits in told), "no part may take longer"
