"""Batches: what to do when the answer to a change is lost. `_batch_results.py` decides when one is done.

A batch is a submit that can be proven: a draft runs nothing, and its counts tell what has arrived. So what was lost is
looked up and sent again if it is not there; and before it is finalized its size has to be what was added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from runpod_sdk._values._outcomes import Outcome
from runpod_sdk._values._words import counted
from runpod_sdk.errors import BatchError

from . import _batch_api
from ._effects import Flow, Sleep
from ._exchange import Refused, Settings, ask, cause_of, exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runpod_sdk._values._batches import BatchState
    from runpod_sdk._values._policies import Deadline
    from runpod_sdk._values._requests import Request

    from ._pulse import Pulse

T = TypeVar("T")


class BatchRef(NamedTuple):
    """A batch, and how many requests are known to be in it; None: nobody has looked."""

    endpoint_id: str
    batch_id: str
    size: int | None = None


def look(settings: Settings, batch: BatchRef, deadline: Deadline, *, pulse: Pulse | None = None) -> Flow[BatchState]:
    """Look at a batch; with a `pulse`, for as long as that allows."""
    request = _batch_api.get(batch.endpoint_id, batch.batch_id)
    return (yield from ask(settings, request, deadline, _batch_api.state_of, pulse=pulse))


def add(settings: Settings, batch: BatchRef, calls: Sequence[tuple[Request, int]], deadline: Deadline) -> Flow[int]:
    """Add requests to a draft, each once, and return its size.

    Raises:
        BatchError: its size is neither the old nor the expected one: another process adds to it.
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
        raise BatchError(f"{about(batch)} is {state.status}: only a DRAFT can be finalized", batch=state)
    request = _batch_api.finalize(batch.endpoint_id, batch.batch_id)
    yield from _once(settings, batch, request, deadline, lambda state: not state.is_draft)
    return (yield from look(settings, batch, deadline))


def cancel(settings: Settings, batch: BatchRef, deadline: Deadline) -> Flow[BatchState]:
    """Cancel a batch, and return how it then is: it is CANCELLED once nothing of it is in progress."""
    request = _batch_api.cancel(batch.endpoint_id, batch.batch_id)
    yield from ask(settings, request, deadline, _batch_api.nothing_of)
    return (yield from look(settings, batch, deadline))


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


def _size(batch: BatchRef, state: BatchState) -> int:
    if state.total is None:
        raise BatchError(f"{about(batch)} does not say how many requests it has", batch=state)
    return state.total


def _wrong_size(batch: BatchRef, state: BatchState, expected: int) -> BatchError:
    return BatchError(
        f"{about(batch)} has {counted(state.total or 0, 'request')}, {expected} expected: a lost request arrived late, "
        "or somebody else adds to it; cancel it and make another",
        batch=state,
    )


def about(batch: BatchRef) -> str:
    """Name a batch in a message."""
    return f'batch {batch.batch_id} on endpoint "{batch.endpoint_id}"'
