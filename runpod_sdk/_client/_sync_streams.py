"""Cleans up sync streams that were abandoned, for example by `break`: their jobs are still cancelled.

A stream may be forgotten in any line of the program, also by a garbage collection. So the job is cancelled in a thread
of its own: nobody is kept waiting, and what signal handlers raise is not lost there. The end of the program, and that
of the client, wait for it.
"""

from __future__ import annotations

import os
import threading
import weakref
from contextvars import copy_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Abandon = Callable[[], object]


class OpenStreams:
    """The streams of one client whose jobs nobody could collect, from their first chunk to their end."""

    def __init__(self) -> None:
        self._open: dict[Abandon, weakref.finalize[[int, Abandon], object]] = {}
        self._threads: set[threading.Thread] = set()
        self._pid = os.getpid()

    def watch(self, stream: object, abandon: Abandon) -> None:
        """Have `abandon` called once nobody holds the stream any more; it must not hold it itself."""
        if os.getpid() != self._pid:  # those of the parent are left to it
            self._open, self._threads, self._pid = {}, set(), os.getpid()
        self._open[abandon] = weakref.finalize(stream, self._dropped, self._pid, abandon)

    def forget(self, abandon: Abandon | None) -> None:
        """Stop watching a stream that has ended, or is closed."""
        finalizer = None if abandon is None else self._open.pop(abandon, None)
        if finalizer is not None:
            finalizer.detach()

    def close(self) -> None:
        """Abandon the job of each stream that is open, and wait for what has begun."""
        if os.getpid() != self._pid:
            return
        for abandon in list(self._open):
            self.forget(abandon)
            abandon()
        for thread in list(self._threads):
            thread.join()

    def _dropped(self, pid: int, abandon: Abandon) -> None:
        self._open.pop(abandon, None)
        if os.getpid() != pid:
            return
        if not threading.main_thread().is_alive():  # the program ends: nobody waits for new threads
            abandon()
            return
        thread = threading.Thread(target=self._run, args=(copy_context().run, abandon), name="runpod-sdk-stream")
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:  # no more threads
            self._threads.discard(thread)
            abandon()

    def _run(self, run: Callable[[Abandon], object], abandon: Abandon) -> None:
        try:
            run(abandon)
        finally:
            self._threads.discard(threading.current_thread())
