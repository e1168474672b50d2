"""Cleans up asyncio streams that were abandoned, for example by `break`: their jobs are still cancelled.

A stream may be forgotten in any line of the program, also by a garbage collection in another thread. So the job is
cancelled in a task of its own. The end of the client waits for it, and so does that of the event loop: while there are
streams, a task is there for it to cancel.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from ._event_loop import running_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Abandon = Callable[[], Awaitable[object]]

# How often a cancel is begun where the end of the loop, which cancels all that is under way, breaks it off; ours.
_ATTEMPTS = 3


class AsyncOpenStreams:
    """The streams of one client whose jobs nobody could collect, from their first chunk to their end."""

    def __init__(self) -> None:
        self._open: dict[Abandon, weakref.finalize[[asyncio.AbstractEventLoop, Abandon], object]] = {}
        self._under_way: set[asyncio.Future[None]] = set()
        self._keeper: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._pid = os.getpid()

    def watch(self, stream: object, abandon: Abandon) -> None:
        """Have `abandon` called once nobody holds the stream any more; it must not hold it itself."""
        loop = running_loop()
        if os.getpid() != self._pid:  # those of the parent are left to it
            self._open, self._under_way, self._pid = {}, set(), os.getpid()
        if self._keeper is None or self._keeper.done() or self._keeper.get_loop() is not loop:
            self._news = asyncio.Event()
            self._keeper = asyncio.ensure_future(self._keep())
        finalizer = weakref.finalize(stream, self._dropped, loop, abandon)
        finalizer.atexit = False  # there is no loop any more
        self._open[abandon] = finalizer

    def forget(self, abandon: Abandon | None) -> None:
        """Stop watching a stream that has ended, or is closed."""
        finalizer = None if abandon is None else self._open.pop(abandon, None)
        if finalizer is not None:
            finalizer.detach()
            self._news.set()

    async def close(self) -> None:
        """Abandon the job of each stream that is open, and wait for what has begun."""
        if os.getpid() != self._pid:
            return
        for finalizer in list(self._open.values()):
            finalizer()
        while self._under_way:
            loop = asyncio.get_running_loop()
            here = {over for over in self._under_way if over.get_loop() is loop}
            if not here:
                break
            await asyncio.wait(here)

    async def _keep(self) -> None:
        """Stay until there are no streams; where the loop ends before, end them."""
        try:
            while self._open or self._under_way:
                self._news.clear()
                await self._news.wait()
        except asyncio.CancelledError:
            await self.close()
            raise

    def _dropped(self, loop: asyncio.AbstractEventLoop, abandon: Abandon) -> None:
        if loop.is_closed():
            self._open.pop(abandon, None)
            return
        over: asyncio.Future[None] = loop.create_future()
        self._under_way.add(over)
        self._open.pop(abandon, None)
        with suppress(RuntimeError):  # closed just now
            loop.call_soon_threadsafe(self._begin, abandon, over, _ATTEMPTS)

    def _begin(self, abandon: Abandon, over: asyncio.Future[None], attempts: int) -> None:
        task = asyncio.ensure_future(abandon())
        task.add_done_callback(partial(self._ended, abandon, over, attempts - 1))

    def _ended(self, abandon: Abandon, over: asyncio.Future[None], attempts: int, task: asyncio.Future[object]) -> None:
        if task.cancelled() and attempts:
            self._begin(abandon, over, attempts)
            return
        over.set_result(None)
        self._under_way.discard(over)
        self._news.set()
