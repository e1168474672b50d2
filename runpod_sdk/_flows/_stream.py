"""Reading a stream: each chunk once, in order, and never a silent gap.

A read drains the server: what it hands out it does not hand out again, so a lost answer loses its chunks. After one,
nothing more is handed out until the end; then the job's output, if it is the list of all chunks, tells what was
missing (`on_gap="repair"`).
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Literal

from runpod_sdk._values._policies import HOLD_MIN
from runpod_sdk._values._requests import StreamPart
from runpod_sdk._values._states import JobState, StreamChunk
from runpod_sdk.errors import RunpodError, StreamInterruptedError

from ._effects import Emit, Flow, Sleep
from ._job_errors import error_of
from ._pulse import Pulse
from ._reads import last_state, read
from ._wait import output

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runpod_sdk._values._policies import Deadline

    from ._exchange import Settings
    from ._jobs import JobRef

OnGap = Literal["repair", "skip", "raise"]

# How many chunks are kept back while a gap is open; ours.
BUFFER_MAX = 10_000


def checked_gap(on_gap: OnGap) -> OnGap:
    """Return it, if it is one of the three."""
    if on_gap not in ("repair", "skip", "raise"):
        raise ValueError(f'on_gap={on_gap!r}: "repair", "skip" or "raise" expected')
    return on_gap


class Delivery:
    """What has been handed out, what is held back behind a gap, and how the two make a whole again."""

    def __init__(self, on_gap: OnGap) -> None:
        self.count = 0
        self.gap_after: int | None = None
        self._on_gap = on_gap
        self._kept: list[StreamChunk] = []
        self._digest = hashlib.sha256()

    @property
    def is_full(self) -> bool:
        """Whether more is held back than the buffer takes."""
        return len(self._kept) > BUFFER_MAX

    def lose(self) -> bool:
        """Note a lost read; return whether to go on reading."""
        if self.gap_after is None:
            self.gap_after = self.count
        return self._on_gap != "raise"

    def accept(self, chunks: Iterable[StreamChunk]) -> Iterable[StreamChunk]:
        """Return those of the chunks that may be handed out now."""
        if self.gap_after is not None and self._on_gap == "repair":
            self._kept.extend(chunks)
            return ()
        return self._counted(chunks)

    def kept(self) -> Iterable[StreamChunk]:
        """Return what is held back, to be handed out after all."""
        kept, self._kept = self._kept, []
        return self._counted(kept)

    def mend(self, output: Any) -> bool:
        """Fill the gap from the job's output, and return whether nothing is missing now.

        The output of an aggregating worker is the list of all chunks. Where it begins with what was handed out, and
        what is held back is found in its rest, in order, the others were lost; what is held back has the metrics.
        """
        if self._on_gap == "skip":
            return True
        if not isinstance(output, list) or not output or not self._begins(output):
            return False
        owed: list[Any] = output[self.count :]  # pyright: ignore[reportUnknownVariableType]
        kept = self._kept.copy()
        whole: list[StreamChunk] = []
        for item in reversed(owed):
            is_kept = bool(kept) and _canonical(kept[-1].output) == _canonical(item)
            whole.append(kept.pop() if is_kept else StreamChunk(output=item, raw={"output": item}))
        if kept:
            return False
        self._kept = whole[::-1]
        self.gap_after = None
        return True

    def _begins(self, output: Any) -> bool:
        if not isinstance(output, list) or len(output) < self.count:  # pyright: ignore[reportUnknownArgumentType]
            return False
        digest = hashlib.sha256()
        for item in output[: self.count]:  # pyright: ignore[reportUnknownVariableType]
            digest.update(_canonical(item))
        return digest.digest() == self._digest.digest()

    def _counted(self, chunks: Iterable[StreamChunk]) -> Iterable[StreamChunk]:
        for chunk in chunks:
            self.count += 1
            self._digest.update(_canonical(chunk.output))
            yield chunk


def stream(settings: Settings, job: JobRef, deadline: Deadline, delivery: Delivery) -> Flow[JobState]:
    """Emit every chunk until the job has ended and the stream is empty; return the job's last state.

    `delivery` is a new one; its `gap_after` tells at any time whether chunks may be missing.

    Raises:
        StreamInterruptedError: chunks were lost, and could not be found again.
        WaitTimeoutError: the deadline passed first.
        JobError: after the last chunk, for a job that did not complete.
        APIError: the service refused, or could not be reached.
    """
    try:
        pulse = Pulse(settings.poll)
        yield from _drain(settings, job, deadline, delivery, pulse)
        state = yield from last_state(settings, job, deadline, pulse)
        is_whole = delivery.gap_after is None or delivery.mend(state.output)
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
        read_at = settings.now()
        part = yield from read(settings, job, deadline, pulse)
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
    """Return the error for chunks that were lost."""
    gap_after = delivery.count if delivery.gap_after is None else delivery.gap_after
    return StreamInterruptedError(
        f"chunks of {job} may be lost after chunk {gap_after}: the answer that held them never arrived. "
        "Workers started with return_aggregate_stream keep the whole list in the output, from which it is repaired",
        endpoint_id=job.endpoint_id,
        job_id=job.job_id,
        state=state,
        received=delivery.count,
        gap_after=gap_after,
    )


def _canonical(output: Any) -> bytes:
    return json.dumps(output, sort_keys=True, separators=(",", ":")).encode() + b"\n"
