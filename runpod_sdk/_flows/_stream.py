"""Reading a stream: each chunk once, in order, and never a silent gap.

A read drains the server: what it hands out it does not hand out again, so a lost answer loses its chunks. After one,
nothing more is handed out until the end (`on_gap="repair"`). There every stream is compared with the job's output,
which tells what was missing, also where nobody had noticed a loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpod_sdk._values._policies import HOLD_MIN
from runpod_sdk._values._requests import StreamPart
from runpod_sdk.errors import RunpodError, StreamInterruptedError

from ._effects import Emit, Flow, Sleep
from ._job_errors import error_of
from ._pulse import Pulse
from ._reads import in_turn, last_state, read
from ._wait import output

if TYPE_CHECKING:
    from runpod_sdk._values._policies import Deadline
    from runpod_sdk._values._states import JobState

    from ._delivery import Delivery
    from ._exchange import Settings
    from ._jobs import JobRef


def stream(settings: Settings, job: JobRef, deadline: Deadline, delivery: Delivery) -> Flow[JobState]:
    """Emit every chunk until the job has ended and the stream is empty; return the job's last state.

    `delivery` is a new one; its `gap_after` tells at any time whether chunks may be missing, its `is_verified` at the
    end whether what was handed out is the job's output.

    Raises:
        StreamInterruptedError: chunks were lost, and could not be found again; or were handed out that are not the
            output's.
        WaitTimeoutError: the deadline passed first.
        JobError: after the last chunk, for a job that did not complete.
        APIError: the service refused, or could not be reached.
    """
    delivery.may_begin_late = not job.begin_stream()
    try:
        pulse = Pulse(settings.poll)
        yield from _drain(settings, job, deadline, delivery, pulse)
        state = yield from last_state(settings, job, deadline, pulse)
        is_whole = delivery.conclude(state)
    except RunpodError as error:
        # What was drained cannot be read again: hand it out before the end.
        for chunk in delivery.kept():
            yield Emit(chunk)
        if isinstance(error, StreamInterruptedError):
            error.received = delivery.count
        elif delivery.gap_after is not None:
            error.add_note(f"An answer was lost after chunk {delivery.gap_after}: chunks may be missing there.")
        raise
    for chunk in delivery.kept():
        yield Emit(chunk)
    if not is_whole:
        raise interrupted(job, state, delivery) from error_of(state)
    return output(state)


def _drain(settings: Settings, job: JobRef, deadline: Deadline, delivery: Delivery, pulse: Pulse) -> Flow[None]:
    """Read until the job has ended and the stream is empty."""
    pauses = 0
    while not delivery.is_full:
        is_held = yield from in_turn(settings, job, deadline)
        read_at = settings.now()
        try:
            part = yield from read(settings, job, deadline, pulse, is_held=is_held)
        finally:
            if is_held:
                settings.holds.give()
        if not isinstance(part, StreamPart):
            if not delivery.lose() or pulse.is_silent(read_at, settings.now()):
                raise interrupted(job, None, delivery) from part
            pauses += 1
            yield Sleep(min(settings.retry.next_wait(pauses, settings.random()), deadline.left(settings.now())))
            continue
        pulse.beat()
        for chunk in delivery.accept(part.chunks):
            yield Emit(chunk)
        if part.chunks:
            pauses = 0
            continue
        # A bare list has no status, so an empty one says nothing about the end.
        status = part.status or (yield from last_state(settings, job, deadline, pulse)).status
        if status.is_final:
            return
        if settings.now() - read_at < HOLD_MIN / 2:  # the service did not hold the read
            pauses += 1
            yield Sleep(min(settings.poll.next_wait(pauses), deadline.left(settings.now())))


def interrupted(job: JobRef, state: JobState | None, delivery: Delivery) -> StreamInterruptedError:
    """Return the error for chunks that were lost, or should not have come."""
    gap_after = delivery.count if delivery.gap_after is None else delivery.gap_after
    if state is not None and delivery.is_verified is False:
        again = f", or came again from another worker (retries: {state.retries})" if state.retries else ""
        text = (
            f"the stream of {job} differs from its output after chunk {gap_after}: chunks were lost or repeated on "
            f"their way{again}. The job's output, `error.state.output`, has them all"
        )
    else:
        text = (
            f"chunks of {job} may be lost after chunk {gap_after}: the answer that held them never arrived. "
            "Workers started with return_aggregate_stream keep the whole list in the output, from which it is repaired"
        )
    return StreamInterruptedError(
        text,
        endpoint_id=job.endpoint_id,
        job_id=job.job_id,
        state=state,
        received=delivery.count,
        gap_after=gap_after,
    )
