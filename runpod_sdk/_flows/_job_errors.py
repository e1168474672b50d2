"""The error for a job that did not succeed, with the worker's error text parsed as far as possible."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from runpod_sdk._values._states import shorten, shown
from runpod_sdk._values._status import JobStatus
from runpod_sdk.errors import JobCancelledError, JobError, JobFailedError, JobTimedOutError

if TYPE_CHECKING:
    from runpod_sdk._values._states import JobState


@dataclass(frozen=True, slots=True)
class WorkerError:
    """A worker's error text, taken apart as far as it can be."""

    message: str
    type: str | None = None
    traceback: str | None = None
    worker_id: str | None = None
    logs: str | None = None

    @classmethod
    def parse(cls, text: str) -> WorkerError:
        """Read the error of a FAILED job.

        Three forms are known. A handler that raised: JSON with error_type, error_message, error_traceback
        (runpod-python 1.12.0 rp_job.py:287). A generator that raised: "handler: … traceback: …" (rp_job.py:334).
        Workers of runpod-python 2.0 add what was printed: "logs", or "logs:" at the end (2.0.0rc2 rp_job.py:300, :343).
        Anything else is the text of the handler, or of the service.
        """
        facts = _json_object(text)
        if facts is not None and ("error_message" in facts or "error_type" in facts):
            return cls(
                message=_message(facts.get("error_message")),
                type=_class_name(facts.get("error_type")),
                traceback=_text(facts.get("error_traceback")),
                worker_id=_text(facts.get("worker_id")),
                logs=_text(facts.get("logs")),
            )
        match = _GENERATOR_ERROR.fullmatch(text)
        if match is not None:
            message, traceback = match["message"], match["traceback"]
            return cls(message=message, type=_last_class(traceback, message), traceback=traceback, logs=match["logs"])
        return cls(message=text)


_GENERATOR_ERROR = re.compile(
    r"handler: (?P<message>.*?) ?\ntraceback: (?P<traceback>.*?)(?:\nlogs:\n(?P<logs>.*))?", re.DOTALL
)


_CLASS_REPR = re.compile(r"<class '(?:.*\.)?(\w+)'>")


def error_of(state: JobState) -> JobError | None:
    """Return the error that a final state stands for; None for a job that completed or has not ended."""
    if state.is_success or not state.is_final:
        return None
    job = f'job {state.id} on endpoint "{state.endpoint_id}"'
    if state.status == JobStatus.CANCELLED:
        return JobCancelledError(f"{job} was cancelled", endpoint_id=state.endpoint_id, job_id=state.id, state=state)
    error = WorkerError.parse(state.error or "")
    worker_id = state.worker_id or error.worker_id
    # REPORTED: an executionTimeout ends as FAILED with this text, not as TIMED_OUT.
    timed_out = state.status == JobStatus.TIMED_OUT or error.message.startswith("executionTimeout exceeded")
    said = f"{error.type}: {error.message}" if error.type else error.message
    parts = [job, "timed out" if timed_out else "failed"]
    if worker_id:
        parts.append(f"on worker {worker_id}")
    if state.execution_time_ms is not None:
        parts.append(f"after {state.execution_time_ms / 1000:.1f} s")
    return (JobTimedOutError if timed_out else JobFailedError)(
        " ".join(parts) + (f": {shorten(said)}" if said else ""),
        endpoint_id=state.endpoint_id,
        job_id=state.id,
        state=state,
        error_type=error.type,
        error_message=error.message,
        worker_traceback=error.traceback,
        worker_logs=error.logs,
        worker_id=worker_id,
    )


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", facts) if isinstance(facts, dict) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _message(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else shown(value)


def _class_name(value: object) -> str | None:
    text = _text(value)
    match = _CLASS_REPR.fullmatch(text) if text else None
    return match[1] if match else text


def _last_class(traceback: str, message: str) -> str | None:
    """Return the exception's class from the end of a traceback, "module.Class: message"."""
    lines = traceback.strip().removesuffix(message.strip()).splitlines()
    name = lines[-1].split(":")[0].rpartition(".")[2] if lines else ""
    return name if name.isidentifier() else None
