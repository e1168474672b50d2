"""Bulk runs: many inputs on one endpoint, so many at once, in memory that does not grow with their number.

Decides how far inputs are taken ahead of results, and when a run is over. What becomes of one input is decided in
`_map_job.py`, who works on it in `_task_pool.py` (tasks) and `_loop_thread.py` (one thread with a loop, for sync runs).
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from runpod_sdk._http._signals import raised_by_handler
from runpod_sdk._values._hidden import Hidden
from runpod_sdk._values._states import T_co

from ._loop_thread import LoopThread, places, twin_of
from ._map_job import AsyncMapResult, Item, Kept, MapResult, Plan, Result, Runner, items_of
from ._map_progress import MapProgress
from ._map_report import MapReport, Tally
from ._map_stop import Brake
from ._map_tables import arrow_of, check_library, pandas_of, polars_of
from ._task_pool import Line, Outbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine

    from runpod_sdk._client._async_shell import AsyncShell
    from runpod_sdk._client._journal._run import JournalRun
    from runpod_sdk._client._sync_shell import Shell
    from runpod_sdk.clock import Clock

    from ._journaled import Sorter

R = TypeVar("R", bound=Result[Any])
OnResult = Callable[[MapResult[T_co]], object]
AsyncOnResult = Callable[[AsyncMapResult[T_co]], object]

# Inputs that are taken before their results are handed out, as a multiple of `concurrency`: as many may be in line, or
# done and waiting for the caller, as are in flight. Ours.
_WINDOW = 2
# What stands for the end of the inputs.
_OVER = Item(-1, None, Hidden(None))


class _Book(Generic[R]):
    """What both flavours keep of a run: the results so far, in numbers, and what is listed apart."""

    def __init__(self, plan: Plan[R], clock: Clock, on_result: Callable[[R], object] | None, *, progress: bool) -> None:
        self.plan = plan
        self.on_result = on_result
        self.outbox: Outbox[R] = Outbox(ordered=plan.ordered)
        self.kept: Kept[R] = Kept()
        self.tally = Tally()
        self.window = _WINDOW * plan.concurrency
        self._clock = clock
        self._shown = progress
        self._progress: MapProgress | None = None
        self._succeeded = 0
        self._began: float | None = None
        self._ended: float | None = None
        self._run: JournalRun | None = None
        self._sorter: Sorter | None = None
        self._out: R | None = None
        self._brake = Brake(plan.stop, 0.0)

    def begin(self) -> None:
        """Note that the run begins; with a journal, open it."""
        plan = self.plan
        if plan.journal is not None:
            from ._journaled import Sorter

            self._run = plan.journal._begin(plan.endpoint_id, plan.endpoint_url)
            self._sorter = Sorter(self._run, plan.again, plan.handle)
        self._began = self._clock.monotonic()
        self._brake = Brake(plan.stop, self._began)
        if self._shown:
            title = f'map on endpoint "{self.plan.endpoint_id}"'
            self._progress = MapProgress(title, self.plan.total, self._clock.monotonic)

    def items(self) -> Iterator[Item | None] | AsyncIterator[Item | None]:
        """Return the inputs that are to be worked on; None now and then, where many are left out."""
        items: Iterator[Item | None] | AsyncIterator[Item | None] = items_of(self.plan.inputs, self.plan.from_row)
        if self.plan.stop is not None:
            items = _until(items, lambda: self._brake.is_on(self._clock.monotonic()))
        if self._sorter is not None:
            from ._journaled import sorted_out

            items = sorted_out(items, self._sorter)
        return _expected(items, self.outbox) if self.plan.ordered else items

    def first(self) -> list[Item]:
        """Return what is worked on before: jobs of earlier runs, whose results the service keeps for a while only."""
        if self._run is None:
            return []
        from ._journaled import rescues_of

        return rescues_of(self._run)

    def work(self, shell: AsyncShell) -> Callable[[Item], Coroutine[Any, Any, R | None]]:
        """Return what makes results of inputs."""
        if self._run is None or self._sorter is None or self.plan.journal is None:
            return Runner(shell, self.plan, self.kept, self.tally, self._brake).result
        from ._journaled import JournaledRunner

        return JournaledRunner(shell, self.plan, self.kept, self.tally, self._run, self._sorter, self._brake).result

    def asked(self) -> None:
        """Note that the caller asks for the next result: it has done with the one before."""
        out, self._out = self._out, None
        if out is not None and self._run is not None and self._sorter is not None:
            from ._journaled import handed

            self._run.writer.put(handed(out, self._sorter))

    def note(self, result: R) -> R:
        """Count a result that is about to be handed out."""
        self._out = result
        self.tally.add(result.state, result.error, is_job=result.job is not None)
        self._succeeded += result.is_success
        if self._progress is not None:
            self._progress.update(self.tally.results, self.tally.results - self._succeeded)
        return result

    def end(self) -> None:
        """Note that the run is over, and close its journal."""
        self._stop()
        run, self._run = self._run, None
        if run is not None:
            run.close()

    async def aend(self) -> None:
        """Do the same without keeping others from their work."""
        self._stop()
        run, self._run = self._run, None
        if run is not None:
            await run.aclose()

    def _stop(self) -> None:
        if self._ended is None:
            self._ended = self._clock.monotonic()
            if self._progress is not None:
                self._progress.close()

    def report(self, price_per_second: float | None) -> MapReport:
        until = self._clock.monotonic() if self._ended is None else self._ended
        return self.tally.report(
            seconds=0.0 if self._began is None else until - self._began,
            abandoned=len(self.kept.abandoned),
            stopped=self._brake.reason,
            skipped=0 if self._sorter is None else self._sorter.skipped.total(),
            price_per_second=price_per_second,
        )


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
        self._book = book = _Book(plan, self._clock, on_result, progress=progress)
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
            items = book.items()
            self._items = items if isinstance(items, Iterator) else _pulled(self._thread, items)
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
                if item is _OVER:
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
            return next(items, _OVER)
        except Exception as error:  # whatever the caller's iterator raises
            if raised_by_handler(error, handled) is not None:
                raise  # now, and not when all results are handed out
            self._inputs_error = self._inputs_error or error
            return _OVER

    def _repr_html_(self) -> str:
        from runpod_sdk._client._tables import report_html

        return report_html(f'map on endpoint "{self.endpoint_id}"', self.report())

    def __repr__(self) -> str:
        return f"{type(self).__name__}(endpoint_id={self.endpoint_id!r}, results={self._book.tally.results})"


def _thread_of(shell: Shell, book: _Book[MapResult[Any]]) -> LoopThread[Item, MapResult[Any]]:
    """Return the thread that drives the jobs; it knows nothing of the Map, which may be forgotten meanwhile."""

    @asynccontextmanager
    async def opened() -> AsyncGenerator[Callable[[Item], Coroutine[Any, Any, MapResult[Any] | None]]]:
        twin = twin_of(shell)
        try:
            yield book.work(twin)
        finally:
            await twin._wire.close()

    return LoopThread(opened, places(shell, book.plan.concurrency))


def _leave(thread: LoopThread[Item, MapResult[Any]], book: _Book[MapResult[Any]]) -> None:
    thread.close()
    book.end()


def _pulled(thread: LoopThread[Item, MapResult[Any]], items: AsyncIterator[Item | None]) -> Iterator[Item | None]:
    """Take items from an async iterator in the thread's loop."""

    async def pull() -> Item | None:
        return await anext(items, _OVER)

    while (item := thread.call(pull())) is not _OVER:
        yield item


def _until(
    items: Iterator[Item | None] | AsyncIterator[Item | None], is_enough: Callable[[], bool]
) -> Iterator[Item | None] | AsyncIterator[Item | None]:
    """Take inputs for as long as it is not enough."""

    def taken(items: Iterator[Item | None]) -> Iterator[Item | None]:
        while not is_enough() and (item := next(items, _OVER)) is not _OVER:
            yield item

    async def taken_async(items: AsyncIterator[Item | None]) -> AsyncIterator[Item | None]:
        while not is_enough() and (item := await anext(items, _OVER)) is not _OVER:
            yield item

    return taken(items) if isinstance(items, Iterator) else taken_async(items)


def _expected(
    items: Iterator[Item | None] | AsyncIterator[Item | None], outbox: Outbox[Any]
) -> Iterator[Item | None] | AsyncIterator[Item | None]:
    """Let the outbox know of each input that is taken."""

    def noted(item: Item | None) -> Item | None:
        if item is not None:
            outbox.expect(item.index)
        return item

    return map(noted, items) if isinstance(items, Iterator) else (noted(item) async for item in items)


def _drop(line: Line[Item, AsyncMapResult[Any]], book: _Book[AsyncMapResult[Any]]) -> None:
    line.drop(book.end)


class AsyncMap(Generic[T_co]):
    """The results of a bulk run, as they come; `async with` closes it early. Made by `AsyncEndpoint.map`.

    Inputs are taken in a task of their own, while the caller works on results. A run is for one task.

    Attributes:
        endpoint_id: where the jobs run.

    Examples:
        >>> from runpod_sdk import AsyncClient
        >>> from runpod_sdk.emulator import Emulator
        >>> emulator = Emulator()
        >>> _ = emulator.endpoint("abc", lambda job: job["input"]["n"] ** 2, workers=4)
        >>> async def main():
        ...     async with AsyncClient(**emulator.connection) as client:
        ...         async with client.endpoint("abc").map([{"n": n} for n in range(5)], ordered=True) as results:
        ...             return [result.output async for result in results]
        >>> import asyncio
        >>> asyncio.run(main())
        [0, 1, 4, 9, 16]
    """

    def __init__(
        self,
        shell: AsyncShell,
        plan: Plan[AsyncMapResult[T_co]],
        on_result: AsyncOnResult[T_co] | None = None,
        *,
        progress: bool = False,
    ) -> None:
        self.endpoint_id = plan.endpoint_id
        self._book = _Book(plan, shell._settings.clock, on_result, progress=progress)
        self._shell = shell
        self._line: Line[Item, AsyncMapResult[T_co]] | None = None
        self._closed = False

    @property
    def unknowns(self) -> tuple[AsyncMapResult[T_co], ...]:
        """Results whose submit may have arrived, also of inputs whose result was not handed out (the last 10,000)."""
        return tuple(self._book.kept.unknowns)

    @property
    def abandoned(self) -> tuple[AsyncMapResult[T_co], ...]:
        """What was in flight when the run was closed: `state` tells how a job ended, or is None where it goes on."""
        return tuple(self._book.kept.abandoned)

    def report(self, *, price_per_second: float | None = None) -> MapReport:
        """Return the numbers of the results that have been handed out so far.

        Args:
            price_per_second: of a worker, in any currency, for the estimated execution cost.
        """
        return self._book.report(price_per_second)

    async def to_pandas(self) -> Any:
        """Return the results that are left as a DataFrame of pandas: a row each, its columns as in the documentation.

        Raises:
            ImportError: pandas is not installed; nothing was sent for it.
        """
        check_library("pandas")
        return pandas_of([result async for result in self])

    async def to_polars(self) -> Any:
        """Return the results that are left as a DataFrame of polars, by way of Arrow; see `to_arrow`.

        Raises:
            ImportError: polars or pyarrow is not installed; nothing was sent for it.
        """
        check_library("polars")
        check_library("pyarrow")
        return polars_of([result async for result in self])

    async def to_arrow(self) -> Any:
        """Return the results that are left as a table of Arrow; cells of several kinds are texts of JSON.

        Raises:
            ImportError: pyarrow is not installed; nothing was sent for it.
        """
        check_library("pyarrow")
        return arrow_of([result async for result in self])

    async def aclose(self) -> None:
        """End the run: see `on_abandon` for what becomes of jobs in flight. May be called twice."""
        self._closed = True
        await self._shell._out_of_reach(self._ended(), sys.exception())

    async def _ended(self) -> None:
        if self._line is not None:
            await self._line.close()
        await self._book.aend()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AsyncMapResult[T_co]:
        if self._closed:
            raise StopAsyncIteration
        try:
            result = await self._next()
            if result is not None and self._book.on_result is not None:
                called = self._book.on_result(result)
                if isawaitable(called):
                    await called
        except BaseException:
            await self.aclose()
            raise
        if result is not None:
            return result
        await self.aclose()
        if self._line is not None and self._line.inputs_error is not None:
            raise self._line.inputs_error
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def _next(self) -> AsyncMapResult[T_co] | None:
        book = self._book
        if self._line is None:
            book.begin()
            work = book.work(self._shell)
            self._line = Line(book.items(), work, book.plan.concurrency, book.window, book.first())
            weakref.finalize(self, _drop, self._line, book).atexit = False
        book.asked()
        while True:
            result = book.outbox.get()
            if result is not None:
                self._line.release()
                return book.note(result)
            one = await self._line.get()
            if one is None:
                return None
            book.outbox.put(one)

    def _repr_html_(self) -> str:
        from runpod_sdk._client._tables import report_html

        return report_html(f'map on endpoint "{self.endpoint_id}"', self.report())

    def __repr__(self) -> str:
        return f"{type(self).__name__}(endpoint_id={self.endpoint_id!r}, results={self._book.tally.results})"
