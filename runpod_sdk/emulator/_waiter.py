"""One held request: where it waits, and how it is answered."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runpod_sdk.clock import ParkingClock
    from runpod_sdk.emulator._queue._requests import Hold, Reply


class Waiter:
    """One held request of a caller.

    Attributes:
        parking: where the caller waits; it ends with the answer, with the hold, or with the caller's patience.
        hurried: the caller's patience ends before the hold does.
        reply: the answer, once there is one.
        cut: it was ended early.
    """

    __slots__ = ("cut", "hold", "hurried", "parking", "reply")

    def __init__(self, clock: ParkingClock, hold: Hold, patience: float) -> None:
        self.hold = hold
        self.hurried = patience < hold.until
        self.parking = clock.parking(min(patience, hold.until))
        self.reply: Reply | None = None
        self.cut = False

    def deliver(self, reply: Reply) -> None:
        """Wake the caller with its answer."""
        self.reply = reply
        # The caller's event loop may be gone, and its wait with it.
        with contextlib.suppress(RuntimeError):
            self.parking.wake()

    def cut_short(self) -> None:
        """End the wait early, as if its hold had run out."""
        self.cut = True
        with contextlib.suppress(RuntimeError):
            self.parking.wake()
