"""What is a sign of life of the service, and when a wait that hears of none gives up: the table of `_pulse.py`."""

from __future__ import annotations

from itertools import cycle, pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_sdk import (
    APIConnectionError,
    APIError,
    InternalServerError,
    PollPolicy,
    RateLimitError,
)
from runpod_sdk._flows._delivery import Delivery
from runpod_sdk._flows._jobs import JobRef
from runpod_sdk._flows._looks import UNHELD
from runpod_sdk._flows._pulse import Pulse
from runpod_sdk._flows._stream import stream
from runpod_sdk._flows._wait import wait
from runpod_sdk._values._outcomes import Outcome, outcome_of
from tests.flows import After, Play, Script, answer, failure, job, play, settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk import JobState
    from runpod_sdk._values._outcomes import Result
    from runpod_sdk._values._requests import Request

REF = JobRef("abc", "j1")
RUNNING: Result = job("IN_PROGRESS")
DONE: Result = job("COMPLETED", output=1)
ORIGIN_DOWN = (521, 523, 525, 526, 530)
OUTAGE, RATE_LIMITED = PollPolicy().outage, PollPolicy().rate_limited


def waited(script: Script) -> Play[JobState]:
    on = settings()
    return play(on, wait(on, REF, on.deadline(None), watched=False), script)


def streamed(script: Script) -> Play[JobState]:
    on = settings()
    return play(on, stream(on, REF, on.deadline(None), Delivery("repair")), script)


def missed(pulse: Pulse, result: Result, now: float) -> bool:
    return pulse.miss(outcome_of(result), result, now, now)


# The table itself.


@pytest.mark.parametrize(
    "result", [*map(answer, ORIGIN_DOWN), answer(503), answer(408), failure(), failure("ConnectError")]
)
def test_silence_is_borne_for_an_outage(result: Result) -> None:
    pulse = Pulse(PollPolicy(outage=60, rate_limited=600))
    assert [missed(pulse, result, now) for now in (10, 69.9, 70)] == [False, False, True]


def test_429_is_borne_for_longer() -> None:
    pulse = Pulse(PollPolicy(outage=60, rate_limited=600))
    assert [missed(pulse, answer(429), now) for now in (10, 500, 609.9, 610)] == [False, False, False, True]


def test_429_ends_a_silence_but_not_the_time_without_an_answer() -> None:
    pulse = Pulse(PollPolicy(outage=60, rate_limited=600))
    for now in range(0, 600, 50):
        assert not missed(pulse, answer(503) if now % 100 else answer(429), now)
    assert missed(pulse, answer(429), 600)


@pytest.mark.parametrize("refusal", [answer(404), None])
def test_an_answer_begins_anew(refusal: Result | None) -> None:
    pulse = Pulse(PollPolicy(outage=60, rate_limited=600))
    for start in (0, 1000):
        assert not missed(pulse, answer(429), start)
        assert not missed(pulse, failure(), start + 59)
        if refusal is None:
            pulse.beat()
        else:
            assert not missed(pulse, refusal, start + 60)


def test_the_time_of_a_hold_is_no_silence() -> None:
    pulse = Pulse(PollPolicy(outage=60))
    assert not pulse.miss(Outcome.UNKNOWN, failure(), 90, 100)
    assert not pulse.miss(Outcome.UNKNOWN, failure(), 140, 149)
    assert pulse.miss(Outcome.UNKNOWN, failure(), 150, 150)


# What it makes of a wait and of a stream without a deadline.


@pytest.mark.parametrize("calls", [waited, streamed])
@pytest.mark.parametrize(
    ("result", "kind", "limit"),
    [
        *[(answer(code), InternalServerError, OUTAGE) for code in (*ORIGIN_DOWN, 503, 500, 520)],
        (failure("ConnectError"), APIConnectionError, OUTAGE),
        (failure("PoolTimeout"), APIConnectionError, OUTAGE),
        (answer(429), RateLimitError, RATE_LIMITED),
        (answer(429, retry_after="45"), RateLimitError, RATE_LIMITED),
    ],
)
def test_what_never_stops_ends_it_all_the_same(
    calls: Callable[[Script], Play[JobState]], result: Result, kind: type[Exception], limit: float
) -> None:
    done = calls([RUNNING, *[result] * 2_000] if calls is waited else lambda _: result)
    assert done.error is not None
    assert isinstance(done.error.__cause__ if calls is streamed and _is_lost(result) else done.error, kind)
    assert limit <= done.ended_at <= limit + 100


def _is_lost(result: Result) -> bool:
    """Whether a read of a stream with such an end may have taken chunks with it."""
    return outcome_of(result) is Outcome.UNKNOWN


NO_ANSWERS = st.one_of(
    st.sampled_from([408, 429, 500, 502, 503, 504, 520, 522, 524, *ORIGIN_DOWN, 599]).map(answer),
    st.sampled_from(["ReadTimeout", "ConnectError", "PoolTimeout", "RemoteProtocolError"]).map(failure),
    st.integers(0, 4000).map(lambda seconds: answer(429, retry_after=str(seconds))),
    st.integers(0, 4000).map(lambda seconds: answer(503, retry_after=str(seconds))),
    st.just(answer(200, b"<html>")),
)


@given(
    script=st.lists(st.tuples(st.floats(0, 120), NO_ANSWERS).map(lambda pair: After(*pair)), min_size=1, max_size=8),
    was_seen=st.booleans(),
)
def test_no_mixture_of_what_is_no_answer_keeps_a_wait_going(script: list[After], *, was_seen: bool) -> None:
    for_ever = cycle(script)
    first = iter([RUNNING] if was_seen else [])
    done = waited(lambda _: next(first, None) or next(for_ever))
    assert isinstance(done.error, APIError)
    assert done.ended_at <= 2 * RATE_LIMITED + OUTAGE


# /status-sync has a rate of its own.


def test_where_only_held_looks_are_refused_with_429_status_is_asked() -> None:
    looks = iter([*[RUNNING] * 4, DONE])
    done = waited(lambda request: answer(429) if request.operation == "status-sync" else next(looks))
    assert (done.value.output, done.operations.count("status")) == (1, 5)
    assert done.ended_at < 10


def test_held_looks_are_tried_again_more_and_more_rarely() -> None:
    on = settings()
    held_at: list[float] = []

    def given_(request: Request) -> Result:
        if request.operation == "status-sync":
            held_at.append(on.now())
            return answer(429)
        return DONE if on.now() > 1000 else RUNNING

    assert play(on, wait(on, REF, on.deadline(None), watched=False), given_).value.output == 1
    pauses = [later - sooner for sooner, later in pairwise(held_at)]
    assert pauses[0] >= UNHELD
    assert all(later > 1.5 * sooner for sooner, later in pairwise(pauses[:5]))
    assert len(held_at) < 12


def test_after_a_429_that_passed_a_job_is_waited_for_in_a_held_look_again() -> None:
    on = settings()

    def given_(request: Request) -> Result | After:
        if request.operation == "status":
            return RUNNING
        return answer(429) if on.now() < 3 else After(20, DONE)

    done = play(on, wait(on, REF, on.deadline(None), watched=False), given_)
    assert done.operations.count("status-sync") == 2
    assert 20 + UNHELD <= done.ended_at < 30 + UNHELD
