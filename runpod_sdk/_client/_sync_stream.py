"""The stream of one job, for threads. Generated from `_async_stream.py`: edit that."""

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
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from typing_extensions import TypeForm

    from runpod_sdk._flows._delivery import OnGap
    from runpod_sdk._flows._jobs import JobRef
    from runpod_sdk._flows._wait import OnAbandon
    from runpod_sdk._values._policies import Deadline

    from ._sync import Client
    from ._sync_job import Job


class Stream(Defaulted, Generic[T_co, C_co]):
    """The chunks of one job, each once, in order, as soon as the service provides them.

    Iterate over it for outputs, or over `chunks()` for outputs with metrics. `with` closes it early. Chunks have the
    `chunk_type`, or Any; the `output_type` does not apply to them.

    Attributes:
        received: how many chunks have been handed out.
        state: the job's final state, once the stream has ended; None before.
    """

    def __init__(
        self,
        client: Client,
        start: Callable[[Deadline], Job[T_co]],
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
        self._job: Job[T_co] | None = None
        self._flow: Flow[JobState] | None = None
        self._span = ExitStack()
        self._call = NO_SPAN
        self._leave: Callable[[], object] | None = None
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
    def job(self) -> Job[T_co]:
        """The job; available once the first chunk arrived, or inside `with`."""
        if self._job is None:
            raise RuntimeError("there is no job yet: it is submitted on `with` or with the first chunk")
        return self._job

    def chunks(self) -> Iterator[StreamChunk[C_co]]:
        """Iterate over chunks with their metrics. Shares its position with iteration over the stream itself."""
        while (chunk := self._next()) is not None:
            yield self._read(chunk, self.job, self.received)

    def close(self) -> None:
        """Stop reading. A job that has not ended is abandoned: see `on_abandon`. May be called twice."""
        self._close(None)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> C_co:
        chunk = self._next()
        if chunk is None:
            raise StopIteration
        output: C_co = self._read(chunk, self.job, self.received).output
        return output

    def __enter__(self) -> Self:
        try:
            self._begin()
        except BaseException as error:
            self._close(error)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(error)

    def _begin(self) -> None:
        if self._job is None:
            if self._closed:
                raise RuntimeError("the stream was closed before it began, or its submit failed: create a new one")
            settings = self._client._settings
            deadline = settings.deadline(self._timeout)
            self._closed = True  # until there is a job: a failed submit may have arrived, and is not repeated
            self._job = job = self._start(deadline)
            self._closed = False
            self._call = self._span.enter_context(
                span("stream", job.endpoint_id, job.id, at=self._client.base_url, is_current=False)
            )
            self._flow = _stream.stream(settings, job._ref, deadline, self._delivery)
            if self._on_abandon == "cancel":
                self._leave = partial(_leave, self._client, job._ref, self._span)
                self._client._streams.watch(self, self._leave)

    def _next(self) -> StreamChunk | None:
        try:
            self._begin()
            if self._flow is None:
                return None
            with self._call.attached():
                step = self._client._step(self._flow)
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
                self._close(error)
            raise

    def _close(self, error: BaseException | None) -> None:
        self._closed = True
        if self._job is None or self._is_over:
            return
        self._is_over = True
        if self.state is None:
            # Nobody sees a note on an exception that is not raised.
            stop = error or Exception()
            with self._call.attached():
                state = self._client._abandon(self._job._ref, self._on_abandon, stop)
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


def _leave(client: Client, job: JobRef, span: ExitStack) -> None:
    """Cancel the job of a stream that nobody holds any more."""
    with span:
        client._abandon(job, "cancel", Exception())
