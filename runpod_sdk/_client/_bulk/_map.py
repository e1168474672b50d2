"""Bulk runs for the sync client: many inputs, a bounded number at once, in constant memory.

Decides how far inputs are taken ahead of results, and when a run is over, for threads; `_async_map.py` is the same for
tasks. What happens to one input is decided in `_map_job.py`, who works on it in `_task_pool.py` (tasks) and
`_loop_thread.py` (one thread with a loop, for sync runs).
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Generic, Self, cast

from runpod_sdk._values._generics import Defaulted, K_co
from runpod_sdk._values._states import T_co

from ._loop_thread import LoopThread, places, twin_of
from ._map_book import Book
from ._map_inputs import OVER, Item
from ._map_result import MapFailure, MapResult, MapSuccess
from ._map_tables import arrow_of, check_library, pandas_of, polars_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from runpod_sdk._client._sync_batches import Batch
    from runpod_sdk._client._sync_shell import Shell
    from runpod_sdk._values._batches import BatchResult

    from ._line import Line
    from ._map_plan import Plan
    from ._map_report import MapReport

OnResult = Callable[[MapSuccess[T_co, K_co] | MapFailure[T_co, K_co]], object]


class Map(Defaulted, Generic[T_co, K_co]):
    """The results of a bulk run, as they arrive; `with` closes it early. Made by `Endpoint.map`.

    One thread drives all jobs, and a second one takes the inputs, if they are not a collection: one that is slow to
    come keeps nobody from the results that are there. Both end with the run. A run is for one thread, and for the
    process that began it.

    Attributes:
        endpoint_id: the endpoint of the jobs.

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
        plan: Plan[MapResult[T_co, K_co]],
        on_result: OnResult[T_co, K_co] | None = None,
        *,
        progress: bool = False,
    ) -> None:
        self.endpoint_id = plan.endpoint_id
        self._book = book = Book(plan, shell._settings.clock, cast("Any", on_result), progress=progress)
        self._thread = thread = _thread_of(shell, book)
        self._begun = False
        self._closed = False
        weakref.finalize(self, _leave, thread, book)

    @property
    def unknowns(self) -> tuple[MapResult[T_co, K_co], ...]:
        """Results whose submit may have arrived, including those not handed out (the last 10,000)."""
        return tuple(self._book.kept.unknowns)

    @property
    def abandoned(self) -> tuple[MapResult[T_co, K_co], ...]:
        """Jobs in flight when the run was closed; `state` says how a job ended, or is None if it goes on."""
        return tuple(self._book.kept.abandoned)

    @property
    def batches(self) -> tuple[Batch, ...]:
        """The batches of a run with `via="batch"`, in the order of their creation."""
        return tuple(self._book.kept.batches)

    @property
    def unassigned(self) -> tuple[BatchResult, ...]:
        """Results of batches that match no input's key (the last 10,000)."""
        return tuple(self._book.kept.unassigned)

    @property
    def undelivered(self) -> tuple[MapResult[T_co], ...]:
        """What else remained when the run was closed: finished results, and inputs not submitted.

        The latter have a MapStoppedError. With `unknowns` and `abandoned`, this is all that was not handed out.
        """
        return tuple(self._book.kept.undelivered)

    def report(self, *, price_per_second: float | None = None) -> MapReport:
        """Return statistics on the results handed out so far.

        Args:
            price_per_second: of a worker, in any currency, for the estimated execution cost.
        """
        return self._book.report(price_per_second)

    def to_pandas(self) -> Any:
        """Return the remaining results as a pandas DataFrame, one row each; the documentation lists the columns.

        Raises:
            ImportError: pandas is not installed; nothing was sent for it.
        """
        check_library("pandas")
        return self._table(pandas_of)

    def to_polars(self) -> Any:
        """Return the remaining results as a polars DataFrame; see `to_arrow`.

        Raises:
            ImportError: polars or pyarrow is not installed; nothing was sent for it.
        """
        check_library("polars")
        check_library("pyarrow")
        return self._table(polars_of)

    def to_arrow(self) -> Any:
        """Return the remaining results as an Arrow table; columns of mixed types contain JSON text.

        Raises:
            ImportError: pyarrow is not installed; nothing was sent for it.
        """
        check_library("pyarrow")
        return self._table(arrow_of)

    def close(self) -> None:
        """End the run: see `on_abandon` for what happens to jobs in flight. May be called twice."""
        self._closed = True
        _leave(self._thread, self._book)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> MapSuccess[T_co, K_co] | MapFailure[T_co, K_co]:
        result = self._taken()
        if result is not None:
            return result
        was_closed = self._closed
        self.close()
        if self._thread.inputs_error is not None and not was_closed:
            raise self._thread.inputs_error
        raise StopIteration

    def _taken(self) -> MapSuccess[T_co, K_co] | MapFailure[T_co, K_co] | None:
        """Return the next result; None at the end, and when the run is closed."""
        if self._closed:
            return None
        try:
            result = cast("MapSuccess[T_co, K_co] | MapFailure[T_co, K_co] | None", self._next())
            if result is not None and self._book.on_result is not None:
                self._book.on_result(result)
        except BaseException as error:
            self.close()
            self._book.tell(error)
            raise
        return result

    def _table(self, table_of: Callable[[list[Any]], Any]) -> Any:
        """Return a table of the results that are left: they are handed out with it, and without it none of them is."""
        was_closed = self._closed
        try:
            self._book.hold()
            table = table_of(list(iter(self._taken, None)))
            if self._thread.inputs_error is not None and not was_closed:
                raise self._thread.inputs_error
            self._thread.close()
            self._book.hand()
        finally:
            self.close()
        return table

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.close()
        self._book.tell(error)

    def _next(self) -> MapResult[T_co, K_co] | None:
        book = self._book
        self._thread.check()
        if not self._begun:
            book.begin()
            book.pending = book.taken()
            self._thread.start()
            self._begun = True
        book.asked()
        result = self._thread.get()
        if result is None:
            return None
        self._thread.release()
        return book.note(result)

    def _repr_html_(self) -> str:
        from runpod_sdk._client._tables import report_html

        return report_html(f'map on endpoint "{self.endpoint_id}"', self.report())

    def __repr__(self) -> str:
        return f"{type(self).__name__}(endpoint_id={self.endpoint_id!r}, results={self._book.tally.results})"


def _thread_of(shell: Shell, book: Book[MapResult[Any]]) -> LoopThread[MapResult[Any]]:
    """Return the thread that drives the jobs; it knows nothing of the Map, which may be forgotten meanwhile."""

    @asynccontextmanager
    async def opened() -> AsyncGenerator[Line[Item, MapResult[Any]]]:
        twin = twin_of(shell)
        try:
            yield book.line(twin, places(shell, book.plan.size))
        finally:
            await twin._wire.close()

    return LoopThread(opened, book.outbox)


def _leave(thread: LoopThread[MapResult[Any]], book: Book[MapResult[Any]]) -> None:
    thread.close()
    book.end()


def taken_by(
    thread: LoopThread[MapResult[Any]], items: Iterator[Item | None] | AsyncIterator[Item | None]
) -> Iterator[Item | None]:
    """Return items for a caller that is no task: those that are asynchronous are taken in the thread's loop."""
    if isinstance(items, Iterator):
        return items
    thread.start()
    return _pulled(thread, items)


def _pulled(thread: LoopThread[MapResult[Any]], items: AsyncIterator[Item | None]) -> Iterator[Item | None]:
    """Take items from an async iterator in the thread's loop."""

    async def pull() -> Item | None:
        return await anext(items, OVER)

    while (item := thread.call(pull())) is not OVER:
        yield item
