"""The emulator's time, and how it is paused, advanced and sped up from outside."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from runpod_sdk.clock import AdjustableClock, SystemClock, VirtualClock
from runpod_sdk.emulator._routes._route import HttpAnswer, json_answer

if TYPE_CHECKING:
    from runpod_sdk.clock import ParkingClock

# The most that one call moves the clock, seconds: ten years; ours.
_ADVANCE_MAX = 10 * 366 * 86_400.0
# The fastest that a clock may go: an hour in each millisecond; ours.
_RATE_MAX = 3_600_000.0


class _Movable(Protocol):
    def advance(self, seconds: float) -> None: ...
    async def advance_async(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Advance:
    """What an entrance does before it reports the time: advance the clock by this many seconds."""

    clock: _Movable
    seconds: float


def time_of(clock: ParkingClock) -> HttpAnswer:
    """Say what time it is, how it passes, and whether that can be changed."""
    rate = clock.rate if isinstance(clock, SystemClock) else None
    if isinstance(clock, VirtualClock):
        mode = "virtual" if clock.auto_jump else "manual"
    elif rate == 0:
        mode = "paused"
    else:
        mode = "system" if rate == 1 else "scaled"
    facts = {"mode": mode, "rate": rate, "time": clock.time(), "monotonic": clock.monotonic()}
    is_adjustable = isinstance(clock, AdjustableClock)
    return json_answer(200, {**facts, "steps": is_adjustable or mode in ("virtual", "manual"), "paces": is_adjustable})


def advance(clock: ParkingClock, body: bytes) -> HttpAnswer | Advance:
    """Say by how much the clock is to be moved.

    Raises:
        ValueError: the body does not say so.
    """
    if not isinstance(clock, VirtualClock | AdjustableClock):
        return json_answer(409, {"error": "time passes by itself here; only a clock that can be moved is advanced"})
    return Advance(clock, _number(body, "seconds", 60, _ADVANCE_MAX))


def pace(clock: ParkingClock, body: bytes) -> HttpAnswer:
    """Let time pass as fast as is said; 0: not at all.

    Raises:
        ValueError: the body does not say so.
    """
    if not isinstance(clock, AdjustableClock):
        return json_answer(409, {"error": "only an AdjustableClock, such as that of `emulate`, changes its rate"})
    clock.set_rate(_number(body, "rate", 60, _RATE_MAX))
    return time_of(clock)


def _number(body: bytes, name: str, example: int, most: float) -> float:
    try:
        sent = json.loads(body)
    except RecursionError as error:
        raise ValueError("body is nested too deeply") from error
    found: Any = cast("dict[str, Any]", sent).get(name) if isinstance(sent, dict) else None
    is_number = isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found)
    if not (is_number and 0 <= found <= most):
        raise ValueError(f'an object like {{"{name}": {example}}} expected, with 0 or more, and {most:g} at most')
    return float(found)
