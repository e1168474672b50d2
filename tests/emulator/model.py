"""A small model of one endpoint, written from what is documented of the service, and from nothing of the emulator.

It is slow and plain on purpose: at every step it looks at every job. Where the service's behaviour is unknown it takes
the emulator's documented default. Answers, `/status` bodies and `/health` are all it can be compared by.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

NEVER = float("inf")
FINAL = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")
MAX_RETRIES = 1  # "job timed out after 1 retries"
GRACE = 5.0  # seconds that a worker outside has to come back after it hung up
UNSET = object()
NOT_FOUND, REFUSED = "not found", "refused"
Seen = dict[str, Any] | str  # an answer: its body, or one of the two words above


@dataclass
class ModelJob:
    """One job; times in seconds."""

    id: str
    input: Any
    submitted: float
    ttl: float
    timeout: float
    retention: float
    status: str = "IN_QUEUE"
    queued: float = 0.0
    taken: float | None = None
    ended: float | None = None
    worker: str | None = None
    lease: float = NEVER  # until when its worker is believed
    order: int = 0  # of having been taken
    retries: int = 0
    output: Any = UNSET
    progress: Any = UNSET
    error: str | None = None
    chunks: list[Any] = field(default_factory=list[Any])

    def expires(self) -> float:
        """TTL counts from submission, in any state; retention from the end."""
        end = self.submitted + self.ttl
        return end if self.ended is None else min(end, self.ended + self.retention)

    def overruns(self) -> float:
        return NEVER if self.status != "IN_PROGRESS" or self.taken is None else self.taken + self.timeout

    def due(self) -> float:
        return min(self.expires(), self.overruns(), self.lease)

    def view(self) -> dict[str, Any]:
        """Each key is present only when it is set; `output` before the end is progress."""
        body: dict[str, Any] = {"id": self.id, "status": self.status}
        if self.taken is not None:
            body["delayTime"] = round((self.taken - self.queued) * 1000)
            if self.ended is not None:
                body["executionTime"] = round((self.ended - self.taken) * 1000)
        shown = self.output if self.status in FINAL else self.progress
        if shown is not UNSET:
            body["output"] = shown
        if self.error is not None:
            body["error"] = self.error
        if self.retries:
            body["retries"] = self.retries
        if self.worker is not None:
            body["workerId"] = self.worker
        return body

    def read(self) -> dict[str, Any]:
        """Reading drains."""
        chunks, self.chunks = self.chunks, []
        return {"status": self.status, "stream": [{"output": chunk} for chunk in chunks]}

    def work(self) -> dict[str, Any]:
        return {"id": self.id, "input": self.input}


@dataclass
class ModelHold:
    """A request that is held: by what it waits for, and until when."""

    key: int
    until: float
    awaits: Literal["end", "chunk", "job"]
    job: str = ""
    worker: str = ""
    batch: int | None = None


def seen_by(hold: ModelHold, job: ModelJob) -> dict[str, Any]:
    return job.view() if hold.awaits == "end" else job.read()


@dataclass
class ModelWorker:
    """A worker in this process ("here"), somewhere else, or in a process that is watched."""

    kind: Literal["here", "outside", "watched"]
    seen: float = 0.0
    has_asked: bool = False
    is_suspect: bool = False
    cut: dict[str, float] = field(default_factory=dict[str, float])  # the leases that a hang-up has cut short


class Model:
    """One endpoint: its jobs the oldest first, its queue, what is held in order of arrival, and its workers."""

    def __init__(self, lease: float) -> None:
        self.lease = lease
        self.jobs: dict[str, ModelJob] = {}
        self.queue: list[str] = []
        self.holds: list[ModelHold] = []
        self.workers: dict[str, ModelWorker] = {}
        self.answers: list[tuple[int, Seen]] = []
        self.notices: list[tuple[str, dict[str, Any]]] = []
        self.stops: list[tuple[str, str]] = []
        self.submitted = self.expired = self.completed = self.failed = self.retried = self.taken = 0

    # Time.

    def pass_time(self, now: float) -> None:
        """Apply what is due, the earliest first; at one moment a job that expires is gone, however it stands."""
        while True:
            due = [(job.due(), job.order, job) for job in self.jobs.values()]
            when, _, job = min(due, key=lambda row: row[:2], default=(NEVER, 0, None))
            if job is None or when > now:
                return
            if when >= job.expires():
                self.forget(job)
            elif when >= job.overruns():
                self.end(job, "FAILED", when, error="executionTimeout exceeded", unknown_to_worker=True)
            else:
                self.lose(job, when)
                self.hand_out(when)

    def forget(self, job: ModelJob) -> None:
        self.expired += 1
        self.stop(job)
        del self.jobs[job.id]
        self.queue = [each for each in self.queue if each != job.id]
        self.release(job, None)

    def expire(self, hold: ModelHold) -> None:
        """Its wait is over: it is answered with how things stand."""
        self.holds.remove(hold)
        self.answers.append((hold.key, {} if hold.awaits == "job" else seen_by(hold, self.jobs[hold.job])))

    # Jobs.

    def submit(self, job: ModelJob) -> None:
        job.queued = job.submitted
        self.jobs[job.id] = job
        self.queue.append(job.id)
        self.submitted += 1
        self.hand_out(job.submitted)

    def end(
        self, job: ModelJob, status: str, now: float, *, error: str | None = None, unknown_to_worker: bool = False
    ) -> None:
        if unknown_to_worker:
            self.stop(job)
        job.status, job.ended, job.error, job.progress, job.lease = status, now, error, UNSET, NEVER
        self.completed += status == "COMPLETED"
        self.failed += status in ("FAILED", "TIMED_OUT")
        self.notices.append((job.id, job.view()))
        self.release(job, job)

    def release(self, job: ModelJob, found: ModelJob | None) -> None:
        """Answer all who wait for this job, in the order in which they came."""
        waiting = [hold for hold in self.holds if hold.job == job.id]
        self.holds = [hold for hold in self.holds if hold.job != job.id]
        for hold in waiting:
            self.answers.append((hold.key, NOT_FOUND if found is None else seen_by(hold, found)))

    def stop(self, job: ModelJob) -> None:
        """Its worker does not know that it need not go on."""
        if job.status == "IN_PROGRESS" and job.worker is not None and self.workers[job.worker].kind == "here":
            self.stops.append((job.worker, job.id))

    def lose(self, job: ModelJob, now: float) -> None:
        """A silent worker's job is dispatched once more, then it has failed."""
        if job.retries >= MAX_RETRIES:
            self.end(job, "FAILED", now, error=f"job timed out after {job.retries} retries")
            return
        job.status, job.taken, job.worker, job.progress, job.lease = "IN_QUEUE", None, None, UNSET, NEVER
        job.retries += 1
        self.retried += 1
        self.queue.insert(0, job.id)

    def cancel(self, job: ModelJob, now: float) -> None:
        if job.status not in FINAL:
            self.queue = [each for each in self.queue if each != job.id]
            self.end(job, "CANCELLED", now, unknown_to_worker=True)

    def retry(self, job: ModelJob, now: float) -> bool:
        """Only FAILED or TIMED_OUT; same id and input, old output gone, the ttl as it was."""
        if job.status not in ("FAILED", "TIMED_OUT"):
            return False
        self.jobs[job.id] = ModelJob(
            job.id, job.input, job.submitted, job.ttl, job.timeout, job.retention, queued=now
        )  # known jobs keep their order
        self.queue.append(job.id)
        self.retried += 1
        self.hand_out(now)
        return True

    def purge(self, now: float) -> int:
        removed, self.queue = self.queue, []
        for job_id in removed:
            self.end(self.jobs[job_id], "CANCELLED", now)
        return len(removed)

    # Workers.

    def take(self, hold: ModelHold, kind: Literal["here", "outside", "watched"], now: float) -> None:
        """A worker that asks is alive."""
        worker = self.workers.setdefault(hold.worker, ModelWorker(kind))
        worker.seen, worker.has_asked = now, True
        self.trust(hold.worker)
        self.holds.append(hold)
        self.hand_out(now)

    def hand_out(self, now: float) -> None:
        """Give queued jobs to those who wait, the longest first; a batch takes what is there."""
        for hold in [hold for hold in self.holds if hold.awaits == "job"]:
            if not self.queue:
                return
            count = hold.batch or 1
            given, self.queue = self.queue[:count], self.queue[count:]
            for job_id in given:
                job = self.jobs[job_id]
                self.taken += 1
                job.status, job.taken, job.worker, job.order = "IN_PROGRESS", now, hold.worker, self.taken
                job.lease = NEVER if self.workers[hold.worker].kind == "here" else now + self.lease
            works = [self.jobs[job_id].work() for job_id in given]
            self.holds.remove(hold)
            self.answers.append((hold.key, works[0] if hold.batch is None else {"jobs": works}))

    def running(self, worker: str | None, job_id: str) -> ModelJob | None:
        """Only the worker that has a job can say anything about it, and only while it runs."""
        job = self.jobs.get(job_id)
        return job if job is not None and job.status == "IN_PROGRESS" and job.worker == worker else None

    def jobs_of(self, worker: str) -> list[ModelJob]:
        mine = [job for job in self.jobs.values() if job.worker == worker and job.status == "IN_PROGRESS"]
        return sorted(mine, key=lambda job: job.order)

    def renew(self, job: ModelJob, now: float) -> None:
        """A worker in this process is never doubted; one outside, for a lease."""
        worker = self.workers[job.worker or ""]
        if worker.kind != "here" and not worker.is_suspect:
            job.lease = now + self.lease

    def report(self, job: ModelJob, now: float) -> None:
        """Progress and chunks come from the worker itself, so it lives."""
        self.trust(job.worker or "")
        self.renew(job, now)

    def chunk(self, job: ModelJob, output: Any, now: float) -> None:
        self.report(job, now)
        job.chunks.append(output)
        reader = next((hold for hold in self.holds if hold.job == job.id and hold.awaits == "chunk"), None)
        if reader is not None:
            self.holds.remove(reader)
            self.answers.append((reader.key, job.read()))

    def finish(self, job: ModelJob, now: float, output: Any, error: str | None) -> None:
        job.output = output
        self.end(job, "COMPLETED" if error is None else "FAILED", now, error=error)

    def hang_up(self, hold: ModelHold, now: float) -> None:
        """Whoever held it is no longer there; a worker outside has a short while to come back."""
        self.holds.remove(hold)
        worker = self.workers.get(hold.worker)
        if worker is not None and worker.kind == "outside":
            worker.is_suspect = True
            for job in self.jobs_of(hold.worker):
                worker.cut.setdefault(job.id, job.lease)
                job.lease = min(job.lease, now + GRACE)
            self.drop_if_gone(hold.worker)

    def trust(self, name: str) -> None:
        """It is heard again, so that it hung up means nothing."""
        worker = self.workers[name]
        for job in self.jobs_of(name):
            job.lease = max(job.lease, worker.cut.get(job.id, 0.0))
        worker.is_suspect, worker.cut = False, {}

    def leave(self, name: str, now: float) -> None:
        """A worker has died, and that was seen."""
        self.holds = [hold for hold in self.holds if hold.worker != name]
        for job in self.jobs_of(name):
            self.lose(job, now)
        self.workers.pop(name, None)
        self.hand_out(now)

    def drop_if_gone(self, name: str) -> None:
        """Of a worker outside that neither waits nor runs anything, nothing is known."""
        waits = any(hold.worker == name for hold in self.holds)
        if self.workers[name].kind == "outside" and not waits and not self.jobs_of(name):
            del self.workers[name]

    # What /health says.

    def counts(self) -> dict[str, int]:
        statuses = [job.status for job in self.jobs.values()]
        return {
            "completed": self.completed,
            "failed": self.failed,
            "inProgress": statuses.count("IN_PROGRESS"),
            "inQueue": statuses.count("IN_QUEUE"),
            "retried": self.retried,
        }

    def gauges(self, now: float) -> dict[str, int]:
        """Count workers; one outside that was silent for a lease, and has nothing to do, is gone."""
        for name, worker in list(self.workers.items()):
            if now - worker.seen > self.lease:
                self.drop_if_gone(name)
        waiting = {hold.worker for hold in self.holds}
        running = {job.worker for job in self.jobs.values() if job.status == "IN_PROGRESS"}
        asked = {name for name, worker in self.workers.items() if worker.has_asked}
        here = {name for name in asked if self.workers[name].kind == "here"}
        busy = asked & (running | (here - waiting))  # one here that does not wait is still at work on something
        idle = len(asked - busy)
        starting = len(self.workers) - len(asked)
        return {
            "idle": idle, "initializing": starting, "ready": idle, "running": len(busy),
            "throttled": 0, "unhealthy": 0,
        }  # fmt: skip
