"""A participant that virtual time waits for; a worker may be one from any thread or process.

A process lives in real time, whatever the clock says. While it is at work, virtual time stands still: but work that
takes longer than `HELD` real seconds takes as long on the clock, so that a handler that hangs meets its timeouts.
"""

from __future__ import annotations

import threading
import time
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING

from ._virtual import VirtualClock

if TYPE_CHECKING:
    from ._base import Parking, ParkingClock

HELD = 10.0


def passes(clock: ParkingClock) -> bool:
    """Whether this clock jumps, and so waits for participants at work."""
    return isinstance(clock, VirtualClock) and clock.auto_jump


class Presence:
    """A participant at work on a clock, from now until `leave`, in any thread.

    Attributes:
        context: in it the clock knows who this is.
    """

    __slots__ = ("_began", "_clock", "_left", "_participant", "_passing", "_stood_at", "context")

    def __init__(self, clock: ParkingClock) -> None:
        self._clock = clock
        # A context of its own: this may run inside the request of a caller, who is somebody else on the clock.
        self.context = Context()
        self._participant = self.context.run(clock.participate, "handler")
        self.context.run(self._participant.__enter__)
        self.context.run(_HERE.set, self)
        self._began, self._stood_at = time.monotonic(), clock.monotonic()
        self._passing: Parking | None = None
        self._left = False

    def leave(self) -> None:
        """Be at work no more; does nothing the second time."""
        if self._left:
            return
        self._left = True
        if _HERE.get() is self:
            self._participant.__exit__(None, None, None)
        else:
            self.context.run(self._participant.__exit__, None, None, None)
        passing = self._passing  # its thread forgets it at any moment
        if passing is not None:
            passing.wake()

    def let_pass(self, now: float) -> None:
        """Let as much time pass on the clock as it has been at work, when that was long; call it now and then.

        How much that is follows from both clocks alone: however often it is called, nothing counts twice, and what the
        clock did not do while others were at work, it does afterwards.

        Args:
            now: monotonic, in real seconds.
        """
        until = self._stood_at + (now - self._began) // HELD * HELD
        if self._left or self._passing is not None or until <= self._clock.monotonic():
            return
        passing = self._passing = self.context.run(self._clock.parking, until)
        threading.Thread(target=self._pass, args=[passing], name="emulator-hold", daemon=True).start()

    def _pass(self, passing: Parking) -> None:
        passing.wait()
        self._passing = None


_HERE: ContextVar[Presence | None] = ContextVar("runpod_sdk_presence", default=None)
