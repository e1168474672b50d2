"""Adds workers' tracebacks, with the line in their file, to the report of a failed test."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runpod_sdk import JobFailedError
from runpod_sdk._values._hidden import hide_frames
from runpod_sdk.pytest_plugin._once import EMULATORS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from runpod_sdk.emulator import Emulator

_SHOWN = 5  # jobs; a test may have thousands


def note(error: BaseException) -> None:
    """Add the worker's traceback to the error of a job, where it is shown with it."""
    if isinstance(error, JobFailedError) and error.worker_traceback:
        text = f"The worker's traceback:\n{error.worker_traceback.rstrip()}"
        if text not in getattr(error, "__notes__", ()):
            error.add_note(text)


def without_our_frames(error: BaseException) -> None:
    """Take the frames of this SDK out of a traceback, so that the report ends with the test's own line."""
    hide_frames(error, _is_ours)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in ("runpod_sdk", "runpod_queue_client")


def sections(item: pytest.Item) -> Iterator[tuple[str, str]]:
    """Return a title and a text for each job of a test that has failed, the last ones."""
    emulators = [emulator for node in item.listchain() for emulator in node.stash.get(EMULATORS, list["Emulator"]())]
    jobs = [job for emulator in emulators for job in emulator.jobs.values()]
    failed = [job for job in jobs if job.status in ("FAILED", "TIMED_OUT", "ERROR")]
    for job in failed[-_SHOWN:]:
        worker = job.state.get("workerId", "")
        yield f"job {job.id} of {job.endpoint_id}: {job.status}{worker and f' on worker {worker}'}", _why(job.state)


def _why(state: dict[str, Any]) -> str:
    error = state.get("error", "it does not say why")
    try:
        return str(json.loads(error)["error_traceback"])
    except (ValueError, TypeError, KeyError):
        return str(error)
