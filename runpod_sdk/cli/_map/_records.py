"""What a result is in the output: a status in one word, and facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runpod_sdk._client._bulk._map_job import HOPELESS
from runpod_sdk.errors import JobExpiredError, JobFailedError, NotFoundError, SubmissionUnknownError

from ._journal import EXPIRED, UNKNOWN, UNSUBMITTED

if TYPE_CHECKING:
    from runpod_sdk import JobState, Map, MapResult

    from ._journal import OutputJournal

# No end was learned: the job is left to the next run. REFUSED: nothing was sent, as no submit would be accepted.
UNFINISHED, REFUSED = "UNFINISHED", "REFUSED"


def record(result: MapResult[Any], journal: OutputJournal) -> str:
    """Write what became of one input, and return it in one word."""
    status = status_of(result)
    if status == REFUSED:
        # It says nothing about this input, and the next run submits it anyway.
        journal.withdrawn(result.key)
    elif status != UNFINISHED:
        journal.ended(result.key, status, facts_of(result))
    return status


def record_left(results: Map, journal: OutputJournal) -> None:
    """Write what became of the inputs that were in flight when the run was closed, where that is known."""
    for result in results.unknowns:
        if result.key.name in journal.in_flight:
            journal.ended(result.key, UNKNOWN, facts_of(result))
    for result in results.abandoned:
        if result.state is not None and result.key.name in journal.in_flight:
            if result.state.status == "CANCELLED":
                journal.withdrawn(result.key)  # by us: it did not fail, and the next run submits it again
            else:
                record(result, journal)
    for begun in list(journal.in_flight.values()):
        if begun.job_id is None:
            journal.withdrawn(begun.place)  # the submit was not sent, or it would be among the unknown ones


def status_of(result: MapResult[Any]) -> str:
    """Return the service's word for the end of a job, or one of ours."""
    error = result.error
    if result.state is not None:
        return str(result.state.status)
    if isinstance(error, SubmissionUnknownError):
        return UNKNOWN
    if result.job is not None:
        return EXPIRED if isinstance(error, JobExpiredError | NotFoundError) else UNFINISHED
    return REFUSED if isinstance(error, HOPELESS) else UNSUBMITTED


def facts_of(result: MapResult[Any]) -> dict[str, Any]:
    """Return what is known beside the status; nothing that is not."""
    facts: dict[str, Any] = {"id": None if result.job is None else result.job.id}
    if result.state is not None:
        facts |= _facts_of_state(result.state)
    error = result.error
    if isinstance(error, JobFailedError):
        facts["error"] = f"{error.error_type}: {error.error_message}" if error.error_type else error.error_message
        if error.worker_traceback:
            facts["worker_traceback"] = error.worker_traceback
    elif error is not None:
        facts["error"] = str(error)
    if isinstance(error, SubmissionUnknownError):
        facts["submitted_at"] = error.submitted_at.isoformat(timespec="milliseconds")
    return facts


def _facts_of_state(state: JobState) -> dict[str, Any]:
    facts: dict[str, Any] = {"output": state.output} if state.is_success or state.output is not None else {}
    for name in ("worker_id", "delay_time_ms", "execution_time_ms"):
        if getattr(state, name) is not None:
            facts[name] = getattr(state, name)
    return facts
