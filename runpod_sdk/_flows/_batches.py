"""Batches: what becomes of a lost answer, when a batch is done, and in what order its results are handed out.

A batch is a submit that can be proven: a draft runs nothing, and its counts tell what has arrived. So what was lost is
looked up and sent again if it is not there; and before it is finalized its size has to be what was added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from runpod_sdk._values._batches import PAGE
from runpod_sdk._values._outcomes import Outcome
from runpod_sdk.errors import BatchError, BatchTimeoutError

from . import _batch_api
from ._effects import Emit, Flow, Sleep
from ._exchange import Refused, Settings, ask, cause_of, exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runpod_sdk._values._batches import BatchState
    from runpod_sdk._values._policies import Deadline
    from runpod_sdk._values._requests import Request

T = TypeVar("T")

# How often the pages of a batch that is done are read again for results that were not on them; ours.
_PASSES_MAX = 3
# Seconds between two passes, for each page of one: a batch has a hundred; ours.
_PAGE_PAUSE = 0.2


class BatchRef(NamedTuple):
    """A batch, and how many requests are known to be in it; None: nobody has looked."""

    endpoint_id: str
    batch_id: str
    size: int | None = None


def look(settings: Settings, batch: BatchRef, deadline: Deadline) -> Flow[BatchState]:
    """Look at a batch."""
    request = _batch_api.get(batch.endpoint_id, batch.batch_id)
    return (yield from ask(settings, request, deadline, _batch_api.state_of))


def add(settings: Settings, batch: BatchRef, calls: Sequence[tuple[Request, int]], deadline: Deadline) -> Flow[int]:
    """Add requests to a draft, each once, and return its size.

    Raises:
        BatchError: its size is neither what it was nor what it should be: somebody else adds to it.
        APIError: the service refused, or could not be reached; then what this call had sent may be in the draft.
    """
    size = batch.size
    if size is None:
        size = _size(batch, (yield from look(settings, batch, deadline)))
    for request, count in calls:
        expected = size + count

        def has_arrived(state: BatchState, before: int = size, after: int = expected) -> bool:
            if state.total not in (before, after):
                raise _wrong_size(batch, state, after)
            return state.total == after

        yield from _once(settings, batch, request, deadline, has_arrived)
        size = expected
    return size


def finalize(settings: Settings, batch: BatchRef, deadline: Deadline) -> Flow[BatchState]:
    """Let a draft run, if it has the size that is known; return how it then is.

    Raises:
        BatchError: it has another, or is no draft; nothing was finalized.
        APIError: the service refused, or could not be reached: then it may be finalized.
    """
    state = yield from look(settings, batch, deadline)
    if batch.size is not None and state.total != batch.size:
        raise _wrong_size(batch, state, batch.size)
    if not state.is_draft:
        raise BatchError(f"{_about(batch)} is {state.status}: only a DRAFT can be finalized", batch=state)
    request = _batch_api.finalize(batch.endpoint_id, batch.batch_id)
    yield from _once(settings, batch, request, deadline, lambda state: not state.is_draft)
    return (yield from look(settings, batch, deadline))


def cancel(settings: Settings, batch: BatchRef, deadline: Deadline) -> Flow[BatchState]:
    """Cancel a batch, and return how it then is: it is CANCELLED once nothing of it is in progress."""
    request = _batch_api.cancel(batch.endpoint_id, batch.batch_id)
    yield from ask(settings, request, deadline, _batch_api.nothing_of)
    return (yield from look(settings, batch, deadline))


def wait(settings: Settings, batch: BatchRef, deadline: Deadline) -> Flow[BatchState]:
    """Return a batch once it has ended.

    Raises:
        BatchTimeoutError: the deadline passed first; it goes on.
    """
    looks = 0
    while True:
        state = yield from look(settings, batch, deadline)
        if state.is_final:
            return state
        looks += 1
        yield from _pause(settings, batch, state, looks, deadline)


def results(settings: Settings, batch: BatchRef, deadline: Deadline) -> Flow[BatchState]:
    """Emit each result once, as soon as a page shows it, until the batch has ended and all were handed out.

    The order of pages may change while a batch runs, so that one skips what another repeats. So they are read again
    until there is nothing new.

    Raises:
        BatchError: it has ended, and results that its counts promise are on no page.
        BatchTimeoutError: the deadline passed first; it goes on.
    """
    handed: set[str] = set()
    idle = 0
    while True:
        state = yield from look(settings, batch, deadline)
        before, pages = len(handed), 0
        if state.is_final or state.completed + state.failed > before:
            pages = yield from _pass(settings, batch, handed, deadline)
        missing = state.completed + state.failed - len(handed)
        if state.is_final and missing <= 0:
            return state
        idle = 0 if len(handed) > before else idle + 1
        if state.is_final and idle >= _PASSES_MAX:
            raise BatchError(f"{_about(batch)} has ended, and {missing} of its results are on no page", batch=state)
        yield from _pause(settings, batch, state, idle + 1, deadline, least=pages * _PAGE_PAUSE)


def _pass(settings: Settings, batch: BatchRef, handed: set[str], deadline: Deadline) -> Flow[int]:
    """Read all pages once, emit what is new on them, and return how many there are."""
    offset = pages = 0
    while True:
        request = _batch_api.page(batch.endpoint_id, batch.batch_id, offset, PAGE)
        page = yield from ask(settings, request, deadline, _batch_api.page_of)
        pages += 1
        for result in page.results:
            if result.is_final and result.id not in handed:
                handed.add(result.id)
                yield Emit(result)
        offset += len(page.results)
        if not page.has_more:
            return pages


def _once(
    settings: Settings,
    batch: BatchRef,
    request: Request,
    deadline: Deadline,
    has_arrived: Callable[[BatchState], bool],
) -> Flow[None]:
    """Make a change exactly once: where its outcome is unknown, the batch tells."""
    attempt = 0
    while True:
        attempt += 1
        try:
            yield from exchange(settings, request, deadline)
        except Refused as refused:
            was_lost = refused.outcome is Outcome.UNKNOWN
            if not was_lost and attempt == 1:
                raise refused.error from cause_of(refused.result)
            # Or a repeat is refused: what was thought to be lost has arrived since.
            state = yield from look(settings, batch, deadline)
            if has_arrived(state):
                return
            wait = settings.retry.next_wait(attempt, settings.random())
            if not was_lost or attempt >= settings.retry.attempts or wait >= deadline.left(settings.now()):
                raise refused.error from cause_of(refused.result)
            yield Sleep(wait)
        else:
            return


def _pause(
    settings: Settings, batch: BatchRef, state: BatchState, looks: int, deadline: Deadline, *, least: float = 0.0
) -> Flow[None]:
    left = deadline.left(settings.now())
    if left <= 0:
        raise BatchTimeoutError(f"{_about(batch)} has not ended in time; it goes on", batch=state)
    yield Sleep(min(max(settings.poll.next_wait(looks), least), left))


def _size(batch: BatchRef, state: BatchState) -> int:
    if state.total is None:
        raise BatchError(f"{_about(batch)} does not say how many requests it has", batch=state)
    return state.total


def _wrong_size(batch: BatchRef, state: BatchState, expected: int) -> BatchError:
    return BatchError(
        f"{_about(batch)} has {state.total} requests where {expected} are expected: a lost request arrived late, or "
        "somebody else adds to it; cancel it and make another",
        batch=state,
    )


def _about(batch: BatchRef) -> str:
    return f'batch {batch.batch_id} on endpoint "{batch.endpoint_id}"'
