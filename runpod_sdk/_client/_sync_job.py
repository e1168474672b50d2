"""Handles for threads: one job, and the stream of one. Written from `_async_job.py`: edit that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003  resolved by typing.get_type_hints
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from runpod_sdk._flows import _control, _delivery, _stream, _wait
from runpod_sdk._flows._effects import Done, Flow
from runpod_sdk._flows._jobs import JobRef, Life
from runpod_sdk._flows._loading import loading
from runpod_sdk._flows._wait import OnAbandon, checked_abandon
from runpod_sdk._telemetry import NO_SPAN, note_cancel, note_retry, span, way_back
from runpod_sdk._values._generics import C, C_co, Defaulted
from runpod_sdk._values._states import JobState, StreamChunk, T_co, typed
from runpod_sdk.errors import JobBoundError, JobError, NotFoundError, RunpodError, StreamInterruptedError

from ._sync_shell import called, watcher
from ._typed import chunk_reader

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import TypeForm

    from runpod_sdk._flows._delivery import OnGap
    from runpod_sdk._flows._exchange import Settings
    from runpod_sdk._values._policies import Deadline
    from runpod_sdk._values._status import JobStatus

    from ._sync import Client

T = TypeVar("T")
OnUpdate = Callable[[JobState], object]


@dataclass(frozen=True, slots=True)
class Job(Generic[T_co]):
    """A handle on one job: ids, and no state. Hashable; pickles without its client and its type.

    Attributes:
        endpoint_id: where the job is.
        id: its id; `client.endpoint(endpoint_id).job(id)` makes the handle again, in any process; with the endpoint's
            `output_type`, if you give it again.
        submitted_at: when this process submitted it, UTC; None for a job that it did not.
    """

    _client: Client | None = field(repr=False, compare=False)
    endpoint_id: str
    id: str
    submitted_at: datetime | None = field(default=None, repr=False, compare=False)
    _read: Callable[[JobState], T_co] | None = field(default=None, repr=False, compare=False)
    _life: Life | None = field(default=None, repr=False, compare=False)

    def status(self) -> JobStatus:
        """Return the job's status now, as `state` does."""
        return self.state().status

    def state(self, *, ttl: float | None = None) -> JobState[T_co]:
        """Look at the job once.

        Args:
            ttl: set the job's time to live, seconds.

        Raises:
            JobExpiredError, NotFoundError: the service does not know the job (any more).
            APIError: the service refused, or could not be reached.
        """
        with span("status", self.endpoint_id, self.id, at=self._owner.base_url):
            return self._typed(self._drive(_wait.look(self._settings, self._ref, ttl=ttl)))

    def wait(
        self, timeout: float | None = None, *, on_abandon: OnAbandon = "detach", on_update: OnUpdate | None = None
    ) -> JobState[T_co]:
        """Return the job's state once it is final, whatever the end: milliseconds after it, in one held request.

        Args:
            timeout: most seconds; 0 looks once; None waits until the job ends or the service forgets it.
            on_abandon: what becomes of the job when this call ends before it: "cancel" or "detach".
            on_update: called with each new state on the way, about once a second at most. Of a job that stays in the
                queue, `state.queue_reason` says why (a rare request of its own, that cannot fail the wait).

        Raises:
            WaitTimeoutError: the timeout passed first; the job goes on unless `on_abandon` says otherwise.
            JobExpiredError, NotFoundError: the service does not know the job (any more).
            APIError: the service refused, or did not answer for the `outage` of the poll policy.
        """
        deadline = self._settings.deadline(timeout)
        checked_abandon(on_abandon)
        with span("wait", self.endpoint_id, self.id, at=self._owner.base_url):
            try:
                return self._typed(self._ended(deadline, on_update, once=timeout == 0))
            except BaseException as error:
                # After these there is no job to go on, or to cancel.
                if isinstance(error, JobError | NotFoundError) and error.job_id == self.id:
                    raise
                end = _control.end_instead(error, self._owner._abandon(self._ref, on_abandon, error))
                if end is None:
                    raise
                if on_update is not None:
                    called(on_update, end)
                return self._typed(end)

    def output(
        self, timeout: float | None = None, *, on_abandon: OnAbandon = "detach", on_update: OnUpdate | None = None
    ) -> T_co:
        """Wait like `wait`, and return the job's output, as the endpoint's `output_type`.

        Raises:
            JobFailedError, JobTimedOutError, JobCancelledError: the job ended so.
            OutputTypeError: it completed, with an output that is not of the type.
            WaitTimeoutError, JobExpiredError, APIError: as `wait` does.
        """
        return self.output_of(self.wait(timeout, on_abandon=on_abandon, on_update=on_update))

    def output_of(self, state: JobState) -> T_co:
        """Return the output of a final state of this job, as `output` does. Makes no request.

        Raises:
            ValueError: the job has not ended, or it is the state of another one.
            JobFailedError, JobTimedOutError, JobCancelledError, OutputTypeError: as `output` does.
        """
        self._owner  # noqa: B018  an unpickled job has lost its type too
        if state.id != self.id or not state.is_final:
            raise ValueError(f"a final state of job {self.id} expected, got {state.status} of {state.id}")
        return self._output(state)

    def stream(
        self,
        timeout: float | None = None,
        *,
        on_abandon: OnAbandon = "detach",
        on_gap: OnGap = "repair",
        chunk_type: TypeForm[C] = Any,
    ) -> Stream[T_co, C]:
        """Return the job's stream. Chunks that were read before, here or elsewhere, do not come again.

        At its end it is compared with the job's output: see `Stream.is_verified`.

        Args:
            timeout: most seconds from the first read to the last chunk.
            on_abandon: what becomes of the job when the stream is closed, or times out, before its end.
            on_gap: what to do when an answer, and maybe chunks with it, was lost: "repair" holds back what follows and
                fills in from the job's output, if that is the list of all chunks; "skip" goes on; "raise" stops.
            chunk_type: what each chunk is made into, and checked to be, as outputs are for an `output_type`.

        Raises:
            StreamInterruptedError: chunks were lost, or came twice (while iterating, as all of these).
            OutputTypeError: a chunk is not of the type; the next one may still be asked for.
            JobFailedError, JobTimedOutError, JobCancelledError: after the last chunk of a job that ended so.
            WaitTimeoutError, JobExpiredError, APIError: as `wait` does.
        """
        choices = checked_abandon(on_abandon), _delivery.checked_gap(on_gap)
        return Stream(self._owner, self._itself, timeout, *choices, chunk_type)

    def cancel(self) -> JobState:
        """Cancel the job, and return what it then is: CANCELLED, or the end that it had found before.

        Raises:
            APIError: the service refused, or could not be reached.
        """
        with span("cancel", self.endpoint_id, self.id, at=self._owner.base_url):
            return self._drive(_control.cancel(self._settings, self._ref, self._settings.deadline(None)))

    def retry(self) -> Job[T_co]:
        """Queue the job again, under the same id and with the same input; only for FAILED and TIMED_OUT jobs.

        Raises:
            APIError: the service refused, or it is not known whether it accepted.
        """
        with span("retry", self.endpoint_id, self.id, at=self._owner.base_url):
            try:
                self._drive(_control.retry(self._settings, self._ref, self._settings.deadline(None)))
            except BaseException as error:
                if not isinstance(error, RunpodError):
                    note_retry(error, self.endpoint_id, self.id)
                raise
        return self

    def _itself(self, _: Deadline) -> Job[T_co]:
        return self

    @property
    def _owner(self) -> Client:
        if self._client is None:
            raise RuntimeError(f"this Job was unpickled and has no client: use {way_back(self.endpoint_id, self.id)}")
        return self._client

    @property
    def _settings(self) -> Settings:
        return self._owner._settings

    @property
    def _ref(self) -> JobRef:
        return JobRef(self.endpoint_id, self.id, self._life, is_ours=self.submitted_at is not None)

    def _drive(self, flow: Flow[T], on_emit: Callable[[Any], object] | None = None) -> T:
        try:
            return self._owner._drive(flow, on_emit)
        except JobBoundError as error:
            error.about(self)
            raise

    def _ended(
        self,
        deadline: Deadline,
        on_update: OnUpdate | None,
        *,
        once: bool = False,
        seen: JobState | None = None,
    ) -> JobState:
        with watcher(on_update, once=once) as watch:
            flow = _wait.wait(
                self._settings, self._ref, deadline, watched=watch is not None, once=once, explains=True, seen=seen
            )
            if seen is not None and watch is not None:
                called(watch, seen)
            if seen is not None and seen.is_final:
                return seen
            return self._drive(flow, watch)

    def _typed(self, state: JobState) -> JobState[T_co]:
        return state if self._read is None else typed(state, self._read)

    def _output(self, state: JobState) -> T_co:
        try:
            output: Any = _wait.output(state)
            return output.output if self._read is None else self._read(state)
        except JobBoundError as error:
            error.about(self)
            raise

    def _repr_html_(self) -> str:
        with loading("a table"):
            from ._tables import job_html

        return job_html(self.endpoint_id, self.id, self.submitted_at)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (None, self.endpoint_id, self.id, self.submitted_at)


class Stream(Defaulted, Generic[T_co, C_co]):
    """The chunks of one job, each once, in order, as soon as the service hands them out.

    Iterate over it for outputs, or over `chunks()` for outputs with metrics. `with` closes it early. A chunk is a piece
    of what the job's output will be at best, so its type is the `chunk_type`, or Any, whatever the `output_type`.

    Attributes:
        received: how many chunks have been handed out.
        state: the job's last state, once the stream has ended; None before.
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
        """After how many chunks an answer was lost or, at the end, the job's output has others; None: nowhere."""
        return self._delivery.gap_after

    @property
    def is_verified(self) -> bool | None:
        """Whether the chunks are the job's output, from the first to the last; known at the end of the stream.

        True: they are, repaired or not. False: some were lost, repeated or of an earlier attempt, and `gap` says where.
        None: nothing tells. The stream has not ended; the job did not complete; its output is not the list of all
        chunks (a worker without `return_aggregate_stream`), or is not there (too large, too old); no chunk came at all;
        there were more than a million; or the stream began late, as another had read the first chunks.
        """
        return self._delivery.is_verified

    @property
    def job(self) -> Job[T_co]:
        """The job; known from the first chunk, or from `with`, on."""
        if self._job is None:
            raise RuntimeError("the job is submitted on `with` or with the first chunk: there is none yet")
        return self._job

    def chunks(self) -> Iterator[StreamChunk[C_co]]:
        """Iterate over chunks with their metrics. Shares its place with iteration over the stream itself."""
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
                raise RuntimeError("the stream was closed before it began, or its submit failed: make another one")
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
