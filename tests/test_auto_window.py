"""How many jobs are in flight where nobody says: against endpoints that are arithmetic, and one that scales."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_sdk import Client
from runpod_sdk._client._bulk._auto_window import LEAST, MOST, START, AutoWindow, Look, WindowHint
from runpod_sdk._values._states import WorkerCounts
from runpod_sdk.emulator import Emulator, Options, Scaling

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class ByRequests:
    """An endpoint that starts a worker for every `per` jobs, up to `most`, a few looks after it sees them."""

    per: int
    most: int
    lag: int = 1
    up: int = 0

    def __post_init__(self) -> None:
        self._seen: list[int] = []

    def look(self, size: int, **more: Any) -> Look:
        self._seen.append(size)
        wanted = math.ceil(self._seen[max(0, len(self._seen) - 1 - self.lag)] / self.per)
        self.up = min(self.most, wanted)
        workers = WorkerCounts(running=min(self.up, size), idle=max(0, self.up - size))
        return Look(workers=workers, in_queue=max(0, size - self.up), is_full=True, **more)


def sizes(endpoint: ByRequests, window: AutoWindow, looks: int) -> list[int]:
    return [window.look(endpoint.look(window.size)) for _ in range(looks)]


@given(st.integers(1, 8), st.integers(1, 120), st.integers(0, 2))
def test_a_window_finds_all_workers_there_are_and_stays_near_what_keeps_them(per: int, most: int, lag: int) -> None:
    endpoint, window = ByRequests(per, most, lag), AutoWindow()
    seen = sizes(endpoint, window, 60)
    needed = per * (most - 1) + 1
    assert max(seen) <= MOST
    assert endpoint.up == min(most, math.ceil(MOST / per))
    assert window.size <= max(START * 1.5, needed * 1.5**3, 1.25 * most)


def test_a_queue_that_only_gets_longer_brings_the_window_back() -> None:
    endpoint, window = ByRequests(per=4, most=5), AutoWindow()
    seen = sizes(endpoint, window, 12)
    assert max(seen) > START
    assert window.size == START
    assert sizes(endpoint, window, 6) == [START] * 6


def test_inputs_that_are_slow_to_come_are_no_reason_for_a_larger_window() -> None:
    window = AutoWindow()
    look = Look(workers=WorkerCounts(idle=3), in_queue=0, is_full=False)
    assert [window.look(look) for _ in range(20)] == [START] * 20


def test_a_service_that_refuses_makes_the_window_smaller_as_long_as_it_does() -> None:
    endpoint, window = ByRequests(per=1, most=500), AutoWindow()
    grown = sizes(endpoint, window, 4)[-1]
    assert grown > START
    refused = [window.look(endpoint.look(window.size, busy=1)) for _ in range(30)]
    assert refused[0] < grown
    assert refused[-1] == LEAST
    assert sizes(endpoint, window, 10)[-1] > LEAST


def test_a_window_at_its_cap_says_so() -> None:
    window = AutoWindow()
    sizes(ByRequests(per=10, most=500), window, 20)
    assert (window.size, window.is_capped) == (MOST, True)


def test_throttled_workers_are_not_called_for_by_more_jobs() -> None:
    window = AutoWindow()
    sizes(ByRequests(per=4, most=16), window, 12)
    size = window.size
    fewer = Look(workers=WorkerCounts(running=3, throttled=13), in_queue=size - 3, is_full=True)
    assert [window.look(fewer) for _ in range(6)] == [size] * 6


def test_a_fixed_window_that_limits_is_told_once() -> None:
    hint = WindowHint()
    small = Look(workers=WorkerCounts(running=16), in_queue=48, is_full=True)
    said = [hint.look(small, 64) for _ in range(9)]
    assert [text is not None for text in said] == [False, False, True, *[False] * 6]
    assert said[2] == 'a window of 64 jobs keeps 16 workers busy; concurrency="auto" may start more'


@pytest.mark.parametrize(
    "look",
    [
        Look(workers=WorkerCounts(running=16), in_queue=500, is_full=True),  # others' jobs wait, too
        Look(workers=WorkerCounts(running=16), in_queue=48, is_full=False),  # the inputs are slow
        Look(workers=WorkerCounts(running=16, throttled=4), in_queue=48, is_full=True),  # there is no machine
        Look(workers=WorkerCounts(running=16, initializing=4), in_queue=48, is_full=True),  # more are to come
    ],
)
def test_a_window_that_does_not_limit_is_not_said_to(look: Look) -> None:
    hint = WindowHint()
    assert [hint.look(look, 64) for _ in range(9)] == [None] * 9


# On an endpoint that scales.


def scaling(jobs: int, concurrency: Any) -> tuple[float, int]:
    """Run jobs of 4 seconds; return the seconds it took, and the most that were running at once."""
    options = Options(
        scaling=Scaling(scaler="request_count", scaler_value=4, max_workers=40, cold_start=(5, 10)), ledger=0
    )
    with Emulator(options=options) as emulator:
        most = 0

        def handler(_job: Any) -> int:
            nonlocal most
            most = max(most, client.endpoint("abc").health().workers.running)
            emulator.clock.sleep(4)
            return 1

        def inputs() -> Iterator[dict[str, int]]:
            yield from ({"n": n} for n in range(jobs))

        emulator.endpoint("abc", handler)
        with Client(**emulator.connection) as client:
            results = client.endpoint("abc").map(inputs(), concurrency=concurrency)
            assert sum(result.is_success for result in results) == jobs
        return emulator.clock.monotonic(), most


def test_a_run_looks_at_its_endpoint_and_gets_more_workers_than_its_first_window_keeps_busy() -> None:
    _, workers = scaling(200, "auto")
    assert workers > 16


@pytest.mark.slow
def test_a_run_gets_all_workers_of_an_endpoint_that_scales_by_request_count() -> None:
    fixed, workers = scaling(700, 64)
    assert workers <= 17
    by_itself, more = scaling(700, "auto")
    assert more >= 30
    assert by_itself < 0.75 * fixed
