"""What becomes of one input of a bulk run: submitted, waited for, retried; and whatever happens, a result.

Two requests a job: `run`, whose results are kept for 30 minutes, and one held status, or several for a long job.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from inspect import isawaitable
from itertools import count
from os import PathLike
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from runpod_sdk._client._submission import Left, Submission
from runpod_sdk._flows import _api, _control, _wait
from runpod_sdk._flows._job_errors import error_of
from runpod_sdk._flows._wait import OnAbandon, checked_abandon
from runpod_sdk._telemetry import span
from runpod_sdk._values._arguments import kind_of
from runpod_sdk._values._hidden import Hidden
from runpod_sdk._values._requests import HiddenOptions, SubmitOptions
from runpod_sdk._values._states import JobState, T_co, shorten
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

from ._map_stop import Stop
from ._map_tables import checked_from_row, is_table, row_of, rows_of, shaped

if TYPE_CHECKING:
    from datetime import datetime

    from runpod_sdk._client._async_job import AsyncJob
    from runpod_sdk._client._async_shell import AsyncShell
    from runpod_sdk._client._async_shield import AsyncShieldedSend
    from runpod_sdk._client._journal._journal import Journal
    from runpod_sdk._client._journal._rows import Known
    from runpod_sdk._client._sync_job import Job
    from runpod_sdk._flows._jobs import JobRef, Life

    from ._map_report import Tally
    from ._map_stop import Brake
    from ._map_tables import FromRow

R = TypeVar("R", bound="Result[Any]")


class Handle(Protocol):
    """What a bulk run knows of a job that was submitted before: Job and AsyncJob are such."""

    @property
    def endpoint_id(self) -> str:
        """Where the job is."""
        ...

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def submitted_at(self) -> datetime | None:
        """When this process submitted it."""
        ...


Given = Mapping[str, Any] | Handle
Input = Given | tuple[Any, Given]
Inputs = Iterable[Input] | AsyncIterable[Input] | Mapping[Any, Given]
JournalPath = str | PathLike[str]
InputOptions = Callable[[Any, Any], "SubmitOptions"]
OnSubmit = Callable[[Any, Any], object]

# How many unknown submits, and jobs left behind, a bulk run keeps; ours.
KEPT = 10_000
# Refusals of a submit that the next input would meet as well.
HOPELESS = (AuthenticationError, PaymentRequiredError, PermissionDeniedError, NotFoundError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(Generic[T_co]):
    """What the results of both flavours have; they differ in the type of the handle."""

    key: Any
    index: int
    input: Any = field(repr=False)
    job: Any = None
    state: JobState | None = None
    output: T_co = field(default=cast("Any", None), repr=False)
    error: Exception | None = None

    @property
    def is_success(self) -> bool:
        """Whether there is an output: the job completed, with an output of the endpoint's type."""
        return self.error is None and self.state is not None and self.state.is_success


@dataclass(frozen=True, slots=True, kw_only=True)
class MapResult(Result[T_co]):
    """What became of one input of a bulk run.

    Attributes:
        key: its key, where the inputs are a mapping or pairs; else its index.
        index: its place among the inputs, from 0.
        input: the input, as it was given.
        job: a handle on the job; None where there is none, or none that is known.
        state: the job's final state; None where it was not learned.
        output: what the worker returned, as the endpoint's `output_type`; None, whatever that is, if there is an error.
        error: why there is no output; None for a job that completed, with an output of the type.
    """

    job: Job[T_co] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncMapResult(Result[T_co]):
    """What became of one input of a bulk run: a `MapResult` whose `job` is an AsyncJob."""

    job: AsyncJob[T_co] | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One input in line; `known` is what a journal has of it."""

    index: int
    key: Any
    input: Hidden[Any]
    is_keyed: bool = True
    known: Known | None = None


class Log(Protocol):
    """What is told of the submit of an input, as it happens."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Generic[R]):
    """What a bulk run was asked for.

    `job_of` makes a handle from an id, the time of its submit and what is known of its life, `read` an output. A
    `handle` among the inputs is a job that was submitted before.
    """

    endpoint_id: str
    endpoint_url: str
    inputs: Hidden[Inputs]
    concurrency: int
    ordered: bool
    retries: int
    on_abandon: OnAbandon
    options: HiddenOptions
    job_of: Callable[[str, datetime, Life | None], Any]
    handle: type[Any]
    result: Callable[..., R]
    read: Callable[[JobState], Any] | None = None
    on_submit: OnSubmit | None = None
    journal: Journal | None = None
    again: frozenset[str] = frozenset()
    input_options: InputOptions | None = None
    stop: Stop | None = None
    from_row: FromRow | None = None

    def __post_init__(self) -> None:
        for name, least in (("concurrency", 1), ("retries", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name}={value!r}: a whole number expected")
            if value < least:
                raise ValueError(f"{name}={value!r}: at least {least} expected")
        checked_abandon(self.on_abandon)
        checked_from_row(self.from_row)
        if not isinstance(self.stop, Stop | None):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"stop is {kind_of(self.stop)}: a Stop expected")
        if not _is_many(self.inputs.reveal()):
            raise TypeError(f"inputs is {kind_of(self.inputs.reveal())}: an iterable of inputs expected")
        # Raises for a bad option, which all inputs would share.
        _api.built(_api.run, self.endpoint_id, Hidden({}), self.options)

    @property
    def total(self) -> int | None:
        """How many inputs there are, where they tell."""
        try:
            return len(self.inputs.reveal())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        except TypeError:
            return None


def _is_many(inputs: object) -> bool:
    if is_table(inputs):
        return True
    return isinstance(inputs, Iterable | AsyncIterable) and not isinstance(inputs, str | bytes | bytearray)


def journal_of(journal: JournalPath | Journal | None) -> Journal | None:
    """Return the journal that is at a path."""
    if journal is None:
        return None
    from runpod_sdk._client._journal._journal import Journal

    if isinstance(journal, Journal):
        return journal
    if not isinstance(journal, str | PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"journal is {kind_of(journal)}: a path or a Journal expected")
    return Journal(journal)


def again_of(again: Iterable[str], journal: object) -> frozenset[str]:
    """Return what is to be submitted again, if it can be known."""
    if not again:
        return frozenset()
    if journal is None:
        raise ValueError("again is given, but no journal: what there was before is not known")
    from runpod_sdk._client._journal._rows import checked_again

    return checked_again(again)


def abandon_of(on_abandon: OnAbandon | None, journal: object) -> OnAbandon:
    """Return what becomes of jobs in flight where the caller says nothing: whoever has a journal finds them again."""
    if on_abandon is not None:
        return on_abandon
    return "cancel" if journal is None else "detach"


def items_of(inputs: Hidden[Inputs], from_row: FromRow | None = None) -> Iterator[Item] | AsyncIterator[Item]:
    """Number the inputs, and find their keys; lazily, and in no frame that an exception of theirs could show."""
    rows: Any = rows_of(inputs.reveal())
    given: object = rows
    made = row_of if from_row is None else shaped(from_row)
    if isinstance(given, Mapping):
        return map(partial(_keyed, made), count(), rows.items())
    if isinstance(given, Iterable):
        return map(partial(_item, made), count(), rows)
    return _items_of_async(made, aiter(rows))


async def _items_of_async(made: Callable[[Any], Any], inputs: AsyncIterator[Any]) -> AsyncIterator[Item]:
    for index in count():
        try:
            item = _item(made, index, await anext(inputs))
        except StopAsyncIteration:
            return
        yield item


def _keyed(made: Callable[[Any], Any], index: int, pair: tuple[Any, Any]) -> Item:
    return Item(index, pair[0], Hidden(made(pair[1])))


def _item(made: Callable[[Any], Any], index: int, one: Any) -> Item:
    given: Any = one
    if isinstance(one, tuple) and len(one) == 2:  # pyright: ignore[reportUnknownArgumentType]
        return _keyed(made, index, given)
    return Item(index, index, Hidden(made(given)), is_keyed=False)


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
        if self._brake.is_on(self._shell._settings.now()):
            return self.of(item, error=MapStoppedError(f"not submitted: {self._brake.reason}"))
        result = await self._made(item)
        self._brake.add(result.state, result.error)
        return result

    async def _made(self, item: Item) -> R:
        plan, settings = self._plan, self._shell._settings
        if isinstance(item.input.reveal(), plan.handle):
            return await self._collected(item, item.input.reveal())
        options = self._options(item)
        try:
            request = _api.built(_api.run, plan.endpoint_id, item.input, checked_options(options))
        except (TypeError, ValueError) as error:
            return self.of(item, error=error)
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
            with span("run", plan.endpoint_id):
                state = await self._submitted(item, submission)
            await tell(state)
        except BaseException as error:
            try:
                await self._shell._settle(submission, error, tell)
            finally:
                left = submission.outcome or Left()
                self._keep(item, left, job_of)
            if is_told or not isinstance(error, APIError | JobError):
                self._log.left(item, left)
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
                why = error
        return self.of(item, error=why)

    async def waited(self, item: Item, ref: JobRef, job: Any) -> R:
        """Return what becomes of a job that is submitted."""
        shell = self._shell
        try:
            with span("wait", ref.endpoint_id, ref.job_id):
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


class Kept(Generic[R]):
    """What a bulk run lists apart, the last `KEPT` of each."""

    def __init__(self) -> None:
        self.unknowns: deque[R] = deque(maxlen=KEPT)
        self.abandoned: deque[R] = deque(maxlen=KEPT)


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
        raise TypeError(f"input_options returned what is {kind_of(options.reveal())}: a dict of options expected")
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
