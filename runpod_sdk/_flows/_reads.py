"""One read of a stream, and the status check after its end; `_stream.py` acts on them.

Decided here is which read may have taken chunks with it. Only one whose answer was lost or cannot be read has; one that
was refused, or that was never sent, took nothing and is made again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpod_sdk._values._outcomes import Outcome
from runpod_sdk._values._policies import HOLD_MIN
from runpod_sdk.errors import APIResponseValidationError, NotFoundError

from . import _answers, _api
from ._effects import Flow, Sleep
from ._exchange import Refused, Settings, cause_of, exchange
from ._jobs import JobRef, asked, gone, state_of, timed_out, young_pause

if TYPE_CHECKING:
    from runpod_sdk._values._policies import Deadline
    from runpod_sdk._values._requests import StreamPart
    from runpod_sdk._values._states import JobState
    from runpod_sdk.errors import APIError

    from ._pulse import Pulse

# official source (runpod-mcp): an empty read is held 10 s by default. Seconds.
STREAM_HOLD = 10.0


def in_turn(settings: Settings, job: JobRef, deadline: Deadline) -> Flow[bool]:
    """Wait for the turn of a read, which in a crowd takes a while; return whether it was given a held request."""
    holds = settings.holds
    if holds.take():
        return True
    left = deadline.left(settings.now())
    yield Sleep(min(holds.poll_delay(settings.now()), left))
    if deadline.left(settings.now()) <= 0:
        raise timed_out(job, None)
    return holds.take()


def read(
    settings: Settings, job: JobRef, deadline: Deadline, pulse: Pulse, *, is_held: bool
) -> Flow[StreamPart | APIError]:
    """Read once; return the chunks, or the error of a read that may have taken chunks with it.

    Any other error took nothing with it, and is raised.
    """
    hold = STREAM_HOLD if is_held else HOLD_MIN
    unknown = 0  # 404s that were not believed
    while True:
        left = deadline.left(settings.now())
        if left <= 0:
            raise timed_out(job, None)
        request = _api.stream(job.endpoint_id, job.job_id, hold=max(HOLD_MIN, min(hold, left)))
        try:
            answer, _ = yield from exchange(settings, request, deadline, pulse=pulse)
            return _answers.stream_part(request, answer, settings.meter.misfit)
        except APIResponseValidationError as error:
            return error
        except Refused as refused:
            if refused.outcome is Outcome.UNKNOWN:
                return refused.error
            if refused.outcome is not Outcome.REFUSED and deadline.left(settings.now()) <= 0:
                raise timed_out(job, None) from refused.error
            if not (isinstance(refused.error, NotFoundError) and job.is_fresh(settings.now())):
                raise gone(settings, job, None, refused.error) from cause_of(refused.result)
        unknown += 1
        yield Sleep(min(young_pause(unknown), left))


def last_state(settings: Settings, job: JobRef, deadline: Deadline, pulse: Pulse) -> Flow[JobState]:
    """Look at the job at its end: how it ended, and, for an aggregating worker, the list of all chunks."""
    request = _api.status(job.endpoint_id, job.job_id)
    try:
        answer = yield from asked(settings, job, request, deadline, pulse)
    except Refused as refused:
        is_open = refused.outcome is not Outcome.REFUSED or (
            isinstance(refused.error, NotFoundError) and job.is_fresh(settings.now())
        )
        if is_open and deadline.left(settings.now()) <= 0:
            raise timed_out(job, None) from refused.error
        raise gone(settings, job, None, refused.error) from cause_of(refused.result)
    pulse.beat()
    return state_of(settings, job, request, answer)
