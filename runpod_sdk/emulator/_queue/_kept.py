"""How a job is saved while the emulator is down: JSON, with times in seconds since 1970. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._queue._job import QueuedJob
from runpod_sdk.emulator._queue._machine import State
from runpod_sdk.emulator._queue._requests import ABSENT, Submit

if TYPE_CHECKING:
    from runpod_sdk.emulator._queue._workers import Lease


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
