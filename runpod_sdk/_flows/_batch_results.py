"""Decides when a batch is done, and in which order its results are handed out.

The order of pages may change while a batch runs, so that one skips what another repeats. So they are read again until
there is nothing new. Looking costs nothing: it goes on through an outage, as for jobs (`_pulse.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from runpod_sdk._values._batches import PAGE
from runpod_sdk.errors import BatchError, BatchTimeoutError, RunpodError

from . import _batch_api
from ._batches import BatchRef, about, look
from ._effects import Emit, Flow, Sleep
from ._exchange import Settings, ask
from ._pulse import Pulse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runpod_sdk._values._batches import BatchResult, BatchState
    from runpod_sdk._values._policies import Deadline

# How often the pages of a batch that is done are read again for results that were not on them; ours.
_PASSES_MAX = 3
# Seconds between two passes, for each page of one: a batch has a hundred; ours.
_PAGE_PAUSE = 0.2


@dataclass(slots=True, eq=False)
class Reading:
    """How far the results of a batch have been handed out.

    Attributes:
        batch: which batch.
        handed: ids of what was handed out.
        idle: passes in a row that brought nothing new.
        pages: how many pages the last pass has read.
        state: what was last seen of it.
        is_over: nothing more will come; `error`: why, where it has not come to its end.
    """

    batch: BatchRef
    handed: set[str] = field(default_factory=set[str])
    idle: int = 0
    pages: int = 0
    state: BatchState | None = None
    is_over: bool = False
    error: RunpodError | None = None


class Found(NamedTuple):
    """What the flows below emit: a result that was on no page before."""

    reading: Reading
    result: BatchResult


def wait(settings: Settings, batch: BatchRef, deadline: Deadline) -> Flow[BatchState]:
    """Return a batch once it has ended.

    Raises:
        BatchTimeoutError: the deadline passed first; it goes on.
    """
    looks, pulse = 0, Pulse(settings.poll)
    while True:
        state = yield from look(settings, batch, deadline, pulse=pulse)
        if state.is_final:
            return state
        looks += 1
        yield from _pause(settings, batch, state, looks, deadline)


def results(settings: Settings, batch: BatchRef, deadline: Deadline) -> Flow[BatchState]:
    """Emit each result once, as soon as a page shows it, until the batch has ended and all were handed out.

    Raises:
        BatchError: it has ended, and results that its counts promise are on no page.
        BatchTimeoutError: the deadline passed first; it goes on.
    """
    reading, pulse = Reading(batch), Pulse(settings.poll)
    while True:
        state = yield from _read_on(settings, reading, deadline, pulse)
        if reading.is_over:
            return state
        least = reading.pages * _PAGE_PAUSE
        yield from _pause(settings, batch, state, reading.idle + 1, deadline, least=least)


def rounds(settings: Settings, readings: Sequence[Reading]) -> Flow[None]:
    """Read several batches in turn, and emit each result once, until one of them or more are over."""
    deadline, pulse, idle = settings.deadline(None), Pulse(settings.poll), 0
    while True:
        before = sum(len(reading.handed) for reading in readings)
        for reading in readings:
            try:
                yield from _read_on(settings, reading, deadline, pulse)
            except RunpodError as error:
                reading.is_over, reading.error = True, error
        if any(reading.is_over for reading in readings):
            return
        idle = 0 if sum(len(reading.handed) for reading in readings) > before else idle + 1
        least = _PAGE_PAUSE * sum(reading.pages for reading in readings)
        yield Sleep(max(settings.poll.next_wait(idle + 1), least))


def _read_on(settings: Settings, reading: Reading, deadline: Deadline, pulse: Pulse) -> Flow[BatchState]:
    """Look at a batch, emit what is new of it, and note whether that was all.

    Raises:
        BatchError: it has ended, and results that its counts promise are on no page.
    """
    batch, handed = reading.batch, reading.handed
    state = reading.state = yield from look(settings, batch, deadline, pulse=pulse)
    before, reading.pages = len(handed), 0
    if state.is_final or state.completed + state.failed > before:
        yield from _pass(settings, reading, deadline, pulse)
    missing = state.completed + state.failed - len(handed)
    reading.is_over = state.is_final and missing <= 0
    reading.idle = 0 if len(handed) > before else reading.idle + 1
    if state.is_final and missing > 0 and reading.idle >= _PASSES_MAX:
        raise BatchError(f"{about(batch)} has ended, and {missing} of its results are missing", batch=state)
    return state


def _pass(settings: Settings, reading: Reading, deadline: Deadline, pulse: Pulse) -> Flow[None]:
    """Read all pages once, and emit what is new on them."""
    batch, offset = reading.batch, 0
    while True:
        request = _batch_api.page(batch.endpoint_id, batch.batch_id, offset, PAGE)
        page = yield from ask(settings, request, deadline, _batch_api.page_of, pulse=pulse)
        reading.pages += 1
        for result in page.results:
            if result.is_final and result.id not in reading.handed:
                reading.handed.add(result.id)
                yield Emit(Found(reading, result))
        offset += len(page.results)
        if not page.has_more:
            return


def _pause(
    settings: Settings, batch: BatchRef, state: BatchState, looks: int, deadline: Deadline, *, least: float = 0.0
) -> Flow[None]:
    left = deadline.left(settings.now())
    if left <= 0:
        raise BatchTimeoutError(f"{about(batch)} has not ended in time; it goes on", batch=state)
    yield Sleep(min(max(settings.poll.next_wait(looks), least), left))
