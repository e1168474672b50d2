"""A worker's place among those for whom virtual time waits; see `runpod_sdk.clock`.

A process lives in real time, whatever the clock says. While it is at work, virtual time stands still: but work that
takes longer than `HELD` real seconds takes as long on the clock, so that a handler that hangs meets its timeouts.
"""

from __future__ import annotations

import threading
import time
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING

from runpod_sdk.clock import VirtualClock

if TYPE_CHECKING:
    from runpod_sdk.clock import Parking, ParkingClock

HELD = 10.0


def passes(clock: ParkingClock) -> bool:
    """Whether time on this clock jumps, and so waits for whoever is at work."""
    return isinstance(clock, VirtualClock) and clock.auto_jump


class Presence:
    """Somebody at work on a clock, from now until `leave`; the thread does not matter.

    Attributes:
        context: in it the clock knows who this is.
    """

    __slots__ = ("_clock", "_left", "_participant", "_passing", "_since", "context")

    def __init__(self, clock: ParkingClock) -> None:
        self._clock = clock
        # A context of its own: this may run inside the request of a caller, who is somebody else on the clock.
        self.context = Context()
        self._participant = self.context.run(clock.participate, "handler")
        self.context.run(self._participant.__enter__)
        self.context.run(_HERE.set, self)
        self._since = time.monotonic()
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
        if self._passing is not None:
            self._passing.wake()

    def let_pass(self, now: float) -> None:
        """Let as much time pass on the clock as it has been at work, when that was long; call it now and then.

        Args:
            now: monotonic, in real seconds.
        """
        if self._left or now - self._since < HELD:
            return
        self._since += HELD
        if self._passing is None:
            passing = self._passing = self.context.run(self._clock.parking, self._clock.monotonic() + HELD)
            threading.Thread(target=self._pass, args=[passing], name="emulator-hold", daemon=True).start()

    def _pass(self, passing: Parking) -> None:
        passing.wait()
        self._passing = None


_HERE: ContextVar[Presence | None] = ContextVar("runpod_sdk_presence", default=None)
