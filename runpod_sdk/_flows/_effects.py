"""What flows yield and what they are sent: the interface between flows and shells.

A flow is a generator. It yields what it needs and is sent what came of it: `Send` gets an `Answer` or a `Failure`,
`Sleep` and `Emit` get None. It reads the clock that it is given; it never waits, never does I/O, and never yields in a
`finally`. Two thin shells drive the flows, one for threads and one for tasks (`_sync_shell.py`, `_async_shell.py`).
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from runpod_sdk._values._requests import Request

T = TypeVar("T")


class Send(NamedTuple):
    """Make this request and answer by `until`, a moment of the clock, come what may. `sent_at` is now, since 1970.

    It is not begun after `begun_by`: nobody would be there for its answer.
    """

    request: Request
    until: float
    begun_by: float
    sent_at: float


class Sleep(NamedTuple):
    """Let this many seconds pass."""

    seconds: float


class Emit(NamedTuple):
    """Give this to the caller: a chunk of a stream, or a state on the way."""

    item: Any


class Done(NamedTuple, Generic[T]):
    """A flow has ended with this value; what a shell makes of a StopIteration."""

    value: T


Flow = Generator[Send | Sleep | Emit, Any, T]
