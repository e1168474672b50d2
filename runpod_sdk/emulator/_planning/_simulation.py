"""Simulates one bulk run: a client with a fixed window, and workers that start and stop.

The queue is the emulator's own, asked directly: no threads, no HTTP, no waiting. Each worker always asks for a job, and
runs it for as long as is drawn; the client submits the next job a moment after one has ended.
"""

from __future__ import annotations

import heapq
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._options import Options
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._queue import Queue
from runpod_sdk.emulator._queue._requests import Hold
from runpod_sdk.emulator._scaling import drawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk.emulator._queue._effects import Effects
    from runpod_sdk.emulator._queue._fleet import Usage
    from runpod_sdk.emulator._scaling import Scaling

# One for all: what is in it decides nothing here. Nothing is kept after its end, and nothing expires before.
_JOB = ask.Submit(input={"n": 1}, execution_timeout=math.inf, ttl=math.inf, retention=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """What came of a run: when its last job ended, seconds of execution and in the queue, and of workers."""

    ended_at: float
    executed: float
    queued: float
    usage: Usage


class Simulation:
    """One run.

    Args:
        jobs: how many.
        window: how many of them are in flight at once.
        execution: seconds that a job takes, or the quantiles of these.
        latency: seconds from the end of a job until the next one arrives.
        scaling: of the endpoint.
        execution_chance: returns a number between 0 and 1 for each job, `start_chance` for each start of a worker.
    """

    def __init__(
        self,
        *,
        jobs: int,
        window: int,
        execution: float | tuple[float, ...],
        latency: float,
        scaling: Scaling,
        execution_chance: Callable[[], float],
        start_chance: Callable[[], float],
    ) -> None:
        numbers = itertools.count()
        self._queue = Queue(
            "plan", new_id=lambda: str(next(numbers)), options=Options(scaling=scaling), chance=start_chance
        )
        self.jobs = self._left = jobs
        self._window = min(window, jobs)
        self._execution = execution
        self._latency = latency
        self._chance = execution_chance
        self._workers = scaling.max_workers
        self._now = self._executed = self._queued = self._ended_at = 0.0
        self._deadline = math.inf
        # (when, order, worker, job): a job ends; without a worker: one arrives
        self._events: list[tuple[float, int, str | None, str]] = []
        self._order = itertools.count()
        self._submitted_at: dict[str, float] = {}

    def run(self) -> Simulated:
        """Run to the end, until every worker that may stop has stopped."""
        for number in range(self._workers):
            self._take(str(number))
        for _ in range(self._window):
            self._submit()
        while self._events or self._deadline < math.inf:
            due = self._events[0][0] if self._events else math.inf
            if self._deadline < due:
                self._now = self._deadline
                self._carry_out(self._queue.advance(self._now))
                continue
            self._now, _, worker, job_id = heapq.heappop(self._events)
            if worker is None:
                self._submit()
            else:
                self._finish(worker, job_id)
        usage = self._queue.usage()
        assert usage is not None, "a simulation scales"  # noqa: S101  for the types
        return Simulated(ended_at=self._ended_at, executed=self._executed, queued=self._queued, usage=usage)

    def _submit(self) -> None:
        if not self._left:
            return
        self._left -= 1
        answer, effects = self._queue.handle(_JOB, self._now)
        if not isinstance(answer, Hold):
            self._submitted_at[answer.body["id"]] = self._now
        self._carry_out(effects)

    def _take(self, worker: str) -> None:
        answer, effects = self._queue.handle(ask.Take(worker_id=worker), self._now)
        if not isinstance(answer, Hold):
            self._begin(worker, answer.body)
        self._carry_out(effects)

    def _finish(self, worker: str, job_id: str) -> None:
        _, effects = self._queue.handle(ask.Finish(worker_id=worker, job_id=job_id, output=1), self._now)
        self._carry_out(effects)
        self._ended_at = self._now
        self._take(worker)
        if self._left:
            heapq.heappush(self._events, (self._now + self._latency, next(self._order), None, ""))

    def _begin(self, worker: str, job: dict[str, Any]) -> None:
        seconds = drawn(self._execution, self._chance())
        self._executed += seconds
        self._queued += self._now - self._submitted_at.pop(job["id"])
        heapq.heappush(self._events, (self._now + seconds, next(self._order), worker, job["id"]))

    def _carry_out(self, effects: Effects) -> None:
        self._deadline = effects.next_deadline
        for hold, reply in effects.answers:
            if isinstance(hold.request, ask.Take):
                self._begin(hold.request.worker_id, reply.body)
