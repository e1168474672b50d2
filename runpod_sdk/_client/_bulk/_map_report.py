"""The report of a bulk run: counts, percentiles, durations. Constant size."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

from runpod_sdk._values._words import counted
from runpod_sdk.errors import (
    BatchResultError,
    JobCancelledError,
    JobFailedError,
    JobTimedOutError,
    OutputTypeError,
    SubmissionUnknownError,
)

if TYPE_CHECKING:
    from runpod_sdk._values._states import JobState

# Durations are counted in classes: exact up to this many milliseconds, and 1 % wide above.
_EXACT, _WIDTH = 100, 1.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """A duration over many jobs, seconds, to within 1 %: half of them took at most `p50`."""

    p50: float
    p95: float
    p99: float


class Durations:
    """Collects milliseconds; 1,800 counters at most, up to a week."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._sums: Counter[int] = Counter()

    def add(self, milliseconds: int) -> None:
        """Count one duration."""
        at = milliseconds = max(0, milliseconds)
        if milliseconds > _EXACT:
            at = _EXACT + math.ceil(math.log(milliseconds / _EXACT, _WIDTH))
        self._counts[at] += 1
        self._sums[at] += milliseconds

    def percentiles(self) -> Percentiles | None:
        """Return the percentiles; None where there are no durations."""
        if not self._counts:
            return None
        return Percentiles(p50=self._at(0.50), p95=self._at(0.95), p99=self._at(0.99))

    def _at(self, share: float) -> float:
        left = math.ceil(share * self._counts.total())
        at = 0
        for at in sorted(self._counts):
            left -= self._counts[at]
            if left <= 0:
                break
        return self._sums[at] / self._counts[at] / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class MapReport:
    """A bulk run so far, counted over the results handed out.

    Attributes:
        results: the number of results; the sum of the eight counts below.
        succeeded: jobs that COMPLETED, with an output that matches the `output_type`.
        mistyped: jobs that COMPLETED, with an output that does not match it.
        failed: jobs that FAILED.
        timed_out: jobs that ran longer than their `execution_timeout`.
        cancelled: jobs that were CANCELLED.
        unknown: submits that may or may not have arrived.
        unsubmitted: inputs that never became a job.
        unfinished: jobs whose end is not known: they expired, or the service could not be reached; and inputs of a
            batch that match none of its results.
        abandoned: jobs in flight when the run was closed; they have no result.
        skipped: inputs whose results an earlier run with the same journal had handed out.
        retries: how often a job was queued again, within `retries`.
        requeues: how often the service itself moved a job to another worker.
        workers: how many different workers were seen.
        delay: time in the queue, of jobs for which the service reported it.
        execution: time on a worker, of jobs for which the service reported it; each retry counts separately.
        execution_seconds: the sum of all reported execution times.
        seconds: from the first submit until now, or until the end.
        estimated_execution_cost: `execution_seconds` at the given price. An estimate: cold starts and idle workers are
            billed, too, and the API does not show them.
        stopped: the `stop` condition that was met, if one was.
    """

    results: int
    succeeded: int
    mistyped: int
    failed: int
    timed_out: int
    cancelled: int
    unknown: int
    unsubmitted: int
    unfinished: int
    abandoned: int
    skipped: int
    retries: int
    requeues: int
    workers: int
    delay: Percentiles | None
    execution: Percentiles | None
    execution_seconds: float
    seconds: float
    estimated_execution_cost: float | None
    stopped: str | None = None
    worker_seconds: float | None = None
    estimated_worker_cost: float | None = None

    def _repr_html_(self) -> str:
        from runpod_sdk._client._tables import report_html

        return report_html("map", self)

    def __str__(self) -> str:
        names = (
            "mistyped",
            "failed",
            "timed_out",
            "cancelled",
            "unknown",
            "unsubmitted",
            "unfinished",
            "abandoned",
            "skipped",
        )
        others = "".join(f", {getattr(self, name)} {name.replace('_', ' ')}" for name in names if getattr(self, name))
        lines = [f"{counted(self.results, 'result')} in {self.seconds:.1f} s: {self.succeeded} succeeded{others}"]
        for name, times in (("delay", self.delay), ("execution", self.execution)):
            if times is not None:
                lines.append(f"{name}: p50 {times.p50:.3g} s, p95 {times.p95:.3g} s, p99 {times.p99:.3g} s")
        workers, retries = counted(self.workers, "worker"), counted(self.retries, "retry", "retries")
        lines.append(f"{self.execution_seconds:.1f} s of execution on {workers}, {retries}")
        if self.estimated_execution_cost is not None:
            what = "a lower bound, without starting and idle workers"
            lines.append(f"estimated execution cost: {self.estimated_execution_cost:.4f} ({what})")
        if self.worker_seconds is not None:
            at = "" if self.estimated_worker_cost is None else f", estimated cost: {self.estimated_worker_cost:.4f}"
            lines.append(f"{self.worker_seconds:.1f} s of worker time, by /health{at}")
        if self.stopped is not None:
            lines.append(f"stopped: {self.stopped}")
        return "\n".join(lines)


class Tally:
    """Counts as results are handed out. Retries are counted as they happen, maybe in another thread."""

    def __init__(self) -> None:
        self.results = 0
        self.retries = 0
        self._ends: Counter[str] = Counter()
        self._requeues = 0
        self._workers: set[str] = set()
        self._delay = Durations()
        self._execution = Durations()
        self._execution_ms = 0
        self._retried_ms = 0

    def add(self, state: JobState | None, error: Exception | None, *, is_job: bool) -> None:
        """Count a result."""
        self.results += 1
        self._ends[_end(error, is_job=is_job)] += 1
        if state is None:
            return
        self._requeues += state.retries
        if state.worker_id is not None:
            self._workers.add(state.worker_id)
        if state.delay_time_ms is not None:
            self._delay.add(state.delay_time_ms)
        if state.execution_time_ms is not None:
            self._execution.add(state.execution_time_ms)
            self._execution_ms += state.execution_time_ms

    def add_retry(self, state: JobState) -> None:
        """Count an execution that failed and is followed by another."""
        self.retries += 1
        if state.execution_time_ms is not None:
            self._retried_ms += state.execution_time_ms

    def report(
        self,
        *,
        seconds: float,
        abandoned: int,
        skipped: int = 0,
        stopped: str | None = None,
        worker_seconds: float | None = None,
        price_per_second: float | None,
    ) -> MapReport:
        """Return the numbers so far."""
        ends = self._ends
        execution_seconds = (self._execution_ms + self._retried_ms) / 1000
        price = price_per_second
        return MapReport(
            results=self.results,
            succeeded=ends["succeeded"],
            mistyped=ends["mistyped"],
            failed=ends["failed"],
            timed_out=ends["timed_out"],
            cancelled=ends["cancelled"],
            unknown=ends["unknown"],
            unsubmitted=ends["unsubmitted"],
            unfinished=ends["unfinished"],
            abandoned=abandoned,
            skipped=skipped,
            stopped=stopped,
            retries=self.retries,
            requeues=self._requeues,
            workers=len(self._workers),
            delay=self._delay.percentiles(),
            execution=self._execution.percentiles(),
            execution_seconds=execution_seconds,
            seconds=seconds,
            estimated_execution_cost=None if price is None else execution_seconds * price,
            worker_seconds=worker_seconds,
            estimated_worker_cost=None if price is None or worker_seconds is None else worker_seconds * price,
        )


def checked_price(price: object) -> None:
    """See whether something can be a price.

    Raises:
        TypeError: it is no number.
    """
    if price is not None and (isinstance(price, bool) or not isinstance(price, Real)):
        raise TypeError(f"price_per_second={price!r}: a number expected")


def _end(error: Exception | None, *, is_job: bool) -> str:
    """Name the end of one input."""
    if error is None:
        return "succeeded"
    for kind, name in _ENDS:
        if isinstance(error, kind):
            return name
    return "unfinished" if is_job else "unsubmitted"


# A timeout is a failure too, so it comes first.
_ENDS: tuple[tuple[type[Exception], str], ...] = (
    (SubmissionUnknownError, "unknown"),
    (JobTimedOutError, "timed_out"),
    (JobFailedError, "failed"),
    (JobCancelledError, "cancelled"),
    (OutputTypeError, "mistyped"),
    (BatchResultError, "unfinished"),
)
