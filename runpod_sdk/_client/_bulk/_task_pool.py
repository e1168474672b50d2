"""A bounded pool of asyncio tasks, and the order in which their results are handed out.

Knows nothing of jobs: work is any coroutine function. A task of its own for each item costs 10 µs, and gives each its
own context and its own cancellation.
"""

from __future__ import annotations

import asyncio
from collections import deque
from inspect import CORO_CREATED, getcoroutinestate
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from ._scheduler import Scheduler

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
    """Works on items in the running loop, as many at once as the scheduler has places.

    Args:
        work: what is done with an item; an exception of it is a failure of the whole. None is no result.
        scheduler: counts what begins and ends.
        deliver: called with each result, in the loop.
        fail: called with an exception of `work`, in the loop.

    Attributes:
        left: items that were in line, and never begun, when the pool was dismissed.
    """

    def __init__(
        self,
        work: Callable[[Item], Coroutine[Any, Any, Result | None]],
        scheduler: Scheduler,
        deliver: Callable[[Result | None], object],
        fail: Callable[[BaseException], object],
    ) -> None:
        self.left: list[Item] = []
        self._work = work
        self._scheduler = scheduler
        self._deliver = deliver
        self._fail = fail
        self._line: deque[Item] = deque()
        self._at_work: dict[asyncio.Task[Result | None], Item] = {}
        self._stopped = False

    def add(self, items: Iterable[Item]) -> None:
        """Put items in line, and begin with as many as there are free places."""
        if self._stopped:
            self.left.extend(items)
            return
        self._line.extend(items)
        self.fill()

    def fill(self) -> None:
        """Begin with as many as there are free places."""
        while self._line and self._scheduler.places and not self._stopped:
            item = self._line.popleft()
            self._scheduler.began()
            task = asyncio.ensure_future(self._work(item))
            self._at_work[task] = item
            task.add_done_callback(self._done)

    def dismiss(self) -> None:
        """Forget the line, and cancel what is being worked on."""
        self._stopped = True
        for task, item in self._at_work.items():
            coroutine = cast("Coroutine[Any, Any, Any] | None", task.get_coro())  # None: an eager one that has ended
            if coroutine is not None and getcoroutinestate(coroutine) == CORO_CREATED:
                self.left.append(item)  # cancelled before its first step, it takes none
            task.cancel()
        self.left.extend(self._line)
        self._line.clear()

    async def stop(self) -> None:
        """Dismiss, and wait until nobody works any more."""
        if not self._stopped:
            self.dismiss()
        while self._at_work:
            await asyncio.wait(self._at_work)

    def _done(self, task: asyncio.Task[Result | None]) -> None:
        del self._at_work[task]
        self._scheduler.ended()
        if not task.cancelled():
            error = task.exception()
            if error is None:
                self._deliver(task.result())
            else:
                self._fail(error)
        self.fill()


class Outbox(Generic[IndexedResult]):
    """Hands results out as they come, or in the order of their inputs.

    Results may be taken out in another thread than that which puts them in.

    Args:
        ordered: in the order of their inputs.
        now: tells the time, where it matters how long results have been here.
    """

    def __init__(self, *, ordered: bool, now: Callable[[], float] | None = None) -> None:
        self._ordered = ordered
        self._now = now
        self._since: dict[int, float] = {}
        self._expected: deque[int] = deque()
        self._waiting: dict[int, IndexedResult] = {}
        self._ready: deque[IndexedResult] = deque()

    def expect(self, index: int) -> None:
        """Note that an input is taken, of which a result will come; in the order in which they are to go out."""
        if self._ordered:
            self._expected.append(index)

    def put(self, result: IndexedResult) -> None:
        """Take a result in."""
        if self._now is not None:
            self._since[result.index] = self._now()
        if not self._ordered:
            self._ready.append(result)
            return
        self._waiting[result.index] = result
        while self._expected and self._expected[0] in self._waiting:
            self._ready.append(self._waiting.pop(self._expected.popleft()))

    def get(self) -> IndexedResult | None:
        """Return the next result that may go out, if there is one."""
        if not self._ready:
            return None
        result = self._ready.popleft()
        self._since.pop(result.index, None)
        return result

    @property
    def since(self) -> float | None:
        """When the oldest result came that is still here."""
        try:
            return next(iter(self._since.values()), None)
        except RuntimeError:  # another thread puts one in right now: the next look will tell
            return None

    def __len__(self) -> int:
        """How many results are here, whether they may go out or not."""
        return len(self._ready) + len(self._waiting)

    def __bool__(self) -> bool:
        return bool(self._ready)

    def drain(self) -> list[IndexedResult]:
        """Return all results that have not gone out, whether they may or not."""
        left = [*self._ready, *self._waiting.values()]
        self._ready.clear()
        self._waiting.clear()
        return left
