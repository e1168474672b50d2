"""Bulk runs through batches, for asyncio. `_sync_batch_map.py` is generated from this file.

Decides what is done next: taking inputs until a batch is full, submitting it, reading those that run. All of it happens
while the caller asks for the next result. Which input a result belongs to is decided in `_bulk/_batch_inputs.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic

from runpod_sdk._flows import _batches
from runpod_sdk._flows._batch_results import Found, Reading, rounds
from runpod_sdk._flows._batches import BatchRef
from runpod_sdk._flows._effects import Done
from runpod_sdk._flows._pulse import Pulse
from runpod_sdk._http._signals import raised_by_handler
from runpod_sdk._telemetry import note_batch
from runpod_sdk._values._batches import BATCH_REQUESTS_MAX, BATCHES_MAX
from runpod_sdk._values._policies import GRACE
from runpod_sdk._values._states import T_co, shorten
from runpod_sdk.errors import APIError, APIStatusError, BatchError, RunpodError, SubmissionUnknownError

from ._bulk._async_map import AsyncMap
from ._bulk._batch_inputs import BatchInputs
from ._bulk._map_inputs import OVER, Item
from ._bulk._map_job import HOPELESS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runpod_sdk._flows._effects import Flow
    from runpod_sdk._values._batches import BatchState
    from runpod_sdk._values._policies import Deadline

    from ._async_batches import AsyncBatch, AsyncBatches
    from ._bulk._async_map import AsyncOnResult
    from ._bulk._batch_inputs import KeyOf
    from ._bulk._map_plan import Plan
    from ._bulk._map_result import AsyncMapResult


# What may say that there are too many batches, or requests in them: the documentation does not say what does.
_TOO_MANY = (400, 409, 429)


@dataclass(slots=True, eq=False)
class AsyncFilled(Generic[T_co]):
    """Inputs for one batch; `batch` once it is made, `is_whole`: all of them are in it, `reading` once it runs."""

    inputs: BatchInputs[AsyncMapResult[T_co]]
    batch: AsyncBatch | None = None
    is_whole: bool = False
    reading: Reading | None = None


class AsyncBatchMap(AsyncMap[T_co]):
    """The results of a bulk run by batches. Made by `AsyncEndpoint.map(via="batch")`, and used like its other runs."""

    def __init__(
        self,
        batches: AsyncBatches,
        plan: Plan[AsyncMapResult[T_co]],
        key_of: KeyOf,
        on_result: AsyncOnResult[T_co] | None = None,
        *,
        progress: bool = False,
    ) -> None:
        super().__init__(batches._client, plan, on_result, progress=progress)
        self._shell = batches._client
        self._maker = batches
        self._key_of = key_of
        self._keys: set[Any] = set()
        self._source: Iterator[Item | None] | AsyncIterator[Item | None] | None = None
        self._is_drained = self._is_held_back = False
        self._broken: Exception | None = None
        self._refusal: APIError | None = None
        self._filling = self._new_inputs()
        self._waiting: AsyncFilled[T_co] | None = None
        self._running: list[AsyncFilled[T_co]] = []
        self._flow: Flow[None] | None = None

    async def _next(self) -> AsyncMapResult[T_co] | None:
        book = self._book
        if self._source is None:
            book.begin()
            self._source = book.items()
        book.asked()
        while True:
            result = book.outbox.get()
            if result is not None:
                return book.note(result)
            if not await self._go_on():
                if self._broken is not None:
                    raise self._broken
                return None

    async def _go_on(self) -> bool:
        """Do what is next; False where there is nothing left to do."""
        may_begin = len(self._running) < BATCHES_MAX and not self._is_held_back
        if may_begin and self._waiting is not None:
            await self._submit(self._waiting)
        elif may_begin and not self._is_drained:
            await self._fill()
        elif self._running:
            await self._read()
        else:
            return False
        return True

    # Inputs.

    def _new_inputs(self) -> BatchInputs[AsyncMapResult[T_co]]:
        return BatchInputs(self._book.plan, self._key_of, self._keys)

    async def _fill(self) -> None:
        """Take inputs until they are enough for a batch, or one is refused."""
        inputs = self._filling
        while len(inputs.items) < BATCH_REQUESTS_MAX:
            item = await self._next_input()
            if item is OVER:
                self._is_drained = True
                break
            if item is not None and (refused := inputs.refused(item)) is not None:
                self._book.outbox.put(refused)
                return
            if self._refusal is not None:
                self._hand_out(inputs.all_failed(self._refusal))
                return
        if inputs.items:
            self._waiting, self._filling = AsyncFilled(inputs), self._new_inputs()

    async def _next_input(self) -> Item | None:
        """Return the next input, or that there is none."""
        source, handled = self._source, sys.exception()
        if source is None:
            return OVER
        try:
            return next(source, OVER) if isinstance(source, Iterator) else await anext(source, OVER)
        except Exception as error:  # whatever the caller's iterator raises
            if raised_by_handler(error, handled) is not None:
                raise
            self._broken = error  # raised once the results of what came before are handed out
            return OVER

    # A batch: made, and let run.

    async def _submit(self, filled: AsyncFilled[T_co]) -> None:
        """Make a batch of inputs, and let it run; or leave it for later, or tell what has become of its inputs."""
        try:
            self._begin(filled, await self._finalized(filled))
        except (APIError, BatchError) as error:
            if self._running and isinstance(error, APIStatusError) and error.status_code in _TOO_MANY:
                self._is_held_back = True  # one of ours may be what is too much
                if not filled.is_whole:
                    await self._drop(filled)
                return
            if isinstance(error, HOPELESS) and filled.batch is None:
                self._refusal = error
            await self._refused(filled, error)
        self._waiting = None

    async def _finalized(self, filled: AsyncFilled[T_co]) -> BatchState:
        if filled.batch is None:
            filled.batch = await self._maker.create()
            self._book.kept.batches.append(filled.batch)
        if not filled.is_whole:
            await filled.batch.add([item.input.reveal() for item in filled.inputs.items.values()])
            filled.is_whole = True
        return await filled.batch.finalize()

    async def _drop(self, filled: AsyncFilled[T_co]) -> None:
        """Give a draft up of which nobody knows what is in it; it runs nothing."""
        batch, filled.batch = filled.batch, None
        if batch is not None:
            self._book.kept.batches.remove(batch)
            with suppress(RunpodError):
                await batch.cancel()

    async def _refused(self, filled: AsyncFilled[T_co], error: APIError | BatchError) -> None:
        """Report inputs whose batch could not be submitted, as far as their fate is known."""
        if filled.batch is None or not filled.is_whole:
            await self._drop(filled)
            self._hand_out(filled.inputs.all_failed(error))
            return
        sent_at = datetime.fromtimestamp(self._shell._settings.clock.time(), UTC)
        try:
            state = await self._settled(filled.batch)
        except APIError as problem:
            unknown = filled.inputs.all_unknown(filled.batch.id, sent_at, problem)
            self._book.kept.unknowns.extend(unknown)
            for result in unknown:
                if isinstance(result.error, SubmissionUnknownError):
                    self._shell._unknowns.add(result.error, problem)
            self._hand_out(unknown)
            return
        has_begun = state.in_progress + state.completed + state.failed > 0
        if state.is_draft or (state.status == "CANCELLED" and not has_begun):
            self._hand_out(filled.inputs.all_failed(error))
        else:
            self._begin(filled, state)

    async def _settled(self, batch: AsyncBatch) -> BatchState:
        """Return what has become of a batch that may have been finalized; a draft is cancelled, and so stays one."""
        settings = self._shell._settings
        flow = _batches.look(settings, batch._ref, settings.deadline(None), pulse=Pulse(settings.poll))
        state = await self._shell._drive(flow)
        if state.is_draft:
            with suppress(APIError):  # a service may refuse it for a draft
                return await batch.cancel()
        return state

    # Batches that run.

    def _begin(self, filled: AsyncFilled[T_co], state: BatchState) -> None:
        filled.reading = Reading(BatchRef(self._maker.endpoint_id, state.id), state=state)
        self._running.append(filled)
        self._stop_reading()

    async def _read(self) -> None:
        """Wait for the next result of the batches that run, or for the end of one."""
        if self._flow is None:
            readings = [filled.reading for filled in self._running if filled.reading is not None]
            self._flow = rounds(self._shell._settings, readings)
        step = await self._shell._step(self._flow)
        if isinstance(step, Done):
            self._flow = None
            self._end_those_that_are_over()
            return
        found: Found = step.item
        (filled,) = [filled for filled in self._running if filled.reading is found.reading]
        result = filled.inputs.result(found.result)
        if result is not None:
            self._book.outbox.put(result)

    def _end_those_that_are_over(self) -> None:
        for filled in [*self._running]:
            reading = filled.reading
            if reading is not None and reading.state is not None and reading.is_over:
                self._running.remove(filled)
                self._is_held_back = False
                self._hand_out(filled.inputs.rest(reading.state, reading.error))
                self._book.kept.unassigned.extend(filled.inputs.strangers)

    def _hand_out(self, results: list[AsyncMapResult[T_co]]) -> None:
        for result in results:
            self._book.outbox.put(result)

    def _stop_reading(self) -> None:
        flow, self._flow = self._flow, None
        if flow is not None:
            flow.close()

    # The end.

    async def aclose(self) -> None:
        """End the run: see `on_abandon` for what happens to batches that are under way. May be called twice."""
        self._closed = True
        await self._shell._out_of_reach(self._left(sys.exception()), sys.exception())

    async def _left(self, error: BaseException | None) -> None:
        try:
            await self._leave(error)
        finally:
            await self._ended()

    async def _leave(self, error: BaseException | None) -> None:
        """Cancel or detach batches in flight; a second call finishes what the first could not."""
        settings = self._shell._settings
        deadline = settings.deadline(GRACE, grace=0.0)
        self._stop_reading()
        while (filled := self._running[0] if self._running else self._waiting) is not None:
            if filled.batch is not None:
                self._book.kept.abandoned.extend(filled.inputs.all_left())
                self._book.kept.unassigned.extend(filled.inputs.strangers)
                note_batch(error, self.endpoint_id, filled.batch.id, await self._abandoned(filled.batch, deadline))
            self._running = [one for one in self._running if one is not filled]
            self._waiting = None if self._waiting is filled else self._waiting

    async def _abandoned(self, batch: AsyncBatch, deadline: Deadline) -> str:
        """Cancel a batch, or let it go on; return what is to be said of it."""
        goes_on = "A batch goes on, unless it is a DRAFT. Its results"
        if self._book.plan.on_abandon == "detach":
            return goes_on
        flow = _batches.cancel(self._shell._settings, batch._ref, deadline)
        try:
            state = await self._shell._drive(flow)
        except RunpodError as problem:
            return f"It could not be cancelled ({type(problem).__name__}: {shorten(str(problem))}). {goes_on}"
        in_progress = "" if state.status == "CANCELLED" else "; what is in progress of it goes on"
        return f"A batch was cancelled{in_progress}. What it has done"
