"""The workers of one queue: what each has taken, how long that is believed, and what it is still to be told. Pure.

A worker in this process is never doubted: its jobs are its own until it says otherwise. A *remote* worker speaks HTTP
and may vanish without a word, so it holds each job on a lease, which its pings, progress and chunks renew. A remote
worker that hangs up while it is held is suspect: its pings prove nothing any more, because the official worker's pinger
is a process of its own and outlives it. What becomes of a job whose lease is over is decided in `_queue.py`.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TYPE_CHECKING

from runpod_sdk.emulator._limits import HANG_UP_GRACE

if TYPE_CHECKING:
    from runpod_sdk.emulator._queue._jobs import Job
    from runpod_sdk.emulator._queue._requests import Hold


class Worker:
    """One worker, as its queue knows it.

    Attributes:
        jobs: what it has taken, by id.
        is_remote: it is outside of this process, and speaks HTTP.
        lease: seconds that a job of a remote worker is believed to be running without a sign of it.
        seen: when it last asked for something.
        stops: jobs that it is still to be told to stop, in order.
        watchers: its held questions for such jobs.
        has_asked: it has asked for a job: until then it is initializing.
        is_supervised: its process is watched, so its death is seen, and a hang-up means nothing.
        is_suspect: it has hung up, and only itself can prove that it lives.
        cut: until when its jobs were believed before it hung up, by id.
        is_draining: it gets no job any more.
        is_unhealthy: it died before it was ready.
    """

    __slots__ = (
        "cut",
        "has_asked",
        "id",
        "is_draining",
        "is_remote",
        "is_supervised",
        "is_suspect",
        "is_unhealthy",
        "jobs",
        "lease",
        "seen",
        "stops",
        "watchers",
    )

    def __init__(self, worker_id: str) -> None:
        self.id = worker_id
        self.jobs: dict[str, Job] = {}
        self.lease = math.inf
        self.seen = -math.inf
        self.stops: dict[str, None] = {}
        self.cut: dict[str, float] = {}
        self.watchers: list[Hold] = []
        self.is_remote = self.has_asked = self.is_supervised = False
        self.is_suspect = self.is_draining = self.is_unhealthy = False

    def told(self) -> dict[str, list[str]]:
        """Return the jobs to stop, for the last time."""
        stops, self.stops = self.stops, {}
        return {"jobsToStop": list(stops)}

    def suspect(self, until: float) -> None:
        """Believe no job of it beyond `until`, unless it is heard before."""
        self.is_suspect = True
        for job in self.jobs.values():
            self.cut.setdefault(job.id, job.lease_until)
            job.lease_until = min(job.lease_until, until)

    def trust(self) -> None:
        """Believe it again, as if it had never hung up."""
        self.is_suspect = False
        for job_id, until in self.cut.items():
            if job_id in self.jobs:
                self.jobs[job_id].lease_until = max(self.jobs[job_id].lease_until, until)
        self.cut = {}

    def renew(self, job: Job, now: float) -> None:
        """Believe for another lease that `job` is running."""
        if not self.is_suspect:
            job.lease_until = now + self.lease


class Roster:
    """All workers of a queue."""

    def __init__(self) -> None:
        self.takers: OrderedDict[Hold, Worker] = OrderedDict()  # who waits for a job, the longest idle first
        self._workers: dict[str, Worker] = {}

    def find(self, worker_id: str | None) -> Worker | None:
        """Return a worker that is known."""
        return self._workers.get(worker_id or "")

    def all(self) -> list[Worker]:
        """Return every worker."""
        return list(self._workers.values())

    def count(self) -> int:
        """Return how many can take a job, now or when they are done."""
        return sum(worker.has_asked and not worker.is_draining for worker in self._workers.values())

    def expect(self, worker_id: str, *, healthy: bool) -> None:
        """Count a process that is starting, or that is to start again."""
        worker = self._workers.setdefault(worker_id, Worker(worker_id))
        worker.is_supervised = True
        worker.is_unhealthy = not healthy

    def hear(self, worker_id: str, lease: float | None, now: float) -> Worker:
        """Return the worker that asks for something itself, which proves that it lives."""
        worker = self._workers.setdefault(worker_id, Worker(worker_id))
        worker.is_remote = lease is not None
        worker.lease = math.inf if lease is None else lease
        worker.seen = now
        worker.is_unhealthy = False
        worker.trust()
        return worker

    def hang_up(self, hold: Hold, worker_id: str, now: float) -> list[Job]:
        """Note that a held worker has closed its connection; return the jobs whose lease that has cut."""
        self.drop(hold)
        worker = self._workers.get(worker_id)
        if worker is None or worker.is_supervised or not worker.is_remote:
            return []
        if not worker.jobs:
            self._forget_if_gone(worker)
        worker.suspect(now + HANG_UP_GRACE)
        return list(worker.jobs.values())

    def missed(self, worker: Worker) -> None:
        """Note that work did not reach a worker: one outside that lives asks again, and is then counted again."""
        if worker.is_remote:
            self._forget_if_gone(worker)

    def leave(self, worker_id: str) -> Worker | None:
        """Forget a worker, and return it, with what it had taken."""
        for hold in [hold for hold, worker in self.takers.items() if worker.id == worker_id]:
            del self.takers[hold]
        return self._workers.pop(worker_id, None)

    def drain(self, worker_id: str) -> list[Hold]:
        """Give a worker no job any more; return what it is held for."""
        worker = self._workers.get(worker_id)
        if worker is None:
            return []
        worker.is_draining = True
        taking = [hold for hold, taker in self.takers.items() if taker is worker]
        watching, worker.watchers = worker.watchers, []
        for hold in taking:
            del self.takers[hold]
        return taking + watching

    def drop(self, hold: Hold) -> None:
        """Forget a held worker's question."""
        if self.takers.pop(hold, None) is None:
            for worker in self._workers.values():
                if hold in worker.watchers:
                    worker.watchers.remove(hold)

    def gauges(self, now: float) -> dict[str, int]:
        """Count workers by what they do; `ready` overlaps `idle`, as on the service."""
        for worker in list(self._workers.values()):
            if worker.is_remote and now - worker.seen > worker.lease:
                self._forget_if_gone(worker)
        taking = set(self.takers.values())
        kinds = [self._kind(worker, is_taking=worker in taking) for worker in self._workers.values()]
        counts = {kind: kinds.count(kind) for kind in ("idle", "initializing", "running", "unhealthy")}
        return {**counts, "ready": counts["idle"], "throttled": 0}

    @staticmethod
    def _kind(worker: Worker, *, is_taking: bool) -> str:
        if worker.is_unhealthy:
            return "unhealthy"
        if not worker.has_asked:
            return "initializing"
        # One in this process that is not asking still runs what nobody waits for any more.
        return "running" if worker.jobs or not (is_taking or worker.is_remote) else "idle"

    def _forget_if_gone(self, worker: Worker) -> None:
        if not (worker.jobs or worker.watchers or worker.is_supervised or worker in self.takers.values()):
            del self._workers[worker.id]
