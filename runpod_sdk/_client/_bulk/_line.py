"""The pipeline of a bulk run in the running event loop: inputs in, jobs at work, results out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from runpod_sdk._client._event_loop import running_loop
from runpod_sdk._http._signals import let_pass, raised_by_handler

from ._intake import Intake
from ._task_pool import IndexedResult, Outbox, TaskPool

if TYPE_CHECKING:
    from ._scheduler import Scheduler

Item = TypeVar("Item")


class Line(Generic[Item, IndexedResult]):
    """Feeds a pool from an iterator as far as its scheduler lets it. Results go out whatever the iterator does.

    Args:
        items: None is none, but others get their turn.
        work: what is done with an item; None is no result.
        scheduler: says how far it may go.
        outbox: takes the results.
        first: what is worked on before; it takes no place in the window.
        index_of: the place of an item among the inputs, where results go out in their order.
        is_quick: whether the iterator never waits; any other that is no async one is taken in a thread of its own.
        present: see `Intake`.

    Attributes:
        inputs_error: what the iterator raised, if it did.
        failure: what ends the run now.
        is_over: whether no more results will come than those that are in the outbox.
        told: called in the loop when a result has come, or one of these has changed.
    """

    def __init__(
        self,
        items: Iterator[Item | None] | AsyncIterator[Item | None],
        work: Callable[[Item], Coroutine[Any, Any, IndexedResult | None]],
        scheduler: Scheduler,
        outbox: Outbox[IndexedResult],
        first: Sequence[Item] = (),
        *,
        index_of: Callable[[Item], int] | None = None,
        is_quick: bool = True,
        present: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self.inputs_error: Exception | None = None
        self.failure: BaseException | None = None
        self.is_over = False
        self.told: Callable[[], object] = lambda: None
        self.scheduler = scheduler
        self.outbox = outbox
        self._index_of = index_of
        self._task_pool = TaskPool(work, scheduler, self._deliver, self._fail)
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._begun = asyncio.Event()
        self._companions: list[asyncio.Task[None]] = []
        self._loop = running_loop()
        self._intake: Intake[Item] | None = None
        self._feeder: asyncio.Task[None]
        scheduler.put_first(len(first))
        self._task_pool.add(first)
        self._begin(items, present, is_quick=is_quick)

    def _begin(
        self,
        items: Iterator[Item | None] | AsyncIterator[Item | None],
        present: Callable[[], AbstractContextManager[object]],
        *,
        is_quick: bool,
    ) -> None:
        if isinstance(items, AsyncIterator):
            self._feeder = asyncio.ensure_future(self._feed(items))
            return
        if not is_quick:
            try:
                self._intake = Intake(items, present)
            except RuntimeError as error:  # no thread is left: then in this one
                let_pass(error)
        self._feeder = asyncio.ensure_future(
            self._feed(_awaited(items), is_quick=is_quick) if self._intake is None else self._feed_from(self._intake)
        )

    async def get(self) -> IndexedResult | None:
        """Return a result, as soon as there is one; None when there will be none any more."""
        while (result := self.outbox.get()) is None:
            if self.failure is not None:
                raise self.failure
            if self.is_over:
                return None
            self._news.clear()
            await self._news.wait()
        return result

    def release(self, count: int = 1) -> None:
        """Note that results have been handed out: other inputs may be taken."""
        self.scheduler.handed(count)
        self._room.set()

    def resize(self, limit: int, window: int) -> None:
        """Set other limits of the scheduler."""
        self.scheduler.resize(limit, window)
        self._task_pool.fill()
        self._room.set()

    def beside(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run something until the line is closed."""
        self._companions.append(asyncio.ensure_future(coroutine))

    async def at_work(self) -> None:
        """Return as soon as something is at work."""
        while not self.scheduler.in_flight:
            self._begun.clear()
            await self._begun.wait()

    async def close(self) -> None:
        """Cancel what is under way, and wait for its end. All is told to end first: the wait may be broken off."""
        self._dismiss()
        if self._intake is not None:
            self._task_pool.left += await self._intake.close()
        await asyncio.wait({self._feeder, *self._companions})
        await self._task_pool.stop()

    def drop(self, then: Callable[[], object] = lambda: None) -> None:
        """Cancel what is under way, from any thread and without waiting; `then` is called when it has ended."""
        if self._loop.is_closed():
            then()
        else:
            self._loop.call_soon_threadsafe(self._end, then)

    @property
    def left(self) -> list[Item]:
        """What was taken and never begun, once the line is closed."""
        return self._task_pool.left

    def _dismiss(self) -> None:
        if self._intake is not None:
            self._intake.dismiss()
        self._feeder.cancel()
        for companion in self._companions:
            companion.cancel()
        self._task_pool.dismiss()

    def _end(self, then: Callable[[], object]) -> None:
        self._dismiss()
        self._ending = asyncio.ensure_future(self._ended(then))

    async def _ended(self, then: Callable[[], object]) -> None:
        try:
            await self.close()
        finally:
            then()

    async def _feed(self, items: AsyncIterator[Item | None], *, is_quick: bool = False) -> None:
        try:
            while await self._may_take() and (item := await anext(items, _OVER)) is not _OVER:
                if item is not None:
                    self._admit(item)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
                if not is_quick:
                    await asyncio.sleep(0)  # others get their turn after each item, however long it took to come
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # whatever the caller's iterator raises
            self._inputs_failed(error, is_handlers=raised_by_handler(error) is not None)
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise  # the loop ends with it
        self._fed()

    async def _feed_from(self, intake: Intake[Item]) -> None:
        try:
            while await self._may_take() and (items := await intake.take(self.scheduler.room)):
                for item in items:
                    self._admit(item)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  raised where results are asked for
            if "thread" in str(error):
                error.add_note(_OWN_THREAD)
            self._inputs_failed(error, is_handlers=False)  # these come in the main thread
        finally:
            intake.dismiss()
        self._fed()

    async def _may_take(self) -> bool:
        while not self.scheduler.room:
            self._room.clear()
            await self._room.wait()
        return True

    def _admit(self, item: Item) -> None:
        if self._index_of is not None:
            self.outbox.expect(self._index_of(item))
        self.scheduler.took()
        self._task_pool.add((item,))
        self._begun.set()

    def _inputs_failed(self, error: BaseException, *, is_handlers: bool) -> None:
        if is_handlers or not isinstance(error, Exception):
            self._fail(error)  # now, and not when all results are handed out
        else:
            self.inputs_error = error

    def _fed(self) -> None:
        self.scheduler.fed()
        self._tell()

    def _deliver(self, result: IndexedResult | None) -> None:
        if result is not None:
            self.outbox.put(result)
        self._tell()

    def _fail(self, error: BaseException) -> None:
        self.failure = self.failure or error
        self._tell()

    def _tell(self) -> None:
        self.is_over = self.scheduler.is_over
        self._news.set()
        self.told()


_OVER = object()
# What helps where an iterator is bound to a thread.
_OWN_THREAD = "Inputs that are no collection are taken in a thread of their own: read them into a list before."


async def _awaited(items: Iterator[Item | None]) -> AsyncIterator[Item | None]:
    for item in items:
        yield item
