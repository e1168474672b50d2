"""Decides which fault applies to a request, and what it does. Pure: randomness is an argument.

The first fault that strikes ends the search. What each kind does is said in `disruption_of`, once for all doors; they,
and the hub, only carry it out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from runpod_sdk.emulator._record._faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from runpod_sdk.emulator._record._faults import Kind
    from runpod_sdk.emulator._record._ledger import Fate

_FATES: dict[Kind, Fate] = {
    "drop": "dropped",
    "reset": "reset",
    "refuse": "refused",
    "truncate": "truncated",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Disruption:
    """What a fault does to one request.

    Attributes:
        times: how often the request is processed.
        late: seconds until it is processed once more; None: it is not.
        kills: the worker that it is from, or for, dies first.
        fate: what happens to the answer; "whole" is sent.
        pause: seconds until then.
        instead: whose answer is sent, in place of the true one; None: the true one.
        repeats: the next request for the same gets the same answer.
        rejects: the result in it is refused as too large.
        misfits: fields of the answer that do not decide are of wrong kinds.
    """

    times: int = 1
    late: float | None = None
    kills: bool = False
    fate: Fate = "whole"
    pause: float = 0.0
    instead: Fault | None = None
    repeats: bool = False
    rejects: bool = False
    misfits: bool = False


# What those do that need no more to be known than their kind.
_PLAIN: dict[Kind, Disruption] = {
    "lose": Disruption(times=0),
    "kill": Disruption(times=0, kills=True),
    "reject": Disruption(rejects=True),
    "duplicate": Disruption(times=2),
    "misfit": Disruption(misfits=True),
    "repeat": Disruption(repeats=True),
}


def disruption_of(fault: Fault) -> Disruption:
    """Return what a fault does."""
    if fault.kind in _PLAIN:
        return _PLAIN[fault.kind]
    times = 0 if fault.when == "before" else 1
    match fault.kind:
        case "late":
            does = Disruption(times=0, late=fault.seconds)
        case "status":
            does = Disruption(times=times, instead=fault)
        case "delay":
            does = Disruption(times=times, pause=fault.seconds)
        case "stall":
            does = Disruption(times=times, fate="stalled", pause=math.inf)
        case kind:
            does = Disruption(times=times, fate=_FATES[kind])
    return does


class InjectedFault:
    """A fault in an emulator; what `Emulator.inject` returns.

    Attributes:
        fault: what happens.
        number: counts from 1.
        lasts: it outlives the emulator, where there is a file for it.
        matched: requests that it was meant for.
        struck: how often it happened.
    """

    def __init__(
        self, owner: Faults, number: int, fault: Fault, random: Callable[[], float], *, lasts: bool = False
    ) -> None:
        self._owner = owner
        self.lasts = lasts
        self._random = random
        self.number = number
        self.fault = fault
        self.matched = 0
        self.struck = 0

    def remove(self) -> None:
        """Let it not happen any more; does nothing the second time."""
        self._owner.remove(self.number)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove it."""
        self.remove()

    def to_json(self) -> dict[str, Any]:
        """Return what it is and what it has done."""
        return {
            "number": self.number,
            "matched": self.matched,
            "struck": self.struck,
            "fault": self.fault.to_json(),
        }

    def strikes(self) -> bool:
        """Whether it strikes the request that it was just found to match; counts it."""
        fault = self.fault
        self.matched += 1
        # Drawn for each match, so that the nth draw decides on the nth match whatever else is injected.
        drawn = fault.rate >= 1 or self._random() < fault.rate
        if not drawn or fault.nth not in (None, self.matched):
            return False
        if fault.times is not None and self.struck >= fault.times:
            return False
        self.struck += 1
        return True


class Faults:
    """The faults of one emulator.

    Args:
        random_for: returns the source of chance of the fault with a number; floats in [0, 1).
        lock: guards it where several threads ask.

    Attributes:
        injected: those that may strike, by number.
    """

    def __init__(self, random_for: Callable[[int], Callable[[], float]], lock: AbstractContextManager[object]) -> None:
        self._random_for = random_for
        self._lock = lock
        self.injected: dict[int, InjectedFault] = {}
        self._numbers = 0
        self._changed: set[int] = set()  # of those that last

    def add(self, fault: Fault, *, lasts: bool = False) -> InjectedFault:
        """Inject a fault; `lasts`: nobody says it again when the emulator is started again."""
        with self._lock:
            self._numbers += 1
            added = InjectedFault(self, self._numbers, fault, self._random_for(self._numbers), lasts=lasts)
            # A new dict each time: those who ask look at the old one without a lock.
            self.injected = {**self.injected, self._numbers: added}
            self._note(added)
        return added

    def resume(self, kept: list[tuple[int, dict[str, Any]]]) -> None:
        """Inject those that were kept, with their numbers, as `unsaved` gave them."""
        with self._lock:
            for number, state in kept:
                again = InjectedFault(
                    self, number, Fault.from_json(state["fault"]), self._random_for(number), lasts=True
                )
                again.matched, again.struck = state["matched"], state["struck"]
                self.injected = {**self.injected, number: again}
                self._numbers = number

    def unsaved(self) -> list[tuple[int, dict[str, Any] | None]]:
        """Return what is new since the last call of those that last, by number; None: it was removed."""
        with self._lock:
            changed, self._changed = sorted(self._changed), set()
            found = [(number, self.injected.get(number)) for number in changed]
        return [(number, None if each is None or not each.lasts else each.to_json()) for number, each in found]

    def _note(self, injected: InjectedFault) -> None:
        if injected.lasts:
            self._changed.add(injected.number)

    def remove(self, number: int) -> bool:
        """Remove a fault; False if there is none with this number."""
        with self._lock:
            found = number in self.injected
            if found:
                self._note(self.injected[number])
            self.injected = {key: value for key, value in self.injected.items() if key != number}
        return found

    def clear(self) -> None:
        """Remove all, and count from 1 again."""
        with self._lock:
            for injected in self.injected.values():
                self._note(injected)
            self.injected = {}
            self._numbers = 0

    def all(self) -> list[InjectedFault]:
        """Return what is injected, the oldest first."""
        return list(self.injected.values())

    def strike(self, operation: str, endpoint_id: str, kinds: frozenset[Kind]) -> InjectedFault | None:
        """Return the fault of one of these kinds that strikes this request, or None."""
        if not self.injected:
            return None
        with self._lock:
            for injected in self.injected.values():
                fault = injected.fault
                if fault.kind in kinds and fault.matches(operation, endpoint_id):
                    self._note(injected)
                    if injected.strikes():
                        return injected
        return None
