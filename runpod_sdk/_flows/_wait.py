"""Waiting for a job that is known by its id: by a held request where the service holds, by polling where it does not.

Looking at a job costs nothing and changes nothing, so a wait survives outages, lost answers and 429. It ends with the
job, with the caller's deadline, or when nothing has been heard of the service for too long (the table in `_pulse.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from runpod_sdk._values._outcomes import Answer, Outcome, retry_after
from runpod_sdk._values._policies import HOLD_MAX, HOLD_MIN, RETRY_AFTER_MAX, Deadline, backoff
from runpod_sdk.errors import APIResponseValidationError, NotFoundError

from . import _api
from ._effects import Emit, Flow, Sleep
from ._exchange import Refused, Settings, cause_of, exchange, notice
from ._job_errors import error_of
from ._jobs import JobRef, asked, gone, state_of, timed_out, young_pause
from ._pulse import Pulse
from ._queue_reason import Why

if TYPE_CHECKING:
    from runpod_sdk._values._states import JobState

OnAbandon = Literal["cancel", "detach"]

# While somebody watches, the service is asked at least this often for what is new, seconds; grows while nothing is.
WATCH_HOLD, WATCH_HOLD_MAX = 1.0, 5.0
# After a 429 for a held look: seconds until the next one, their growth and bound. /status is asked meanwhile. Ours.
UNHELD, UNHELD_GROWTH, UNHELD_MAX = 5.0, 2.0, 300.0
# A held request that comes back before this share of its hold was not held: then pause as between polls.
_HELD_SHARE = 0.5
# An answer of /status-sync by which a service may say that it has no such route; /status then tells the truth.
_NO_ROUTE = frozenset({400, 404, 405, 501})


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
    seen: JobState | None = None,
) -> Flow[JobState]:
    """Return the state of the job once it is final. Emits each state that differs from the one before, if `watched`.

    To a watcher it also says why the job stays in the queue, as the endpoint's health tells it.

    `once` is what timeout=0 means: one look. `seen` is what the caller knows already.

    Raises:
        WaitTimeoutError: the deadline passed first.
        JobExpiredError, NotFoundError: the service does not know the job.
        APIError: nothing was heard of the service for too long, or an answer that leaves no hope.
    """
    seen_so_far = _Seen(last=seen, once=once, pulse=Pulse(settings.poll))
    why = Why(watched=watched and not once)
    if seen is not None and deadline.left(settings.now()) <= 0:
        raise timed_out(job, seen)
    while True:
        last = seen_so_far.last
        left = deadline.left(settings.now())
        asked_at = seen_so_far.asked_at = settings.now()
        wanted = _hold(seen_so_far, min(settings.poll.hold, job.longest_hold, left), watched=watched)
        try:
            state, hold = yield from _poll(settings, job, deadline, wanted, seen_so_far.pulse)
        except (APIResponseValidationError, Refused) as problem:
            pause = _bear(settings, job, deadline, seen_so_far, problem)
            if pause:
                yield Sleep(min(pause, deadline.left(settings.now())))
            continue
        seen_so_far.pulse.beat()
        was_held = hold and settings.now() - asked_at >= hold * _HELD_SHARE
        state = yield from why.explained(settings, state, deadline)
        if watched and (last is None or _news(state) != _news(last)):
            yield Emit(state)
            seen_so_far.idle = 0
        if state.is_final:
            return state
        seen_so_far.note(settings, state, hold)
        if once or deadline.left(settings.now()) <= 0:
            raise timed_out(job, state)
        if not was_held:
            seen_so_far.polls += 1
            pause = settings.poll.next_wait(seen_so_far.polls)
            if not wanted:
                pause = max(pause, settings.limiter.poll_delay(settings.now()))
            yield Sleep(min(pause, deadline.left(settings.now())))


@dataclass(slots=True)
class _Seen:
    """What one wait has seen so far: the job, and how the service takes to being asked."""

    last: JobState | None
    once: bool
    pulse: Pulse
    asked_at: float = 0.0  # when the last look began
    idle: int = 0  # looks without news
    polls: int = 0  # looks that were not held
    refusals: int = 0  # of held looks
    throttled: int = 0  # 429s of held looks, in a row
    unknown: int = 0  # 404s that were not believed, in a row
    may_hold: bool = True
    hold_at: float = 0.0  # not before this moment
    bearable: float = HOLD_MAX  # seconds that the way to the service has let a request be held

    def __post_init__(self) -> None:
        self.may_hold = not self.once

    def note(self, settings: Settings, state: JobState, hold: float) -> None:
        """Note a look that was answered, held for as long as `hold`."""
        self.last = state
        self.idle += 1
        self.unknown = 0
        if hold:
            self.throttled = 0
        if self.refusals > 1:
            settings.limiter.refuse_holds(state.endpoint_id)
        else:
            self.may_hold = not self.once  # the job is known by now: ask once more whether the service holds


def _bear(
    settings: Settings,
    job: JobRef,
    deadline: Deadline,
    seen_so_far: _Seen,
    problem: APIResponseValidationError | Refused,
) -> float:
    """Return how long to pause before the next look; raise what ends the wait."""
    last, now = seen_so_far.last, settings.now()
    if isinstance(problem, APIResponseValidationError):
        # Once the job has been seen, the address is right, and this is a passing fault of something in between.
        if last is None or seen_so_far.pulse.is_silent(now, now):
            raise problem
        if deadline.left(now) <= 0:
            raise timed_out(job, last) from problem
        return settings.poll.wait_max
    if deadline.left(now) <= 0 and problem.outcome is not Outcome.REFUSED:
        raise timed_out(job, last) from problem.error
    is_fresh = isinstance(problem.error, NotFoundError) and job.is_fresh(now)
    if problem.request.hold and isinstance(problem.result, Answer) and problem.result.status in _NO_ROUTE:
        seen_so_far.may_hold = False  # no such route, or no such job yet: /status tells which
        seen_so_far.refusals += not is_fresh
        return 0.0
    if problem.request.hold and problem.outcome is not Outcome.REFUSED:
        return _bear_hold(settings, seen_so_far, problem)
    if not is_fresh:
        raise gone(settings, job, last, problem.error) from cause_of(problem.result)
    if seen_so_far.once or deadline.left(now) <= 0:
        raise timed_out(job, last) from problem.error
    seen_so_far.unknown += 1
    return young_pause(seen_so_far.unknown)


def _bear_hold(settings: Settings, seen_so_far: _Seen, problem: Refused) -> float:
    """Return how long to pause after a held look that failed, before the plain one that follows."""
    seen_so_far.may_hold = False
    if not problem.attempts:  # its turn would have been too far away
        seen_so_far.hold_at = settings.now() + UNHELD
        return settings.limiter.poll_delay(settings.now())
    asked_wait = retry_after(problem.result, settings.clock.time())
    pause = settings.retry.next_wait(1, settings.random(), asked_wait)
    if problem.outcome is Outcome.BUSY:
        # Not every service that holds no more answers no more: /status may have a rate of its own.
        seen_so_far.throttled += 1
        wait = backoff(seen_so_far.throttled, UNHELD, UNHELD_MAX, UNHELD_GROWTH)
        seen_so_far.hold_at = settings.now() + wait
        pause = max(pause, settings.limiter.poll_delay(settings.now()))
    else:
        # Something in between may not bear a connection that is quiet for long: ask at once, and hold for less then.
        seen_so_far.bearable = max(HOLD_MIN, problem.request.hold / 2)
    pause = min(pause, RETRY_AFTER_MAX)
    notice(settings, problem.request, 1, pause, problem.error)
    return pause


def _news(state: JobState) -> tuple[object, ...]:
    """Return what is worth an update; the running times alone are not."""
    return state.status, state.progress, state.worker_id, state.retries, state.queue_reason


def _hold(seen_so_far: _Seen, most: float, *, watched: bool) -> float:
    """Return how long the next request may be held; 0 where that is less than the service accepts."""
    if not seen_so_far.may_hold or seen_so_far.asked_at < seen_so_far.hold_at:
        return 0.0
    if watched:
        most = min(most, WATCH_HOLD_MAX, WATCH_HOLD * 1.5 ** min(seen_so_far.idle, 8))
    hold = min(most, seen_so_far.bearable)
    return hold if hold >= HOLD_MIN else 0.0


def _poll(
    settings: Settings, job: JobRef, deadline: Deadline, hold: float, pulse: Pulse
) -> Flow[tuple[JobState, float]]:
    """Look at the job, held if wanted and if the client has a held request to spare; return the hold that it had."""
    limiter = settings.limiter
    held = hold > 0 and limiter.take_hold(job.endpoint_id)
    if hold and not held:
        # One of a crowd: also the first look waits for its place, or a thousand of them came at once.
        yield Sleep(min(limiter.poll_delay(settings.now()), deadline.left(settings.now())))
    try:
        if held:
            request = _api.status_sync(job.endpoint_id, job.job_id, hold=hold)
        else:
            request = _api.status(job.endpoint_id, job.job_id)
        answer, _ = yield from exchange(settings, request, deadline, pulse=pulse)
    finally:
        if held:
            limiter.give_hold()
    return state_of(settings, job, request, answer), request.hold


def output(state: JobState) -> JobState:
    """Return the state of a job that completed.

    Raises:
        JobError: it did not.
    """
    error = error_of(state)
    if error is not None:
        raise error
    return state
