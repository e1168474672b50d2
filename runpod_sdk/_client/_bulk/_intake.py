"""Reads inputs in a thread of its own, so that slow inputs never hold up finished results.

An iterator of the caller's may read a file, a database or a queue that this very run fills; nobody can know how long
its next item takes.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import AbstractContextManager, nullcontext
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from runpod_sdk._client._event_loop import running_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Item = TypeVar("Item")

# How long an iterator that does not wait on our clock may keep virtual time from passing, real seconds; and how long
# one that is at work is waited for when a run is closed. Ours.
PATIENCE, LEAVE = 0.25, 1.0


class Intake(Generic[Item]):
    """Takes items from an iterator for the running loop, never more than it is asked for.

    Args:
        items: None is none.
        present: opened in the thread's context while it is at work; time stands still meanwhile, where it is virtual.

    Raises:
        RuntimeError: there is no thread left for it.
    """

    def __init__(
        self, items: Iterator[Item | None], present: Callable[[], AbstractContextManager[object]] = nullcontext
    ) -> None:
        self._items = items
        self._present = present
        self._loop = running_loop()
        self._news = asyncio.Event()
        self._ended = asyncio.Event()
        self._ready: deque[Item] = deque()
        self._context = copy_context()
        self._state = threading.Condition()
        # What follows is changed with the state's lock alone.
        self._wanted = 0
        self._is_taking = False
        self._is_closed = False
        self._is_over = False
        self._is_told = False
        self._presence: AbstractContextManager[object] | None = None
        self._on_way: Any = None
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name="runpod-sdk-inputs", daemon=True).start()

    async def take(self, most: int) -> list[Item]:
        """Return items as soon as there is one, `most` at most; none at the end.

        Raises:
            BaseException: what the iterator raised.
        """
        while True:
            self._news.clear()
            if self._want(most):
                self._arrived()
                return [self._ready.popleft() for _ in range(min(most, len(self._ready)))]
            if self._is_over:
                if self._error is not None:
                    raise self._error
                return []
            await self._come()

    async def close(self) -> list[Item]:
        """Take no more, wait a moment for an iterator that is at work, and return what nobody has asked for."""
        self.dismiss()
        timer = self._loop.call_later(LEAVE, self._ended.set)  # it may never come back
        await self._ended.wait()
        timer.cancel()
        return list(self._ready)

    def dismiss(self) -> None:
        """Take no more; does not wait, and holds up no virtual time."""
        with self._state:
            self._is_closed = True
            held: list[Any] = [self._presence, self._on_way]
            self._state.notify()
        for one in held:
            if hasattr(one, "leave"):
                one.leave()

    async def _come(self) -> None:
        timer = None
        if hasattr(self._presence, "leave"):
            timer = self._loop.call_later(PATIENCE, self._stand_aside)
        try:
            await self._news.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def _want(self, most: int) -> bool:
        """Ask for this many inputs; return whether one is ready."""
        with self._state:
            if self._ready or self._is_over:
                return bool(self._ready)
            self._wanted = most - self._is_taking
            if not self._is_taking and self._presence is None:
                self._presence = self._context.run(self._present)
                self._context.run(self._presence.__enter__)  # before the thread wakes, so that no time passes
            self._state.notify()
            return False

    def _run(self) -> None:
        try:
            while self._may_take():
                try:
                    item = self._context.run(next, self._items, _Over)
                except BaseException as error:  # noqa: BLE001  whatever the caller's iterator raises; raised by `take`
                    self._error = error
                    item = _Over
                if not self._came(item):
                    break
        finally:
            with self._state:
                self._is_over = True
                self._is_taking = False
                self._tell(self._ended.set)
                self._leave()
            del self._items  # its clean-up runs here, too

    def _may_take(self) -> bool:
        with self._state:
            while self._wanted <= 0 and not self._is_closed:
                self._leave()
                self._state.wait()
            self._wanted -= 1
            self._is_taking = not self._is_closed
            return self._is_taking

    def _came(self, item: Item | type[_Over] | None) -> bool:
        """Note an item, or that there is none any more: then it is over."""
        with self._state:
            self._is_taking = False
            if item is _Over:
                self._is_over = True
            elif item is None:
                self._wanted += 1
                return True
            else:
                self._send_off()
                self._ready.append(item)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            if not self._is_told:
                self._is_told = True
                self._tell(self._announce)
            return not self._is_over

    def _send_off(self) -> None:
        """Let no virtual time pass until what is on its way to the loop has begun there."""
        if self._on_way is None and not self._is_closed and hasattr(self._presence, "leave"):
            self._on_way = Context().run(self._present)
            Context().run(self._on_way.__enter__)

    def _arrived(self) -> None:
        with self._state:
            on_way, self._on_way = self._on_way, None
        if on_way is not None:
            # In the turn after the next, what is returned now has made its first step.
            self._loop.call_soon(self._loop.call_soon, on_way.leave)

    def _announce(self) -> None:
        self._is_told = False
        self._news.set()

    def _tell(self, callback: Callable[[], object]) -> None:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:  # closed: nobody asks any more
            if not self._loop.is_closed():
                raise

    def _leave(self) -> None:
        """Be at work no more; the loop has been told before, and has something to do."""
        presence, self._presence = self._presence, None
        if presence is not None:
            self._context.run(presence.__exit__, None, None, None)

    def _stand_aside(self) -> None:
        """Let time pass although the iterator is at work: what it waits for may need it."""
        with self._state:
            leave = getattr(self._presence, "leave", None)
        if leave is not None:
            leave()


class _Over:
    """Stands for the end."""
