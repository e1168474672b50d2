"""The status requests of one wait: held or plain, how long, and which failures are tolerated.

| what came of a look | what follows |
|---|---|
| held: no such route (400, 404, 405, 501) | a plain one at once; after the second, no held ones of this endpoint |
| held: 429, or its turn is far away | plain ones; the next held one later and later |
| held: nothing, or 5xx | a plain one; the next hold is shorter, if the way was quiet when it broke (`_holds.py`) |
| a 404 about a young job of ours | the next one soon (`_jobs.py`) |
| an answer that cannot be read, of a job that was seen or submitted | the next one soon, for an outage (`_pulse.py`) |
| nothing until the deadline | one last plain look, inside the grace |
| any other refusal | the end of the wait |

A look before the deadline may use half of the grace, the last one the other half. It is also made where an answer was
read so late that it says nothing of now, as after a process that was stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpod_sdk._values._outcomes import Answer, Outcome, retry_after
from runpod_sdk._values._policies import HOLD_MIN, RETRY_AFTER_MAX, Deadline, backoff
from runpod_sdk.errors import APIResponseValidationError, NotFoundError

from . import _api
from ._effects import Flow, Sleep
from ._exchange import Refused, Settings, cause_of, exchange, notice
from ._jobs import JobRef, gone, state_of, timed_out, young_pause

if TYPE_CHECKING:
    from runpod_sdk._values._states import JobState

    from ._pulse import Pulse

# While somebody watches, the service is asked at least this often for what is new, seconds; grows while nothing is.
WATCH_HOLD, WATCH_HOLD_MAX = 1.0, 5.0
# After a 429 for a held look: seconds until the next one, their growth and bound. /status is asked meanwhile. Ours.
UNHELD, UNHELD_GROWTH, UNHELD_MAX = 5.0, 2.0, 300.0
# A held request that comes back before this share of its hold was not held: then pause as between polls.
_HELD_SHARE = 0.5
# An answer of /status-sync by which a service may say that it has no such route; /status then tells the truth.
_NO_ROUTE = frozenset({400, 404, 405, 501})


@dataclass(slots=True, kw_only=True)
class Looks:
    """What one wait has seen so far: the job, and how the service takes to being asked."""

    settings: Settings
    job: JobRef
    deadline: Deadline
    last: JobState | None
    once: bool
    watched: bool
    pulse: Pulse
    is_last: bool = False  # whether the look that was made last began when time was up
    was_held: bool = False
    wanted: float = 0.0  # the hold that it was to have
    idle: int = 0  # looks without news
    polls: int = 0  # looks that were not held
    refusals: int = 0  # of held looks
    throttled: int = 0  # 429s of held looks, in a row
    unknown: int = 0  # 404s that were not believed, in a row
    may_hold: bool = True
    hold_at: float = 0.0  # not before this moment

    def left(self) -> float:
        """Return the seconds until the deadline."""
        return self.deadline.left(self.settings.now())

    def look(self) -> Flow[JobState]:
        """Look at the job, held if it may be and if the client has a held request to spare."""
        settings, job = self.settings, self.job
        holds, began = settings.holds, settings.now()
        self.is_last = self.left() <= 0
        self.wanted = self._hold(began)
        is_held = self.wanted > 0 and holds.take_look(job.endpoint_id)
        if self.wanted and not is_held:
            # One of a crowd: also the first look waits for its place, or a thousand of them came at once.
            yield Sleep(min(holds.poll_delay(began), self.left()))
        try:
            if is_held:
                request = _api.status_sync(job.endpoint_id, job.job_id, hold=self.wanted)
            else:
                request = _api.status(job.endpoint_id, job.job_id)
            answer, _ = yield from exchange(settings, request, self._limit(), pulse=self.pulse)
        finally:
            if is_held:
                holds.give()
        state = state_of(settings, job, request, answer)
        passed = settings.now() - began
        self.pulse.beat()
        self.was_held = is_held and passed >= self.wanted * _HELD_SHARE
        if is_held:
            holds.path.bore(min(passed, self.wanted))
        self._note(state, is_held=is_held)
        return state

    def pause(self) -> float:
        """Return how long to pause after a look that found the job still on its way."""
        if self.was_held:
            return 0.0
        self.polls += 1
        pause = self.settings.poll.next_wait(self.polls)
        if not self.wanted:
            pause = max(pause, self.settings.holds.poll_delay(self.settings.now()))
        return min(pause, self.left())

    def is_over(self) -> bool:
        """Whether there is nothing left to do but to give up: what was answered last is of the deadline or after it."""
        late = 0.0 if self.deadline.at is None else self.settings.now() - self.deadline.at
        is_stale = late > self.deadline.grace / 2 and not self.is_last
        return self.once or (self.left() <= 0 and not is_stale)

    def bear(self, problem: APIResponseValidationError | Refused) -> float:
        """Return how long to pause before the next look; raise what ends the wait."""
        now = self.settings.now()
        if isinstance(problem, APIResponseValidationError):
            # Once the job has been seen, the address is right, and this is a passing fault of something in between.
            has_been_seen = self.last is not None or self.job.life is not None
            if not has_been_seen or self.pulse.is_silent(now, now):
                raise problem
            pause = self.settings.poll.wait_max
        elif problem.request.hold:
            pause = self._bear_hold(problem)
        else:
            pause = self._bear_plain(problem)
        if self.left() <= 0 and self._was_last(problem):
            raise timed_out(self.job, self.last) from getattr(problem, "error", problem)
        return min(pause, self.left())

    def _bear_plain(self, problem: Refused) -> float:
        if problem.outcome is not Outcome.REFUSED and (self.once or self.left() <= 0):
            return 0.0
        if not (isinstance(problem.error, NotFoundError) and self.job.is_fresh(self.settings.now())):
            raise gone(self.settings, self.job, self.last, problem.error) from cause_of(problem.result)
        self.unknown += 1
        return young_pause(self.unknown)

    def _bear_hold(self, problem: Refused) -> float:
        """Return how long to pause after a held look that failed, before the plain one that follows."""
        settings, now = self.settings, self.settings.now()
        self.may_hold = False
        if isinstance(problem.result, Answer) and problem.result.status in _NO_ROUTE:
            # No such route, or no such job yet: /status tells which.
            self.refusals += not (isinstance(problem.error, NotFoundError) and self.job.is_fresh(now))
            return 0.0
        if problem.outcome is Outcome.REFUSED:
            raise gone(settings, self.job, self.last, problem.error) from cause_of(problem.result)
        if not problem.attempts:  # its turn would have been too far away
            self.hold_at = now + UNHELD
            return settings.holds.poll_delay(now)
        asked_wait = retry_after(problem.result, settings.clock.time())
        pause = settings.retry.next_wait(1, settings.random(), asked_wait)
        if isinstance(problem.result, Answer) and problem.result.status == 429:
            # Not every service that holds no more answers no more: /status may have a rate of its own.
            self.throttled += 1
            self.hold_at = now + backoff(self.throttled, UNHELD, UNHELD_MAX, UNHELD_GROWTH)
            pause = max(pause, settings.holds.poll_delay(now))
        elif problem.outcome is Outcome.UNKNOWN:
            settings.holds.path.broke(min(now - problem.began, problem.request.hold), now)
        pause = min(pause, RETRY_AFTER_MAX)
        notice(settings, problem.request, 1, pause, problem.error)
        return pause

    def _was_last(self, problem: APIResponseValidationError | Refused) -> bool:
        """Whether the look that failed was the last one, or was kept back until time was up."""
        if self.is_last or not isinstance(problem, Refused) or problem.request.hold:
            return self.is_last
        return not problem.attempts or problem.began >= (self.deadline.at or 0.0)

    def _note(self, state: JobState, *, is_held: bool) -> None:
        self.last = state
        self.idle += 1
        self.unknown = 0
        if is_held:
            self.throttled = 0
        if self.refusals > 1:
            self.settings.holds.refuse(state.endpoint_id)
        else:
            self.may_hold = True  # the job is known by now: ask once more whether the service holds

    def _hold(self, now: float) -> float:
        """Return how long the next request may be held; 0 where that is less than the service accepts."""
        if self.once or not self.may_hold or now < self.hold_at:
            return 0.0
        hold = min(self.settings.poll.hold, self.job.longest_hold, self.left(), self.settings.holds.path.longest(now))
        if self.watched:
            hold = min(hold, WATCH_HOLD_MAX, WATCH_HOLD * 1.5 ** min(self.idle, 8))
        return hold if hold >= HOLD_MIN else 0.0

    def _limit(self) -> Deadline:
        """Return until when a look may take."""
        if self.once or self.deadline.at is None:
            return self.deadline
        at = max(self.deadline.at, self.settings.now()) if self.is_last else self.deadline.at
        return Deadline(at, self.deadline.grace / 2)
