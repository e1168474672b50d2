"""The table of states and events, walked over every pair."""

from __future__ import annotations

import pytest

from runpod_sdk.emulator._queue._machine import FINAL, TABLE, Event, State

PAIRS = [(state, event) for state in State for event in Event]
# What the service is known to do, written down a second time: by event, from which state to which.
EXPECTED: dict[Event, dict[State, State]] = {
    Event.TAKE: {State.IN_QUEUE: State.IN_PROGRESS},
    Event.REPORT: {State.IN_PROGRESS: State.IN_PROGRESS},
    Event.SUCCEED: {State.IN_PROGRESS: State.COMPLETED},
    Event.FAIL: {State.IN_PROGRESS: State.FAILED},
    Event.ERROR: {State.IN_PROGRESS: State.ERROR},
    Event.OVERRUN: {State.IN_PROGRESS: State.FAILED},
    Event.TIME_OUT: {State.IN_PROGRESS: State.TIMED_OUT},
    Event.LOSE: {State.IN_PROGRESS: State.IN_QUEUE},
    Event.CANCEL: {State.IN_QUEUE: State.CANCELLED, State.IN_PROGRESS: State.CANCELLED},
    Event.PURGE: {State.IN_QUEUE: State.CANCELLED},
    Event.RETRY: {State.FAILED: State.IN_QUEUE, State.TIMED_OUT: State.IN_QUEUE},
    Event.EXPIRE: {state: State.GONE for state in State if state is not State.GONE},
}


@pytest.mark.parametrize(("state", "event"), PAIRS)
def test_every_pair_leads_where_it_should_or_is_refused(state: State, event: Event) -> None:
    assert TABLE.get((state, event)) == EXPECTED[event].get(state)


@pytest.mark.parametrize("event", [event for event in Event if event not in (Event.RETRY, Event.EXPIRE)])
@pytest.mark.parametrize("state", sorted(FINAL))
def test_a_final_state_changes_by_retry_and_expiry_only(state: State, event: Event) -> None:
    assert TABLE.get((state, event)) is None


@pytest.mark.parametrize("event", list(Event))
def test_a_forgotten_job_stays_forgotten(event: Event) -> None:
    assert TABLE.get((State.GONE, event)) is None


def test_every_state_can_be_reached_and_left() -> None:
    assert set(TABLE.values()) == set(State)
    assert {state for state, _ in TABLE} == set(State) - {State.GONE}
