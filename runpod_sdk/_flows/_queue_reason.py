"""Explains why a job is still queued, from the endpoint's /health.

Decides when to ask: rarely, for a watcher, in time that is left; or once, for the error of a wait whose time is up, in
what is left of its grace. The wait does not depend on it: whatever
comes of the request, the wait goes on, and no failure of it counts as a sign that the service is silent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runpod_sdk._values._outcomes import Answer
from runpod_sdk._values._policies import REQUEST_MIN, Deadline, backoff
from runpod_sdk._values._states import JobState, QueueReason
from runpod_sdk._values._status import JobStatus
from runpod_sdk.errors import APIResponseValidationError

from . import _answers, _api
from ._exchange import Settings, result_of

if TYPE_CHECKING:
    from runpod_sdk._values._requests import Request

    from ._effects import Flow

# Seconds in the queue before the first question; the pause before the second, its growth and its bound; and how long an
# answer is waited for. Ours.
ASK_AFTER = 10.0
PAUSE, PAUSE_GROWTH, PAUSE_MAX = 30.0, 1.5, 300.0
PATIENCE = 5.0


@dataclass(slots=True)
class Why:
    """What one wait knows of the reason; `watched` is whether anybody wants to know."""

    watched: bool
    reason: QueueReason | None = None
    asked: int = 0
    ask_at: float | None = None

    def explained(self, settings: Settings, state: JobState, deadline: Deadline) -> Flow[JobState]:
        """Return the state, with the reason that was last heard of while the job is in the queue."""
        if not self.watched:
            return state
        now = settings.now()
        if state.status != JobStatus.IN_QUEUE:
            self.reason, self.asked, self.ask_at = None, 0, None
            return state
        if self.ask_at is None:
            self.ask_at = now + ASK_AFTER
        timeout = min(PATIENCE, deadline.left(now))
        if now >= self.ask_at:
            yield from self._ask(settings, state, timeout)
        return state if self.reason is None else replace(state, queue_reason=self.reason)

    def at_the_end(self, settings: Settings, state: JobState, deadline: Deadline, began: float) -> Flow[JobState]:
        """Return the last state of a wait whose time is up, with the reason; who watched it has heard that already."""
        now = settings.now()
        is_long = now - began >= ASK_AFTER  # shorter waits may be those of a loop
        if self.watched or not is_long or deadline.at is None or state.status != JobStatus.IN_QUEUE:
            return state
        yield from self._ask(settings, state, min(PATIENCE, deadline.at + deadline.grace - now))
        return state if self.reason is None else replace(state, queue_reason=self.reason)

    def _ask(self, settings: Settings, state: JobState, timeout: float) -> Flow[None]:
        now = settings.now()
        if timeout <= REQUEST_MIN or not settings.limiter.turn(state.endpoint_id, "health", now, within=0.0).is_taken:
            return
        request = _api.health(state.endpoint_id)
        result = yield from result_of(settings, request, timeout)
        self.asked += 1
        self.ask_at = settings.now() + backoff(self.asked, PAUSE, PAUSE_MAX, PAUSE_GROWTH)
        self.reason = _reason(settings, request, result) if isinstance(result, Answer) else None
        if isinstance(result, Answer) and result.status in (401, 403):
            self.watched = False  # a key that may not ask will not be allowed to later


def _reason(settings: Settings, request: Request, answer: Answer) -> QueueReason | None:
    if not 200 <= answer.status < 300:
        return None
    misfits: list[str] = []

    def told(name: str, value: object) -> None:
        misfits.append(name)
        settings.meter.misfit(name, value)

    try:
        health = _answers.health_of(request, answer, told)
    except APIResponseValidationError:
        return None
    # What is counted as 0 because it was not said, or not as a number, is no reason.
    return None if misfits or "workers" not in health.raw else QueueReason.of(health)
