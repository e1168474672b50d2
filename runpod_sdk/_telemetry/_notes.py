"""Notes on exceptions, and log lines: what happens to a job whose caller stops waiting."""

from __future__ import annotations

from logging import INFO
from typing import TYPE_CHECKING

from runpod_sdk._values._states import shorten

from . import _names as names
from ._log import tell

if TYPE_CHECKING:
    from runpod_sdk._values._states import JobState
    from runpod_sdk.errors import SubmissionUnknownError


def way_back(endpoint_id: str, job_id: str) -> str:
    """Return the words of Python that make the handle of a job again."""
    return f'{_endpoint(endpoint_id)}.job("{job_id}")'


def way_back_to_batch(endpoint_id: str, batch_id: str) -> str:
    """Return the words of Python that make the handle of a batch again."""
    return f'{_endpoint(endpoint_id)}.batches.batch("{batch_id}")'


def _endpoint(endpoint_id: str) -> str:
    place = f'url="{endpoint_id}"' if "://" in endpoint_id else f'"{endpoint_id}"'
    return f"client.endpoint({place})"


def note_running(error: BaseException, endpoint_id: str, job_id: str, why: str = "") -> None:
    """Say on an exception, and in the log, that the job goes on, and how to get back to it."""
    note = f"{why}The job goes on. Re-attach: {way_back(endpoint_id, job_id)}"
    error.add_note(note)
    tell(INFO, {names.ENDPOINT_ID: endpoint_id, names.JOB_ID: job_id}, "%s", note)


def note_cancel(error: BaseException, state: JobState) -> None:
    """Say on an exception, and in the log, who won: the cancel, or the job."""
    what = "was cancelled" if state.status == "CANCELLED" else f"had already ended: {state.status}"
    note = f"The job {what} ({state.id})"
    error.add_note(note)
    tell(INFO, {names.ENDPOINT_ID: state.endpoint_id, **names.state_facts(state)}, "%s", note)


def note_cancel_failed(error: BaseException, endpoint_id: str, job_id: str, problem: BaseException) -> None:
    """Say on an exception that the job could not be cancelled."""
    why = f"It could not be cancelled ({type(problem).__name__}: {shorten(str(problem))}). "
    note_running(error, endpoint_id, job_id, why)


def note_interrupted(error: BaseException, record: SubmissionUnknownError) -> None:
    """Say on an interruption that a submit was on its way."""
    error.add_note(f"Interrupted while a submit was on its way. {record}")


def note_retry(error: BaseException, endpoint_id: str, job_id: str) -> None:
    """Say on an interruption that a retry was on its way."""
    where = way_back(endpoint_id, job_id)
    error.add_note(f"Interrupted while a retry was on its way: the job may run again. Look at {where}")


def note_batch(error: BaseException | None, endpoint_id: str, batch_id: str, what: str, ask: str = "results") -> None:
    """Note on an exception, if there is one, and in the log, what happens to a batch, and how to find out more."""
    note = f"{what}: {way_back_to_batch(endpoint_id, batch_id)}.{ask}()"
    if error is not None:
        error.add_note(note)
    tell(INFO, {names.ENDPOINT_ID: endpoint_id}, "%s", note)
