"""The stream of one job, for asyncio. `_sync_stream.py` is generated from this file."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Generic, Self

from runpod_sdk._flows import _delivery, _stream
from runpod_sdk._flows._effects import Done, Flow
from runpod_sdk._telemetry import NO_SPAN, note_cancel, span
from runpod_sdk._values._generics import C_co, Defaulted
from runpod_sdk._values._states import JobState, StreamChunk, T_co
from runpod_sdk.errors import JobBoundError, JobError, NotFoundError, StreamInterruptedError

from ._typed import chunk_reader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from types import TracebackType

    from typing_extensions import TypeForm

    from runpod_sdk._flows._delivery import OnGap
    from runpod_sdk._flows._jobs import JobRef
    from runpod_sdk._flows._wait import OnAbandon
    from runpod_sdk._values._policies import Deadline

    from ._async import AsyncClient
    from ._async_job import AsyncJob


class AsyncStream(Defaulted, Generic[T_co, C_co]):
    """The chunks of one job, each once, in order, as soon as the service provides them.

    Iterate over it for outputs, or over `chunks()` for outputs with metrics. `with` closes it early. Chunks have the
    `chunk_type`, or Any; the `output_type` does not apply to them.

    Attributes:
        received: how many chunks have been handed out.
        state: the job's final state, once the stream has ended; None before.
    """

    def __init__(
        self,
        client: AsyncClient,
        start: Callable[[Deadline], Awaitable[AsyncJob[T_co]]],
        timeout: float | None,
        on_abandon: OnAbandon,
        on_gap: OnGap,
        chunk_type: TypeForm[C_co],
    ) -> None:
        self._read = chunk_reader(chunk_type)
        client._settings.deadline(timeout)  # raises for a bad timeout, before anything is sent
        self._client = client
        self._start = start
        self._timeout = timeout
        self._on_abandon: OnAbandon = on_abandon
        self._delivery = _delivery.Delivery(on_gap)
        self._job: AsyncJob[T_co] | None = None
        self._flow: Flow[JobState] | None = None
        self._span = ExitStack()
        self._call = NO_SPAN
        self._leave: Callable[[], Awaitable[object]] | None = None
        self._closed = False
        self._is_over = False
        self.received = 0
        self.state: JobState | None = None

    @property
    def gap(self) -> int | None:
        """The number of chunks before the first gap, or before the first mismatch with the output; None: no gap."""
        return self._delivery.gap_after

    @property
    def is_verified(self) -> bool | None:
        """Whether the chunks are exactly the job's output; known at the end of the stream.

        True: they are, repaired or not. False: some were lost, repeated or from an earlier attempt; `gap` says where.
        None: it is not known. The stream has not ended; the job did not complete; its output is not the list of all
        chunks (a worker without `return_aggregate_stream`), or is missing (too large, too old); there were no chunks,
        or more than a million; or the stream started late, because another reader took the first chunks.
        """
        return self._delivery.is_verified

    @property
    def job(self) -> AsyncJob[T_co]:
        """The job; available once the first chunk arrived, or inside `with`."""
        if self._job is None:
            raise RuntimeError("there is no job yet: it is submitted on `with` or with the first chunk")
        return self._job

    async def chunks(self) -> AsyncIterator[StreamChunk[C_co]]:
        """Iterate over chunks with their metrics. Shares its position with iteration over the stream itself."""
        while (chunk := await self._next()) is not None:
            yield self._read(chunk, self.job, self.received)

    async def aclose(self) -> None:
        """Stop reading. A job that has not ended is abandoned: see `on_abandon`. May be called twice."""
        await self._close(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> C_co:
        chunk = await self._next()
        if chunk is None:
            raise StopAsyncIteration
        output: C_co = self._read(chunk, self.job, self.received).output
        return output

    async def __aenter__(self) -> Self:
        try:
            await self._begin()
        except BaseException as error:
            await self._close(error)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close(error)

    async def _begin(self) -> None:
        if self._job is None:
            if self._closed:
                raise RuntimeError("the stream was closed before it began, or its submit failed: create a new one")
            settings = self._client._settings
            deadline = settings.deadline(self._timeout)
            self._closed = True  # until there is a job: a failed submit may have arrived, and is not repeated
            self._job = job = await self._start(deadline)
            self._closed = False
            self._call = self._span.enter_context(
                span("stream", job.endpoint_id, job.id, at=self._client.base_url, is_current=False)
            )
            self._flow = _stream.stream(settings, job._ref, deadline, self._delivery)
            if self._on_abandon == "cancel":
                self._leave = partial(_leave, self._client, job._ref, self._span)
                self._client._streams.watch(self, self._leave)

    async def _next(self) -> StreamChunk | None:
        try:
            await self._begin()
            if self._flow is None:
                return None
            with self._call.attached():
                step = await self._client._step(self._flow)
            if isinstance(step, Done):
                self.state = step.value
                self._end(None)
                return None
            self.received += 1
            chunk: StreamChunk = step.item
            return chunk  # noqa: TRY300  an interruption right before it would lose a chunk: it closes the stream
        except BaseException as error:
            if isinstance(error, JobBoundError):
                error.about(self.job)
            if isinstance(error, JobError | StreamInterruptedError):
                self.state = error.state
            elif self.state is not None:
                note_cancel(error, self.state)  # interrupted right after the last chunk
            if isinstance(error, JobError | NotFoundError):  # there is no job to go on, or to cancel
                self._end(error)
            else:
                await self._close(error)
            raise

    async def _close(self, error: BaseException | None) -> None:
        self._closed = True
        if self._job is None or self._is_over:
            return
        self._is_over = True
        if self.state is None:
            # Nobody sees a note on an exception that is not raised.
            stop = error or Exception()
            with self._call.attached():
                state = await self._client._abandon(self._job._ref, self._on_abandon, stop)
            if isinstance(stop, JobBoundError) and state is not None and state.is_success:
                stop.state = state  # its output is not lost
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        self._is_over = True
        self._client._streams.forget(self._leave)
        if self._flow is not None:
            self._flow.close()
            self._flow = None
        self._span.__exit__(type(error) if error is not None else None, error, None)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(job={self._job!r}, received={self.received})"


async def _leave(client: AsyncClient, job: JobRef, span: ExitStack) -> None:
    """Cancel the job of a stream that nobody holds any more."""
    with span:
        await client._abandon(job, "cancel", Exception())
