"""Job handles, for asyncio. `_sync_job.py` is generated from this file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003  resolved by typing.get_type_hints
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from runpod_sdk._flows import _control, _delivery, _wait
from runpod_sdk._flows._jobs import JobRef, Life
from runpod_sdk._flows._loading import loading
from runpod_sdk._flows._wait import OnAbandon, checked_abandon
from runpod_sdk._telemetry import note_retry, span, way_back
from runpod_sdk._values._states import JobState, T_co, typed
from runpod_sdk.errors import JobBoundError, JobError, NotFoundError, RunpodError

from ._async_shell import called, watcher
from ._async_stream import AsyncStream

if TYPE_CHECKING:
    from typing_extensions import TypeForm

    from runpod_sdk._flows._delivery import OnGap
    from runpod_sdk._flows._effects import Flow
    from runpod_sdk._flows._exchange import Settings
    from runpod_sdk._values._generics import C
    from runpod_sdk._values._policies import Deadline
    from runpod_sdk._values._status import JobStatus

    from ._async import AsyncClient

T = TypeVar("T")
OnUpdate = Callable[[JobState], object]


@dataclass(frozen=True, slots=True)
class AsyncJob(Generic[T_co]):
    """A handle on one job: it has ids, but no state. Hashable; pickling drops the client and the type.

    Attributes:
        endpoint_id: the endpoint of the job.
        id: its id; `client.endpoint(endpoint_id).job(id)` recreates the handle in any process (pass the `output_type`
            again if you use one).
        submitted_at: when this process submitted it, UTC; None if another one did.
    """

    _client: AsyncClient | None = field(repr=False, compare=False)
    endpoint_id: str
    id: str
    submitted_at: datetime | None = field(default=None, repr=False, compare=False)
    _read: Callable[[JobState], T_co] | None = field(default=None, repr=False, compare=False)
    _life: Life | None = field(default=None, repr=False, compare=False)

    async def status(self) -> JobStatus:
        """Return the job's current status; see `state`."""
        return (await self.state()).status

    async def state(self, *, ttl: float | None = None) -> JobState[T_co]:
        """Return the current state of the job.

        Args:
            ttl: set a new time to live for the job, seconds.

        Raises:
            JobExpiredError, NotFoundError: the service does not know the job (any more).
            APIError: the service refused, or could not be reached.
        """
        with span("status", self.endpoint_id, self.id, at=self._owner.base_url):
            return self._typed(await self._drive(_wait.look(self._settings, self._ref, ttl=ttl)))

    async def wait(
        self, timeout: float | None = None, *, on_abandon: OnAbandon = "detach", on_update: OnUpdate | None = None
    ) -> JobState[T_co]:
        """Wait until the job ends, however it ends, and return its final state, milliseconds after the end.

        Args:
            timeout: the longest to wait, seconds; 0 checks once; None waits until the job ends or expires.
            on_abandon: what happens to the job if this call ends first: "cancel" or "detach".
            on_update: called with each new state, about once a second at most. For a job that stays queued,
                `state.queue_reason` says why (an occasional extra request, which cannot fail the wait).

        Raises:
            WaitTimeoutError: the timeout passed first; the job goes on unless `on_abandon` says otherwise.
            JobExpiredError, NotFoundError: the service does not know the job (any more).
            APIError: the service refused, or did not answer for the `outage` of the poll policy.
        """
        deadline = self._settings.deadline(timeout)
        checked_abandon(on_abandon)
        with span("wait", self.endpoint_id, self.id, at=self._owner.base_url):
            try:
                return self._typed(await self._ended(deadline, on_update, once=timeout == 0))
            except BaseException as error:
                # After these there is no job to go on, or to cancel.
                if isinstance(error, JobError | NotFoundError) and error.job_id == self.id:
                    raise
                end = _control.end_instead(error, await self._owner._abandon(self._ref, on_abandon, error))
                if end is None:
                    raise
                if on_update is not None:
                    await called(on_update, end)
                return self._typed(end)

    async def output(
        self, timeout: float | None = None, *, on_abandon: OnAbandon = "detach", on_update: OnUpdate | None = None
    ) -> T_co:
        """Wait like `wait`, and return the job's output, as the endpoint's `output_type`.

        Raises:
            JobFailedError, JobTimedOutError, JobCancelledError: the job ended that way.
            OutputTypeError: it completed, but its output does not match the type.
            WaitTimeoutError, JobExpiredError, APIError: as `wait` does.
        """
        return self.output_of(await self.wait(timeout, on_abandon=on_abandon, on_update=on_update))

    def output_of(self, state: JobState) -> T_co:
        """Return the output from a final state of this job, as `output` does. Makes no request.

        Raises:
            ValueError: the state is not final, or belongs to another job.
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
    ) -> AsyncStream[T_co, C]:
        """Return the job's stream. Chunks that were read before, here or elsewhere, are not repeated.

        At its end, the stream is compared with the job's output: see `AsyncStream.is_verified`.

        Args:
            timeout: the longest from the first read to the last chunk, seconds.
            on_abandon: what happens to the job if the stream is closed or times out early: "cancel" or "detach".
            on_gap: what to do if an answer, and perhaps chunks with it, was lost: "repair" holds back later chunks and
                fills the gap from the job's output, if that is the list of all chunks; "skip" goes on; "raise" stops.
            chunk_type: the type that chunks are converted to and checked against; see `output_type`.

        Raises:
            StreamInterruptedError: chunks were lost or came twice (raised while iterating, like all of these).
            OutputTypeError: a chunk does not match the type; iteration can continue.
            JobFailedError, JobTimedOutError, JobCancelledError: after the last chunk, if the job ended that way.
            WaitTimeoutError, JobExpiredError, APIError: as `wait` does.
        """
        choices = checked_abandon(on_abandon), _delivery.checked_gap(on_gap)
        return AsyncStream(self._owner, self._itself, timeout, *choices, chunk_type)

    async def cancel(self) -> JobState:
        """Cancel the job, and return its state: CANCELLED, or how it had ended before.

        Raises:
            APIError: the service refused, or could not be reached.
        """
        with span("cancel", self.endpoint_id, self.id, at=self._owner.base_url):
            return await self._drive(_control.cancel(self._settings, self._ref, self._settings.deadline(None)))

    async def retry(self) -> AsyncJob[T_co]:
        """Queue the job again, under the same id and with the same input; only for FAILED and TIMED_OUT jobs.

        Raises:
            APIError: the service refused, or it is not known whether it accepted.
        """
        with span("retry", self.endpoint_id, self.id, at=self._owner.base_url):
            try:
                await self._drive(_control.retry(self._settings, self._ref, self._settings.deadline(None)))
            except BaseException as error:
                if not isinstance(error, RunpodError):
                    note_retry(error, self.endpoint_id, self.id)
                raise
        return self

    async def _itself(self, _: Deadline) -> AsyncJob[T_co]:
        return self

    @property
    def _owner(self) -> AsyncClient:
        if self._client is None:
            raise RuntimeError(
                f"this AsyncJob was unpickled and has no client: use {way_back(self.endpoint_id, self.id)}"
            )
        return self._client

    @property
    def _settings(self) -> Settings:
        return self._owner._settings

    @property
    def _ref(self) -> JobRef:
        return JobRef(self.endpoint_id, self.id, self._life, is_ours=self.submitted_at is not None)

    async def _drive(self, flow: Flow[T], on_emit: Callable[[Any], object] | None = None) -> T:
        try:
            return await self._owner._drive(flow, on_emit)
        except JobBoundError as error:
            error.about(self)
            raise

    async def _ended(
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
                await called(watch, seen)
            if seen is not None and seen.is_final:
                return seen
            return await self._drive(flow, watch)

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
