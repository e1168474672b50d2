"""One read of a stream, and the look at its job when it has ended; what is made of them stands in `_stream.py`.

Decided here is which read may have taken chunks with it. Only one whose answer was lost or cannot be read has; one that
was refused, or that was never sent, took nothing and is made again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpod_sdk._values._outcomes import Outcome
from runpod_sdk._values._policies import HOLD_MIN
from runpod_sdk.errors import APIResponseValidationError, NotFoundError

from . import _api
from ._effects import Flow, Sleep
from ._exchange import Refused, Settings, cause_of, exchange
from ._wait import FRESH, FRESH_PAUSE, JobRef, gone, timed_out

if TYPE_CHECKING:
    from runpod_sdk._values._policies import Deadline
    from runpod_sdk._values._requests import StreamPart
    from runpod_sdk._values._states import JobState
    from runpod_sdk.errors import APIError

    from ._pulse import Pulse

# official source (runpod-mcp): an empty read is held 10 s by default. Seconds.
STREAM_HOLD = 10.0


def read(
    settings: Settings, job: JobRef, deadline: Deadline, pulse: Pulse, *, is_first: bool
) -> Flow[StreamPart | APIError]:
    """Read once; return the chunks, or the error of a read that may have taken chunks with it.

    Any other error took nothing with it, and is raised.
    """
    while True:
        left = deadline.left(settings.now())
        if left <= 0:
            raise timed_out(job, None)
        request = _api.stream(job.endpoint_id, job.job_id, hold=max(HOLD_MIN, min(STREAM_HOLD, left)))
        try:
            answer, _ = yield from exchange(settings, request, deadline, pulse=pulse)
            return _api.stream_part(request, answer, settings.meter.misfit)
        except APIResponseValidationError as error:
            return error
        except Refused as refused:
            if refused.outcome is Outcome.UNKNOWN:
                return refused.error
            if refused.outcome is not Outcome.REFUSED and deadline.left(settings.now()) <= 0:
                raise timed_out(job, None) from refused.error
            age = job.age(settings.clock.time())
            is_fresh = is_first and age is not None and age < FRESH
            if not (isinstance(refused.error, NotFoundError) and is_fresh):
                raise gone(settings, job, None, refused.error) from cause_of(refused.result)
        yield Sleep(min(FRESH_PAUSE, left))


def last_state(settings: Settings, job: JobRef, deadline: Deadline, pulse: Pulse) -> Flow[JobState]:
    """Look at the job at its end: how it ended, and, for an aggregating worker, the list of all chunks."""
    request = _api.status(job.endpoint_id, job.job_id)
    try:
        answer, _ = yield from exchange(settings, request, deadline, pulse=pulse)
    except Refused as refused:
        if refused.outcome is not Outcome.REFUSED and deadline.left(settings.now()) <= 0:
            raise timed_out(job, None) from refused.error
        raise gone(settings, job, None, refused.error) from cause_of(refused.result)
    pulse.beat()
    return _api.job_state(request, answer, settings.meter.misfit)
