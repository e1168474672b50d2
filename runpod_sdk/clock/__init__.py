"""Clocks that are passed in: the system's, an adjustable one, and a virtual one that jumps when everyone waits.

This package decides what time it is and who is waiting for it; what to wait for is decided elsewhere. Two kinds of
users: the SDK reads a clock and sleeps on it; the emulator also parks requests and sets timers.

A virtual clock moves by itself only while somebody waits. It knows its *participants*: a call of the SDK or a request
in flight (role "caller"), and a running handler (role "handler"). A participant is busy, or parked on this clock. When
no participant is busy and at least one caller is parked, time jumps to the next timer. Handlers alone do not move
it: between two calls of a test the hour stands still, so that `job.cancel()` right after `run` always finds the job
running.
"""

from __future__ import annotations

from ._adjustable import AdjustableClock
from ._base import Clock, Parking, ParkingClock, Role, Timer
from ._presence import Presence, passes
from ._system import SystemClock
from ._virtual import VIRTUAL_EPOCH, VirtualClock

__all__ = [
    "VIRTUAL_EPOCH",
    "AdjustableClock",
    "Clock",
    "Parking",
    "ParkingClock",
    "Presence",
    "Role",
    "SystemClock",
    "Timer",
    "VirtualClock",
    "passes",
]
