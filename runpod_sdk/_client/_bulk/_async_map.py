"""The async iterator over the results of a bulk run. `_map.py` is the sync one."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Generic, Self, cast

from runpod_sdk._values._generics import Defaulted, K_co
from runpod_sdk._values._states import T_co

from ._map_book import Book
from ._map_result import AsyncMapFailure, AsyncMapResult, AsyncMapSuccess
from ._map_tables import arrow_of, check_library, pandas_of, polars_of

if TYPE_CHECKING:
    from runpod_sdk._client._async_batches import AsyncBatch
    from runpod_sdk._client._async_shell import AsyncShell
    from runpod_sdk._values._batches import BatchResult

    from ._line import Line
    from ._map_inputs import Item
    from ._map_plan import Plan
    from ._map_report import MapReport

AsyncOnResult = Callable[[AsyncMapSuccess[T_co, K_co] | AsyncMapFailure[T_co, K_co]], object]


def _drop(line: Line[Item, AsyncMapResult[Any]], book: Book[AsyncMapResult[Any]]) -> None:
    line.drop(book.end)


class AsyncMap(Defaulted, Generic[T_co, K_co]):
    """The results of a bulk run, as they arrive; `async with` closes it early. Made by `AsyncEndpoint.map`.

    Inputs are read while the caller works on results: async ones in a task, others in a thread, unless they are a
    collection. A run belongs to one task.

    Attributes:
        endpoint_id: the endpoint of the jobs.

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
        plan: Plan[AsyncMapResult[T_co, K_co]],
        on_result: AsyncOnResult[T_co, K_co] | None = None,
        *,
        progress: bool = False,
    ) -> None:
        self.endpoint_id = plan.endpoint_id
        self._book = Book(plan, shell._settings.clock, cast("Any", on_result), progress=progress)
        self._shell = shell
        self._line: Line[Item, AsyncMapResult[T_co, K_co]] | None = None
        self._closed = False

    @property
    def unknowns(self) -> tuple[AsyncMapResult[T_co, K_co], ...]:
        """Results whose submit may have arrived, including those not handed out (the last 10,000)."""
        return tuple(self._book.kept.unknowns)

    @property
    def abandoned(self) -> tuple[AsyncMapResult[T_co, K_co], ...]:
        """Jobs in flight when the run was closed; `state` says how a job ended, or is None if it goes on."""
        return tuple(self._book.kept.abandoned)

    @property
    def batches(self) -> tuple[AsyncBatch, ...]:
        """The batches of a run with `via="batch"`, in the order of their creation."""
        return tuple(self._book.kept.batches)

    @property
    def unassigned(self) -> tuple[BatchResult, ...]:
        """Results of batches that match no input's key (the last 10,000)."""
        return tuple(self._book.kept.unassigned)

    @property
    def undelivered(self) -> tuple[AsyncMapResult[T_co], ...]:
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

    async def to_pandas(self) -> Any:
        """Return the remaining results as a pandas DataFrame, one row each; the documentation lists the columns.

        Raises:
            ImportError: pandas is not installed; nothing was sent for it.
        """
        check_library("pandas")
        return await self._table(pandas_of)

    async def to_polars(self) -> Any:
        """Return the remaining results as a polars DataFrame; see `to_arrow`.

        Raises:
            ImportError: polars or pyarrow is not installed; nothing was sent for it.
        """
        check_library("polars")
        check_library("pyarrow")
        return await self._table(polars_of)

    async def to_arrow(self) -> Any:
        """Return the remaining results as an Arrow table; columns of mixed types contain JSON text.

        Raises:
            ImportError: pyarrow is not installed; nothing was sent for it.
        """
        check_library("pyarrow")
        return await self._table(arrow_of)

    async def aclose(self) -> None:
        """End the run: see `on_abandon` for what happens to jobs in flight. May be called twice."""
        self._closed = True
        await self._shell._out_of_reach(self._ended(), sys.exception())

    async def _ended(self) -> None:
        if self._line is not None:
            await self._line.close()
        await self._book.aend()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AsyncMapSuccess[T_co, K_co] | AsyncMapFailure[T_co, K_co]:
        result = await self._taken()
        if result is not None:
            return result
        was_closed = self._closed
        await self.aclose()
        if self._line is not None and self._line.inputs_error is not None and not was_closed:
            raise self._line.inputs_error
        raise StopAsyncIteration

    async def _taken(self) -> AsyncMapSuccess[T_co, K_co] | AsyncMapFailure[T_co, K_co] | None:
        """Return the next result; None at the end, and when the run is closed."""
        if self._closed:
            return None
        try:
            result = cast("AsyncMapSuccess[T_co, K_co] | AsyncMapFailure[T_co, K_co] | None", await self._next())
            if result is not None and self._book.on_result is not None:
                called = self._book.on_result(result)
                if isawaitable(called):
                    await called
        except BaseException as error:
            await self.aclose()
            self._book.tell(error)
            raise
        return result

    async def _table(self, table_of: Callable[[list[Any]], Any]) -> Any:
        """Return a table of the results that are left: they are handed out with it, and without it none of them is."""
        was_closed = self._closed
        try:
            self._book.hold()
            results: list[Any] = []
            while (result := await self._taken()) is not None:
                results.append(result)
            table = table_of(results)
            if self._line is not None and self._line.inputs_error is not None and not was_closed:
                raise self._line.inputs_error
            self._book.hand()
        finally:
            await self.aclose()
        return table

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        await self.aclose()
        self._book.tell(error)

    async def _next(self) -> AsyncMapResult[T_co, K_co] | None:
        book = self._book
        if self._line is None:
            book.begin()
            book.pending = book.taken()
            self._line = book.line(self._shell, book.plan.size)
            weakref.finalize(self, _drop, self._line, book).atexit = False
        book.asked()
        result = await self._line.get()
        if result is None:
            return None
        self._line.release()
        return book.note(result)

    def _repr_html_(self) -> str:
        from runpod_sdk._client._tables import report_html

        return report_html(f'map on endpoint "{self.endpoint_id}"', self.report())

    def __repr__(self) -> str:
        return f"{type(self).__name__}(endpoint_id={self.endpoint_id!r}, results={self._book.tally.results})"
