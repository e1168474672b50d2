"""The machine's clock at another rate: every span is divided, and nothing else changes."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from runpod_sdk.clock import SystemClock

HOUR = 3600.0
RATE = 36_000.0  # an hour in a tenth of a second


def elapsed(before: float) -> float:
    """Return real seconds; the bounds below are wide, because machines that run tests are sometimes busy."""
    return time.monotonic() - before


def test_an_hour_of_sleep_takes_a_tenth_of_a_second() -> None:
    clock, before = SystemClock(rate=RATE), time.monotonic()
    began = clock.monotonic()
    clock.sleep(HOUR)
    assert clock.monotonic() - began >= HOUR
    assert 0.1 <= elapsed(before) < 10


def test_so_it_does_in_a_task() -> None:
    clock, before = SystemClock(rate=RATE), time.monotonic()
    asyncio.run(clock.sleep_async(HOUR))
    assert 0.1 <= elapsed(before) < 10


def test_a_timeout_is_as_long_as_the_clock_says() -> None:
    clock = SystemClock(rate=RATE)

    async def main() -> None:
        async with clock.timeout(HOUR):
            await asyncio.sleep(60)

    before = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert 0.1 <= elapsed(before) < 10


def test_a_timer_fires_at_its_moment() -> None:
    clock, fired = SystemClock(rate=RATE), threading.Event()
    due = clock.monotonic() + HOUR
    clock.call_at(due, fired.set)
    assert fired.wait(10)
    assert clock.monotonic() >= due


def test_parking_ends_with_its_deadline() -> None:
    clock = SystemClock(rate=RATE)
    assert clock.parking(clock.monotonic() + HOUR).wait() is False
    assert asyncio.run(clock.parking(clock.monotonic() + HOUR).wait_async()) is False


def test_the_time_of_day_passes_at_the_same_rate() -> None:
    clock = SystemClock(rate=RATE)
    began, day = clock.monotonic(), clock.time()
    clock.sleep(HOUR)
    assert clock.time() - day == pytest.approx(clock.monotonic() - began, abs=HOUR)


def test_at_its_own_rate_it_is_the_machines_clock() -> None:
    before = time.monotonic()
    assert before <= SystemClock().monotonic() <= time.monotonic()


@pytest.mark.parametrize("rate", [0, -1, float("inf"), float("nan")])
def test_a_rate_is_a_finite_number_above_zero(rate: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        SystemClock(rate=rate)
