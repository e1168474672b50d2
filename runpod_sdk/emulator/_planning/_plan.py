"""The plan of a bulk run per window size: duration, workers, cost."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._planning._picture import picture
from runpod_sdk.emulator._planning._simulation import Simulation
from runpod_sdk.emulator._scaling import Scaling, quantiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_WINDOW = 64  # that of `endpoint.map`
_LATENCY = 0.2  # ours: a result and the next submit, two round trips of a tenth of a second


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """A run with one window.

    Attributes:
        window: jobs in flight at once: the `concurrency` of `endpoint.map`.
        seconds: from the first submit to the last end.
        peak: how many workers were up at most.
        worker_seconds: from the start of each worker until it stopped, as they are billed: whole seconds of each start.
        cost: worker_seconds at the price; None: there is none.
        execution_share: of the worker-seconds, how much is execution; `start_share`: starts; `idle_share`: the rest.
        cold_starts: how many; `warm_starts` likewise.
        queue_seconds: how long a job was in the queue, on average.
    """

    window: int
    seconds: float
    peak: int
    worker_seconds: float
    cost: float | None
    execution_share: float
    start_share: float
    idle_share: float
    cold_starts: int
    warm_starts: int
    queue_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkPlan:
    """What a bulk run will take; printed it is a table, and in a notebook a picture.

    Attributes:
        jobs: how many.
        execution: seconds that a job takes, or their quantiles.
        scaling: of the endpoint.
        latency: seconds from the end of a job until the next one arrives.
        price: of a second of a worker, in whatever currency.
        runs: one for each window, the smallest first.
    """

    jobs: int
    execution: float | tuple[float, ...]
    scaling: Scaling
    latency: float
    price: float | None
    runs: tuple[PlannedRun, ...]

    def table(self) -> str:
        """Return the runs as lines of text."""
        rows = [_HEAD, *(_row(run) for run in self.runs)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        return "\n".join(lines)

    def svg(self) -> str:
        """Return the runs as a picture: how long each takes, and what its worker-seconds are."""
        return picture(
            f"{_counted(self.jobs, 'job')}, up to {_counted(self.scaling.max_workers, 'worker')}",
            [
                (f"{run.window:,}", run.seconds, told(run.seconds), run.worker_seconds, _cost(run), _shares(run))
                for run in self.runs
            ],
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return asdict(self)

    def _repr_svg_(self) -> str:
        return self.svg()

    def __str__(self) -> str:
        """Return the table."""
        return self.table()


def plan(
    jobs: int,
    execution: float | tuple[float, ...],
    scaling: Scaling,
    *,
    windows: Iterable[int] | None = None,
    price: float | None = None,
    latency: float = _LATENCY,
    seed: int = 0,
    on_run: Callable[[PlannedRun], object] | None = None,
) -> BulkPlan:
    """Run jobs on an endpoint that scales, in virtual time, once for each window: a second or two for 30,000 jobs.

    Args:
        jobs: how many.
        execution: seconds that a job takes on a worker; several numbers are the quantiles of a distribution, as in
            `Scaling.cold_start`.
        scaling: how the endpoint scales.
        windows: how many jobs are in flight at once, one run each. None: that of `endpoint.map`, and those around the
            one from which on the scaler wants all workers.
        price: of a second of a worker.
        latency: seconds from the end of a job until the next one arrives.
        seed: of execution times; that of start times is in `scaling`.
        on_run: called with each run as it is done.

    Raises:
        ValueError: a number is out of its range, or there are no workers.
        TypeError: what should be a number is none.

    Examples:
        >>> from runpod_sdk.emulator import Scaling, plan
        >>> scaling = Scaling(scaler="request_count", max_workers=10, cold_start=(20, 90))
        >>> planned = plan(1_000, 4.0, scaling, windows=[8, 40])
        >>> [run.peak for run in planned.runs]
        [2, 10]
    """
    _check_whole("jobs", jobs)
    execution = quantiles("execution", execution)
    if not scaling.max_workers:
        raise ValueError("scaling: max_workers=0: nobody would run the jobs")
    for name, number in (("latency", latency), ("price", 0.0 if price is None else price)):
        quantiles(name, number)
    chosen = sorted({*(_windows(scaling) if windows is None else windows)})
    for window in chosen:
        _check_whole("windows", window)
    if not chosen:
        raise ValueError("windows: at least one expected")
    runs: list[PlannedRun] = []
    for window in chosen:
        simulation = Simulation(
            jobs=jobs,
            window=window,
            execution=execution,
            latency=float(latency),
            scaling=scaling,
            execution_chance=Random(f"{seed}/execution").random,  # noqa: S311  chance that repeats is what is wanted
            start_chance=Random(f"{scaling.seed}/starts").random,  # noqa: S311  the same
        )
        runs.append(_planned(simulation, window, price))
        if on_run is not None:
            on_run(runs[-1])
    return BulkPlan(jobs=jobs, execution=execution, scaling=scaling, latency=latency, price=price, runs=tuple(runs))


def _planned(simulation: Simulation, window: int, price: float | None) -> PlannedRun:
    done = simulation.run()
    used = done.usage
    whole = used.seconds or 1.0
    return PlannedRun(
        window=window,
        seconds=done.ended_at,
        peak=used.peak,
        worker_seconds=used.billed,
        cost=None if price is None else used.billed * price,
        execution_share=done.executed / whole,
        start_share=used.starting / whole,
        idle_share=max(0.0, 1 - (done.executed + used.starting) / whole),
        cold_starts=used.cold,
        warm_starts=used.warm,
        queue_seconds=done.queued / simulation.jobs,
    )


def _windows(scaling: Scaling) -> set[int]:
    """Return windows that show where more of it helps no more."""
    full = scaling.max_workers
    if scaling.scaler == "request_count":
        full = max(full, math.ceil((scaling.max_workers - 1) * scaling.scaler_value) + 1)
    return {_WINDOW, scaling.max_workers, full, 2 * full}


def _check_whole(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}={value!r}: a whole number expected")
    if value < 1:
        raise ValueError(f"{name}={value}: 1 or more expected")


_HEAD = (
    "window",
    "wall time",
    "workers",
    "worker hours",
    "cost",
    "execution",
    "starting",
    "idle",
    "starts",
    "in queue",
)


def _row(run: PlannedRun) -> tuple[str, ...]:
    return (
        f"{run.window:,}",
        told(run.seconds),
        f"{run.peak:,}",
        f"{run.worker_seconds / 3600:,.1f}",
        "-" if run.cost is None else f"{run.cost:,.2f}",
        *(f"{share:.1%}" for share in _shares(run)),
        f"{run.cold_starts + run.warm_starts:,}",
        told(run.queue_seconds),
    )


def _shares(run: PlannedRun) -> tuple[float, float, float]:
    return run.execution_share, run.start_share, run.idle_share


def _counted(number: int, one: str) -> str:
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"


def _cost(run: PlannedRun) -> str:
    hours = f"{run.worker_seconds / 3600:,.1f} worker hours"
    return hours if run.cost is None else f"{run.cost:,.2f} for {hours}"


def told(seconds: float) -> str:
    """Return seconds as a person would say them."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
