"""The scaling settings of an endpoint, as one value.

`_queue/_fleet.py` decides which workers start and stop, and when.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """How an endpoint scales, and how long its workers need to start. Times are in seconds.

    The defaults are the service's, as far as they are documented.

    Attributes:
        min_workers: how many are always up.
        max_workers: the most that are ever up; 0: jobs stay in the queue.
        scaler: "queue_delay" adds a worker for each job that has waited for more than `scaler_value` seconds;
            "request_count" wants ceil((jobs in the queue + jobs in progress) / `scaler_value`) workers. Jobs with
            `lowPriority` are not counted.
        scaler_value: see `scaler`.
        step: how many workers "queue_delay" adds at once, every `scaler_value` seconds at most. None: as many as there
            are late jobs.
        idle_timeout: how long a worker without a job stays up, and is billed.
        surplus: when "request_count" stops a worker that it does not want: after its `idle_timeout`, or "at_once".
        cold_start: how long a worker takes to start. One number: always that long. Several: evenly spaced quantiles of
            the distribution from which each start is drawn. (20, 90) is anything between 20 and 90; you may also
            pass a list of start times that you measured.
        warm_start: the same for a worker that stopped less than `warm_for` ago, as with FlashBoot.
        warm_for: how long a stopped worker starts warm; 0: never.
        stopped: how `/health` counts stopped workers: not at all, or as "idle" and ready.
        seed: for the start times: the same seed gives the same times.

    Raises:
        ValueError: a number is out of its range.
        TypeError: something that should be a number is not.
    """

    min_workers: int = 0  # docs: endpoint-configurations
    max_workers: int = 3  # the same
    scaler: Literal["queue_delay", "request_count"] = "queue_delay"  # the same
    scaler_value: float = 4.0  # the same, of both
    step: int | None = None
    idle_timeout: float = 5.0  # docs: endpoint-configurations
    surplus: Literal["idle_timeout", "at_once"] = "idle_timeout"  # docs: pricing; until 2025-10 only with queue delay
    cold_start: float | tuple[float, ...] = 10.0  # assumed
    warm_start: float | tuple[float, ...] = 1.0  # assumed
    warm_for: float = 0.0  # docs: endpoint-configurations#flashboot, "for some time"
    stopped: Literal["uncounted", "idle"] = "uncounted"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        _check_count("max_workers", self.max_workers)
        _check_count("min_workers", self.min_workers)
        if self.min_workers > self.max_workers:
            raise ValueError(f"min_workers={self.min_workers}: more than max_workers={self.max_workers}")
        if self.scaler not in ("queue_delay", "request_count"):
            raise ValueError(f'scaler={self.scaler!r}: "queue_delay" or "request_count" expected')
        if _number("scaler_value", self.scaler_value) <= 0:
            raise ValueError(f"scaler_value={self.scaler_value}: more than 0 expected")
        if self.step is not None and self.step < 1:
            raise ValueError(f"step={self.step}: 1 or more expected")
        if self.surplus not in ("idle_timeout", "at_once"):
            raise ValueError(f'surplus={self.surplus!r}: "idle_timeout" or "at_once" expected')
        if self.stopped not in ("uncounted", "idle"):
            raise ValueError(f'stopped={self.stopped!r}: "uncounted" or "idle" expected')
        for name in ("idle_timeout", "warm_for"):
            _number(name, getattr(self, name))
        for name in ("cold_start", "warm_start"):
            object.__setattr__(self, name, quantiles(name, getattr(self, name)))


def quantiles(name: str, times: float | tuple[float, ...]) -> float | tuple[float, ...]:
    """Return a distribution of seconds with its numbers in order.

    Raises:
        ValueError: there is none, or one is negative or not finite.
        TypeError: one is no number.
    """
    if not isinstance(times, (tuple, list)):
        return _number(name, times)
    if not times:
        raise ValueError(f"{name}={times!r}: at least one number of seconds expected")
    return tuple(sorted(_number(name, each) for each in times))


def drawn(times: float | tuple[float, ...], chance: float) -> float:
    """Return what a distribution has at a share of 0 to 1: numbers in between lie on a line between two quantiles."""
    if not isinstance(times, tuple):
        return times
    at = chance * (len(times) - 1)
    below = min(int(at), len(times) - 1)
    above = min(below + 1, len(times) - 1)
    return times[below] + (times[above] - times[below]) * (at - below)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name}={value!r}: a number of seconds expected")
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name}={value!r}: 0 or more expected")
    return float(value)


def _check_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}={value!r}: a whole number expected")
    if value < 0:
        raise ValueError(f"{name}={value}: must not be negative")
