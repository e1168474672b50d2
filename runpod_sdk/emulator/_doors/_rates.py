"""The documented rate limits, enforced where asked for. Pure: time is an argument.

Each operation of each endpoint may be asked so often in ten seconds, and so often at once, by whichever method; both
grow with the workers. Some operations share one limit.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from runpod_sdk.emulator._limits import RATES_WINDOW
from runpod_sdk.emulator._routes._client_routes import CLIENT_ROUTES

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


# Of each operation of each endpoint, how many in `RATES_WINDOW` and how many at once.
RATES = {route.operation: route.rate for route in CLIENT_ROUTES if route.rate is not None}
_SHARED = {route.operation: route.counts_as for route in CLIENT_ROUTES if route.counts_as}


class _Gate:
    """One operation of one endpoint: when it was let in lately, and how many are inside."""

    __slots__ = ("inside", "lately")

    def __init__(self) -> None:
        self.lately: deque[float] = deque()
        self.inside = 0


class RateLimits:
    """Counts requests, and turns away those beyond the limits.

    Args:
        per_worker: the share of the base limits that each worker is worth.
        lock: guards it where several threads ask.
    """

    def __init__(self, per_worker: float, lock: AbstractContextManager[object]) -> None:
        self._per_worker = per_worker
        self._lock = lock
        self._gates: dict[tuple[str, str], _Gate] = {}
        self._has_new = False

    def enter(self, endpoint_id: str, operation: str, now: float, workers: int) -> bool:
        """Let a request in, or turn it away; who was let in shall `leave`. A request turned away is not counted."""
        operation = _SHARED.get(operation, operation)
        limits = RATES.get(operation)
        if limits is None:
            return True
        # docs: the higher of the base and of what the workers are worth.
        factor = max(1.0, workers * self._per_worker)
        with self._lock:
            gate = self._gates.setdefault((endpoint_id, operation), _Gate())
            while gate.lately and gate.lately[0] <= now - RATES_WINDOW:
                gate.lately.popleft()
            if len(gate.lately) + 1 > limits[0] * factor or gate.inside + 1 > limits[1] * factor:
                return False
            gate.lately.append(now)
            gate.inside += 1
            self._has_new = True
        return True

    def unsaved(self, epoch: float) -> list[tuple[str, str, list[float]]] | None:
        """Return when which operation of which endpoint was asked lately, seconds since 1970; None: nothing is new.

        Args:
            epoch: seconds since 1970 at monotonic 0.
        """
        with self._lock:
            if not self._has_new:
                return None
            self._has_new = False
            return [(*name, [epoch + time for time in gate.lately]) for name, gate in self._gates.items()]

    def restore(self, kept: list[tuple[str, str, list[float]]], epoch: float) -> None:
        """Go on with what `unsaved` gave; who was inside then is no more."""
        with self._lock:
            for endpoint_id, operation, times in kept:
                gate = self._gates.setdefault((endpoint_id, operation), _Gate())
                gate.lately.extend(time - epoch for time in times)

    def leave(self, endpoint_id: str, operation: str) -> None:
        """Note that a request that was let in has its answer."""
        with self._lock:
            gate = self._gates.get((endpoint_id, _SHARED.get(operation, operation)))
            if gate is not None:
                gate.inside -= 1
