"""What becomes of one input of a bulk run, as its caller sees it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from runpod_sdk._values._states import JobState, T_co

if TYPE_CHECKING:
    from runpod_sdk._client._async_job import AsyncJob
    from runpod_sdk._client._sync_job import Job
    from runpod_sdk._values._batches import BatchResult

R = TypeVar("R", bound="Result[Any]")

# How many unknown submits, and jobs left behind, a bulk run keeps; ours.
KEPT = 10_000


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


class Kept(Generic[R]):
    """What a bulk run lists apart, the last `KEPT` of each; of `batches` and `undelivered` all."""

    def __init__(self) -> None:
        self.unknowns: deque[R] = deque(maxlen=KEPT)
        self.abandoned: deque[R] = deque(maxlen=KEPT)
        self.unassigned: deque[BatchResult] = deque(maxlen=KEPT)
        self.batches: list[Any] = []
        self.undelivered: list[R] = []
