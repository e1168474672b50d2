"""Which connection a request takes: the one that was used last, if it is still good; and none outlives its use."""

from __future__ import annotations

import pytest

from runpod_sdk._http import _stack
from runpod_sdk._http._stack import Stack


class Connection:
    """As much of a connection as a stack looks at."""

    def __init__(self) -> None:
        self.is_clean = True
        self.is_silent = True
        self.ended: list[str] = []

    def close(self) -> None:
        self.ended.append("closed")

    def abort(self) -> None:
        self.ended.append("aborted")


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [0.0]
    monkeypatch.setattr(_stack, "monotonic", lambda: time[0])
    return time


@pytest.fixture
def stack(now: list[float]) -> Stack[Connection]:
    assert now == [0.0]
    return Stack(keepalive=5.0)


def idle(stack: Stack[Connection], count: int = 1) -> list[Connection]:
    made = [Connection() for _ in range(count)]
    for one in made:
        stack.add(one)
    for one in made:
        stack.put(one)
    return made


def test_the_connection_that_was_used_last_is_used_next(stack: Stack[Connection]) -> None:
    first, second = idle(stack, 2)
    assert stack.take() is second
    assert stack.take() is first
    assert stack.take() is None
    assert first.ended == second.ended == []


def test_a_connection_on_which_something_came_meanwhile_is_closed_unused(stack: Stack[Connection]) -> None:
    good, spoilt = idle(stack, 2)
    spoilt.is_silent = False
    assert stack.take() is good
    assert spoilt.ended == ["closed"]


def test_a_connection_that_something_is_left_on_is_closed(stack: Stack[Connection]) -> None:
    dirty = Connection()
    stack.add(dirty)
    dirty.is_clean = False
    stack.put(dirty)
    assert dirty.ended == ["closed"]
    assert stack.take() is None


def test_a_connection_that_was_idle_for_too_long_is_closed_unused(stack: Stack[Connection], now: list[float]) -> None:
    [old] = idle(stack)
    now[0] = 5.5
    assert stack.take() is None
    assert old.ended == ["closed"]


def test_after_a_burst_the_idle_ones_are_closed_by_later_requests(stack: Stack[Connection], now: list[float]) -> None:
    burst = idle(stack, 3)
    now[0] = 4.0
    used = burst[2]
    assert stack.take() is used
    stack.put(used)
    now[0] = 5.5
    assert stack.take() is used
    stack.put(used)
    assert [one.ended for one in burst] == [["closed"], ["closed"], []]


def test_a_connection_in_use_when_all_are_closed_ends_and_does_not_come_back(stack: Stack[Connection]) -> None:
    in_use, waiting = Connection(), idle(stack)[0]
    stack.add(in_use)
    stack.close()
    assert (in_use.ended, waiting.ended) == (["aborted"], ["closed"])
    stack.put(in_use)
    assert in_use.ended == ["aborted", "closed"]
    assert stack.take() is None


def test_a_connection_that_is_made_while_all_are_closed_is_closed_too(stack: Stack[Connection]) -> None:
    stack.close()
    late = Connection()
    with pytest.raises(RuntimeError, match="closed"):
        stack.add(late)
    assert late.ended == ["closed"]
