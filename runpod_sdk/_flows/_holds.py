"""Limits how many requests the service is asked to hold at once, across all users of a client.

Arithmetic; the waiting is done elsewhere. Of many waits and streams only so many are held at once, the others share a
budget of polls: they take turns, so that none of them waits for a connection in the time of its request. And how long a
request may be quiet is not known beforehand: a NAT, a proxy or a load balancer may drop a quiet connection without a
word, and a job that has ended meanwhile is heard of much later. So the first hold of a client is short, and the next
ones are longer as far as the way to the service was seen to bear it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpod_sdk._values._policies import HOLD_MIN

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

# Held requests of one client at once. docs: send-requests, rate limits: 400 status requests at once. The rest is for
# reads of streams that are not held: twice as many as are begun in a second, for which the service holds the least.
HELD_MAX = 360
# Polls a second that all without a held request share; ours.
POLL_BUDGET = 20.0
# The first hold of a client, seconds; ours. Ways that drop quiet connections are reported to do so after 60 s and more.
FIRST_HOLD = 30.0
# A connection that broke sooner was not quiet for too long, seconds; and for how long a way is remembered. Ours.
QUIET, REMEMBERED = 5.0, 600.0


@dataclass(slots=True)
class Path:
    """The way to the service: how long it has borne a quiet connection, and how long it has not, seconds."""

    borne: float = 0.0
    broken: float | None = None
    broken_at: float = 0.0

    def longest(self, now: float) -> float:
        """Return how long the next request may be held."""
        if self.broken is not None and now - self.broken_at >= REMEMBERED:
            self.broken = None
        most = max(FIRST_HOLD, 2 * self.borne)
        if self.broken is not None and most >= self.broken:
            most = max(self.borne, self.broken / 2)
        return max(HOLD_MIN, most)

    def bore(self, seconds: float) -> None:
        """Note an answer that came after this many quiet seconds."""
        self.borne = max(self.borne, seconds)
        if self.broken is not None and seconds >= self.broken:
            self.broken = None

    def broke(self, seconds: float, now: float) -> None:
        """Note a held request of which nothing was heard for so many seconds, and then its end."""
        if seconds < QUIET:
            return
        self.broken = seconds if self.broken is None else min(self.broken, seconds)
        self.broken_at = now
        self.borne = min(self.borne, self.broken / 2)


class Holds:
    """Held requests of all flows of one client. `lock` guards them where threads share the client."""

    def __init__(self, lock: AbstractContextManager[object]) -> None:
        self.path = Path()
        self._lock = lock
        self._held = 0
        self._refused: set[str] = set()
        self._polls_at = 0.0

    def take(self) -> bool:
        """Take one of the held requests, if there is one left; give it back with `give`."""
        with self._lock:
            is_free = self._held < HELD_MAX
            self._held += is_free
        return is_free

    def take_look(self, endpoint_id: str) -> bool:
        """Take one for a status request, if the service holds those of this endpoint."""
        return endpoint_id not in self._refused and self.take()

    def give(self) -> None:
        """Give a held request back."""
        with self._lock:
            self._held -= 1

    @property
    def held(self) -> int:
        """How many requests are held now."""
        return self._held

    def refuse(self, endpoint_id: str) -> None:
        """Note that the service does not hold status requests of this endpoint: from now on its jobs are polled."""
        self._refused.add(endpoint_id)

    def poll_delay(self, now: float) -> float:
        """Reserve the next place among the polls of waiters that are not held, and return the seconds until it."""
        with self._lock:
            self._polls_at = max(now, self._polls_at) + 1.0 / POLL_BUDGET
            return self._polls_at - now
