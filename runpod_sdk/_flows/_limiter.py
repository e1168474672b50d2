"""How fast requests may follow each other, over all users of one client. Arithmetic; the waiting is done elsewhere.

By default nothing is slowed down until the service answers 429; from then on that operation of that endpoint is paced,
halved with each further refusal and let grow again in between (AIMD). "documented" keeps to the documented rates from
the start. And of many waiters only so many are held by the service at once; the others share a budget of polls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from runpod_sdk._values._operations import OPERATIONS

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from runpod_sdk._values._operations import OperationName

Limits = Literal["react", "documented", "off"]

# Held requests of one client at once. docs: send-requests, rate limits: 400 status requests at once.
HELD_MAX = 400
# Polls a second that all waiters without a held request share; ours.
POLL_BUDGET = 20.0
# After a 429, requests a second: the least, what is added each second, and over how long the rate before is measured.
RATE_MIN, RATE_STEP, WINDOW = 1.0, 2.0, 10.0


@dataclass(slots=True)
class Pace:
    """One operation of one endpoint. `rate` is None while nothing is slowed down, requests a second otherwise."""

    rate: float | None = None
    ceiling: float = 0.0
    next_at: float = 0.0
    slowed_at: float = -WINDOW
    window_at: float = 0.0
    seen: int = 0

    def reserve(self, now: float) -> float:
        """Take the next place, and return the seconds until it."""
        if now - self.window_at > WINDOW:
            self.window_at, self.seen = now, 0
        self.seen += 1
        if self.rate is None:
            return 0.0
        at = max(now, self.next_at)
        self.next_at = at + 1.0 / self.rate
        return at - now

    def slow_down(self, sent_at: float, now: float) -> None:
        """Halve the rate; once for all requests that were on their way together."""
        if sent_at <= self.slowed_at:
            return
        measured = self.seen / max(1.0, now - self.window_at)
        if self.rate is None:
            self.ceiling = measured
        self.rate = max(RATE_MIN, (measured if self.rate is None else self.rate) / 2)
        self.slowed_at = now

    def speed_up(self) -> None:
        """Let the rate grow by `RATE_STEP` a second, and free it once it is well above where it was refused."""
        if self.rate is not None:
            self.rate += RATE_STEP / self.rate
            if self.rate > 2 * max(self.ceiling, RATE_STEP):
                self.rate = None


@dataclass(slots=True)
class Bucket:
    """Tokens of a documented limit."""

    per_second: float
    most: float
    tokens: float
    filled_at: float

    def reserve(self, now: float) -> float:
        """Take a token, on credit if there is none, and return the seconds until it is there."""
        self.tokens = min(self.most, self.tokens + (now - self.filled_at) * self.per_second) - 1
        self.filled_at = now
        return max(0.0, -self.tokens / self.per_second)


class Limiter:
    """Paces all flows of one client. `lock` guards it where threads share the client."""

    def __init__(self, limits: Limits, lock: AbstractContextManager[object]) -> None:
        if limits not in ("react", "documented", "off"):
            raise ValueError(f'limits={limits!r}: "react", "documented" or "off" expected')
        self._limits = limits
        self._lock = lock
        self._paces: dict[tuple[str, OperationName], Pace] = {}
        self._buckets: dict[tuple[str, OperationName], Bucket] = {}
        self._held = 0
        self._unheld: set[str] = set()
        self._polls_at = 0.0

    def delay(self, endpoint_id: str, operation: OperationName, now: float) -> float:
        """Reserve a place for one request, and return the seconds to wait for it."""
        if self._limits == "off":
            return 0.0
        key = endpoint_id, operation
        with self._lock:
            delay = self._paces.setdefault(key, Pace(window_at=now)).reserve(now)
            rate = OPERATIONS[operation].rate
            if self._limits == "documented" and rate is not None:
                bucket = self._buckets.setdefault(key, Bucket(rate.per_window / WINDOW, rate.burst, rate.burst, now))
                delay = max(delay, bucket.reserve(now))
        return delay

    def learn(self, endpoint_id: str, operation: OperationName, sent_at: float, now: float, *, refused: bool) -> None:
        """Note whether a request was answered 429."""
        pace = self._paces.get((endpoint_id, operation))
        if pace is not None and (refused or pace.rate is not None):
            with self._lock:
                if refused:
                    pace.slow_down(sent_at, now)
                else:
                    pace.speed_up()

    def take_hold(self, endpoint_id: str) -> bool:
        """Take one of the held requests, if there is one left; give it back with `give_hold`."""
        with self._lock:
            is_free = self._held < HELD_MAX and endpoint_id not in self._unheld
            self._held += is_free
        return is_free

    def refuse_holds(self, endpoint_id: str) -> None:
        """Note that the service does not hold status requests of this endpoint: from now on its jobs are polled."""
        self._unheld.add(endpoint_id)

    def give_hold(self) -> None:
        """Give a held request back."""
        with self._lock:
            self._held -= 1

    def poll_delay(self, now: float) -> float:
        """Reserve the next place among the polls of waiters that are not held, and return the seconds until it."""
        with self._lock:
            self._polls_at = max(now, self._polls_at) + 1.0 / POLL_BUDGET
            return self._polls_at - now
