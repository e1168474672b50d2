"""The clock of the machine."""

from __future__ import annotations

import heapq
import itertools
import math
import threading
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol

from ._base import Due, Parking, Role, Timer

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

_NOTHING = nullcontext()


class SystemClock:
    """The clock of the machine, or one that runs faster or slower than it.

    Args:
        rate: seconds that pass on this clock in one real second.

    Examples:
        >>> clock = SystemClock(rate=1000)
        >>> before = clock.monotonic()
        >>> clock.sleep(10)  # takes 10 ms
        >>> clock.monotonic() - before >= 10
        True
    """

    def __init__(self, *, rate: float = 1.0) -> None:
        if not (math.isfinite(rate) and rate > 0):
            raise ValueError(f"rate={rate!r}: a finite number above 0 expected")
        self.rate = rate
        self._monotonic_start = time.monotonic()
        self._time_start = time.time()
        self._lock = threading.Condition()
        self._heap: list[Due] = []
        self._order = itertools.count()
        self._thread: threading.Thread | None = None

    def monotonic(self) -> float:
        """Return `time.monotonic()`, or how far it would be at this clock's rate since the clock was made."""
        now = time.monotonic()
        return now if self.rate == 1 else self._monotonic_start + (now - self._monotonic_start) * self.rate

    def time(self) -> float:
        """Return `time.time()`; at another rate, what it was when the clock was made and what has passed since."""
        if self.rate == 1:
            return time.time()
        return self._time_start + (time.monotonic() - self._monotonic_start) * self.rate

    def sleep(self, seconds: float) -> None:
        """Block the calling thread."""
        time.sleep(max(0.0, seconds) / self.rate)

    async def sleep_async(self, seconds: float) -> None:
        """Suspend the calling task."""
        import asyncio  # noqa: PLC0415  importing asyncio costs 30 ms that a sync user need not pay

        await asyncio.sleep(max(0.0, seconds) / self.rate)

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Return what ends as `asyncio.timeout` does, and is patient where the loop stood still."""
        from ._patience import PatientTimeout  # noqa: PLC0415  brings asyncio, see sleep_async

        return PatientTimeout(seconds / self.rate)

    def participate(self, role: Role = "caller") -> AbstractContextManager[object]:  # noqa: ARG002  Clock's signature
        """Do nothing: real time needs nobody's leave to pass."""
        return _NOTHING

    def parking(self, until: float | None) -> Parking:
        """Return a wait that ends at monotonic `until` at the latest."""
        return SystemParking(self, until)

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Run `callback` at monotonic `when`, in a daemon thread that lives as long as timers are set."""
        timer = Due(when, next(self._order), callback)
        with self._lock:
            heapq.heappush(self._heap, timer)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="runpod-sdk-clock", daemon=True)
                self._thread.start()
            elif self._heap[0] is timer:
                self._lock.notify()
        return timer

    def _real_until(self, when: float) -> float:
        """Return the real seconds until monotonic `when`; 0 or less: it is due."""
        return (when - self.monotonic()) / self.rate

    def _run(self) -> None:
        while True:
            with self._lock:
                while self._heap and self._heap[0].callback is None:
                    heapq.heappop(self._heap)
                if not self._heap:
                    self._thread = None
                    return
                due = self._real_until(self._heap[0].when)
                if due > 0:
                    # A cancelled timer is noticed within this second, so an idle clock does not keep its thread.
                    self._lock.wait(min(due, 1.0))
                    continue
                timer = heapq.heappop(self._heap)
            timer.fire()


class _Alarm(Protocol):
    def cancel(self) -> None: ...


class SystemParking:
    """One wait on the machine's time."""

    def __init__(self, clock: SystemClock, until: float | None) -> None:
        self._clock = clock
        self._until = until
        self._lock = threading.Lock()
        self._woken = False
        self._notify: Callable[[], object] = lambda: None

    def wake(self) -> None:
        """End the wait."""
        with self._lock:
            self._woken = True
            notify = self._notify
        notify()

    def _left(self) -> float | None:
        """Return the real seconds that are left."""
        return None if self._until is None else max(0.0, self._until - self._clock.monotonic()) / self._clock.rate

    def _alarm(self, later: Callable[[float], _Alarm], notify: Callable[[], None]) -> _Alarm | None:  # noqa: ARG002  of those who need a timer
        """Set what ends a wait in a task."""
        left = self._left()
        return None if left is None else later(left)

    def _begin(self, notify: Callable[[], object]) -> bool:
        with self._lock:
            self._notify = notify
            return self._woken

    def wait(self) -> bool:
        """Block until woken (True) or until the deadline (False)."""
        event = threading.Event()
        return self._begin(event.set) or event.wait(self._left())

    async def wait_async(self) -> bool:
        """Like `wait`, for a task."""
        import asyncio  # noqa: PLC0415  see SystemClock.sleep_async

        loop = asyncio.get_running_loop()
        over = asyncio.Event()

        def notify() -> None:
            try:
                loop.call_soon_threadsafe(over.set)
            except RuntimeError:  # closed: nobody in it waits any more
                if not loop.is_closed():
                    raise

        if not self._begin(notify):
            timer = self._alarm(lambda left: loop.call_later(left, over.set), notify)
            try:
                await over.wait()
            finally:
                self._begin(lambda: None)
                if timer is not None:
                    timer.cancel()
        return self._woken
