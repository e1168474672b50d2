"""The clock of the machine."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

from ._base import Due, Parking, Role, Timer

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

_NOTHING = nullcontext()


class SystemClock:
    """The clock of the machine."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._heap: list[Due] = []
        self._order = itertools.count()
        self._thread: threading.Thread | None = None

    def monotonic(self) -> float:
        """Return `time.monotonic()`."""
        return time.monotonic()

    def time(self) -> float:
        """Return `time.time()`."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Block the calling thread."""
        time.sleep(max(0.0, seconds))

    async def sleep_async(self, seconds: float) -> None:
        """Suspend the calling task."""
        import asyncio  # noqa: PLC0415  importing asyncio costs 30 ms that a sync user need not pay

        await asyncio.sleep(max(0.0, seconds))

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Return `asyncio.timeout(seconds)`."""
        import asyncio  # noqa: PLC0415  see sleep_async

        return asyncio.timeout(seconds)

    def participate(self, role: Role = "caller") -> AbstractContextManager[object]:  # noqa: ARG002  Clock's signature
        """Do nothing: real time needs nobody's leave to pass."""
        return _NOTHING

    def parking(self, until: float | None) -> Parking:
        """Return a wait that ends at monotonic `until` at the latest."""
        return _SystemParking(until)

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

    def _run(self) -> None:
        while True:
            with self._lock:
                while self._heap and self._heap[0].callback is None:
                    heapq.heappop(self._heap)
                if not self._heap:
                    self._thread = None
                    return
                due = self._heap[0].when - time.monotonic()
                if due > 0:
                    # A cancelled timer is noticed within this second, so an idle clock does not keep its thread.
                    self._lock.wait(min(due, 1.0))
                    continue
                timer = heapq.heappop(self._heap)
            timer.fire()


class _SystemParking:
    def __init__(self, until: float | None) -> None:
        self._until = until
        self._lock = threading.Lock()
        self._woken = False
        self._notify: Callable[[], object] = lambda: None

    def wake(self) -> None:
        with self._lock:
            self._woken = True
            notify = self._notify
        notify()

    def _left(self) -> float | None:
        return None if self._until is None else max(0.0, self._until - time.monotonic())

    def _begin(self, notify: Callable[[], object]) -> bool:
        with self._lock:
            self._notify = notify
            return self._woken

    def wait(self) -> bool:
        event = threading.Event()
        return self._begin(event.set) or event.wait(self._left())

    async def wait_async(self) -> bool:
        import asyncio  # noqa: PLC0415  see SystemClock.sleep_async

        loop = asyncio.get_running_loop()
        over = asyncio.Event()

        def notify() -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody in it waits any more
                loop.call_soon_threadsafe(over.set)

        if not self._begin(notify):
            left = self._left()
            timer = None if left is None else loop.call_later(left, over.set)
            try:
                await over.wait()
            finally:
                self._begin(lambda: None)
                if timer is not None:
                    timer.cancel()
        return self._woken
