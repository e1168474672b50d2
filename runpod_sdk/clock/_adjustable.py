"""A clock that can be paused, advanced and sped up while others wait on it."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING

from ._system import SystemClock, SystemParking

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from ._base import Parking, Timer


class AdjustableClock(SystemClock):
    """The system's clock, until it is paused, sped up, slowed down or advanced.

    Who waits on it waits for its time, whatever becomes of the rate meanwhile.

    Args:
        rate: seconds that pass on this clock in one real second.

    Examples:
        >>> from runpod_sdk.clock import AdjustableClock
        >>> clock = AdjustableClock()
        >>> clock.set_rate(0)
        >>> before = clock.monotonic()
        >>> clock.advance(3600)
        >>> clock.monotonic() - before
        3600.0
    """

    def __init__(self, *, rate: float = 1.0) -> None:
        super().__init__(rate=rate)
        now = time.monotonic()
        # When it was last told otherwise: in real seconds, in its own, and how fast it has gone since.
        self._since = (now, now, rate)
        self._ahead = time.time() - now

    def set_rate(self, rate: float) -> None:
        """Set how many seconds pass in each real one from now on; 0 pauses it.

        Raises:
            ValueError: a rate that is negative, or no number.
        """
        if not (math.isfinite(rate) and rate >= 0):
            raise ValueError(f"rate={rate!r}: a finite number of 0 or more expected")
        self._turn(0.0, rate)

    def advance(self, seconds: float) -> None:
        """Move it on, at once; what is due by then happens right after, in the clock's own thread."""
        self._turn(seconds, self.rate)

    async def advance_async(self, seconds: float) -> None:
        """Like `advance`, which waits for nothing."""
        self.advance(seconds)

    def _turn(self, seconds: float, rate: float) -> None:
        with self._lock:
            self._since = (time.monotonic(), self.monotonic() + seconds, rate)
            self.rate = rate
            self._lock.notify()

    def monotonic(self) -> float:
        """Return seconds since some fixed point; they begin as `time.monotonic()` has them."""
        real, own, rate = self._since
        return own + (time.monotonic() - real) * rate

    def time(self) -> float:
        """Return seconds since 1970: the machine's when the clock was made, and what has passed on it since."""
        return self.monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        """Block the calling thread."""
        self.parking(self.monotonic() + max(0.0, seconds)).wait()

    async def sleep_async(self, seconds: float) -> None:
        """Suspend the calling task."""
        await self.parking(self.monotonic() + max(0.0, seconds)).wait_async()

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Return a timeout that ends after this many seconds at the present rate; if paused, at the normal rate."""
        from ._patience import PatientTimeout  # noqa: PLC0415  brings asyncio, see SystemClock

        return PatientTimeout(seconds / (self.rate or 1.0))

    def parking(self, until: float | None) -> Parking:
        """Return a wait that ends at monotonic `until` at the latest."""
        return _AdjustableParking(self, until)

    def _real_until(self, when: float) -> float:
        real, own, rate = self._since
        left = when - own - (time.monotonic() - real) * rate
        if left <= 0:
            return 0.0
        return left / rate if rate else math.inf


class _AdjustableParking(SystemParking):
    """One wait, whose end a timer of the clock's brings, since only the clock knows when that is."""

    def wait(self) -> bool:
        """Block until woken (True) or until the deadline (False)."""
        over = threading.Event()
        if not self._begin(over.set):
            timer = self._timer(over.set)
            over.wait()
            if timer is not None:
                timer.cancel()
        return self._woken

    def _alarm(self, later: Callable[[float], object], notify: Callable[[], None]) -> Timer | None:  # noqa: ARG002  see there
        return self._timer(notify)

    def _timer(self, notify: Callable[[], None]) -> Timer | None:
        return None if self._until is None else self._clock.call_at(self._until, notify)
