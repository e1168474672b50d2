"""When a queue has to look at which job again: a heap that drops outdated rows when they come to the top. Pure."""

from __future__ import annotations

import heapq
import itertools
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod_sdk.emulator._queue._jobs import Job


# Outdated rows that are not worth the work of dropping them.
_OUTDATED_MIN = 1000


class Deadlines:
    """The next deadline of each job; `Job.due` says which row counts."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Job]] = []
        self._order = itertools.count()
        self._outdated = 0  # rows, at most: each keeps a job in memory for as long as its ttl

    def set(self, job: Job, due: float) -> None:
        """Look at `job` at `due`, and no longer when it was said before."""
        if due != job.due:
            self._outdate(job)
            job.due = due
            heapq.heappush(self._heap, (due, next(self._order), job))

    def clear(self, job: Job) -> None:
        """Look at `job` no more."""
        self._outdate(job)
        job.due = math.inf

    def _outdate(self, job: Job) -> None:
        """Count the row of a job, and drop all outdated rows once they are the most."""
        self._outdated += job.due != math.inf
        if self._outdated > max(_OUTDATED_MIN, len(self._heap) // 2):
            self._heap = [row for row in self._heap if row[0] == row[2].due]
            heapq.heapify(self._heap)
            self._outdated = 0

    def passed(self, now: float) -> Iterator[tuple[float, Job]]:
        """Yield what is due by `now`, the earliest first; deadlines set meanwhile included."""
        while self._heap and self._heap[0][0] <= now:
            due, _, job = heapq.heappop(self._heap)
            if job.due == due:
                yield due, job

    def next(self) -> float | None:
        """Return the earliest deadline, or None."""
        while self._heap and self._heap[0][2].due != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None
