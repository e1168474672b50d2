"""Cancel and retry: what state a job is in afterwards, even if an answer was lost."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from runpod_sdk._values._outcomes import Outcome
from runpod_sdk._values._status import JobStatus
from runpod_sdk.errors import APIError, APIResponseValidationError, BadRequestError, WaitTimeoutError

from . import _api
from ._exchange import Refused, Settings, cause_of
from ._jobs import JobRef, asked, state_of

if TYPE_CHECKING:
    from runpod_sdk._values._policies import Deadline
    from runpod_sdk._values._states import JobState

    from ._effects import Flow


def retry(settings: Settings, job: JobRef, deadline: Deadline) -> Flow[JobState]:
    """Queue a failed job again under its id. An unknown outcome is settled by one look at the job.

    Raises:
        APIError: the service refused (only FAILED and TIMED_OUT jobs that have not expired can be retried), or nothing
            could be learned.
    """
    request = _api.retry(job.endpoint_id, job.job_id)
    try:
        answer = yield from asked(settings, job, request, deadline)
        return state_of(settings, job, request, answer)
    except APIResponseValidationError as error:
        unknown: APIError = error
    except Refused as refused:
        if refused.outcome is not Outcome.UNKNOWN:
            raise refused.error from cause_of(refused.result)
        unknown = refused.error
    state = yield from _look(settings, job, deadline, unknown)
    if state.is_final and not state.is_success:
        raise unknown  # it was not accepted, or has ended again already: either way there is nothing to wait for
    return state


def cancel(settings: Settings, job: JobRef, deadline: Deadline) -> Flow[JobState]:
    """Cancel a job, and return what it then is: CANCELLED, or the end that it had found before, with its output.

    Raises:
        APIError: the service refused, or could not be reached.
    """
    request = _api.cancel(job.endpoint_id, job.job_id)
    try:
        answer = yield from asked(settings, job, request, deadline)
    except Refused as refused:
        # A job that has ended may be refused (unknown: what the service does then), and so may a repeat whose first
        # answer was lost: one look tells. Where the first answer is about the key or the id, it would tell nothing.
        is_plain = isinstance(refused.error, BadRequestError) or getattr(refused.result, "status", 0) in (409, 410, 422)
        if refused.outcome is not Outcome.REFUSED or (refused.attempts == 1 and not is_plain):
            raise refused.error from cause_of(refused.result)
        state = yield from _look(settings, job, deadline, refused.error)
        if not state.is_final:
            raise refused.error from None
        return state
    state = state_of(settings, job, request, answer)
    if state.is_success and "output" not in state.raw:
        # Nobody knows what the answer for a finished job holds: /status has the output.
        look = _api.status(job.endpoint_id, job.job_id)
        with suppress(Refused, APIResponseValidationError):
            return state_of(settings, job, look, (yield from asked(settings, job, look, deadline)))
    return state


def end_instead(error: BaseException, state: JobState | None) -> JobState | None:
    """Return the result a job had reached before it was cancelled for this error, if the caller can have it instead.

    That is so where the wait gave up; not where the caller was interrupted, or a callback of the caller's raised.
    """
    gave_up = isinstance(error, WaitTimeoutError | APIError)
    is_end = state is not None and state.is_final and state.status != JobStatus.CANCELLED
    return state if gave_up and is_end else None


def _look(settings: Settings, job: JobRef, deadline: Deadline, otherwise: APIError) -> Flow[JobState]:
    """Ask for the status once the outcome of something else is unclear."""
    request = _api.status(job.endpoint_id, job.job_id)
    try:
        answer = yield from asked(settings, job, request, deadline)
    except Refused as refused:
        raise otherwise from refused.error
    return state_of(settings, job, request, answer)
