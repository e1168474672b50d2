"""The pace of requests, across all users of a client. Arithmetic only; others do the waiting.

By default nothing is slowed down until the service answers 429; from then on that operation of that endpoint is paced,
halved with each further refusal and let grow again in between (AIMD). "documented" keeps to the documented rates from
the start. A request whose turn would come after its deadline is not sent, and takes no place from others.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from runpod_sdk._values._operations import OPERATIONS

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from runpod_sdk._values._operations import OperationName

Limits = Literal["react", "documented", "off"]

# After a 429, requests a second: the least, what is added each second, and over how long the rate before is measured.
RATE_MIN, RATE_STEP, WINDOW = 1.0, 2.0, 10.0
# Requests that are sent this soon after a slow-down say nothing of the new rate, seconds.
FLIGHT = 1.0
# Who waits in a line looks this often whether it has moved on, seconds: a quarter of what is left, within these bounds.
GLANCE_MIN, GLANCE_MAX = 1.0, 5.0
_TOO_MANY, _FAILED = 429, 500
# Less than this is no time to wait, seconds.
_TICK = 1e-3


class Turn(NamedTuple):
    """When a request may be sent, seconds from now; and whether that place was taken for it.

    `number` is its place in the line of its pace; `not_before` what a documented rate asks for, by the clock.
    """

    seconds: float
    is_taken: bool
    number: int = 0
    not_before: float = 0.0


@dataclass(slots=True)
class Pace:
    """One operation of one endpoint: a line of numbers, called up at a rate that may change while they wait.

    `rate` is None while nothing is slowed down, numbers a second otherwise. `given` is the last number handed out,
    `called` the last one called up, as of `at`; `dropped` those of who has left the line, in order.
    """

    rate: float | None = None
    ceiling: float = 0.0
    given: int = 0
    called: float = 0.0
    at: float = 0.0
    dropped: list[int] = field(default_factory=list[int])
    slowed_at: float = -WINDOW
    window_at: float = 0.0
    seen: int = 0
    before: float = 0.0

    def turn(self, number: int, now: float) -> float:
        """Return the seconds until a number is called up, at today's rate."""
        if self.rate is None:
            return 0.0
        self._call(now)
        ahead = number - self.called - bisect_left(self.dropped, number)
        return max(0.0, ahead / self.rate)

    def take(self, now: float) -> int:
        """Hand out the next number."""
        since = now - self.window_at
        if since > WINDOW:
            self.before = self.seen / WINDOW if since <= 2 * WINDOW else 0.0
            self.window_at, self.seen = now, 0
        self.seen += 1
        self.given += 1
        return self.given

    def drop(self, number: int, now: float) -> None:
        """Take back a number whose request is not sent: who stands behind it moves up."""
        self._call(now)
        if number > self.called:
            insort(self.dropped, number)

    def slow_down(self, sent_at: float, now: float) -> None:
        """Halve the rate; once for all requests that were on their way together, and hardly more than once a second."""
        if sent_at < self.slowed_at + FLIGHT:
            return
        self._call(now)
        measured = max(self.before, self.seen / max(1.0, now - self.window_at))
        if self.rate is None:
            self.ceiling = measured
        self.rate = max(RATE_MIN, (measured if self.rate is None else self.rate) / 2)
        self.slowed_at = now

    def speed_up(self, now: float) -> None:
        """Let the rate grow by `RATE_STEP` a second, and free it once it is well above where it was refused."""
        if self.rate is None:
            return
        self._call(now)
        self.rate += RATE_STEP / self.rate
        # A line is never let go all at once.
        if self.rate > 2 * max(self.ceiling, RATE_STEP) and self.called >= self.given:
            self.rate = None

    def _call(self, now: float) -> None:
        """Call up what is due by now; of what nobody has come for, one number at most."""
        passed = math.inf if self.rate is None else self.called + (now - self.at) * self.rate
        while self.dropped and self.dropped[0] <= passed + 1:
            passed += 1
            del self.dropped[0]
        self.called, self.at = min(passed, self.given + 1.0), now


def glance(seconds: float) -> float:
    """Return how long to wait before looking again, of a turn that comes in so many seconds."""
    return min(seconds, max(GLANCE_MIN, min(GLANCE_MAX, seconds / 4)))


@dataclass(slots=True)
class Bucket:
    """Tokens of a documented limit."""

    per_second: float
    most: float
    tokens: float
    filled_at: float

    def turn(self, now: float) -> float:
        """Return the seconds until there is a token; it is not taken."""
        return max(0.0, (1 - self._filled(now)) / self.per_second)

    def take(self, now: float) -> None:
        """Take a token, on credit if there is none."""
        self.tokens, self.filled_at = self._filled(now) - 1, now

    def _filled(self, now: float) -> float:
        return min(self.most, self.tokens + (now - self.filled_at) * self.per_second)


class Limiter:
    """Paces all flows of one client. `lock` guards it where threads share the client."""

    def __init__(self, limits: Limits, lock: AbstractContextManager[object]) -> None:
        if limits not in ("react", "documented", "off"):
            raise ValueError(f'limits={limits!r}: "react", "documented" or "off" expected')
        self._limits = limits
        self._lock = lock
        self._paces: dict[tuple[str, OperationName], Pace] = {}
        self._buckets: dict[tuple[str, OperationName], Bucket] = {}

    def turn(self, endpoint_id: str, operation: OperationName, now: float, within: float = math.inf) -> Turn:
        """Return when a request may be sent, and reserve that slot if it comes within this many seconds."""
        if self._limits == "off":
            return Turn(0.0, is_taken=True)
        with self._lock:
            pace = self._paces.get((endpoint_id, operation))
            if pace is None:
                pace = self._paces[endpoint_id, operation] = Pace(window_at=now, at=now)
            bucket = self._bucket(endpoint_id, operation, now)
            not_before = now + (0.0 if bucket is None else bucket.turn(now))
            seconds = max(pace.turn(pace.given + 1, now), not_before - now)
            if seconds > 0 and seconds >= within:
                return Turn(seconds, is_taken=False)
            if bucket is not None:
                bucket.take(now)
            return Turn(seconds, is_taken=True, number=pace.take(now), not_before=not_before)

    def left(self, turn: Turn, endpoint_id: str, operation: OperationName, now: float) -> float:
        """Return the seconds until a turn that was taken: the pace may have changed since."""
        with self._lock:
            seconds = max(self._paces[endpoint_id, operation].turn(turn.number, now), turn.not_before - now)
        return seconds if seconds > _TICK else 0.0

    def drop(self, turn: Turn, endpoint_id: str, operation: OperationName, now: float) -> None:
        """Take back a turn whose request is not sent."""
        with self._lock:
            self._paces[endpoint_id, operation].drop(turn.number, now)

    def slowed(self) -> dict[tuple[str, OperationName], float]:
        """Return the paces that are slowed down now, requests a second."""
        with self._lock:
            return {of: pace.rate for of, pace in self._paces.items() if pace.rate is not None}

    def _bucket(self, endpoint_id: str, operation: OperationName, now: float) -> Bucket | None:
        if self._limits != "documented":
            return None
        counted_as = OPERATIONS[operation].counted_as or operation
        rate = OPERATIONS[counted_as].rate
        if rate is None:
            return None
        fresh = Bucket(rate.per_window / WINDOW, rate.burst, rate.burst, now)
        return self._buckets.setdefault((endpoint_id, counted_as), fresh)

    def learn(
        self, endpoint_id: str, operation: OperationName, sent_at: float, now: float, *, status: int | None
    ) -> None:
        """Note what a request was answered with; None for no answer. Whatever was not served says nothing of a rate."""
        pace = self._paces.get((endpoint_id, operation))
        if pace is None or status is None:
            return
        if status == _TOO_MANY:
            with self._lock:
                pace.slow_down(sent_at, now)
        elif status < _FAILED and pace.rate is not None:
            with self._lock:
                pace.speed_up(now)
