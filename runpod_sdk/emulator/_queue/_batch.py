"""One batch: its requests, which become jobs when it is finalized, and how users see it. Pure.

Source: the documentation's page batch-jobs, a beta. What it does not say is an option, or marked here as assumed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._queue._machine import State
from runpod_sdk.emulator._queue._requests import ABSENT

if TYPE_CHECKING:
    from runpod_sdk.emulator._queue._job import QueuedJob
    from runpod_sdk.emulator._queue._requests import Submit


class BatchStatus(StrEnum):
    """Where a batch is. There is no status for one that is done."""

    DRAFT = "DRAFT"
    FINALIZED = "FINALIZED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


# assumed: the words for what is neither COMPLETED nor FAILED
_WORDS = {
    State.IN_QUEUE: "IN_QUEUE",
    State.IN_PROGRESS: "IN_PROGRESS",
    State.COMPLETED: "COMPLETED",
    State.CANCELLED: "CANCELLED",
}
# reported: in this order the console shows them
_BY_STATUS = ("FAILED", "IN_PROGRESS", "IN_QUEUE", "COMPLETED", "CANCELLED")


@dataclass(slots=True, eq=False)
class BatchEntry:
    """One request of a batch; `job`: what it has become, once the batch is finalized."""

    id: str
    submission: Submit
    job: QueuedJob | None = None

    @property
    def status(self) -> str:
        """Its status, in the words of a request of a batch."""
        return "IN_QUEUE" if self.job is None else _WORDS.get(self.job.state, "FAILED")

    def view(self, epoch: float) -> dict[str, Any]:
        """Return what a page says of it."""
        body: dict[str, Any] = {"id": self.id, "status": self.status}
        job = self.job
        if job is None:
            return body
        if job.output is not ABSENT and body["status"] in ("COMPLETED", "FAILED"):
            body["output"] = job.output
        if job.error is not None:
            body["error"] = job.error
        if job.taken_at is not None:
            body["startedAt"] = _iso(epoch + job.taken_at)
        if job.finished_at is not None:
            body["completedAt"] = _iso(epoch + job.finished_at)
        return body


@dataclass(slots=True, eq=False)
class QueuedBatch:
    """A batch. `created_at` is monotonic seconds; `is_cancelling`: it waits for what is in progress."""

    id: str
    endpoint_id: str
    created_at: float
    entries: dict[str, BatchEntry] = field(default_factory=dict[str, BatchEntry])
    status: BatchStatus = BatchStatus.DRAFT
    is_cancelling: bool = False

    def count(self, status: str) -> int:
        """Return how many of its requests have this status."""
        return sum(entry.status == status for entry in self.entries.values())

    @property
    def has_jobs(self) -> bool:
        """Whether its requests have become jobs."""
        return any(entry.job is not None for entry in self.entries.values())

    @property
    def is_active(self) -> bool:
        """Whether it counts towards those that an endpoint may have; a draft does (assumed)."""
        if self.status is BatchStatus.FINALIZED:
            return any(entry.status in ("IN_QUEUE", "IN_PROGRESS") for entry in self.entries.values())
        return self.status is BatchStatus.DRAFT

    def page(self, offset: int, limit: int, epoch: float, *, by_status: bool) -> dict[str, Any]:
        """Return some of its requests."""
        entries = list(self.entries.values())
        if by_status:
            entries.sort(key=lambda entry: _BY_STATUS.index(entry.status))
        return {
            "requests": [entry.view(epoch) for entry in entries[offset : offset + limit]],
            "total": len(entries),
            "offset": offset,
            "limit": limit,
            "hasMore": offset + limit < len(entries),
        }

    def view(self, epoch: float) -> dict[str, Any]:
        """Return what is said of it."""
        return {
            "id": self.id,
            "endpointId": self.endpoint_id,
            "status": self.status.value,
            "requestTotal": len(self.entries),
            "requestInProgress": self.count("IN_PROGRESS"),
            "requestCompleted": self.count("COMPLETED"),
            "requestFailed": self.count("FAILED"),
            "createdAt": round((epoch + self.created_at) * 1000),
        }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
