"""Cancelling a job, and queueing a failed one again: what it then is, also where an answer was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpod_sdk._values._outcomes import Outcome
from runpod_sdk.errors import APIError, APIResponseValidationError, BadRequestError

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
    """Cancel a job, and return what it then is: CANCELLED, or the end that it had found before.

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
    return state_of(settings, job, request, answer)


def _look(settings: Settings, job: JobRef, deadline: Deadline, otherwise: APIError) -> Flow[JobState]:
    """Ask for the status once the outcome of something else is unclear."""
    request = _api.status(job.endpoint_id, job.job_id)
    try:
        answer = yield from asked(settings, job, request, deadline)
    except Refused as refused:
        raise otherwise from refused.error
    return state_of(settings, job, request, answer)
