"""Bulk runs: many inputs on one endpoint, so many at once, in memory that does not grow with their number.

Decides how far inputs are taken ahead of results, and when a run is over, for threads; `_async_map.py` is the same for
tasks. What becomes of one input is decided in `_map_job.py`, who works on it in `_task_pool.py` (tasks) and
`_loop_thread.py` (one thread with a loop, for sync runs).
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Generic, Self

from runpod_sdk._http._signals import raised_by_handler
from runpod_sdk._values._states import T_co

from ._loop_thread import LoopThread, places, twin_of
from ._map_book import Book
from ._map_inputs import OVER, Item
from ._map_result import MapResult
from ._map_tables import arrow_of, pandas_of, polars_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine

    from runpod_sdk._client._sync_batches import Batch
    from runpod_sdk._client._sync_shell import Shell
    from runpod_sdk._values._batches import BatchResult

    from ._map_plan import Plan
    from ._map_report import MapReport

OnResult = Callable[[MapResult[T_co]], object]


class Map(Generic[T_co]):
    """The results of a bulk run, as they come; `with` closes it early. Made by `Endpoint.map`.

    Inputs are taken in the caller's own thread, while it asks for the next result; one other thread drives all jobs,
    and ends with the run. A run is for one thread, and for the process that began it.

    Attributes:
        endpoint_id: where the jobs run.

    Examples:
        >>> from runpod_sdk import Client
        >>> from runpod_sdk.emulator import Emulator
        >>> emulator = Emulator()
        >>> _ = emulator.endpoint("abc", lambda job: job["input"]["n"] ** 2, workers=4)
        >>> with Client(**emulator.connection) as client:
        ...     with client.endpoint("abc").map([{"n": n} for n in range(5)], ordered=True) as results:
        ...         [result.output for result in results]
        [0, 1, 4, 9, 16]
    """

    def __init__(
        self,
        shell: Shell,
        plan: Plan[MapResult[T_co]],
        on_result: OnResult[T_co] | None = None,
        *,
        progress: bool = False,
    ) -> None:
        self.endpoint_id = plan.endpoint_id
        self._clock = shell._settings.clock
        self._book = book = Book(plan, self._clock, on_result, progress=progress)
        self._thread = thread = _thread_of(shell, book)
        self._items: Iterator[Item | None] | None = None
        self._inputs_error: Exception | None = None
        self._taken = self._handed = self._owed = self._under_way = 0
        self._closed = False
        weakref.finalize(self, _leave, thread, book)

    @property
    def unknowns(self) -> tuple[MapResult[T_co], ...]:
        """Results whose submit may have arrived, also of inputs whose result was not handed out (the last 10,000)."""
        return tuple(self._book.kept.unknowns)

    @property
    def abandoned(self) -> tuple[MapResult[T_co], ...]:
        """What was in flight when the run was closed: `state` tells how a job ended, or is None where it goes on."""
        return tuple(self._book.kept.abandoned)

    @property
    def batches(self) -> tuple[Batch, ...]:
        """The batches of a run by batches, in the order in which they were made."""
        return tuple(self._book.kept.batches)

    @property
    def unassigned(self) -> tuple[BatchResult, ...]:
        """Results of batches that have the key of no input (the last 10,000)."""
        return tuple(self._book.kept.unassigned)

    def report(self, *, price_per_second: float | None = None) -> MapReport:
        """Return the numbers of the results that have been handed out so far.

        Args:
            price_per_second: of a worker, in any currency, for the estimated execution cost.
        """
        return self._book.report(price_per_second)

    def to_pandas(self) -> Any:
        """Return the results that are left as a DataFrame of pandas: a row each, its columns as in the documentation.

        Raises:
            ImportError: pandas is not installed; nothing was sent for it.
        """
        return pandas_of(self)

    def to_polars(self) -> Any:
        """Return the results that are left as a DataFrame of polars, by way of Arrow; see `to_arrow`.

        Raises:
            ImportError: polars or pyarrow is not installed; nothing was sent for it.
        """
        return polars_of(self)

    def to_arrow(self) -> Any:
        """Return the results that are left as a table of Arrow; cells of several kinds are texts of JSON.

        Raises:
            ImportError: pyarrow is not installed; nothing was sent for it.
        """
        return arrow_of(self)

    def close(self) -> None:
        """End the run: see `on_abandon` for what becomes of jobs in flight. May be called twice."""
        self._closed = True
        _leave(self._thread, self._book)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> MapResult[T_co]:
        if self._closed:
            raise StopIteration
        try:
            result = self._next()
            if result is not None and self._book.on_result is not None:
                self._book.on_result(result)
        except BaseException:
            self.close()
            raise
        if result is not None:
            return result
        self.close()
        if self._inputs_error is not None:
            raise self._inputs_error
        raise StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _next(self) -> MapResult[T_co] | None:
        book = self._book
        if self._items is None:
            self._thread.check()
            book.begin()
            self._thread.start()
            self._items = taken_by(self._thread, book.items())
            with self._clock.participate():
                for one in book.first():
                    self._put(one)
        self._thread.check()
        book.asked()
        while True:
            self._refill(self._items)
            result = book.outbox.get()
            if result is not None:
                self._handed += 1
                self._owed += 1
                return book.note(result)
            if not self._under_way:
                return None
            for result in self._thread.get():
                self._under_way -= 1
                if result is not None:
                    book.outbox.put(result)

    def _put(self, item: Item) -> None:
        self._under_way += 1
        self._thread.put(item)

    def _refill(self, items: Iterator[Item | None]) -> None:
        """Take an input for each result that was handed out, and more as long as there is nothing else to do.

        An iterator that is slow then holds back results by one input at most, and the window still fills.
        """
        if self._owed == 0 and self._book.outbox:
            return
        with self._clock.participate():  # time stands still until all that is taken has begun
            while self._taken - self._handed < self._book.window:
                if self._owed <= 0 and (self._book.outbox or self._thread.is_ready):
                    break
                item = self._take(items)
                if item is OVER:
                    self._owed = 0
                    break
                if item is not None:
                    self._owed = max(0, self._owed - 1)
                    self._taken += 1
                    self._put(item)
                elif self._book.outbox or self._thread.is_ready:
                    break

    def _take(self, items: Iterator[Item | None]) -> Item | None:
        """Return the next input, None where many are left out, or that there is none."""
        handled = sys.exception()
        try:
            return next(items, OVER)
        except Exception as error:  # whatever the caller's iterator raises
            if raised_by_handler(error, handled) is not None:
                raise  # now, and not when all results are handed out
            self._inputs_error = self._inputs_error or error
            return OVER

    def _repr_html_(self) -> str:
        from runpod_sdk._client._tables import report_html

        return report_html(f'map on endpoint "{self.endpoint_id}"', self.report())

    def __repr__(self) -> str:
        return f"{type(self).__name__}(endpoint_id={self.endpoint_id!r}, results={self._book.tally.results})"


def _thread_of(shell: Shell, book: Book[MapResult[Any]]) -> LoopThread[Item, MapResult[Any]]:
    """Return the thread that drives the jobs; it knows nothing of the Map, which may be forgotten meanwhile."""

    @asynccontextmanager
    async def opened() -> AsyncGenerator[Callable[[Item], Coroutine[Any, Any, MapResult[Any] | None]]]:
        twin = twin_of(shell)
        try:
            yield book.work(twin)
        finally:
            await twin._wire.close()

    return LoopThread(opened, places(shell, book.plan.concurrency))


def _leave(thread: LoopThread[Item, MapResult[Any]], book: Book[MapResult[Any]]) -> None:
    thread.close()
    book.end()


def taken_by(
    thread: LoopThread[Item, MapResult[Any]], items: Iterator[Item | None] | AsyncIterator[Item | None]
) -> Iterator[Item | None]:
    """Return items for a caller that is no task: those that are asynchronous are taken in the thread's loop."""
    if isinstance(items, Iterator):
        return items
    thread.start()
    return _pulled(thread, items)


def _pulled(thread: LoopThread[Item, MapResult[Any]], items: AsyncIterator[Item | None]) -> Iterator[Item | None]:
    """Take items from an async iterator in the thread's loop."""

    async def pull() -> Item | None:
        return await anext(items, OVER)

    while (item := thread.call(pull())) is not OVER:
        yield item
