"""What a journal knows of one input, as users see it, with the service's answers it keeps."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runpod_sdk._flows import _answers
from runpod_sdk._flows._job_errors import error_of
from runpod_sdk.errors import JournalError

from . import _changes
from ._database import outputs_of
from ._rows import EXPIRED, Row, Stage, status_of

if TYPE_CHECKING:
    from pathlib import Path

    from runpod_sdk._values._states import JobState

    from ._rows import Key

# The columns of an input that is shown.
FACTS = f"{_changes.ROW}, intent_at, submitted_at, ended_at, delay_ms, execution_ms, worker_id, outcome_file, outcome"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalItem:
    """One input in a journal.

    Attributes:
        key: its key; for an input without one, a fingerprint of its content, numbered among equal inputs.
        status: the service's final status (COMPLETED, FAILED, TIMED_OUT, CANCELLED), or one of ours: SUBMITTED (not
            known to have ended), UNKNOWN (the submit may have arrived), EXPIRED (the service had deleted the result),
            UNSUBMITTED (refused or withdrawn; the next run submits it), SENDING (being submitted).
        job_id: the id of its job, if known.
        attempt: the number of the submit, from 1.
        is_handed: whether its result was handed out, and the next one requested.
        input_sha256: of the input as JSON with sorted keys and no spaces, hexadecimal.
        output: what the worker returned, unchanged; None if the job did not complete.
        error: why it did not complete, as text.
        submitted_at, ended_at: when it was sent, and when we learned of its end, UTC.
        delay_time_ms, execution_time_ms, worker_id: as reported by the service.
    """

    key: Key
    status: str
    job_id: str | None
    attempt: int
    is_handed: bool
    input_sha256: str
    output: Any = field(default=None, repr=False)
    error: str | None = None
    submitted_at: datetime | None = None
    ended_at: datetime | None = None
    delay_time_ms: int | None = None
    execution_time_ms: int | None = None
    worker_id: str | None = None


def item_of(path: Path, found: tuple[Any, ...], endpoint_id: str, *, is_running: bool) -> JournalItem:
    """Return an input from the columns of `FACTS`."""
    row = Row._make(found[:8])
    intent_at, submitted_at, ended_at, delay_ms, execution_ms, worker_id, name, text = found[8:]
    if name is not None:
        text = (outputs_of(path) / name).read_text("ascii")
    output, error = None, text
    if row.stage == Stage.ENDED and row.status != EXPIRED:
        state = state_from(path, text, endpoint_id)
        failure = error_of(state)
        output, error = (state.output, None) if failure is None else (None, str(failure))
    return JournalItem(
        key=row.key,
        status=status_of(row, is_running=is_running),
        job_id=row.job_id,
        attempt=row.attempt,
        is_handed=bool(row.is_handed),
        input_sha256=row.digest.hex(),
        output=output,
        error=error,
        submitted_at=_at(intent_at if intent_at is not None else submitted_at),
        ended_at=_at(ended_at),
        delay_time_ms=delay_ms,
        execution_time_ms=execution_ms,
        worker_id=worker_id,
    )


def state_from(path: Path, text: str, endpoint_id: str) -> JobState:
    """Return the state that an answer in a journal tells of.

    Raises:
        JournalError: it was changed by another process.
    """
    try:
        return _answers.state_of(json.loads(text), endpoint_id, _untold)
    except (ValueError, TypeError, AttributeError, _answers.Unusable) as problem:
        raise JournalError(f"{path}: an outcome in it is damaged: {problem}", path=str(path)) from None


def _untold(name: str, value: object) -> None:
    """Tell nobody of a field that does not fit: that was done when it came."""


def text_of(state: JobState) -> str:
    """Return what a journal keeps of a final state."""
    return json.dumps({**state.raw, "id": state.id, "status": str(state.status)}, separators=(",", ":"))


def _at(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
