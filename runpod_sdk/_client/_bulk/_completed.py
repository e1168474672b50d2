"""`as_completed`: jobs submitted earlier, in the order in which they end, for sync and async handles."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast, overload

from runpod_sdk._client._async_job import AsyncJob
from runpod_sdk._client._async_shell import load_shield
from runpod_sdk._client._sync_job import Job
from runpod_sdk._flows import _wait
from runpod_sdk._values._words import counted
from runpod_sdk.errors import JobBoundError, JobsError, RunpodError, WaitTimeoutError

from ._line import Line
from ._loop_thread import LoopThread, twin_of
from ._scheduler import Scheduler
from ._task_pool import Outbox

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )

    from runpod_sdk._client._async_shell import AsyncShell
    from runpod_sdk._values._states import JobState

J = TypeVar("J", Job[Any], AsyncJob[Any])
T = TypeVar("T")

# Jobs that are waited for at once; the others follow as those end. Ours: a wait takes a few KiB.
AT_ONCE = 1000


@overload
def as_completed(jobs: Iterable[Job[T]], timeout: float | None = None) -> Iterator[tuple[Job[T], JobState[T]]]: ...


@overload
def as_completed(
    jobs: Iterable[AsyncJob[T]], timeout: float | None = None
) -> AsyncIterator[tuple[AsyncJob[T], JobState[T]]]: ...


def as_completed(
    jobs: Iterable[Job[Any]] | Iterable[AsyncJob[Any]], timeout: float | None = None
) -> Iterator[tuple[Job[Any], JobState]] | AsyncIterator[tuple[AsyncJob[Any], JobState]]:
    """Wait for many jobs at once, and yield each with its final state, in the order in which they end.

    The jobs may belong to several endpoints and clients, but must be all sync or all async. Duplicates count once. At
    most 1,000 are waited for at a time. Nothing is ever cancelled.
    `job.output_of(state)` is the output, as the `output_type` of the job's endpoint.

    Args:
        jobs: handles; `client.endpoint(endpoint_id).job(job_id)` makes them from stored ids.
        timeout: the longest to wait for all of them, from the first step of the iteration, seconds; None: no limit.

    Raises:
        TypeError, ValueError: a bad argument, or sync and async handles together.
        JobsError: once, at the end of the iteration, if the end of some jobs is not known. It has one error for each:
            JobExpiredError or NotFoundError if the service does not know the job, WaitTimeoutError if the timeout
            passed first, another APIError if the service could not be reached.

    Examples:
        >>> from runpod_sdk import Client, as_completed
        >>> from runpod_sdk.emulator import Emulator
        >>> emulator = Emulator()
        >>> _ = emulator.endpoint("abc", lambda job: job["input"]["n"] ** 2, workers=4)
        >>> with Client(**emulator.connection) as client:
        ...     endpoint = client.endpoint("abc")
        ...     kept = [endpoint.run({"n": n}).id for n in range(4)]  # and in another process:
        ...     sorted(state.output for job, state in as_completed([endpoint.job(id) for id in kept]))
        [0, 1, 4, 9]
    """
    known: list[Job[Any] | AsyncJob[Any]] = list(dict.fromkeys(jobs))
    if not known:
        return _NoProgress()
    kinds = {type(job).__name__ for job in known}
    if len(kinds) > 1 or not isinstance(known[0], Job | AsyncJob):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"jobs holds {', '.join(sorted(kinds))}: all Job or all AsyncJob expected")
    known[0]._settings.deadline(timeout)  # raises for a bad timeout, before anything is iterated
    if isinstance(known[0], Job):
        return _in_thread(cast("list[Job[Any]]", known), timeout)
    return _in_loop(cast("list[AsyncJob[Any]]", known), timeout)


class _NoProgress:
    """The result of waiting for no jobs at all, which is neither sync nor async."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        raise StopIteration

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        raise StopAsyncIteration


@dataclass(frozen=True, slots=True)
class _End(Generic[J]):
    """How one wait ended."""

    job: J
    state: JobState | None
    error: RunpodError | None
    index: int = 0  # they go out as they come


class _Waits(Generic[J]):
    """Waits for jobs, each with the shell for its own client, all until the same moment of its clock."""

    def __init__(self, shells: Mapping[Any, AsyncShell], timeout: float | None) -> None:
        self._shells = shells
        self._once = timeout == 0
        self._deadlines = {client: shell._settings.deadline(timeout) for client, shell in shells.items()}

    async def end(self, job: J) -> _End[J]:
        """Wait for one job."""
        shell, deadline = self._shells[job._owner], self._deadlines[job._owner]
        flow = _wait.wait(shell._settings, job._ref, deadline, watched=False, once=self._once)
        try:
            return _End(job, job._typed(await shell._drive(flow)), None)
        except RunpodError as error:
            return _End(job, None, error.about(job) if isinstance(error, JobBoundError) else error)


def _in_thread(jobs: Sequence[Job[Any]], timeout: float | None) -> Iterator[tuple[Job[Any], JobState]]:
    outbox: Outbox[_End[Job[Any]]] = Outbox(ordered=False)

    @asynccontextmanager
    async def opened() -> AsyncGenerator[Line[Job[Any], _End[Job[Any]]]]:
        twins = {client: twin_of(client) for client in {job._owner for job in jobs}}
        try:
            yield Line(iter(jobs), _Waits[Job[Any]](twins, timeout).end, _scheduler(jobs), outbox)
        finally:
            for twin in twins.values():
                await twin._wire.close()

    thread = LoopThread(opened, outbox)
    errors: list[RunpodError] = []
    try:
        thread.start()
        while (end := thread.get()) is not None:
            if end.state is not None:
                yield end.job, end.state
            elif end.error is not None:
                errors.append(end.error)
    finally:
        thread.close()
    _raise(errors, len(jobs))


async def _in_loop(
    jobs: Sequence[AsyncJob[Any]],
    timeout: float | None,
) -> AsyncIterator[tuple[AsyncJob[Any], JobState]]:
    load_shield()
    waits = _Waits[AsyncJob[Any]]({job._owner: job._owner for job in jobs}, timeout)
    line = Line(iter(jobs), waits.end, _scheduler(jobs), Outbox[_End[AsyncJob[Any]]](ordered=False))
    errors: list[RunpodError] = []
    try:
        while (end := await line.get()) is not None:
            if end.state is not None:
                yield end.job, end.state
            elif end.error is not None:
                errors.append(end.error)
    finally:
        await jobs[0]._owner._out_of_reach(line.close(), sys.exception())
    _raise(errors, len(jobs))


def _scheduler(jobs: Sequence[object]) -> Scheduler:
    return Scheduler(AT_ONCE, len(jobs) + 1)


def _raise(errors: list[RunpodError], total: int) -> None:
    if not errors:
        return
    late = sum(isinstance(error, WaitTimeoutError) for error in errors)
    why = f" ({late} of them when the timeout passed)" if late else ""
    raise JobsError(f"{len(errors):,} of {counted(total, 'job')} without a known end{why}", errors)
