"""How fast requests may follow each other: pure arithmetic, whatever comes."""

from __future__ import annotations

import math
from contextlib import nullcontext
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_sdk._flows._limiter import RATE_MIN, RATE_STEP, WINDOW, Limiter, Limits, Pace, glance
from runpod_sdk._values._operations import OPERATIONS, OperationName

LIMITED = [name for name, operation in OPERATIONS.items() if operation.rate is not None]
GAPS = st.lists(st.floats(0, 5), max_size=60)


def limiter(limits: Limits = "react") -> Limiter:
    return Limiter(limits, nullcontext())


def refused(limits: Limits = "react", *, sent: int = 1, at: float = 0.0) -> Limiter:
    """Return one that has just seen its last of so many requests refused."""
    made = limiter(limits)
    for _ in range(sent):
        made.turn("abc", "run", at)
    made.learn("abc", "run", at, at, status=429)
    return made


def turns(limiter: Limiter, count: int, now: float, operation: OperationName = "run") -> list[float]:
    return [limiter.turn("abc", operation, now).seconds for _ in range(count)]


# React: nothing is slowed down until the service answers 429.


@given(GAPS, st.sampled_from([200, 404, 500, 503, None]))
def test_without_a_429_nothing_is_slowed_down(gaps: list[float], status: int | None) -> None:
    made, now = limiter(), 0.0
    for gap in gaps:
        now += gap
        assert made.turn("abc", "run", now)[:2] == (0.0, True)
        made.learn("abc", "run", now, now, status=status)


@given(st.integers(2, 300), st.floats(1, 9))
def test_a_429_halves_the_rate_that_was_measured(count: int, seconds: float) -> None:
    made = limiter()
    for n in range(count):
        made.turn("abc", "run", n * seconds / count)
    made.learn("abc", "run", seconds, seconds, status=429)
    first, second = turns(made, 2, seconds)
    assert first == 0
    assert second == pytest.approx(1 / max(RATE_MIN, count / seconds / 2))


def test_each_further_429_halves_it_again_down_to_a_least_rate() -> None:
    pace = Pace()
    for _ in range(160):
        pace.take(1.0)
    rates: list[float] = []
    for now in range(1, 12):
        pace.slow_down(float(now), float(now))
        rates.append(pace.rate or 0.0)
    assert rates[:4] == [80.0, 40.0, 20.0, 10.0]
    assert rates[-1] == RATE_MIN


@given(st.integers(2, 200))
def test_refusals_of_requests_that_were_on_their_way_together_slow_down_once(burst: int) -> None:
    made = limiter()
    turns(made, burst, 0.0)
    for n in range(burst):
        made.learn("abc", "run", 0.0, 1.0 + n / 100, status=429)
    once = limiter()
    turns(once, burst, 0.0)
    once.learn("abc", "run", 0.0, 1.0, status=429)
    assert turns(made, 5, 10.0) == turns(once, 5, 10.0)


def test_a_refusal_of_a_request_that_was_sent_later_slows_down_again() -> None:
    made = refused(sent=100)
    (_, before) = turns(made, 2, 20.0)
    made.learn("abc", "run", 1.0, 2.0, status=429)
    (*_, after, later) = turns(made, 3, 40.0)
    assert later - after == pytest.approx(2 * before)


def test_the_rate_is_that_of_the_busy_seconds_though_a_window_has_just_begun() -> None:
    pace = Pace()
    for n in range(500):
        pace.take(n / 50)  # 50 a second for ten seconds
    pace.take(WINDOW + 0.1)
    pace.slow_down(WINDOW + 0.1, WINDOW + 0.2)
    assert pace.rate == pytest.approx(25, rel=0.05)


@given(st.integers(1, 400), GAPS)
def test_paced_requests_keep_their_distance(sent: int, gaps: list[float]) -> None:
    made, now, places = refused(sent=sent), 0.0, list[float]()
    for gap in gaps:
        now += gap / 100
        places.append(now + made.turn("abc", "run", now).seconds)
    distance = 1 / max(RATE_MIN, sent / 2)
    assert all(later - sooner >= distance - 1e-9 for sooner, later in pairwise(places))


def test_what_is_served_lets_the_rate_grow_by_a_step_a_second() -> None:
    pace, now = Pace(rate=4.0, ceiling=1000.0), 0.0
    while now < 10:
        assert pace.rate is not None
        now += 1 / pace.rate
        pace.speed_up(now)
    assert pace.rate == pytest.approx(4 + 10 * RATE_STEP, rel=0.1)


def test_what_is_served_changes_nothing_where_nothing_is_slowed_down() -> None:
    pace = Pace()
    pace.speed_up(5.0)
    assert pace == Pace()


def test_well_above_where_it_was_refused_it_is_free_again() -> None:
    made, now = refused(sent=40), 0.0
    for _ in range(2_000):
        turn = made.turn("abc", "run", now)
        now += turn.seconds
        made.learn("abc", "run", now, now, status=200)
    assert turns(made, 50, now) == [0.0] * 50
    assert 5 < now < 60


@pytest.mark.parametrize("status", [500, 502, 503, 521, None])
def test_what_was_not_served_does_not_let_it_grow(status: int | None) -> None:
    made, still = refused(sent=10), refused(sent=10)
    for _ in range(1_000):
        made.learn("abc", "run", 1.0, 1.0, status=status)
    assert turns(made, 5, 2.0) == turns(still, 5, 2.0)


@given(st.lists(st.tuples(st.floats(0, 3), st.sampled_from([200, 429, 500, None])), max_size=200))
def test_a_rate_is_never_below_the_least_whatever_comes(history: list[tuple[float, int | None]]) -> None:
    made, now = limiter(), 0.0
    for gap, status in history:
        now += gap
        turn = made.turn("abc", "run", now, within=10.0)
        assert 0 <= turn.seconds < math.inf
        assert turn.seconds <= 10 + 1 / RATE_MIN
        if turn.is_taken:
            made.learn("abc", "run", now + turn.seconds, now + turn.seconds, status=status)


def test_each_operation_of_each_endpoint_has_a_pace_of_its_own() -> None:
    made = refused(sent=10)
    turns(made, 5, 0.0)
    assert made.turn("abc", "run", 0.0).seconds > 0
    assert made.turn("abc", "cancel", 0.0).seconds == made.turn("other", "run", 0.0).seconds == 0


# The line moves with the rate.


def test_who_waits_moves_up_as_the_rate_grows_and_back_as_it_falls() -> None:
    made = refused(sent=20)  # ten a second
    turns(made, 30, 0.0)
    last = made.turn("abc", "run", 0.0)
    assert last.seconds == pytest.approx(3.0)
    for _ in range(20):
        made.learn("abc", "run", 0.0, 0.0, status=200)
    sooner = made.left(last, "abc", "run", 0.0)
    assert sooner < 2.8
    made.learn("abc", "run", 5.0, 0.0, status=429)
    assert made.left(last, "abc", "run", 0.0) == pytest.approx(2 * sooner)
    assert made.left(last, "abc", "run", 2 * sooner) == 0


def test_a_line_is_not_let_go_all_at_once() -> None:
    made = refused(sent=20)
    waiting = [made.turn("abc", "run", 0.0) for _ in range(300)]
    for _ in range(5_000):
        made.learn("abc", "run", 0.0, 0.0, status=200)
    left = [made.left(turn, "abc", "run", 0.0) for turn in waiting]
    assert sum(seconds == 0 for seconds in left) < 5
    assert max(left) > 0.5


@given(st.integers(2, 60), st.data())
def test_who_leaves_the_line_lets_the_others_move_up(count: int, data: st.DataObject) -> None:
    made, shorter = refused(sent=20), refused(sent=20)
    waiting = [made.turn("abc", "run", 0.0) for _ in range(count)]
    leaving = data.draw(st.sets(st.integers(0, count - 1)))
    for n in leaving:
        made.drop(waiting[n], "abc", "run", 0.0)
    staying = [turn for n, turn in enumerate(waiting) if n not in leaving]
    expected = [shorter.turn("abc", "run", 0.0) for _ in staying]
    for now in (0.0, 0.45, 1.3):
        found = [made.left(turn, "abc", "run", now) for turn in staying]
        assert found == pytest.approx([shorter.left(turn, "abc", "run", now) for turn in expected], abs=0.11)


@given(st.floats(0, 1e6))
def test_a_glance_is_neither_idle_nor_late(seconds: float) -> None:
    assert min(seconds, 1) <= glance(seconds) <= min(seconds, 5)


# A turn that comes too late is no turn.


@given(st.sampled_from(["react", "documented"]), st.floats(0, 30), st.integers(1, 100))
def test_a_turn_that_is_too_late_takes_no_place(limits: Limits, within: float, tries: int) -> None:
    made, untried = refused(limits, sent=20), refused(limits, sent=20)
    for one in (made, untried):
        turns(one, 400, 0.0)  # places up to 40 s away
    for _ in range(tries):
        assert not made.turn("abc", "run", 0.0, within).is_taken
    assert turns(made, 3, 0.0) == turns(untried, 3, 0.0)


@given(st.integers(1, 60), st.floats(0, 20))
def test_exactly_those_are_taken_that_come_in_time(count: int, within: float) -> None:
    made = refused(sent=10)
    given_ = [made.turn("abc", "run", 0.0, within) for _ in range(count)]
    assert all(turn.is_taken == (turn.seconds == 0 or turn.seconds < within) for turn in given_)
    assert sum(turn.is_taken for turn in given_) <= 1 + within * 5 + 1e-6


# Documented rates, from the start.


@given(st.sampled_from(LIMITED), GAPS, st.integers(1, 30))
def test_documented_rates_are_kept_in_every_window(name: OperationName, gaps: list[float], at_once: int) -> None:
    rate = OPERATIONS[name].rate
    assert rate is not None
    made, now, places = limiter("documented"), 0.0, list[float]()
    for gap in gaps:
        now += gap
        places += [now + seconds for seconds in turns(made, at_once, now, name)]
    for n, begin in enumerate(places):
        in_window = sum(begin <= place < begin + WINDOW for place in places[n:])
        assert in_window <= rate.per_window + rate.burst
        assert sum(place == begin for place in places) <= rate.burst


@pytest.mark.parametrize("name", LIMITED)
def test_a_burst_is_let_through_and_the_rest_keeps_to_the_rate(name: OperationName) -> None:
    rate = OPERATIONS[name].rate
    assert rate is not None
    seconds = turns(limiter("documented"), rate.burst + rate.per_window, 0.0, name)
    assert seconds[: rate.burst] == [0.0] * rate.burst
    assert seconds[-1] == pytest.approx(WINDOW)


def test_looks_and_reads_share_one_documented_rate() -> None:
    made = limiter("documented")
    for name in ("status", "status-sync", "stream"):
        assert turns(made, 400 // 4, 0.0, name) == [0.0] * 100
    assert turns(made, 100, 0.0) == [0.0] * 100, "submits have their own"
    assert max(turns(made, 101, 0.0, "stream")) > 0
    assert made.turn("other", "stream", 0.0).seconds == 0


def test_documented_rates_are_slowed_down_by_a_429_too() -> None:
    seconds = turns(refused("documented", sent=10), 10, 0.0)
    assert seconds[-1] == pytest.approx(9 / 5)


def test_what_has_no_documented_rate_is_not_slowed_down() -> None:
    assert turns(limiter("documented"), 5_000, 0.0, "health") == [0.0] * 5_000


# Off.


@given(st.integers(1, 2_000))
def test_off_slows_nothing_down(count: int) -> None:
    made = refused("off", sent=count)
    assert set(turns(made, count, 0.0)) == {0.0}
    assert made.turn("abc", "run", 0.0, within=0.0).is_taken


def test_another_word_is_refused() -> None:
    with pytest.raises(ValueError, match=r'limits=\'fast\': "react", "documented" or "off" expected'):
        limiter("fast")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
