"""Retry and polling policies: values and arithmetic. Nothing here waits, sends or reads a clock."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# A server that asks for more than this is not obeyed blindly: the caller hears of the 429 instead. Seconds; ours.
RETRY_AFTER_MAX = 60.0
# The least and most that the service accepts for `wait`, seconds. live: runsync answers 400 outside of this range.
HOLD_MIN, HOLD_MAX = 1.0, 300.0
# What a held request may take beyond its hold: the answer is due then, and a connection that has died unnoticed is not
# waited on for long. Seconds; ours.
HELD_PATIENCE = 10.0
# What a call may take beyond its deadline to read an answer that is on its way, seconds; ours.
GRACE = 5.0
# What a request gets in any case, seconds; ours. A call that is late already may have one more question.
REQUEST_MIN = 0.1
# What has to be left of a request's time, beyond its hold, when its first byte is sent: seconds, but no more than this
# share of all of it. With less its answer would come too late, and nobody would know of its job. Ours.
ANSWER_MIN, ANSWER_SHARE = 1.0, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Passed to `RetryPolicy.on_retry`: this attempt failed, the next follows after `wait` seconds."""

    operation: str
    endpoint_id: str
    job_id: str | None
    attempt: int
    wait: float
    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often a request is repeated, if repeating it cannot submit a job twice.

    Args:
        attempts: the number of requests, including the first; 1 means no repeats.
        wait_initial: upper bound of the first wait, seconds.
        wait_max: upper bound of any wait, seconds.
        wait_exp_base: factor by which the upper bound grows from wait to wait.
        on_retry: called before each wait; an exception from it ends the call.

    Examples:
        >>> RetryPolicy(attempts=3).next_wait(1, 0.5)
        0.25
    """

    attempts: int = 5
    wait_initial: float = 0.5
    wait_max: float = 8.0
    wait_exp_base: float = 2.0
    on_retry: Callable[[Retry], None] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.attempts, bool) or not isinstance(self.attempts, int):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"attempts={self.attempts!r}: a whole number expected")
        if self.attempts < 1:
            raise ValueError(f"attempts={self.attempts!r}: at least 1 expected")
        for name in ("wait_initial", "wait_max"):
            _check_seconds(name, getattr(self, name))
        if not (math.isfinite(self.wait_exp_base) and self.wait_exp_base >= 1):
            raise ValueError(f"wait_exp_base={self.wait_exp_base!r}: a finite number of at least 1 expected")

    def next_wait(self, attempt: int, random: float, retry_after: float | None = None) -> float:
        """Return the seconds to wait after failed attempt number `attempt` (from 1).

        Full jitter: `random` in [0, 1) picks a point below the bound. A server's `retry_after` is a lower bound.
        """
        wait = random * backoff(attempt, self.wait_initial, self.wait_max, self.wait_exp_base)
        return wait if retry_after is None else max(wait, retry_after)


@dataclass(frozen=True, slots=True, kw_only=True)
class PollPolicy:
    """How to wait for a job whose id is known. Polling is free and cannot submit anything.

    Args:
        hold: how long the service is asked to hold a status request until the job ends, seconds, 1 … 300.
        wait_initial: first pause between polls where the service does not hold requests, seconds.
        wait_max: longest such pause, seconds.
        wait_exp_base: factor by which that pause grows.
        outage: how long the service may show no sign of life before a wait gives up, seconds. An edge server's
            report that the service is down does not count as one.
        rate_limited: how long the service may answer nothing but 429 before a wait gives up, seconds. The default
            is half the retention of a result, so that a job that ended in the meantime is still there.
    """

    hold: float = 90.0
    wait_initial: float = 0.25
    wait_max: float = 5.0
    wait_exp_base: float = 1.5
    outage: float = 300.0
    rate_limited: float = 900.0

    def __post_init__(self) -> None:
        if not HOLD_MIN <= self.hold <= HOLD_MAX:
            raise ValueError(f"hold={self.hold!r}: {HOLD_MIN:g} … {HOLD_MAX:g} seconds expected")
        for name in ("wait_initial", "wait_max", "outage", "rate_limited"):
            _check_seconds(name, getattr(self, name))
        if not (math.isfinite(self.wait_exp_base) and self.wait_exp_base >= 1):
            raise ValueError(f"wait_exp_base={self.wait_exp_base!r}: a finite number of at least 1 expected")

    def next_wait(self, poll: int) -> float:
        """Return the seconds to pause after poll number `poll` (from 1)."""
        return backoff(poll, self.wait_initial, self.wait_max, self.wait_exp_base)


@dataclass(frozen=True, slots=True)
class Deadline:
    """The end of one call: a moment of the clock, or None for no end; and the `grace` of a last read, seconds."""

    at: float | None
    grace: float = GRACE

    @classmethod
    def after(cls, timeout: float | None, now: float, grace: float = GRACE) -> Deadline:
        """Return the deadline `timeout` seconds after `now`.

        Raises:
            TypeError, ValueError: the timeout is no number, or negative.
        """
        if timeout is None:
            return cls(None, grace)
        if isinstance(timeout, bool) or not isinstance(timeout, int | float):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"timeout={timeout!r}: seconds or None expected")
        if not timeout >= 0:
            raise ValueError(f"timeout={timeout!r}: seconds (0 or more) or None expected")
        return cls(None if math.isinf(timeout) else now + timeout, grace)

    def left(self, now: float) -> float:
        """Return the seconds that are left: 0 when it has passed, infinity without an end."""
        return math.inf if self.at is None else max(0.0, self.at - now)

    def request_end(self, now: float, timeout: float, hold: float) -> float:
        """Return when one request has to be over: after its hold and the client's `timeout`, but hardly after the end.

        It is the only limit of a request: each step asks how much is left of it.
        """
        end = now + hold + timeout
        return end if self.at is None else min(end, max(now + REQUEST_MIN, self.at + self.grace))


def last_start(now: float, end: float, hold: float) -> float:
    """Return until when a request may be begun that is made now, has to be over at `end`, and is held for so long.

    What is in its way before that, a line for a connection say, is never the answer's time.
    """
    spare = end - now - hold
    return max(end - hold - min(ANSWER_MIN, ANSWER_SHARE * spare), now + ANSWER_SHARE * (end - now))


def backoff(attempt: int, initial: float, most: float, base: float) -> float:
    """Return `initial * base ** (attempt - 1)`, never above `most`, whatever the attempt's number."""
    try:
        return min(most, float(initial * float(base) ** (attempt - 1)))
    except OverflowError:  # 2.0 ** 1024
        return most if initial > 0 else 0.0


def checked_timeout(timeout: float) -> float:
    """Return a client's timeout for one request.

    Raises:
        TypeError, ValueError: it is not a positive, finite number of seconds.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"timeout={timeout!r}: seconds expected")
    if not (math.isfinite(timeout) and timeout > 0):
        raise ValueError(f"timeout={timeout!r}: a positive, finite number of seconds expected")
    return float(timeout)


def check_policies(retry: object, poll: object, clock: object) -> None:
    """Refuse what is no policy or no clock: it would show only when a request is repeated, or a job is under way.

    Raises:
        TypeError: one of them is of another kind.
    """
    if not isinstance(retry, RetryPolicy):
        raise TypeError(f"retry={retry!r}: a RetryPolicy expected, such as RetryPolicy(attempts=3), or None")
    if not isinstance(poll, PollPolicy):
        raise TypeError(f"poll={poll!r}: a PollPolicy expected, such as PollPolicy(hold=60)")
    if not callable(getattr(clock, "monotonic", None)):
        raise TypeError(f"clock={clock!r}: a clock of runpod_sdk.clock expected, such as VirtualClock()")


def _check_seconds(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name}={value!r}: seconds (0 or more) expected")


NO_RETRY = RetryPolicy(attempts=1)
