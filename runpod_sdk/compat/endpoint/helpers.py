"""The names of the official `runpod.endpoint.helpers`, in runpod-python 1.12.0 and 2.0.0rc2."""

from __future__ import annotations

from runpod_sdk._values._status import JobStatus

# As they are there: a cancelled job is completed, and its status is none of these.
FINAL_STATES = ["COMPLETED", "FAILED", "TIMED_OUT"]
UNAUTHORIZED_MSG = "401 Unauthorized | Make sure Runpod API key is set and valid."
API_KEY_NOT_SET_MSG = "There is no API key: set runpod.api_key, or RUNPOD_API_KEY."


def is_completed(status: str) -> bool:
    """Whether a job of this status has ended."""
    return JobStatus(status).is_final
