"""Waiting for a job that is known by its id: by a held request where the service holds, by polling where it does not.

Looking at a job costs nothing and changes nothing, so a wait survives outages, lost answers and 429. It ends with the
job, with the caller's deadline, or when nothing has been heard of the service for too long (the table in `_pulse.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from runpod_sdk._values._outcomes import Answer, Outcome, retry_after
from runpod_sdk._values._policies import HOLD_MAX, HOLD_MIN, RETRY_AFTER_MAX, Deadline, backoff
from runpod_sdk.errors import APIResponseValidationError, JobExpiredError, NotFoundError, WaitTimeoutError

from . import _api
from ._effects import Emit, Flow, Sleep
from ._exchange import Refused, Settings, ask, cause_of, exchange, notice
from ._job_errors import error_of
from ._pulse import Pulse
from ._queue_reason import Why

if TYPE_CHECKING:
    from runpod_sdk._values._states import JobState

OnAbandon = Literal["cancel", "detach"]

# REPORTED: a status right after the submit may answer 404. Seconds during which one is not believed, and its pause.
FRESH, FRESH_PAUSE = 5.0, 0.25
# A result of /runsync is kept 1 minute (docs: operation-reference). A stalled look at one must be over by then, so it
# is held no longer than this, seconds.
SYNC_HOLD = 30.0
# While somebody watches, the service is asked at least this often for what is new, seconds; grows while nothing is.
WATCH_HOLD, WATCH_HOLD_MAX = 1.0, 5.0
# After a 429 for a held look: seconds until the next one, their growth and bound. /status is asked meanwhile. Ours.
UNHELD, UNHELD_GROWTH, UNHELD_MAX = 5.0, 2.0, 300.0
# A held request that comes back before this share of its hold was not held: then pause as between polls.
_HELD_SHARE = 0.5
# An answer of /status-sync by which a service may say that it has no such route; /status then tells the truth.
_NO_ROUTE = frozenset({400, 404, 405, 501})


@dataclass(frozen=True, slots=True)
class JobRef:
    """Which job is meant; `submitted_at`: when this process submitted it, seconds since 1970, or None."""

    endpoint_id: str
    job_id: str
    submitted_at: float | None = None

    def age(self, now: float) -> float | None:
        """Return the seconds since it was submitted here."""
        return None if self.submitted_at is None else now - self.submitted_at

    def is_fresh(self, now: float) -> bool:
        """Whether it was submitted here so lately that a 404 means nothing: no job is forgotten that fast."""
        age = self.age(now)
        return age is not None and age < FRESH

    @property
    def longest_hold(self) -> float:
        """How long a look at it may be held, seconds."""
        return SYNC_HOLD if self.job_id.startswith("sync-") else HOLD_MAX

    def __str__(self) -> str:
        return f'job {self.job_id} on endpoint "{self.endpoint_id}"'


def checked_abandon(on_abandon: OnAbandon) -> OnAbandon:
    """Return it, if it is one of the two."""
    if on_abandon not in ("cancel", "detach"):
        raise ValueError(f'on_abandon={on_abandon!r}: "cancel" or "detach" expected')
    return on_abandon


def look(settings: Settings, job: JobRef, *, ttl: float | None = None) -> Flow[JobState]:
    """Ask for the status once (with retries, and again after a 404 for a job that was submitted just now)."""
    request = _api.status(job.endpoint_id, job.job_id, ttl=ttl)
    while True:
        try:
            return (yield from ask(settings, request, settings.deadline(None), _api.job_state))
        except NotFoundError as error:
            if not job.is_fresh(settings.clock.time()):
                raise gone(settings, job, None, error) from error.__cause__
        yield Sleep(FRESH_PAUSE)


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
        APIError: no answer for `PollPolicy.outage` seconds, or an answer that leaves no hope.
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
    may_hold: bool = True
    hold_at: float = 0.0  # not before this moment
    bearable: float = HOLD_MAX  # seconds that the way to the service has let a request be held

    def __post_init__(self) -> None:
        self.may_hold = not self.once

    def note(self, settings: Settings, state: JobState, hold: float) -> None:
        """Note a look that was answered, held for as long as `hold`."""
        self.last = state
        self.idle += 1
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
    if problem.request.hold and isinstance(problem.result, Answer) and problem.result.status in _NO_ROUTE:
        seen_so_far.may_hold = False  # no such route, or no such job yet: /status tells which
        seen_so_far.refusals += 1
        return 0.0
    if problem.request.hold and problem.outcome is not Outcome.REFUSED:
        return _bear_hold(settings, seen_so_far, problem)
    if not (isinstance(problem.error, NotFoundError) and job.is_fresh(settings.clock.time())):
        raise gone(settings, job, last, problem.error) from cause_of(problem.result)
    if seen_so_far.once or deadline.left(now) <= 0:
        raise timed_out(job, last) from problem.error
    return FRESH_PAUSE


def _bear_hold(settings: Settings, seen_so_far: _Seen, problem: Refused) -> float:
    """Return how long to pause after a held look that failed, before the plain one that follows."""
    seen_so_far.may_hold = False
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
    return _api.job_state(request, answer, settings.meter.misfit), request.hold


def output(state: JobState) -> JobState:
    """Return the state of a job that completed.

    Raises:
        JobError: it did not.
    """
    error = error_of(state)
    if error is not None:
        raise error
    return state


def timed_out(job: JobRef, last: JobState | None) -> WaitTimeoutError:
    """Return the error for a deadline that passed first."""
    seen = f"; last seen {last.status}" if last is not None else ""
    if last is not None and last.queue_reason is not None:
        seen += f": {last.queue_reason}"
    return WaitTimeoutError(
        f"{job} had not ended when the timeout passed{seen}",
        endpoint_id=job.endpoint_id,
        job_id=job.job_id,
        state=last,
    )


def gone(settings: Settings, job: JobRef, last: JobState | None, error: Exception) -> Exception:
    """Return JobExpiredError for a 404 about a job that existed; any other error as it is."""
    known = last is not None or job.submitted_at is not None
    if not (isinstance(error, NotFoundError) and known):
        return error
    age = job.age(settings.clock.time())
    when = f" {age:.0f} s after it was submitted" if age is not None else ""
    return JobExpiredError(
        f"the service no longer knows {job}{when}: its ttl passed, or its result was kept no longer",
        endpoint_id=job.endpoint_id,
        job_id=job.job_id,
        state=last,
    )
