"""How jobs and batches are saved while the emulator is down: JSON, with times in seconds since 1970. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._queue._batch import BatchEntry, BatchStatus, QueuedBatch
from runpod_sdk.emulator._queue._job import QueuedJob
from runpod_sdk.emulator._queue._machine import State
from runpod_sdk.emulator._queue._requests import ABSENT, Submit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runpod_sdk.emulator._queue._workers import Lease

# What a request of a batch has become that was forgotten meanwhile.
_NOTHING = Submit(input={}, execution_timeout=0.0, ttl=0.0, retention=0.0)


def submission_kept(submission: Submit) -> dict[str, Any]:
    """Return what was submitted."""
    return {name: getattr(submission, name) for name in Submit.__slots__}


def state_kept(job: QueuedJob, epoch: float) -> dict[str, Any]:
    """Return where a job is; what it has not is left out. Chunks are kept by themselves.

    Args:
        job: the job.
        epoch: seconds since 1970 at monotonic 0.
    """
    kept: dict[str, Any] = {
        "state": job.state.value,
        "submitted_at": job.submitted_at + epoch,
        "queued_at": job.queued_at + epoch,
        "ttl": job.ttl,
    }
    for name in ("taken_at", "finished_at"):
        moment: float | None = getattr(job, name)
        if moment is not None:
            kept[name] = moment + epoch
    for name in ("output", "progress"):
        if getattr(job, name) is not ABSENT:
            kept[name] = getattr(job, name)
    if job.worker_id is not None:
        kept["worker_id"] = job.worker_id
    if job.error is not None:
        kept["error"] = job.error
    if job.retries:
        kept["retries"] = job.retries
    if job.is_of_batch:
        kept["is_of_batch"] = True
    return kept


def restored(
    job_id: str,
    submission: dict[str, Any],
    kept: dict[str, Any],
    chunks: list[dict[str, Any]],
    epoch: float,
    lease: Lease,
) -> QueuedJob:
    """Return the job that was kept.

    Args:
        job_id: its id.
        submission: as `submission_kept` gave it.
        kept: as `state_kept` gave it.
        chunks: those that nobody has read.
        epoch: seconds since 1970 at monotonic 0, now.
        lease: of its worker, if it is in progress.
    """
    job = QueuedJob(
        job_id,
        Submit(**submission),
        submitted_at=kept["submitted_at"] - epoch,
        queued_at=kept["queued_at"] - epoch,
        ttl=kept["ttl"],
        state=State(kept["state"]),
        worker_id=kept.get("worker_id"),
        retries=kept.get("retries", 0),
        output=kept.get("output", ABSENT),
        progress=kept.get("progress", ABSENT),
        error=kept.get("error"),
        chunks=chunks,
        is_of_batch=kept.get("is_of_batch", False),
    )
    job.taken_at = kept["taken_at"] - epoch if "taken_at" in kept else None
    job.finished_at = kept["finished_at"] - epoch if "finished_at" in kept else None
    if job.state is State.IN_PROGRESS:
        job.lease = lease
        job.overrun_at = job.submission.execution_timeout + (0.0 if job.taken_at is None else job.taken_at)
    else:
        job.overrun_at = math.inf
    return job


def batch_kept(batch: QueuedBatch, epoch: float) -> dict[str, Any]:
    """Return where a batch is. Its requests are kept by themselves, once they are jobs as these.

    Args:
        batch: the batch.
        epoch: seconds since 1970 at monotonic 0.
    """
    return {
        "created_at": batch.created_at + epoch,
        "status": batch.status.value,
        "is_cancelling": batch.is_cancelling,
    }


def batch_restored(
    batch_id: str,
    endpoint_id: str,
    kept: dict[str, Any],
    entries: list[tuple[str, dict[str, Any] | None]],
    jobs: Mapping[str, QueuedJob],
    epoch: float,
) -> QueuedBatch:
    """Return the batch that was kept.

    Args:
        batch_id: its id.
        endpoint_id: the endpoint.
        kept: as `batch_kept` gave it.
        entries: the id of each request, and its submission; None: it has become a job.
        jobs: those that are known, by id.
        epoch: seconds since 1970 at monotonic 0, now.
    """
    batch = QueuedBatch(batch_id, endpoint_id, kept["created_at"] - epoch)
    batch.status = BatchStatus(kept["status"])
    batch.is_cancelling = kept["is_cancelling"]
    for entry_id, submission in entries:
        if submission is not None:
            batch.entries[entry_id] = BatchEntry(entry_id, Submit(**submission))
            continue
        job = jobs.get(entry_id) or QueuedJob(entry_id, _NOTHING, 0.0, 0.0, 0.0, state=State.GONE)
        batch.entries[entry_id] = BatchEntry(entry_id, job.submission, job)
    return batch
