"""Counts the requests and jobs of one client for `stats`, and reports them to log, spans and metrics."""

from __future__ import annotations

from dataclasses import dataclass
from logging import DEBUG, INFO, WARNING
from typing import TYPE_CHECKING, Any

from runpod_sdk._values._arguments import kind_of
from runpod_sdk._values._outcomes import Answer

from . import _names as names
from ._log import logger, tell
from ._metrics import ask, instruments, measure
from ._spans import NO_SPAN, current

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from runpod_sdk._values._outcomes import Result
    from runpod_sdk._values._policies import Retry
    from runpod_sdk._values._requests import Request
    from runpod_sdk._values._states import JobState

    from ._metrics import Observed
    from ._names import Facts, Metric

# Of so many jobs that have ended a client knows that it has counted their ends; ours.
_ENDS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationStats:
    """What one client did for one operation: requests made, how many of them were repeats, and what it waited for them.

    `unknowns` are submits whose outcome is unknown, `resubmits` those that were sent again because the caller allowed
    it, `waited` the seconds of pause before repeats.
    """

    requests: int = 0
    retries: int = 0
    unknowns: int = 0
    resubmits: int = 0
    waited: float = 0.0


class Meter:
    """Counts for one client; `lock` guards it where threads share the client."""

    def __init__(self, lock: AbstractContextManager[object]) -> None:
        self._lock = lock
        self._counts: dict[str, dict[str, Any]] = {}  # by operation, as `OperationStats` has them
        self._misfits: set[str] = set()
        self._ended: dict[tuple[str, str], None] = {}
        self._gauges: Callable[[Metric], Observed] = _nothing

    def watch(self, gauges: Callable[[Metric], Observed]) -> None:
        """Ask this for what is now, by the metric, whenever metrics are collected."""
        self._gauges = gauges
        ask(self)

    def observed(self, metric: Metric) -> Observed:
        """Return all values of a metric now."""
        return self._gauges(metric)

    def requested(self, request: Request, result: Result, seconds: float) -> None:
        """Tell of a request that was made, and took so long."""
        self._count(request, requests=1)
        is_logged = logger.isEnabledFor(DEBUG)
        if not (is_logged or instruments() is not None):
            return
        facts: Facts = {}
        if isinstance(result, Answer):
            what = f"HTTP {result.status}"
            facts[names.HTTP_STATUS] = result.status
        else:
            what = type(result.error).__name__
            facts[names.ERROR_TYPE] = names.class_of(result.error)
        measure(names.M_REQUESTS, 1, {**_of(request), **facts})
        if is_logged:
            facts |= {**names.request_facts(request), names.DURATION: seconds}
            tell(DEBUG, facts, "%s: %s in %.0f ms", request.about, what, seconds * 1000)

    def repeated(self, request: Request, repeat: Retry) -> None:
        """Tell of a request that is about to be made again."""
        self._count(request, retries=1, waited=repeat.wait)
        errors = names.error_facts(repeat.error)
        measure(names.M_REPEATS, 1, {**_of(request), **errors})
        facts: Facts = {**errors, names.ATTEMPT: repeat.attempt, names.WAIT: repeat.wait}
        current().event(names.REPEATED, {**facts, names.OPERATION: request.operation})
        if logger.isEnabledFor(INFO):
            facts |= names.request_facts(request)
            tell(INFO, facts, "%s; again in %.2f s", repeat.error, repeat.wait)

    def submitted(self, request: Request, state: JobState) -> None:
        """Tell of a job that was submitted."""
        measure(names.M_SUBMITS, 1, _of(request))
        self.seen(state)

    def refused(self, request: Request, error: BaseException) -> None:
        """Tell of a submit that ended without a job, as far as is known."""
        measure(names.M_SUBMITS, 1, {**_of(request), names.ERROR_TYPE: names.class_of(error)})

    def unknown(self, request: Request, cause: BaseException) -> None:
        """Tell of a submit whose outcome is unknown."""
        self._count(request, unknowns=1)
        facts: Facts = {**_of(request), names.ERROR_TYPE: names.class_of(cause)}
        measure(names.M_UNKNOWNS, 1, facts)
        call = current()
        if call is not NO_SPAN:
            call.event(names.UNKNOWN, {**facts, names.INPUT_SHA256: request.input_sha256})

    def resubmitted(self, request: Request) -> None:
        """Tell of a submit that may have arrived, and is sent again."""
        self._count(request, resubmits=1)
        measure(names.M_RESUBMITS, 1, _of(request))
        current().event(names.RESUBMITTED, _of(request))

    def seen(self, state: JobState) -> None:
        """Tell of a job's state; of its end once, unless it is queued again."""
        current().state(state)
        if instruments() is not None and self._is_new(state):
            facts: Facts = {names.ENDPOINT_ID: state.endpoint_id, names.STATUS: str(state.status)}
            measure(names.M_JOBS, 1, facts)
            if state.delay_time_ms is not None:
                measure(names.M_DELAY, state.delay_time_ms / 1000, facts)
            if state.execution_time_ms is not None:
                measure(names.M_EXECUTION, state.execution_time_ms / 1000, facts)

    def requeued(self, state: JobState) -> None:
        """Tell of a job that did not end well, and is run again."""
        call = current()
        if call is not NO_SPAN:
            call.event(names.REQUEUED, names.state_facts(state))

    def misfit(self, name: str, value: object) -> None:
        """Log that a field of an answer was not what it should be: each field once."""
        with self._lock:
            is_new = name not in self._misfits
            self._misfits.add(name)
        if is_new:
            log_misfit(name, value)

    def stats(self) -> dict[str, OperationStats]:
        """Return the counts by operation."""
        with self._lock:
            return {operation: OperationStats(**counts) for operation, counts in self._counts.items()}

    def _count(self, request: Request, **more: float) -> None:
        with self._lock:
            counts = self._counts.setdefault(request.operation, {})
            for name, number in more.items():
                counts[name] = counts.get(name, 0) + number
        current().count(**more)

    def _is_new(self, state: JobState) -> bool:
        """Return whether this is an end that was not told of before."""
        job = (state.endpoint_id, state.id)
        with self._lock:
            if not state.is_final:
                self._ended.pop(job, None)
                return False
            is_new = job not in self._ended
            self._ended[job] = None
            if len(self._ended) > _ENDS:
                del self._ended[next(iter(self._ended))]
        return is_new


def _nothing(_metric: Metric) -> Observed:
    return ()


def _of(request: Request) -> Facts:
    """Return the attributes of metrics: few distinct values, so no job ids."""
    return {names.ENDPOINT_ID: request.endpoint_id, names.OPERATION: request.operation}


def log_misfit(name: str, value: object) -> None:
    """Log that a field of an answer was not what it should be; what stood there may be anybody's data."""
    tell(WARNING, {}, "%s of an answer is %s: taken as not sent; `raw` has it", name, kind_of(value))
