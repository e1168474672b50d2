"""How often and how long: bounds that hold for every policy and every attempt."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_sdk import AsyncClient, Client, PollPolicy, RetryPolicy
from runpod_sdk._values._policies import (
    ANSWER_MIN,
    ANSWER_SHARE,
    GRACE,
    NO_RETRY,
    REQUEST_MIN,
    Deadline,
    backoff,
    checked_timeout,
    last_start,
)

SECONDS = st.floats(min_value=0, max_value=1e300)
BASES = st.floats(min_value=1, max_value=1e300)
ATTEMPTS = st.integers(min_value=1, max_value=10**6)
DICE = st.floats(min_value=0, max_value=1, exclude_max=True)


@given(SECONDS, SECONDS, BASES, ATTEMPTS, DICE)
def test_a_wait_lies_between_zero_and_the_bound_of_any_attempt(
    initial: float, most: float, base: float, attempt: int, random: float
) -> None:
    policy = RetryPolicy(wait_initial=initial, wait_max=most, wait_exp_base=base)
    bound = backoff(attempt, initial, most, base)
    assert 0 <= policy.next_wait(attempt, random) <= bound <= most


@given(SECONDS, SECONDS, BASES, st.integers(min_value=1, max_value=2_000))
def test_the_bound_never_shrinks_from_attempt_to_attempt(
    initial: float, most: float, base: float, attempt: int
) -> None:
    assert backoff(attempt, initial, most, base) <= backoff(attempt + 1, initial, most, base)


@given(SECONDS, SECONDS, st.floats(min_value=1.01, max_value=10))
def test_the_bound_of_the_millionth_attempt_is_the_longest_wait(initial: float, most: float, base: float) -> None:
    assert backoff(10**6, initial, most, base) == (most if initial > 0 else 0)


@pytest.mark.parametrize(("attempt", "bound"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 8.0)])
def test_the_default_bounds_double_up_to_eight_seconds(attempt: int, bound: float) -> None:
    assert RetryPolicy().next_wait(attempt, 1.0) == bound


def test_the_jitter_is_full() -> None:
    policy = RetryPolicy()
    assert [policy.next_wait(3, random) for random in (0.0, 0.25, 0.5, 0.75)] == [0.0, 0.5, 1.0, 1.5]


@given(ATTEMPTS, DICE, st.floats(min_value=0, max_value=1e6))
def test_retry_after_is_a_lower_bound(attempt: int, random: float, asked: float) -> None:
    policy = RetryPolicy()
    assert policy.next_wait(attempt, random, asked) == max(asked, policy.next_wait(attempt, random))


@given(ATTEMPTS)
def test_a_pause_between_polls_has_no_jitter_and_grows_to_five_seconds(poll: int) -> None:
    assert 0.25 <= PollPolicy().next_wait(poll) <= 5.0
    assert PollPolicy().next_wait(1) == 0.25
    assert PollPolicy().next_wait(20) == 5.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("attempts", 0),
        ("attempts", -1),
        ("attempts", math.nan),
        ("attempts", 2.5),
        ("attempts", True),
        ("wait_initial", -0.1),
        ("wait_initial", math.nan),
        ("wait_max", math.inf),
        ("wait_max", -1),
        ("wait_exp_base", 0.5),
        ("wait_exp_base", math.nan),
        ("wait_exp_base", math.inf),
    ],
)
def test_a_retry_policy_refuses_what_makes_no_sense_by_name(name: str, value: float) -> None:
    with pytest.raises((ValueError, TypeError), match=rf"{name}={value}.* expected"):
        RetryPolicy(**{name: value})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hold", 0.999),
        ("hold", 300.1),
        ("hold", math.nan),
        ("wait_initial", -1),
        ("wait_max", math.inf),
        ("wait_exp_base", 0.99),
        ("outage", -1),
        ("outage", math.inf),
    ],
)
def test_a_poll_policy_refuses_what_makes_no_sense_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"{name}={value}.* expected"):
        PollPolicy(**{name: value})


@given(st.floats(min_value=0, max_value=1e9), st.floats(min_value=0, max_value=1e9), st.floats(0, 1e9))
def test_what_is_left_of_a_deadline_never_falls_below_zero(timeout: float, now: float, passed: float) -> None:
    left = Deadline.after(timeout, now).left(now + passed)
    assert left >= 0
    assert abs(left - max(0.0, timeout - passed)) < 1e-3  # what floats lose


@pytest.mark.parametrize("timeout", [None, math.inf])
def test_no_timeout_is_no_deadline(timeout: float | None) -> None:
    assert Deadline.after(timeout, 7.0).left(1e12) == math.inf


@pytest.mark.parametrize(
    ("timeout", "kind"), [(-1, ValueError), (math.nan, ValueError), ("5", TypeError), (True, TypeError)]
)
def test_a_timeout_is_a_number_of_seconds(timeout: float, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"timeout=.*: seconds"):
        Deadline.after(timeout, 0.0)


@given(st.floats(0.001, 1e6), st.floats(0, 300), st.floats(0, 1e6))
def test_a_request_has_its_hold_and_the_timeout_but_little_beyond_the_deadline(
    timeout: float, hold: float, left: float
) -> None:
    assert Deadline(None).request_end(0.0, timeout, hold) == hold + timeout
    assert Deadline(left).request_end(0.0, timeout, hold) == min(hold + timeout, left + GRACE)


@pytest.mark.parametrize(
    ("timeout", "kind"),
    [
        (0, ValueError),
        (-1, ValueError),
        (math.inf, ValueError),
        (math.nan, ValueError),
        (None, TypeError),
        (True, TypeError),
    ],
)
def test_the_timeout_of_a_client_is_positive_and_finite(timeout: float, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"timeout=.*seconds expected"):
        checked_timeout(timeout)


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_the_grace_is_one_for_all_requests_of_a_call(timeout: float, late: float) -> None:
    granted = Deadline.after(timeout, 0.0).request_end(timeout + late, 60.0, 0.0) - (timeout + late)
    assert REQUEST_MIN - 1e-6 <= granted <= max(REQUEST_MIN, GRACE - late) + 1e-6


@given(now=st.floats(0, 1e6), hold=st.floats(0, 300), patience=st.floats(0.01, 600))
def test_a_request_that_is_begun_in_time_leaves_its_answer_time_beyond_the_hold(
    now: float, hold: float, patience: float
) -> None:
    start = last_start(now, now + hold + patience, hold)
    assert now < start < now + hold + patience
    if start > now + ANSWER_SHARE * (hold + patience) + 1e-6:  # it may have a tenth of its time in any case
        left = hold + patience - (start - now)
        assert left == pytest.approx(hold + min(ANSWER_MIN, ANSWER_SHARE * patience), abs=1e-6)


@pytest.mark.parametrize(("limit", "start"), [(30.0, 29.0), (4.0, 3.6), (1.0, 0.9), (0.1, 0.09)])
def test_the_last_second_of_a_request_is_its_answers(limit: float, start: float) -> None:
    assert last_start(100.0, 100.0 + limit, 0.0) == pytest.approx(100.0 + start)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"retry": 3}, r"retry=3: a RetryPolicy expected, such as RetryPolicy\(attempts=3\), or None"),
        ({"retry": 0}, "retry=0: a RetryPolicy expected"),
        ({"retry": False}, "retry=False: a RetryPolicy expected"),
        ({"poll": 3}, "poll=3: a PollPolicy expected"),
        ({"poll": None}, "poll=None: a PollPolicy expected"),
        ({"clock": 3}, "clock=3: a clock of runpod_sdk.clock expected"),
        ({"clock": 0}, "clock=0: a clock of runpod_sdk.clock expected"),
        ({"http_client": 3}, "http_client is of type int: an httpx"),
        ({"transport": 3}, "transport is of type int: an httpx"),
    ],
)
def test_a_client_refuses_what_is_no_policy_when_it_is_made(
    kind: type[Client | AsyncClient], argument: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        kind("key", **argument)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_other_options_refuse_what_is_no_policy(kind: type[Client | AsyncClient]) -> None:
    client = kind("key")
    for argument in ({"retry": 3}, {"retry": 0}, {"poll": 3}, {"poll": 0}):
        with pytest.raises(TypeError, match="Policy expected"):
            client.with_options(**argument)  # type: ignore[arg-type]
    assert client.with_options(retry=None, poll=None)._settings.retry == NO_RETRY
