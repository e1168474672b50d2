"""When a queue has to look at which job again: a heap that drops outdated rows when they come to the top. Pure."""

from __future__ import annotations

import heapq
import itertools
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod_sdk.emulator._jobs import Job


class Deadlines:
    """The next deadline of each job; `Job.due` says which row counts."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Job]] = []
        self._order = itertools.count()

    def set(self, job: Job, due: float) -> None:
        """Look at `job` at `due`, and no longer when it was said before."""
        if due != job.due:
            job.due = due
            heapq.heappush(self._heap, (due, next(self._order), job))

    def clear(self, job: Job) -> None:
        """Look at `job` no more."""
        job.due = math.inf

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
