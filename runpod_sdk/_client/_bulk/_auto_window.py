"""`concurrency="auto"`: how many jobs to keep in flight, given what /health shows. Pure.

An endpoint that scales by request count starts a worker for every so many jobs that are queued or running, and no more:
a window that is too small keeps it small. A window that is too large only makes the queue longer. How many workers
there may be at most nobody tells, so it is tried: as long as a larger window brings more workers it grows, and where it
brings none it goes back to the last size that did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpod_sdk._values._words import counted

if TYPE_CHECKING:
    from runpod_sdk._values._states import WorkerCounts

# Where a window begins, what it never falls below nor exceeds, and how often is looked, seconds; ours. More than 400
# requests are not held at once, so a job beyond that is heard of up to some 30 s later.
START, LEAST, MOST, LOOK_EVERY = 64, 8, 1_000, 5.0
# By what it grows, and by what it shrinks when the service asks for fewer requests; ours.
GROWTH, RETREAT = 1.5, 0.7
# Jobs for each worker that are enough for none to wait for the next; ours.
AHEAD = 1.25
# Looks that a larger window is given to bring workers; looks until the next try after one that did not, and at most.
TRIAL, PAUSE, PAUSE_MAX = 4, 12, 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is known at one moment.

    Attributes:
        workers: of the endpoint.
        in_queue: jobs that wait there, ours and others'.
        is_full: whether as many jobs are in flight as may be, and more inputs are there or may come.
        busy: requests since the last look to which the service said that they are too many.
    """

    workers: WorkerCounts
    in_queue: int
    is_full: bool
    busy: int = 0


class AutoWindow:
    """Says how many jobs may be in flight.

    Attributes:
        size: how many jobs in flight.
        is_capped: whether it would be more, if there was no cap.
    """

    def __init__(self, most: int = MOST) -> None:
        self.size = min(START, most)
        self.is_capped = False
        self._most = most
        self._proven = self.size  # the size with which there were the most workers
        self._workers = 0  # the most there were with it
        self._looks = 0  # since the window grew, or went back
        self._is_trial = False
        self._pause = PAUSE

    def look(self, seen: Look) -> int:
        """Return the size from now on."""
        self._looks += 1
        up = seen.workers.idle + seen.workers.running + seen.workers.initializing
        if seen.busy:
            self._retreat()
        elif seen.is_full:
            self._judge(up, seen)
        return self.size

    def _judge(self, up: int, seen: Look) -> None:
        if up > self._workers:  # this many were asked for because of us
            self._workers, self._proven, self._pause = up, self.size, PAUSE
            self._grow()
        elif self._is_trial:
            if self._looks >= TRIAL:
                self._go_back(up)
        elif up < self._workers and not seen.workers.throttled and self._looks >= TRIAL:
            self._workers = up  # too small for as many as there were, or some were taken away
            self._grow()
        elif seen.in_queue == 0 or self._looks >= self._pause:
            self._grow()  # nobody waits: more jobs may be taken; or it is time to try again

    def _grow(self) -> None:
        wanted = max(self.size + 1, int(self.size * GROWTH))
        self.is_capped = wanted > self._most
        self._looks, self._is_trial = 0, self.size < self._most
        self.size = min(wanted, self._most)

    def _go_back(self, up: int) -> None:
        """Only the queue got longer: be content with what brought workers and keeps them busy, and try again later."""
        self._looks, self._is_trial, self.is_capped = 0, False, False
        self.size = min(self.size, max(self._proven, int(up * AHEAD)))
        self._pause = min(2 * self._pause, PAUSE_MAX)

    def _retreat(self) -> None:
        self._looks, self._is_trial, self.is_capped = 0, False, False
        self.size = max(min(LEAST, self._most), int(self.size * RETREAT))
        self._proven = min(self._proven, self.size)


class WindowHint:
    """Says once that a window which nobody changes is what keeps an endpoint small."""

    # Looks in a row that have to show it.
    LOOKS = 3

    def __init__(self) -> None:
        self._looks = 0
        self._is_said = False

    def look(self, seen: Look, size: int) -> str | None:
        """Return what is to be said, if it is."""
        workers = seen.workers
        limits = seen.is_full and not workers.throttled and not workers.initializing
        # All that waits is ours, and no more; if there was more, there might be more workers.
        limits = limits and seen.in_queue + workers.running <= size and bool(workers.running or workers.idle)
        self._looks = self._looks + 1 if limits else 0
        if self._is_said or self._looks < self.LOOKS:
            return None
        self._is_said = True
        busy = f"a window of {counted(size, 'job')} keeps {counted(workers.running, 'worker')} busy"
        return f'{busy}; concurrency="auto" may start more'
