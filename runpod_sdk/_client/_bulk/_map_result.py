"""The result of one input of a bulk run."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, Never, TypeVar, cast

from runpod_sdk._values._generics import Defaulted, K_co
from runpod_sdk._values._states import JobState, T_co
from runpod_sdk.errors import JobExpiredError, NotFoundError, SubmissionUnknownError

if TYPE_CHECKING:
    from runpod_sdk._client._async_job import AsyncJob
    from runpod_sdk._client._sync_job import Job
    from runpod_sdk._values._batches import BatchResult

R = TypeVar("R", bound="Result[Any]")

_ANY: Any = None
# mypy takes this for true. pyright does not tell classes apart by `is_success`, so that after `if not
# result.is_success:` it reads `error` of both: as a Never in the one, it is the other's, an Exception.
MYPY = False
# How many unknown submits, and jobs left behind, a bulk run keeps; ours.
KEPT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(Defaulted, Generic[T_co, K_co]):
    """What the results of both flavours have; they differ in the type of the handle."""

    key: K_co
    index: int
    input: Any = field(repr=False)
    job: Any = None
    state: JobState | None = None
    output: T_co = field(default=cast("Any", None), repr=False)
    error: Exception | None = None

    @property
    def is_success(self) -> bool:
        """Whether the job completed, with an output of the endpoint's type."""
        return False

    @property
    def status(self) -> str:
        """The end in one word, as in tables and in a journal: the service's own.

        Else UNSUBMITTED, UNKNOWN (the submit may have arrived), EXPIRED (the service knows no result any more), or
        SUBMITTED (no end is known).
        """
        from runpod_sdk._client._journal._rows import EXPIRED, SUBMITTED, UNKNOWN, UNSUBMITTED

        if self.state is not None:
            return str(self.state.status)
        if isinstance(self.error, SubmissionUnknownError):
            return UNKNOWN
        if self.job is None:
            return UNSUBMITTED
        return EXPIRED if isinstance(self.error, JobExpiredError | NotFoundError) else SUBMITTED


@dataclass(frozen=True, slots=True, kw_only=True)
class MapResult(Result[T_co, K_co]):
    """The result of one input of a bulk run: a `MapSuccess` or a `MapFailure`; `if result.is_success:` tells which.

    Attributes:
        key: its key, if the inputs are a mapping or pairs; else its index.
        index: its position among the inputs, from 0.
        input: the input, as given.
        job: a handle on the job; None if there is none, or none is known.
        state: the job's final state; None if it is not known.
        output: what the worker returned, as the endpoint's `output_type`; None if there is an error.
        error: why there is no output; None if the job completed with a matching output.
    """

    job: Job[T_co] | None = None

    @staticmethod
    def made(**facts: Any) -> MapResult[Any]:
        """Return a result; one that is neither is of a job that a run has left, and that goes on."""
        return cast("MapResult[Any]", made_of(MapSuccess, MapFailure, MapResult, facts))


@dataclass(frozen=True, slots=True, kw_only=True)
class MapSuccess(MapResult[T_co, K_co]):
    """The result of an input whose job completed: it has an `output`, and `error` is None."""

    if TYPE_CHECKING:
        if MYPY:
            error: None = field(default=_ANY)  # pyright: ignore[reportRedeclaration]
        else:
            error: Never = field(default=_ANY)
        job: Job[T_co] = field(default=_ANY)
        state: JobState = field(default=_ANY)

    @property
    def is_success(self) -> Literal[True]:
        """True."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class MapFailure(MapResult[T_co, K_co]):
    """The result of an input without an output: `error` says why."""

    if TYPE_CHECKING:
        error: Exception = field(default=_ANY)
        output: Never = field(default=_ANY)

    @property
    def is_success(self) -> Literal[False]:
        """False."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncMapResult(Result[T_co, K_co]):
    """The result of one input of a bulk run: a `MapResult` whose `job` is an AsyncJob."""

    job: AsyncJob[T_co] | None = None

    @staticmethod
    def made(**facts: Any) -> AsyncMapResult[Any]:
        """Return a result; one that is neither is of a job that a run has left, and that goes on."""
        return cast("AsyncMapResult[Any]", made_of(AsyncMapSuccess, AsyncMapFailure, AsyncMapResult, facts))


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncMapSuccess(AsyncMapResult[T_co, K_co]):
    """The result of an input whose job completed: it has an `output`, and `error` is None."""

    if TYPE_CHECKING:
        if MYPY:
            error: None = field(default=_ANY)  # pyright: ignore[reportRedeclaration]
        else:
            error: Never = field(default=_ANY)
        job: AsyncJob[T_co] = field(default=_ANY)
        state: JobState = field(default=_ANY)

    @property
    def is_success(self) -> Literal[True]:
        """True."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncMapFailure(AsyncMapResult[T_co, K_co]):
    """The result of an input without an output: `error` says why."""

    if TYPE_CHECKING:
        error: Exception = field(default=_ANY)
        output: Never = field(default=_ANY)

    @property
    def is_success(self) -> Literal[False]:
        """False."""
        return False


def made_of(success: Any, failure: Any, neither: Any, facts: dict[str, Any]) -> Any:
    """Return a result of the class that its facts ask for."""
    state: JobState | None = facts.get("state")
    if facts.get("error") is not None:
        return failure(**facts)
    return (success if state is not None and state.is_success else neither)(**facts)


class Kept(Generic[R]):
    """What a bulk run lists apart, the last `KEPT` of each; of `batches` and `undelivered` all."""

    def __init__(self) -> None:
        self.unknowns: deque[R] = deque(maxlen=KEPT)
        self.abandoned: deque[R] = deque(maxlen=KEPT)
        self.unassigned: deque[BatchResult] = deque(maxlen=KEPT)
        self.batches: list[Any] = []
        self.undelivered: list[R] = []
