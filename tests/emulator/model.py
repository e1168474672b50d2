"""A small model of one endpoint, written from what is documented of the service, and from nothing of the emulator.

It is slow and plain on purpose: at every step it looks at every job. Where the service's behaviour is unknown it takes
the emulator's documented default. `/status` bodies and the answers of workers are all it can be compared by.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

FINAL = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")
MAX_RETRIES = 1  # "job timed out after 1 retries"
UNSET = object()


@dataclass
class ModelJob:
    """One job; times in seconds."""

    id: str
    submitted: float
    ttl: float
    timeout: float
    retention: float
    status: str = "IN_QUEUE"
    queued: float = 0.0
    taken: float | None = None
    ended: float | None = None
    worker: str | None = None
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
        return float("inf") if self.status != "IN_PROGRESS" or self.taken is None else self.taken + self.timeout

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
        more = {"error": self.error, "retries": self.retries or None, "workerId": self.worker}
        return body | {key: value for key, value in more.items() if value is not None}

    def end(self, status: str, now: float, error: str | None = None) -> None:
        self.status, self.ended, self.error, self.progress = status, now, error, UNSET


class Model:
    """One endpoint with workers that are asked by name; `idle` are those that wait for a job, the longest first."""

    def __init__(self) -> None:
        self.jobs: dict[str, ModelJob] = {}
        self.queue: list[str] = []
        self.idle: list[str] = []
        self.submitted = self.expired = self.completed = self.failed = self.retried = self.taken = 0

    def pass_time(self, now: float) -> None:
        """Apply what is due, the earliest first; at one moment a job that expires is gone, however it stands."""
        while True:
            due = [(min(job.expires(), job.overruns()), job) for job in self.jobs.values()]
            due = [(when, job) for when, job in due if when <= now]
            if not due:
                return
            when, job = min(due, key=lambda pair: pair[0])
            if when >= job.expires():
                del self.jobs[job.id]
                self.queue = [each for each in self.queue if each != job.id]
                self.expired += 1
            else:
                job.end("FAILED", when, "executionTimeout exceeded")
                self.failed += 1

    def hand_out(self, now: float) -> list[tuple[str, str]]:
        """Give queued jobs to idle workers; return (worker, job)."""
        handed: list[tuple[str, str]] = []
        while self.queue and self.idle:
            worker, job = self.idle.pop(0), self.jobs[self.queue.pop(0)]
            self.taken += 1
            job.status, job.taken, job.worker, job.order = "IN_PROGRESS", now, worker, self.taken
            handed.append((worker, job.id))
        return handed

    def submit(self, job_id: str, now: float, ttl: float, timeout: float, retention: float) -> None:
        self.jobs[job_id] = ModelJob(job_id, now, ttl, timeout, retention, queued=now)
        self.queue.append(job_id)
        self.submitted += 1

    def running(self, worker: str, job_id: str) -> ModelJob | None:
        """Only the worker that has a job can say anything about it, and only while it runs."""
        job = self.jobs.get(job_id)
        return job if job is not None and job.status == "IN_PROGRESS" and job.worker == worker else None

    def finish(self, worker: str, job_id: str, now: float, output: Any, error: str | None) -> None:
        job = self.running(worker, job_id)
        if job is not None:
            job.output = output
            job.end("COMPLETED" if error is None else "FAILED", now, error)
            self.completed += error is None
            self.failed += error is not None

    def lose(self, job: ModelJob, now: float) -> None:
        """A silent worker's job is dispatched once more, then it has failed."""
        if job.retries >= MAX_RETRIES:
            job.end("FAILED", now, f"job timed out after {job.retries} retries")
            self.failed += 1
            return
        job.status, job.taken, job.worker, job.progress = "IN_QUEUE", None, None, UNSET
        job.retries += 1
        self.retried += 1
        self.queue.insert(0, job.id)

    def cancel(self, job_id: str, now: float) -> None:
        job = self.jobs[job_id]
        if job.status not in FINAL:
            self.queue = [each for each in self.queue if each != job_id]
            job.end("CANCELLED", now)

    def retry(self, job_id: str, now: float) -> bool:
        """Only FAILED or TIMED_OUT; same id and input, old output gone."""
        job = self.jobs[job_id]
        if job.status not in ("FAILED", "TIMED_OUT"):
            return False
        self.jobs[job_id] = ModelJob(job_id, job.submitted, job.ttl, job.timeout, job.retention, queued=now)
        # Known jobs keep their order, the oldest first.
        self.queue.append(job_id)
        self.retried += 1
        return True

    def purge(self, now: float) -> int:
        removed, self.queue = self.queue, []
        for job_id in removed:
            self.jobs[job_id].end("CANCELLED", now)
        return len(removed)

    def read(self, job_id: str) -> dict[str, Any]:
        """Reading drains."""
        job = self.jobs[job_id]
        chunks, job.chunks = job.chunks, []
        return {"status": job.status, "stream": [{"output": chunk} for chunk in chunks]}

    def counts(self) -> dict[str, int]:
        statuses = [job.status for job in self.jobs.values()]
        return {
            "completed": self.completed,
            "failed": self.failed,
            "inProgress": statuses.count("IN_PROGRESS"),
            "inQueue": statuses.count("IN_QUEUE"),
            "retried": self.retried,
        }
