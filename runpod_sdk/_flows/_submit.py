"""Submitting a job: run, run_sync and retry. A submit that may have arrived is never sent again."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runpod_sdk._values._outcomes import Answer, Failure, Outcome, Result, outcome_of
from runpod_sdk.errors import (
    APIError,
    APIResponseValidationError,
    RunpodError,
    SubmissionUnknownError,
)

from . import _answers
from ._effects import Emit, Flow, Send, Sleep
from ._exchange import Refused, Settings, cause_of, exchange, notice
from ._job_errors import error_of

if TYPE_CHECKING:
    from runpod_sdk._values._policies import Deadline
    from runpod_sdk._values._requests import OnUnknown, Request
    from runpod_sdk._values._states import JobState
    from runpod_sdk.errors import JobError


_BAD_REQUEST = 400


def submit(settings: Settings, request: Request, deadline: Deadline, on_unknown: OnUnknown = "raise") -> Flow[JobState]:
    """Submit a job, and return what the service said of it.

    `on_unknown="resubmit"` repeats a submit whose outcome is unknown, up to `attempts` times: the job may run twice.
    Each unknown outcome before the last is emitted as a SubmissionUnknownError, to be recorded.

    Raises:
        SubmissionUnknownError: the submit may have arrived.
        JobError: it was refused as a job that has failed already, as public endpoints do.
        APIError: the submit did not arrive, or was refused.
    """
    try:
        state = yield from _submitted(settings, request, deadline, on_unknown)
    except RunpodError as error:
        settings.meter.refused(request, error)
        raise
    settings.meter.submitted(request, state)
    return state


def _submitted(settings: Settings, request: Request, deadline: Deadline, on_unknown: OnUnknown) -> Flow[JobState]:
    unknowns = 0
    unknown: APIError
    result: Result
    while True:
        try:
            answer, sent_at = yield from exchange(settings, request, deadline)
        except Refused as refused:
            if refused.outcome is not Outcome.UNKNOWN:
                failed = _failed_at_once(settings, request, refused)
                if failed is not None:
                    raise failed from refused.error
                raise refused.error from cause_of(refused.result)
            unknown, result, sent_at = refused.error, refused.result, refused.sent_at
        else:
            try:
                return _answers.job_state(request, answer, settings.meter.misfit)
            except APIResponseValidationError as error:
                # A 2xx that cannot be read: the job is probably queued, under an id that nobody knows.
                unknown, result = error, answer
        unknowns += 1
        settings.meter.unknown(request, cause_of(result) or unknown)
        wait = settings.retry.next_wait(unknowns, settings.random())
        if on_unknown == "raise" or unknowns >= settings.retry.attempts or wait >= deadline.left(settings.now()):
            cause = cause_of(result) or unknown
            if isinstance(result, Failure) and result.partial is not None:
                # Ours has status, headers and what came of the body before it broke off.
                unknown.__cause__, cause = cause, unknown
            raise unknown_error(request, cause, result, sent_at, unknowns) from cause
        record = unknown_error(request, cause_of(result) or unknown, result, sent_at, unknowns)
        record.__cause__ = cause_of(result) or unknown
        yield Emit(record)
        settings.meter.resubmitted(request)
        notice(settings, request, unknowns, wait, unknown)
        yield Sleep(wait)


def _failed_at_once(settings: Settings, request: Request, refused: Refused) -> JobError | None:
    """Return the error of a job that the refusal describes: public endpoints answer 400 with one that has FAILED."""
    # docs: public-endpoints, 400 with id, status and error
    if not isinstance(refused.result, Answer) or refused.result.status != _BAD_REQUEST:
        return None
    state = _answers.refused_job(request, refused.result, settings.meter.misfit)
    return None if state is None else error_of(state)


def announced(flow: Flow[JobState]) -> Flow[JobState]:
    """Emit None right before the first request of a flow, which may have to wait for its turn until then."""
    result: Any = None
    is_announced = False
    while True:
        try:
            effect = flow.send(result)
        except StopIteration as stop:
            state: JobState = stop.value
            return state
        if isinstance(effect, Send) and not is_announced:
            is_announced = True
            yield Emit(None)
        result = yield effect


def left_behind(
    settings: Settings, request: Request, result: Result, sent_at: float, error: BaseException
) -> JobState | SubmissionUnknownError | None:
    """Say what a submit leaves behind that `error` interrupts: its job, one that may have arrived, or nothing (None).

    `result` is what came of it in the time that it was given to come home, a failure if nothing did.
    """
    outcome = outcome_of(result)
    if isinstance(result, Answer) and outcome is Outcome.ANSWERED:
        with suppress(APIResponseValidationError):
            return _answers.job_state(request, result, settings.meter.misfit)
    elif outcome is not Outcome.UNKNOWN:
        return None
    return unknown_error(request, error, result, sent_at)


def unknown_error(
    request: Request, cause: BaseException, result: Result, sent_at: float, sent: int = 1
) -> SubmissionUnknownError:
    """Return the error for a submit of which nobody can say whether it arrived."""
    submitted_at = datetime.fromtimestamp(sent_at, UTC)
    came = result.partial if isinstance(result, Failure) else result
    status = came.status if came is not None else None
    what = f"HTTP {status}" if status is not None else type(cause).__name__
    again = "It was not sent again" if sent == 1 else f"It was sent {sent} times, as on_unknown allows"
    sha256 = request.input_sha256
    return SubmissionUnknownError(
        f"{request.about}: the outcome is unknown ({what}): the job may have been queued and may run. "
        f"{again}; look for it before you submit it again (sent {submitted_at:%Y-%m-%dT%H:%M:%SZ}, "
        f"input sha256 {sha256[:16]}…)",
        operation=request.operation,
        endpoint_id=request.endpoint_id,
        input_sha256=sha256,
        submitted_at=submitted_at,
        status_code=status,
    )
