"""Waiting for a job by its id: with held requests where the service offers them, else by polling.

Looking at a job costs nothing and changes nothing, so a wait survives outages, lost answers and 429. It ends with the
job, with the caller's deadline, or when nothing has been heard of the service for too long (the table in `_pulse.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from runpod_sdk.errors import APIResponseValidationError

from . import _api
from ._effects import Emit, Flow, Sleep
from ._exchange import Refused, Settings, cause_of
from ._job_errors import error_of
from ._jobs import JobRef, asked, gone, state_of, timed_out
from ._looks import Looks
from ._pulse import Pulse
from ._queue_reason import Why

if TYPE_CHECKING:
    from runpod_sdk._values._policies import Deadline
    from runpod_sdk._values._states import JobState

OnAbandon = Literal["cancel", "detach"]


def checked_abandon(on_abandon: OnAbandon) -> OnAbandon:
    """Return it, if it is one of the two."""
    if on_abandon not in ("cancel", "detach"):
        raise ValueError(f'on_abandon={on_abandon!r}: "cancel" or "detach" expected')
    return on_abandon


def look(settings: Settings, job: JobRef, *, ttl: float | None = None) -> Flow[JobState]:
    """Ask for the status once, with retries; and give the job another time to live, if one is given.

    Raises:
        JobExpiredError, NotFoundError: the service does not know the job.
        APIError: the service refused, or could not be reached.
    """
    request = _api.status(job.endpoint_id, job.job_id, ttl=ttl)
    try:
        answer = yield from asked(settings, job, request, settings.deadline(None))
    except Refused as refused:
        raise gone(settings, job, None, refused.error) from cause_of(refused.result)
    if ttl is not None and job.life is not None:
        job.life.ttl = ttl
    return state_of(settings, job, request, answer)


def wait(
    settings: Settings,
    job: JobRef,
    deadline: Deadline,
    *,
    watched: bool,
    once: bool = False,
    explains: bool = False,
    seen: JobState | None = None,
) -> Flow[JobState]:
    """Return the state of the job once it is final. Emits each state that differs from the one before, if `watched`.

    To a watcher it also says why the job stays in the queue, as the endpoint's health tells it. `explains` says it in
    the error, where nobody watched: one more request, once time is up.

    `once` is what timeout=0 means: one look. `seen` is what the caller knows already.

    Raises:
        WaitTimeoutError: the deadline passed first.
        JobExpiredError, NotFoundError: the service does not know the job.
        APIError: nothing was heard of the service for too long, or an answer that leaves no hope.
    """
    if seen is not None and deadline.left(settings.now()) <= 0:
        raise timed_out(job, seen)
    pulse = Pulse(settings.poll)
    looks = Looks(settings=settings, job=job, deadline=deadline, last=seen, once=once, watched=watched, pulse=pulse)
    why = Why(watched=watched and not once)
    began = settings.now()
    while True:
        last = looks.last
        try:
            state = yield from looks.look()
        except (APIResponseValidationError, Refused) as problem:
            pause = looks.bear(problem)
        else:
            looks.last = state = yield from why.explained(settings, state, deadline)
            if watched and (last is None or _news(state) != _news(last)):
                yield Emit(state)
                looks.idle = 1
            if state.is_final:
                return state
            if looks.is_over():
                if explains and not once:
                    state = yield from why.at_the_end(settings, state, deadline, began)
                raise timed_out(job, state)
            pause = looks.pause()
        if pause > 0:
            yield Sleep(pause)


def _news(state: JobState) -> tuple[object, ...]:
    """Return what is worth an update; the running times alone are not."""
    return state.status, state.progress, state.worker_id, state.retries, state.queue_reason


def output(state: JobState) -> JobState:
    """Return the state of a job that completed.

    Raises:
        JobError: it did not.
    """
    error = error_of(state)
    if error is not None:
        raise error
    return state
