"""The interface of clocks, and the record of who waits on one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

Role = Literal["caller", "handler"]

# Most seconds that a limit is put off where whoever keeps it stood still: enough to read what came meanwhile; ours.
LATE_MAX = 1.0


class Clock(Protocol):
    """What the SDK needs of a clock. All durations in seconds."""

    def monotonic(self) -> float:
        """Return seconds since some fixed point; never goes back."""
        ...

    def time(self) -> float:
        """Return seconds since 1970-01-01T00:00:00Z."""
        ...

    def sleep(self, seconds: float) -> None:
        """Block the calling thread."""
        ...

    async def sleep_async(self, seconds: float) -> None:
        """Suspend the calling task."""
        ...

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Raise TimeoutError in the task that is inside the block for longer than this."""
        ...

    def participate(self, role: Role = "caller") -> AbstractContextManager[object]:
        """Tell the clock that this thread or task is at work until the block ends."""
        ...


class Timer(Protocol):
    """A callback that is due at a moment."""

    def cancel(self) -> None:
        """Forget the callback; does nothing once it has run."""
        ...


class Parking(Protocol):
    """One wait of one thread or task, ended once: by `wake` or by its deadline."""

    def wake(self) -> None:
        """End the wait; may be called from any thread, before or after it began."""
        ...

    def wait(self) -> bool:
        """Block until woken (True) or until the deadline (False)."""
        ...

    async def wait_async(self) -> bool:
        """Like `wait`, for a task."""
        ...


class ParkingClock(Clock, Protocol):
    """What the emulator needs of a clock."""

    def parking(self, until: float | None) -> Parking:
        """Return a wait that ends at monotonic `until` at the latest (None: when woken)."""
        ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Run `callback` at monotonic `when`, in a thread of the clock's choice."""
        ...


class Due:
    """A timer as both clocks keep it: ordered by its time, then by its age."""

    __slots__ = ("callback", "order", "when")

    def __init__(self, when: float, order: int, callback: Callable[[], None]) -> None:
        self.when = when
        self.order = order
        self.callback: Callable[[], None] | None = callback

    def __lt__(self, other: Due) -> bool:
        return (self.when, self.order) < (other.when, other.order)

    def cancel(self) -> None:
        self.callback = None

    def fire(self) -> None:
        callback, self.callback = self.callback, None
        if callback is not None:
            callback()
