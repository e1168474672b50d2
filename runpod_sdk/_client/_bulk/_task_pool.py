"""Tasks at work for a bulk run: so many at once, the others in line; and the order in which results go out.

Knows nothing of jobs: work is any coroutine function. A task of its own for each item costs 10 µs, and gives each its
own context and its own cancellation.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

from runpod_sdk._client._event_loop import running_loop
from runpod_sdk._http._signals import raised_by_handler

Item = TypeVar("Item")
Result = TypeVar("Result")


class Indexed(Protocol):
    """A result that knows the place of its input."""

    @property
    def index(self) -> int:
        """Counted from 0."""
        ...


IndexedResult = TypeVar("IndexedResult", bound=Indexed)


class TaskPool(Generic[Item, Result]):
    """Works on items, `size` at once, in the running loop.

    Args:
        work: what is done with an item; an exception of it is a failure of the whole. None is no result.
        size: how many items are worked on at once.
        deliver: called with each result, in the loop.
        fail: called with an exception of `work`, in the loop.
    """

    def __init__(
        self,
        work: Callable[[Item], Coroutine[Any, Any, Result | None]],
        size: int,
        deliver: Callable[[Result | None], object],
        fail: Callable[[BaseException], object],
    ) -> None:
        self._work = work
        self._size = size
        self._deliver = deliver
        self._fail = fail
        self._line: deque[Item] = deque()
        self._at_work: set[asyncio.Task[Result | None]] = set()
        self._stopped = False

    def add(self, items: Iterable[Item]) -> None:
        """Put items in line, and begin with as many as there are free places."""
        self._line.extend(items)
        self._fill()

    def dismiss(self) -> None:
        """Forget the line, and cancel what is being worked on."""
        self._stopped = True
        self._line.clear()
        for task in self._at_work:
            task.cancel()

    async def stop(self) -> None:
        """Dismiss, and wait until nobody works any more."""
        self.dismiss()
        while self._at_work:
            await asyncio.wait(self._at_work)

    def _fill(self) -> None:
        while self._line and len(self._at_work) < self._size and not self._stopped:
            task = asyncio.ensure_future(self._work(self._line.popleft()))
            self._at_work.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Result | None]) -> None:
        self._at_work.discard(task)
        if not task.cancelled():
            error = task.exception()
            if error is None:
                self._deliver(task.result())
            else:
                self._fail(error)
        self._fill()


class Line(Generic[Item, Result]):
    """Feeds a pool in the running loop from an iterator, never more than a window ahead of what has been handed out.

    Args:
        items: None is none, but others get their turn.
        first: what is worked on before; it takes no place in the window.

    Attributes:
        inputs_error: what the iterator raised, if it did.
    """

    def __init__(
        self,
        items: Iterator[Item | None] | AsyncIterator[Item | None],
        work: Callable[[Item], Coroutine[Any, Any, Result | None]],
        size: int,
        window: int,
        first: Sequence[Item] = (),
    ) -> None:
        self.inputs_error: Exception | None = None
        self._items = items
        self._task_pool = TaskPool(work, size, self._deliver, self._fail)
        self._window = window
        self._taken = self._handed = 0
        self._under_way = len(first)
        self._ready: deque[Result] = deque()
        self._failure: BaseException | None = None
        self._fed = False
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._loop = running_loop()
        self._task_pool.add(first)
        self._feeder = asyncio.ensure_future(self._feed())

    async def get(self) -> Result | None:
        """Return a result, as soon as there is one; None when there will be none any more."""
        while not self._ready:
            if self._failure is not None:
                raise self._failure
            if self._fed and not self._under_way:
                return None
            self._news.clear()
            await self._news.wait()
        return self._ready.popleft()

    def release(self) -> None:
        """Note that a result has been handed out: another input may be taken."""
        self._handed += 1
        self._room.set()

    async def close(self) -> None:
        """Cancel what is under way, and wait for its end. All is told to end first: the wait may be broken off."""
        self._dismiss()
        await asyncio.wait({self._feeder})
        await self._task_pool.stop()

    def drop(self, then: Callable[[], object] = lambda: None) -> None:
        """Cancel what is under way, from any thread and without waiting; `then` is called when it has ended."""
        if self._loop.is_closed():
            then()
        else:
            self._loop.call_soon_threadsafe(self._end, then)

    def _dismiss(self) -> None:
        self._feeder.cancel()
        self._task_pool.dismiss()

    def _end(self, then: Callable[[], object]) -> None:
        self._dismiss()
        self._ending = asyncio.ensure_future(self._ended(then))

    async def _ended(self, then: Callable[[], object]) -> None:
        try:
            await self.close()
        finally:
            then()

    async def _feed(self) -> None:
        try:
            if isinstance(self._items, AsyncIterator):
                async for item in self._items:
                    await self._add(item)
            else:
                for item in self._items:
                    await self._add(item)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # whatever the caller's iterator raises
            if not isinstance(error, Exception) or raised_by_handler(error) is not None:
                self._fail(error)  # now, and not when all results are handed out
            else:
                self.inputs_error = error
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise  # the loop ends with it
        self._fed = True
        self._news.set()

    async def _add(self, item: Item | None) -> None:
        if item is None:
            await asyncio.sleep(0)
            return
        self._taken += 1
        self._under_way += 1
        self._task_pool.add((item,))
        while self._taken - self._handed >= self._window:
            self._room.clear()
            await self._room.wait()

    def _deliver(self, result: Result | None) -> None:
        self._under_way -= 1
        if result is not None:
            self._ready.append(result)
        self._news.set()

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._news.set()


class Outbox(Generic[IndexedResult]):
    """Hands results out as they come, or in the order of their inputs."""

    def __init__(self, *, ordered: bool) -> None:
        self._ordered = ordered
        self._expected: deque[int] = deque()
        self._waiting: dict[int, IndexedResult] = {}
        self._ready: deque[IndexedResult] = deque()

    def expect(self, index: int) -> None:
        """Note that an input is taken, of which a result will come; in the order in which they are to go out."""
        if self._ordered:
            self._expected.append(index)

    def put(self, result: IndexedResult) -> None:
        """Take a result in."""
        if not self._ordered:
            self._ready.append(result)
            return
        self._waiting[result.index] = result
        while self._expected and self._expected[0] in self._waiting:
            self._ready.append(self._waiting.pop(self._expected.popleft()))

    def get(self) -> IndexedResult | None:
        """Return the next result that may go out, if there is one."""
        return self._ready.popleft() if self._ready else None

    def __bool__(self) -> bool:
        return bool(self._ready)
