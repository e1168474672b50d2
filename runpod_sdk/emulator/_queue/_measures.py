"""Measurements of one endpoint: jobs, workers, queueing and execution times. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runpod_sdk.emulator._queue._fleet import Usage

BOUNDS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)  # seconds; ours


class Histogram:
    """How long something took, counted by bounds.

    Attributes:
        counts: how many took at most the bound of the same place, and longer than the one before; at the end, the rest.
        total: seconds of all.
    """

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def copy(self) -> Histogram:
        """Return it as it is now."""
        same = Histogram()
        same.counts, same.total = list(self.counts), self.total
        return same


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """One endpoint at one moment.

    Attributes:
        jobs: how many jobs that are known are in each status.
        submitted: how many there ever were; `completed`, `failed`, `retried` likewise, as /health counts them.
        oldest: seconds since the first in the queue is in it; 0: there is none.
        workers: by what they do, as /health counts them.
        usage: what its workers have cost; None: it does not scale.
        delays: seconds that jobs were in the queue, each time they were taken.
        executions: seconds that they were on a worker, each time they ended there.
    """

    endpoint_id: str
    jobs: Mapping[str, int]
    submitted: int
    completed: int
    failed: int
    retried: int
    oldest: float
    workers: Mapping[str, int]
    usage: Usage | None
    delays: Histogram
    executions: Histogram
