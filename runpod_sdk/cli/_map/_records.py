"""One record of the result file: a status word and facts, from a result or from the journal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from runpod_sdk._client._bulk._map_job import HOPELESS
from runpod_sdk._client._journal._items import state_from
from runpod_sdk._client._journal._rows import EXPIRED, SUBMITTED, UNSUBMITTED, Stage
from runpod_sdk._flows._job_errors import error_of
from runpod_sdk.errors import JobFailedError, MapStoppedError, SubmissionUnknownError

if TYPE_CHECKING:
    from pathlib import Path

    from runpod_sdk import JobState, MapResult

# No end was learned: the job is left to the next run. REFUSED: nothing was sent, as no submit would be accepted, or the
# run was to stop.
UNFINISHED, REFUSED = "UNFINISHED", "REFUSED"
_DIED = "the process ended while the submit was on its way: the job may have been queued and may run"


class KeptEnd(NamedTuple):
    """How an input has ended, as a journal has it."""

    stage: int
    status: str | None
    job_id: str | None
    sent_at: float | None
    text: str | None


def status_of(result: MapResult[Any]) -> str:
    """Return the status of a result; of one that is not written, why."""
    status = result.status
    if status == UNSUBMITTED and isinstance(result.error, (*HOPELESS, MapStoppedError)):
        return REFUSED
    return UNFINISHED if status == SUBMITTED else status


def facts_of(result: MapResult[Any], sent_at: float | None = None) -> dict[str, Any]:
    """Return id and status, and what is known beside them; nothing that is not.

    `sent_at` is when it was sent as the journal has it, seconds since 1970.
    """
    error = result.error
    facts: dict[str, Any] = {"id": None if result.job is None else result.job.id, "status": status_of(result)}
    if result.state is not None:
        facts |= _facts_of_state(result.state, error)
    elif error is not None:
        facts["error"] = str(error)
    at = error.submitted_at if isinstance(error, SubmissionUnknownError) else None
    if result.job is not None:
        at = result.job.submitted_at
    if at is not None:  # it was sent
        facts["submitted_at"] = _time(at if sent_at is None else datetime.fromtimestamp(sent_at, UTC))
    return facts


def facts_of_kept(kept: KeptEnd, journal: Path, endpoint_id: str) -> dict[str, Any]:
    """Return the same of what a journal has."""
    facts: dict[str, Any] = {"id": kept.job_id}
    if kept.stage == Stage.ENDED and kept.status != EXPIRED:
        state = state_from(journal, kept.text or "", endpoint_id)
        facts |= {"status": str(state.status)} | _facts_of_state(state, error_of(state))
    else:
        facts["status"] = UNSUBMITTED if kept.stage == Stage.UNSUBMITTED else str(kept.status)
        facts["error"] = _DIED if kept.text is None else kept.text
    if kept.stage != Stage.UNSUBMITTED and kept.sent_at is not None:
        facts["submitted_at"] = _time(datetime.fromtimestamp(kept.sent_at, UTC))
    return facts


def _facts_of_state(state: JobState, error: Exception | None) -> dict[str, Any]:
    facts: dict[str, Any] = {"output": state.output} if state.is_success or state.output is not None else {}
    for name in ("worker_id", "delay_time_ms", "execution_time_ms"):
        if getattr(state, name) is not None:
            facts[name] = getattr(state, name)
    if isinstance(error, JobFailedError):
        facts["error"] = f"{error.error_type}: {error.error_message}" if error.error_type else error.error_message
        if error.worker_traceback:
            facts["worker_traceback"] = error.worker_traceback
    elif error is not None:
        facts["error"] = str(error)
    return facts


def _time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
