"""The documented rate limits, which the emulator keeps on demand."""

from __future__ import annotations

import math
from threading import Lock
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_sdk.clock import VirtualClock
from runpod_sdk.emulator import Emulator, Options
from runpod_sdk.emulator._doors._rates import RATES, RateLimits
from runpod_sdk.emulator._limits import RATES_WINDOW

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    Call = Callable[..., httpx.Response]

LIMITED = sorted(RATES)


def let_in(rates: RateLimits, operation: str, calls: int, now: float = 0.0, workers: int = 0) -> int:
    """Return how many of so many calls are let in, one after the other."""
    count = 0
    for _ in range(calls):
        if rates.enter("e", operation, now, workers):
            count += 1
            rates.leave("e", operation)
    return count


@pytest.mark.parametrize("operation", LIMITED)
@pytest.mark.fidelity("rate limits: per endpoint and operation, so many in ten seconds", source="documented")
def test_so_many_in_ten_seconds(operation: str) -> None:
    rates = RateLimits(0.05, Lock())
    most = int(RATES[operation][0])
    assert let_in(rates, operation, most + 5) == most
    assert let_in(rates, operation, 1, now=RATES_WINDOW - 0.1) == 0
    assert let_in(rates, operation, most + 5, now=RATES_WINDOW) == most


@pytest.mark.parametrize("operation", [name for name in LIMITED if RATES[name][1] < RATES[name][0]])
@pytest.mark.fidelity("rate limits: per endpoint and operation, so many at once", source="documented")
def test_so_many_at_once(operation: str) -> None:
    rates = RateLimits(0.05, Lock())
    inside = sum(rates.enter("e", operation, 0.0, 0) for _ in range(int(RATES[operation][1]) + 5))
    assert inside == RATES[operation][1]
    rates.leave("e", operation)
    assert rates.enter("e", operation, 0.0, 0)


@pytest.mark.fidelity("rate limits: endpoints and operations are counted apart", source="documented")
def test_endpoints_and_operations_are_counted_apart() -> None:
    rates = RateLimits(0.05, Lock())
    assert let_in(rates, "purge-queue", 3) == 2
    assert rates.enter("other", "purge-queue", 0.0, 0)
    assert let_in(rates, "cancel", 3) == 3
    assert let_in(rates, "health", 5_000) == 5_000, "no limit is documented"


@pytest.mark.fidelity("rate limits: /status and /status-sync share one, by GET and by POST", source="documented")
def test_status_and_status_sync_are_counted_together() -> None:
    rates = RateLimits(0.05, Lock())
    assert let_in(rates, "status", 1_500) == 1_500
    assert let_in(rates, "status-sync", 600) == 500
    assert let_in(rates, "status", 1) == 0
    assert let_in(rates, "stream", 1) == 1


def test_held_requests_to_both_are_counted_together() -> None:
    rates = RateLimits(0.05, Lock())
    assert sum(rates.enter("e", "status-sync", 0.0, 0) for _ in range(500)) == 400
    assert not rates.enter("e", "status", 0.0, 0)
    rates.leave("e", "status-sync")
    assert rates.enter("e", "status", 0.0, 0)


@given(workers=st.integers(0, 200))
@pytest.mark.fidelity("rate limits: they grow with the running workers (Options.rate_per_worker)", source="documented")
def test_the_limits_grow_with_the_workers_and_never_shrink(workers: int) -> None:
    most = let_in(RateLimits(0.05, Lock()), "cancel", 2_000, workers=workers)
    assert most == max(100, math.floor(100 * (workers * 0.05)))


@pytest.mark.parametrize("limited", [True, False])
@pytest.mark.fidelity("rate limits: beyond them 429; off by default (Options.rate_limits)", source="documented")
def test_it_is_a_switch_and_off_by_default(call_once: Call, limited: bool) -> None:  # noqa: FBT001  a parameter
    options = Options(rate_limits=True) if limited else Options()
    with Emulator(clock=VirtualClock(), options=options) as emulator:
        emulator.endpoint("e")
        codes = [call_once(emulator, "POST", "/e/purge-queue").status_code for _ in range(3)]
        assert codes == ([200, 200, 429] if limited else [200, 200, 200])
        emulator.clock.sleep(RATES_WINDOW)
        assert call_once(emulator, "POST", "/e/purge-queue").status_code == 200


def test_a_refused_submit_is_not_queued_and_leaves_no_doubt(call_once: Call) -> None:
    with Emulator(clock=VirtualClock(), options=Options(rate_limits=True)) as emulator:
        emulator.endpoint("e", workers=0)
        body = {"input": {"n": 1}}
        codes = [call_once(emulator, "POST", "/e/run", json=body).status_code for _ in range(1001)]
        assert codes == [200] * 1000 + [429]
        assert len(emulator.jobs) == 1000
        assert emulator.ledger.verdict().ambiguous == ()


@pytest.mark.fidelity("rate limits: a held request counts as one at once until it is answered", source="assumed")
def test_held_requests_count_as_at_once_until_they_are_answered(call_once: Call) -> None:
    import httpx  # noqa: PLC0415  only here

    with Emulator(clock=VirtualClock(), options=Options(rate_limits=True)) as emulator:
        emulator.endpoint("e", workers=0)
        for _ in range(401):  # each is left by its caller, and so is not inside any more
            with pytest.raises(httpx.ReadTimeout):
                call_once(emulator, "POST", "/e/runsync", json={"input": {"n": 1}}, timeout=0.001)
        assert {record.status for record in emulator.requests} == {None}
