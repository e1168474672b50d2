"""What the SDK tells beside its results: log lines, records of unknown submits, notes on exceptions.

Nothing here holds a key or an input.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._states import shorten

if TYPE_CHECKING:
    from datetime import datetime

    from ._states import JobState
    from .errors import SubmissionUnknownError

logger = logging.getLogger("runpod_sdk")
logger.addHandler(logging.NullHandler())

# How many records of unknown submits a client keeps; ours.
_KEPT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownSubmission:
    """A submit of which nobody can say whether it arrived: what there is to find it by.

    `input_sha256` is `sha256(json.dumps(input, sort_keys=True, separators=(",", ":")))`, hexadecimal; `cause` says
    what happened, such as "ReadTimeout" or "HTTP 502".
    """

    endpoint_id: str
    operation: str
    input_sha256: str
    submitted_at: datetime
    status_code: int | None
    cause: str


class Unknowns:
    """The records of one client, the newest last."""

    def __init__(self) -> None:
        self._records: deque[UnknownSubmission] = deque(maxlen=_KEPT)

    def add(self, error: SubmissionUnknownError, cause: BaseException | None) -> None:
        """Keep and log one."""
        record = UnknownSubmission(
            endpoint_id=error.endpoint_id,
            operation=error.operation,
            input_sha256=error.input_sha256,
            submitted_at=error.submitted_at,
            status_code=error.status_code,
            cause=f"HTTP {error.status_code}" if error.status_code else type(cause or error).__name__,
        )
        self._records.append(record)
        logger.warning(
            '%s on endpoint "%s": outcome unknown (%s), input sha256 %s',
            record.operation,
            record.endpoint_id,
            record.cause,
            record.input_sha256,
        )

    def all(self) -> tuple[UnknownSubmission, ...]:
        """Return the records."""
        return tuple(self._records)


def note_running(error: BaseException, endpoint_id: str, job_id: str, why: str = "") -> None:
    """Say on an exception that the job goes on, and how to get back to it."""
    error.add_note(f'{why}The job goes on. Re-attach: client.endpoint("{endpoint_id}").job("{job_id}")')


def note_cancel(error: BaseException, state: JobState) -> None:
    """Say on an exception who won: the cancel, or the job."""
    error.add_note(
        f"The job was cancelled ({state.id})"
        if state.status == "CANCELLED"
        else (f"The job had already ended: {state.status} ({state.id})")
    )


def note_cancel_failed(error: BaseException, endpoint_id: str, job_id: str, problem: Exception) -> None:
    """Say on an exception that the job could not be cancelled."""
    why = f"It could not be cancelled ({type(problem).__name__}: {shorten(str(problem))}). "
    note_running(error, endpoint_id, job_id, why)


def note_interrupted(error: BaseException, record: SubmissionUnknownError) -> None:
    """Say on an interruption that a submit was on its way."""
    error.add_note(f"Interrupted while a submit was on its way. {record}")
