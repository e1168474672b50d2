"""When a bulk run stops submitting: the caller's conditions, checked against the run so far."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from runpod_sdk._values._words import counted

if TYPE_CHECKING:
    from runpod_sdk._values._states import JobState

# A share is not judged before there are so many results; ours.
JUDGED_FROM = 20
# Between two looks at the endpoint's workers, seconds; ours.
LOOK_EVERY = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """When a bulk run stops submitting, whichever condition is met first. Jobs in flight are still waited for.

    Attributes:
        failures: after this many results that are not a success.
        failure_share: when this share of the results, from 0 to 1, are not successes; checked from 20 results on.
        cost: when the run has cost this much, at `price_per_second`. Workers are billed from start to stop, idle or
            not, so they are counted: every 10 seconds, before a submit, the endpoint's health is asked for workers
            that are starting, running or idle, no matter whose jobs they run. If it does not say, or if that is
            more, the execution time of the jobs counts instead. `report().stopped` says which it was.
        price_per_second: of a worker, in the currency of `cost`.
        after: this many seconds after the run began.

    Raises:
        TypeError, ValueError: an invalid limit, or a cost without a price.

    Examples:
        >>> Stop(failures=100, failure_share=0.2, after=3600)
        Stop(failures=100, failure_share=0.2, cost=None, price_per_second=None, after=3600)
    """

    failures: int | None = None
    failure_share: float | None = None
    cost: float | None = None
    price_per_second: float | None = None
    after: float | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int if each.name == "failures" else int | float):
                kind = "a whole number" if each.name == "failures" else "a number"
                raise TypeError(f"{each.name}={value!r}: {kind} expected")
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{each.name}={value!r}: more than 0 expected")
        if self.failure_share is not None and self.failure_share > 1:
            raise ValueError(f"failure_share={self.failure_share!r}: at most 1 expected (0.2 means 20 %)")
        if (self.cost is None) != (self.price_per_second is None):
            raise ValueError("cost and price_per_second go together")


class WorkerTime:
    """Adds up how long the workers of an endpoint were there, from looks at how many there are."""

    def __init__(self) -> None:
        self._last: tuple[float, int] | None = None
        self._next: float | None = None
        self._seconds = 0.0

    def begin(self, now: float) -> bool:
        """Whether it is time for a look; it is nobody else's then."""
        if self._next is not None and now < self._next:
            return False
        self._next = math.inf
        return True

    def end(self, now: float, workers: int | None) -> None:
        """Note what a look showed; None where it showed nothing."""
        self._next = now + LOOK_EVERY
        if workers is None:
            return
        if self._last is not None:
            at, before = self._last
            self._seconds += (now - at) * (before + workers) / 2
        self._last = (now, workers)

    def seconds(self, now: float) -> float:
        """Return the time of all workers so far, as if there were as many since the last look."""
        if self._last is None:
            return 0.0
        at, workers = self._last
        return self._seconds + (now - at) * workers


class Brake:
    """Tells whether a run is to submit more, as its results are made; once it does not, it stays so.

    Attributes:
        reason: why no more is submitted; None as long as there is no reason.
        meter: of the workers' time; None where nobody asks for the cost.
    """

    def __init__(self, stop: Stop | None, began: float) -> None:
        self.reason: str | None = None
        self._stop = stop or Stop()
        self.meter = None if self._stop.cost is None else WorkerTime()
        self._began = began
        self._results = self._failures = self._execution_ms = 0

    def add(self, state: JobState | None, error: Exception | None) -> None:
        """Count a result."""
        self._results += 1
        self._failures += error is not None
        if state is not None and state.execution_time_ms is not None:
            self._execution_ms += state.execution_time_ms

    def is_on(self, now: float) -> bool:
        """Whether no more is to be submitted."""
        self.reason = self.reason or self._found(now)
        return self.reason is not None

    def _found(self, now: float) -> str | None:
        stop = self._stop
        if stop.failures is not None and self._failures >= stop.failures:
            return f"{self._failures:,} of {counted(self._results, 'result')} without success"
        is_judged = self._results >= JUDGED_FROM
        if stop.failure_share is not None and is_judged and self._failures >= stop.failure_share * self._results:
            return f"{self._failures:,} of {counted(self._results, 'result')} without success"
        if stop.cost is not None and stop.price_per_second is not None:
            execution, workers = self._execution_ms / 1000, 0.0 if self.meter is None else self.meter.seconds(now)
            cost = max(execution, workers) * stop.price_per_second
            if cost >= stop.cost and workers > execution:
                return f"the cost limit was reached: {cost:.4g}, by worker time in /health"
            if cost >= stop.cost:
                return f"the cost limit was reached: {cost:.4g}, by execution time alone"
        if stop.after is not None and now - self._began >= stop.after:
            return f"the time limit was reached: {now - self._began:.0f} s"
        return None
