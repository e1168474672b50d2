"""One job: what the queue knows of it, and how it looks to users and to the worker that takes it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._queue._machine import FINAL, State
from runpod_sdk.emulator._queue._requests import ABSENT

if TYPE_CHECKING:
    from runpod_sdk.emulator._queue._requests import Hold, Submit


class Job:
    """A job in a queue; only `_queue.py` changes it. Times are monotonic seconds."""

    __slots__ = (
        "chunks",
        "due",
        "error",
        "expires_at",
        "finished_at",
        "holds",
        "id",
        "lease_until",
        "output",
        "overrun_at",
        "progress",
        "queued_at",
        "retries",
        "state",
        "submission",
        "submitted_at",
        "taken_at",
        "ttl_at",
        "worker_id",
    )

    def __init__(self, job_id: str, submission: Submit, now: float) -> None:
        self.id = job_id
        self.submission = submission
        self.state = State.IN_QUEUE
        self.submitted_at = now
        self.ttl_at = now + submission.ttl
        self.due = math.inf  # when the queue has to look at it again
        self.chunks: list[dict[str, Any]] = []
        self.holds: list[Hold] = []
        self.clear(now)

    def clear(self, now: float) -> None:
        """Forget everything about former runs."""
        self.queued_at = now
        self.taken_at: float | None = None
        self.finished_at: float | None = None
        self.overrun_at = math.inf
        self.lease_until = math.inf
        self.expires_at = self.ttl_at
        self.output: Any = ABSENT
        self.progress: Any = ABSENT
        self.error: str | None = None
        self.retries = 0
        self.worker_id: str | None = None
        self.chunks.clear()

    def view(self) -> dict[str, Any]:
        """Return what /status says: keys are there only when they are set.  # live: IN_QUEUE has id and status."""
        body: dict[str, Any] = {}
        if self.taken_at is not None:
            body["delayTime"] = _ms(self.taken_at - self.queued_at)
        if self.error is not None:
            body["error"] = self.error
        if self.taken_at is not None and self.finished_at is not None:
            body["executionTime"] = _ms(self.finished_at - self.taken_at)
        body["id"] = self.id
        output = self.output if self.state in FINAL else self.progress
        if output is not ABSENT:
            body["output"] = output
        if self.retries:
            body["retries"] = self.retries
        body["status"] = self.state.value
        if self.worker_id is not None:
            body["workerId"] = self.worker_id
        return body

    def work(self, *, keep_empty_input: bool) -> dict[str, Any]:
        """Return what the worker gets.  # live: of an empty input it gets nothing at all."""
        body: dict[str, Any] = {"id": self.id}
        if self.submission.input or keep_empty_input:
            body["input"] = self.submission.input
        body.update(self.submission.extras)
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """What an emulator knows of one job, at one moment; for tests to look at.

    Attributes:
        input: as it was submitted.
        state: what /status answers now, as a dict.
        chunks: how many chunks wait to be read.
        webhook: as it was submitted.
        low_priority: as it was submitted.
    """

    id: str
    endpoint_id: str
    status: str
    input: dict[str, Any]
    state: dict[str, Any]
    chunks: int
    webhook: str | None
    low_priority: bool


def record_of(job: Job, endpoint_id: str) -> JobRecord:
    """Return the present state of `job` as a value."""
    return JobRecord(
        id=job.id,
        endpoint_id=endpoint_id,
        status=job.state.value,
        input=job.submission.input,
        state=job.view(),
        chunks=len(job.chunks),
        webhook=job.submission.webhook,
        low_priority=job.submission.low_priority,
    )


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))
