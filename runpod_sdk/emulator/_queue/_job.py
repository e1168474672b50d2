"""One job: what the queue knows of it, and how users see it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from runpod_sdk.emulator._queue._machine import FINAL, State
from runpod_sdk.emulator._queue._requests import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk.emulator._queue._requests import Hold, Submit
    from runpod_sdk.emulator._queue._workers import Lease

_new_list = cast("Callable[[], list[Any]]", list)  # ten times as fast as list[…], and made for each job


@dataclass(slots=True, eq=False)
class QueuedJob:
    """A job in a queue; only `_jobs.py` changes it, and a queue what its worker reports. Times are monotonic seconds.

    Attributes:
        id: its id.
        submission: as it was submitted.
        submitted_at: when.
        queued_at: when it began to wait, for the first time or for a retry.
        ttl: seconds that it may exist, in any state; a reader can change it.
        expires_at: when it is forgotten.
        state: where it is.
        worker_id: who has it, or had it last.
        lease: how long its worker is believed to be running it.
        taken_at: when its worker took it.
        overrun_at: when its executionTimeout is over.
        finished_at: when it reached a final state.
        due: when the queue has to look at it again.
        retries: how often it was given back.
        output: of its result.
        progress: what its worker last said of it.
        error: why it failed.
        chunks: those that nobody has read.
        holds: who waits for it.
        is_of_batch: it is a request of a batch.
    """

    id: str
    submission: Submit
    submitted_at: float
    queued_at: float
    ttl: float
    expires_at: float = math.inf
    state: State = State.IN_QUEUE
    worker_id: str | None = None
    lease: Lease | None = None
    taken_at: float | None = None
    overrun_at: float = math.inf
    finished_at: float | None = None
    due: float = math.inf
    retries: int = 0
    output: Any = ABSENT
    progress: Any = ABSENT
    error: str | None = None
    chunks: list[dict[str, Any]] = field(default_factory=_new_list)
    holds: list[Hold] = field(default_factory=_new_list)
    is_of_batch: bool = False

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


def record_of(job: QueuedJob, endpoint_id: str) -> JobRecord:
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
