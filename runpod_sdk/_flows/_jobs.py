"""What this process knows of a job's life, and so whether a 404 about it is believed.

404 is what the service says of a job that it has forgotten, and of one that it does not know everywhere yet. So:

| the job | a 404 about it |
|---|---|
| submitted by this process, younger than `YOUNG` seconds, or than its ttl where that is shorter | not believed |
| … and its end was already seen here | believed: its result may be gone; a retry asks on all the same |
| … older than that | believed: JobExpiredError |
| a handle from a pickle, which has an age only by a wall clock | believed: JobExpiredError |
| `endpoint.job(id)` | believed: NotFoundError, or JobExpiredError once it was seen |

That holds for status, wait, stream, cancel and retry. What is not believed is asked again, with growing pauses, until
the job is no longer young or the caller's deadline has passed. Ages are counted on the monotonic clock, from the answer
to the submit: a wall clock that is set changes nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpod_sdk._values._policies import HOLD_MAX, Deadline, backoff
from runpod_sdk.errors import JobExpiredError, NotFoundError, WaitTimeoutError

from . import _answers
from ._effects import Flow, Sleep
from ._exchange import Refused, Settings, exchange

if TYPE_CHECKING:
    from runpod_sdk._values._outcomes import Answer
    from runpod_sdk._values._requests import HiddenOptions, Request
    from runpod_sdk._values._states import JobState

    from ._pulse import Pulse

# For how long a 404 may be too early, seconds. runpod 2.0.0rc2 apps/targets.py: asks 7 times in about 31 s.
YOUNG = 30.0
# The first pause after a 404 that is not believed, its growth and its bound, seconds; ours.
YOUNG_PAUSE, YOUNG_GROWTH, YOUNG_PAUSE_MAX = 0.25, 1.5, 2.0
# A result of /runsync is kept 1 minute (docs: operation-reference). A stalled look at one must be over by then, so it
# is held no longer than this, seconds.
SYNC_HOLD = 30.0


@dataclass(slots=True)
class Life:
    """What this process knows of a job that it submitted.

    Attributes:
        born: when its submit was answered, by the monotonic clock.
        ttl: when the service forgets it, seconds from the submit, if the caller said so.
        has_ended: whether its end was seen here.
        is_unread: whether no stream of it was begun here.
    """

    born: float
    ttl: float | None = None
    has_ended: bool = False
    is_unread: bool = True

    def age(self, now: float) -> float:
        """Return the seconds since its submit was answered."""
        return now - self.born

    def is_young(self, now: float) -> bool:
        """Whether the service may not know it everywhere yet, and cannot have forgotten it."""
        return self.age(now) < min(YOUNG, math.inf if self.ttl is None else self.ttl)


@dataclass(frozen=True, slots=True)
class JobRef:
    """Which job is meant. `life` is that of a job of this process; `is_ours` is also true of a handle from a pickle."""

    endpoint_id: str
    job_id: str
    life: Life | None = None
    is_ours: bool = False

    def is_fresh(self, now: float) -> bool:
        """Whether a 404 means nothing yet."""
        return self.life is not None and not self.life.has_ended and self.life.is_young(now)

    def note(self, state: JobState) -> JobState:
        """Take note of how it stands, and return that."""
        if self.life is not None:
            self.life.has_ended = state.is_final
        return state

    def begin_stream(self) -> bool:
        """Note that a stream is begun; return whether it gets the first chunk, as far as is known here."""
        is_first = self.life is not None and self.life.is_unread
        if self.life is not None:
            self.life.is_unread = False
        return is_first

    @property
    def longest_hold(self) -> float:
        """How long a look at it may be held, seconds."""
        return SYNC_HOLD if self.job_id.startswith("sync-") else HOLD_MAX

    def __str__(self) -> str:
        return f'job {self.job_id} on endpoint "{self.endpoint_id}"'


def submitted(settings: Settings, state: JobState, options: HiddenOptions) -> JobRef:
    """Return the job that a submit has just been answered with."""
    life = Life(settings.now(), options.ttl, state.is_final)
    return JobRef(state.endpoint_id, state.id, life, is_ours=True)


def young_pause(times: int) -> float:
    """Return the pause after so many 404s in a row that were not believed."""
    return backoff(times, YOUNG_PAUSE, YOUNG_PAUSE_MAX, YOUNG_GROWTH)


def asked(
    settings: Settings, job: JobRef, request: Request, deadline: Deadline, pulse: Pulse | None = None
) -> Flow[Answer]:
    """Ask about a job, again for as long as a 404 is not believed. Raises what `exchange` raises."""
    times = 0
    while True:
        try:
            answer, _ = yield from exchange(settings, request, deadline, pulse=pulse)
        except Refused as refused:
            left = deadline.left(settings.now())
            is_young = job.life is not None and job.life.is_young(settings.now())
            is_doubted = is_young if request.operation == "retry" else job.is_fresh(settings.now())
            if not (isinstance(refused.error, NotFoundError) and is_doubted) or left <= 0:
                raise
        else:
            return answer
        times += 1
        yield Sleep(min(young_pause(times), left))


def state_of(settings: Settings, job: JobRef, request: Request, answer: Answer) -> JobState:
    """Read an answer about a job, and take note of how it stands."""
    state = job.note(_answers.job_state(request, answer, settings.meter.misfit))
    settings.meter.seen(state)
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
    if not (isinstance(error, NotFoundError) and (last is not None or job.is_ours)):
        return error
    when = "" if job.life is None else f" {job.life.age(settings.now()):.0f} s after it was submitted"
    return JobExpiredError(
        f"the service no longer knows {job}{when}: its ttl passed, or its result was kept no longer",
        endpoint_id=job.endpoint_id,
        job_id=job.job_id,
        state=last,
    )
