"""A clock that is paused, moved on and made faster while others wait on it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from runpod_sdk.clock import AdjustableClock

HOUR = 3600.0
JOIN = 10


def test_it_stands_still_and_goes_on_where_it_stood() -> None:
    clock = AdjustableClock()
    clock.set_rate(0)
    stood, day = clock.monotonic(), clock.time()
    assert (clock.monotonic(), clock.time()) == (stood, day)
    clock.advance(HOUR)
    assert clock.monotonic() == stood + HOUR
    assert clock.time() == pytest.approx(day + HOUR)
    clock.set_rate(1)
    assert stood + HOUR <= clock.monotonic() < stood + 2 * HOUR


@pytest.mark.parametrize("change", ["advance", "faster"])
@pytest.mark.parametrize("flavour", ["thread", "task", "timer"])
def test_who_waits_is_told_of_a_change(change: str, flavour: str) -> None:
    clock, over = AdjustableClock(), threading.Event()
    clock.set_rate(0)

    def wait() -> None:
        if flavour == "thread":
            clock.sleep(HOUR)
        else:
            asyncio.run(clock.sleep_async(HOUR))
        over.set()

    if flavour == "timer":
        clock.call_at(clock.monotonic() + HOUR, over.set)
    else:
        threading.Thread(target=wait, daemon=True).start()
    while not clock._heap:  # until it waits  # pyright: ignore[reportPrivateUsage]
        threading.Event().wait(0.001)
    assert not over.is_set()
    if change == "advance":
        clock.advance(HOUR)
    else:
        clock.set_rate(36_000_000)
    assert over.wait(JOIN)


def test_a_wait_that_is_ended_leaves_no_timer_that_counts() -> None:
    clock = AdjustableClock()
    clock.set_rate(0)
    parking = clock.parking(clock.monotonic() + HOUR)
    threading.Timer(0.01, parking.wake).start()
    assert parking.wait() is True
    assert [timer.callback for timer in clock._heap] in ([], [None])  # pyright: ignore[reportPrivateUsage]
    assert clock.parking(clock.monotonic()).wait() is False


@pytest.mark.parametrize("rate", [-1, float("inf"), float("nan")])
def test_a_rate_is_a_finite_number_of_0_or_more(rate: float) -> None:
    clock = AdjustableClock()
    with pytest.raises(ValueError, match="rate"):
        clock.set_rate(rate)
