"""Runs one input of a bulk run: submit, wait, retry. It always ends in a result.

Two requests a job: `run`, whose results are kept for 30 minutes, and one held status, or several for a long job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Generic, Protocol, cast

from runpod_sdk._client._submission import Left, Submission
from runpod_sdk._flows import _answers, _api, _control, _wait
from runpod_sdk._flows._exchange import ask
from runpod_sdk._flows._job_errors import error_of
from runpod_sdk._telemetry import span
from runpod_sdk._values._arguments import kind_of
from runpod_sdk._values._hidden import Hidden
from runpod_sdk._values._requests import HiddenOptions, SubmitOptions
from runpod_sdk._values._states import JobState, shorten
from runpod_sdk._values._status import JobStatus
from runpod_sdk.errors import (
    APIError,
    APIStatusError,
    AuthenticationError,
    InternalServerError,
    JobBoundError,
    JobError,
    MapStoppedError,
    NotFoundError,
    OutputTypeError,
    PaymentRequiredError,
    PermissionDeniedError,
)

from ._map_inputs import refusal
from ._map_result import Kept, R

if TYPE_CHECKING:
    from runpod_sdk._client._async_shell import AsyncShell
    from runpod_sdk._client._async_shield import AsyncShieldedSend
    from runpod_sdk._flows._jobs import JobRef

    from ._map_inputs import Handle, Item
    from ._map_plan import Plan
    from ._map_report import Tally
    from ._map_stop import Brake, WorkerTime

# Refusals of a submit that the next input would meet as well.
HOPELESS = (AuthenticationError, PaymentRequiredError, PermissionDeniedError, NotFoundError)


class Log(Protocol):
    """Callbacks for the submit of one input."""

    async def intent(self, item: Item) -> None:
        """Note that it is about to be sent; what it raises keeps it from being sent."""
        ...

    def submitted(self, item: Item, job_id: str) -> None:
        """Note which job came of it."""
        ...

    def left(self, item: Item, left: Left) -> None:
        """Note what an interruption leaves behind of it."""
        ...


class NoLog:
    """Takes note of nothing."""

    async def intent(self, item: Item) -> None:
        """Do nothing."""

    def submitted(self, item: Item, job_id: str) -> None:
        """Do nothing."""

    def left(self, item: Item, left: Left) -> None:
        """Do nothing."""


class Runner(Generic[R]):
    """Makes results of inputs, each with its job.

    Attributes:
        unknowns: results whose submit may have arrived.
        abandoned: results without an end: what was in flight when the run was closed.
    """

    def __init__(
        self,
        shell: AsyncShell,
        plan: Plan[R],
        kept: Kept[R],
        tally: Tally,
        brake: Brake,
        log: Log | None = None,
    ) -> None:
        self._shell = shell
        self._plan = plan
        self._kept = kept
        self._tally = tally
        self._brake = brake
        self._log: Log = log or NoLog()
        self._refusal: APIStatusError | None = None

    async def result(self, item: Item) -> R:
        """Submit one input, and wait for its job."""
        meter = self._brake.meter
        if meter is not None and self._brake.reason is None and meter.begin(self._shell._settings.now()):
            await self._look(meter)
        if self._brake.is_on(self._shell._settings.now()):
            return self.of(item, error=MapStoppedError(f"not submitted: {self._brake.reason}"))
        result = await self._made(item)
        self._brake.add(result.state, result.error)
        return result

    async def _look(self, meter: WorkerTime) -> None:
        """See how many workers there are, for what they cost."""
        settings, workers = self._shell._settings, None
        request = _api.health(self._plan.endpoint_id)
        try:
            health = await self._shell._drive(ask(settings, request, settings.deadline(None), _answers.health_of))
            counts = health.workers
            workers = counts.initializing + counts.running + counts.idle
        except APIError:  # it is not known then; whether the endpoint is there at all, the submit tells
            pass
        finally:
            meter.end(settings.now(), workers)

    async def _made(self, item: Item) -> R:
        plan, settings = self._plan, self._shell._settings
        if isinstance(item.input.reveal(), plan.handle):
            return await self._collected(item, item.input.reveal())
        options = self._options(item)
        try:
            request = _api.built(_api.run, plan.endpoint_id, item.input, checked_options(options))
        except (TypeError, ValueError) as error:
            return self.of(item, error=refusal(plan.inputs.reveal(), item, error))
        if self._refusal is not None:
            return self.of(item, error=_unsubmitted(self._refusal))
        submission: Submission[AsyncShieldedSend] = Submission(
            request=request, deadline=settings.deadline(None), options=options, on_abandon=plan.on_abandon
        )
        is_told = False

        def job_of(state: JobState) -> Any:
            ref = submission.ref(settings, state)
            return plan.job_of(ref.job_id, submission.submitted_at, ref.life)

        async def tell(state: JobState) -> None:
            nonlocal is_told
            if not is_told:
                is_told = True
                self._log.submitted(item, state.id)
                await self._tell(item.key, job_of(state))

        try:
            with span("run", plan.endpoint_id, at=plan.endpoint_url):
                state = await self._submitted(item, submission)
            await tell(state)
        except BaseException as error:
            try:
                await self._shell._settle(submission, error, tell)
            finally:
                left = submission.outcome or Left()
                self._keep(item, left, job_of)
            if is_told or not isinstance(error, APIError | JobError):
                self._left(item, left)
                raise  # it is interrupted, or nobody could take note of it
            if isinstance(error, HOPELESS):
                self._refusal = self._refusal or error
            # The second: refused as a job that has failed already.
            return self.of(item, state=error.state if isinstance(error, JobError) else None, error=error)
        return await self.waited(item, submission.ref(settings, state), job_of(state))

    def _options(self, item: Item) -> HiddenOptions:
        """Return the options of one input: those of the run, and over them what the caller says for it."""
        own = self._plan.input_options
        if own is None:
            return self._plan.options
        return merged(self._plan.options, Hidden(own(item.key, item.input.reveal())))

    async def _submitted(self, item: Item, submission: Submission[AsyncShieldedSend]) -> JobState:
        async def announce() -> None:
            await self._tell(item.key, None)
            await self._log.intent(item)

        with self._shell._settings.clock.participate():  # also while it is told
            return await self._shell._submit(submission, announce)

    async def _collected(self, item: Item, job: Any) -> R:
        """Wait for a job that was submitted before."""
        known = cast("Handle", job)
        if known.endpoint_id != self._plan.endpoint_id:
            return self.of(item, error=ValueError(f"{job!r} is not on endpoint {self._plan.endpoint_id!r}"))
        return await self.waited(item, job._ref, job)

    async def _tell(self, key: Any, job: Any) -> None:
        if self._plan.on_submit is not None:
            told = self._plan.on_submit(key, job)
            if isawaitable(told):
                await told

    def refused(self, item: Item, why: Exception) -> R:
        """Return the result of an input that is not taken; where it cannot be sent, that is the reason."""
        if not isinstance(item.input.reveal(), self._plan.handle):
            try:
                _api.built(_api.run, self._plan.endpoint_id, item.input, self._plan.options)
            except (TypeError, ValueError) as error:
                why = refusal(self._plan.inputs.reveal(), item, error)
        return self.of(item, error=why)

    async def waited(self, item: Item, ref: JobRef, job: Any) -> R:
        """Return the result of a submitted job."""
        shell = self._shell
        try:
            with span("wait", ref.endpoint_id, ref.job_id, at=self._plan.endpoint_url):
                state, refusal = await self._ended(ref)
        except (JobError, NotFoundError) as error:  # there is no job to go on, or to cancel
            return self.of(item, job=job, error=about(error, job))
        except APIError as error:
            end = _control.end_instead(error, await shell._abandon(ref, self._plan.on_abandon, error))
            if end is None:
                return self.of(item, job=job, error=error)
            state, refusal = end, None
        except BaseException as stop:
            end = await shell._abandon(ref, self._plan.on_abandon, stop)
            self._keep_job(item, job, end)
            if end is not None:
                self._log.left(item, Left(job=end, end=end))
            raise
        failure = error_of(state)
        if failure is None:
            return self.of(item, job=job, state=state)
        if refusal is not None:
            failure.add_note(f"It could not be retried: {shorten(str(refusal))}")
        return self.of(item, job=job, state=state, error=about(failure, job))

    async def _ended(self, ref: JobRef) -> tuple[JobState, APIError | None]:
        """Return the job's last state after as many retries as it takes; and what refused a retry."""
        shell, settings = self._shell, self._shell._settings
        deadline = settings.deadline(None)
        left = self._plan.retries
        while True:
            state = await shell._drive(_wait.wait(settings, ref, deadline, watched=False))
            if left == 0 or state.status not in (JobStatus.FAILED, JobStatus.TIMED_OUT):
                return state, None
            left -= 1
            try:
                await shell._drive(_control.retry(settings, ref, deadline))
            except APIError as error:
                if isinstance(error, APIStatusError) and not isinstance(error, InternalServerError):
                    return state, error
                left = 0  # it may have been accepted: the job's next state tells, and then it is enough
            else:
                self._tally.add_retry(state)
                settings.meter.requeued(state)

    def _left(self, item: Item, left: Left) -> None:
        self._log.left(item, left)
        if left.record is None and left.job is None:
            self._kept.undelivered.append(left_of(self._plan, item))

    def _keep(self, item: Item, left: Left, job_of: Callable[[JobState], Any]) -> None:
        if left.record is not None:
            self._kept.unknowns.append(self.of(item, error=left.record))
        elif left.job is not None:
            self._keep_job(item, job_of(left.job), left.end)

    def _keep_job(self, item: Item, job: Any, end: JobState | None) -> None:
        error = None if end is None else error_of(end)
        self._kept.abandoned.append(self.of(item, job=job, state=end, error=error))

    def of(self, item: Item, *, job: Any = None, state: JobState | None = None, error: Exception | None = None) -> R:
        """Return a result: the output is read of the state."""
        output: Any = None
        if error is None and state is not None and state.is_success:
            output, error = self._output(state, job)
        return self._plan.result(
            key=item.key, index=item.index, input=item.input.reveal(), job=job, state=state, output=output, error=error
        )

    def _output(self, state: JobState, job: Any) -> tuple[Any, OutputTypeError | None]:
        """Return the output of a job that completed, as its type; or why it is not of it."""
        read = self._plan.read
        try:
            return (state.output if read is None else read(state)), None
        except OutputTypeError as error:
            return None, error.about(job)


def left_of(plan: Plan[R], item: Item) -> R:
    """Return the result of an input that was taken, and not submitted before its run was closed."""
    given = item.input.reveal()
    what, job = ("waited for", given) if isinstance(given, plan.handle) else ("submitted", None)
    error = MapStoppedError(f"not {what}: the run was closed")
    return plan.result(key=item.key, index=item.index, input=given, job=job, state=None, output=None, error=error)


def merged(options: HiddenOptions, own: Hidden[Any]) -> HiddenOptions:
    """Return options with others over them; what is no mapping stays as it is, to be refused."""
    if isinstance(own.reveal(), Mapping):
        return HiddenOptions(cast("SubmitOptions", {**options.reveal(), **own.reveal()}))
    return options if own.reveal() is None else HiddenOptions(own.reveal())


def checked_options(options: HiddenOptions) -> HiddenOptions:
    """Return the options of one input, if there are such.

    Raises:
        TypeError: they are no mapping, or one has a name that none has.
    """
    if not isinstance(options.reveal(), dict):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"input_options returned a value {kind_of(options.reveal())}: a dict of options expected")
    unknown = options.reveal().keys() - SubmitOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"input_options: there is no option {next(iter(unknown))!r}")
    return options


def about(error: Exception, job: Any) -> Exception:
    """Return an error with the handle of its job, if it is one that leads back to a job."""
    return error.about(job) if isinstance(error, JobBoundError) else error


def _unsubmitted(refusal: APIStatusError) -> APIStatusError:
    """Return the error of an input that is not submitted because every submit is refused."""
    error = copy(refusal)
    error.args = (f"not submitted, as every submit would be refused like the one before: {refusal}",)
    return error
