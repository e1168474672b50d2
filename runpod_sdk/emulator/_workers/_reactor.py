"""One thread that serves all worker processes: their messages, output and exits.

Nothing that it runs may wait. What an action raises is logged, and the thread goes on.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import selectors
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Action = Callable[[], None]

_LOG = logging.getLogger("runpod_sdk.emulator")


class Reactor:
    """Runs actions in a thread of its own; the thread starts with the first one."""

    def __init__(self) -> None:
        self._calls: deque[Action] = deque()
        self._timers: list[tuple[float, int, Action]] = []
        self._order = itertools.count()
        self._lock = threading.Lock()
        self._selector: selectors.BaseSelector | None = None
        self._thread: threading.Thread | None = None
        self._wake = -1
        self._is_awake = False
        self._is_closed = False

    def call(self, action: Action) -> None:
        """Run an action soon; any thread may ask for it. Nothing runs once this is closed."""
        self._calls.append(action)
        if threading.current_thread() is self._thread:
            return
        with self._lock:
            if self._is_closed:
                return
            if self._thread is None:
                self._start()
            if not self._is_awake:
                self._is_awake = True
                os.write(self._wake, b"!")

    def later(self, seconds: float, action: Action) -> None:
        """Run an action after real seconds; only actions ask for it."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), action))

    def watch(self, fd: int, action: Action, *, writing: bool = False) -> None:
        """Run an action whenever there is something to read (or room to write); only actions ask for it."""
        selector = self._selector
        if selector is None:
            raise RuntimeError("only an action of the reactor watches")
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if writing else 0)
        if fd in selector.get_map():
            selector.modify(fd, events, action)
        else:
            selector.register(fd, events, action)

    def forget(self, fd: int) -> None:
        """Watch no more."""
        if self._selector is not None:
            with suppress(KeyError, ValueError):
                self._selector.unregister(fd)

    def close(self) -> None:
        """End the thread, after what it was asked for so far."""
        with self._lock:
            thread = self._thread
            if self._is_closed:
                return
        if thread is None:
            with self._lock:
                self._is_closed = True
            return
        self.call(self._end)
        if thread is not threading.current_thread():
            thread.join()

    def _start(self) -> None:
        reading, self._wake = os.pipe()
        self._selector = selectors.DefaultSelector()
        self._selector.register(reading, selectors.EVENT_READ, lambda: os.read(reading, 64))
        self._thread = threading.Thread(target=self._run, args=[reading], name="emulator-processes", daemon=True)
        self._thread.start()

    def _end(self) -> None:
        with self._lock:
            self._is_closed = True

    def _run(self, reading: int) -> None:
        selector = self._selector
        while selector is not None and not self._is_closed:
            for key, _ in selector.select(self._patience()):
                self._do(key.data)
            with self._lock:
                self._is_awake = False
            while self._calls and not self._is_closed:
                self._do(self._calls.popleft())
            now = time.monotonic()
            while self._timers and self._timers[0][0] <= now:
                self._do(heapq.heappop(self._timers)[2])
        if selector is not None:
            selector.close()
        os.close(reading)
        os.close(self._wake)

    def _patience(self) -> float | None:
        if self._calls:
            return 0
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    @staticmethod
    def _do(action: Action) -> None:
        try:
            action()
        except Exception:  # noqa: BLE001  the thread goes on
            _LOG.exception("the emulator's thread for worker processes failed in %r", action)
