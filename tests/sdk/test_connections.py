"""Which connection a request takes: the one that was used last, if it is still good; and none outlives its use."""

from __future__ import annotations

import pytest

from runpod_sdk._http import _connections
from runpod_sdk._http._connections import Stack


class Connection:
    """As much of a connection as a stack looks at."""

    def __init__(self) -> None:
        self.is_spoilt = False
        self.is_broken = False

    def has_expired(self) -> bool:
        return self.is_spoilt

    def is_available(self) -> bool:
        return not self.is_broken


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [0.0]
    monkeypatch.setattr(_connections, "monotonic", lambda: time[0])
    return time


@pytest.fixture
def stack(now: list[float]) -> Stack[Connection]:
    assert now == [0.0]
    return Stack(Connection, keepalive=5.0)


def test_the_connection_that_was_used_last_is_used_next(stack: Stack[Connection]) -> None:
    first, second = stack.take(), stack.take()
    stack.put(first)
    stack.put(second)
    assert stack.take() is second
    assert stack.take() is first
    assert stack.outdated() == []


def test_a_connection_on_which_something_came_meanwhile_is_closed_unused(stack: Stack[Connection]) -> None:
    spoilt = stack.take()
    stack.put(spoilt)
    spoilt.is_spoilt = True
    assert stack.take() is not spoilt
    assert stack.outdated() == [spoilt]
    assert stack.outdated() == []


def test_a_connection_that_broke_is_closed(stack: Stack[Connection]) -> None:
    broken = stack.take()
    broken.is_broken = True
    stack.put(broken)
    assert stack.outdated() == [broken]
    assert stack.take() is not broken


def test_after_a_burst_the_idle_ones_are_closed_by_later_requests(stack: Stack[Connection], now: list[float]) -> None:
    burst = [stack.take() for _ in range(3)]
    for one in burst:
        stack.put(one)
    now[0] = 4.0
    used = stack.take()
    stack.put(used)
    now[0] = 5.5
    assert stack.take() is used
    stack.put(used)
    assert stack.outdated() == burst[:2]


def test_a_connection_in_use_when_all_are_closed_does_not_come_back(stack: Stack[Connection]) -> None:
    in_use = stack.take()
    assert stack.all() == [in_use]
    stack.put(in_use)
    assert stack.take() is not in_use
