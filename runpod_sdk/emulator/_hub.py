"""The hub behind every entrance of an emulator: as a whole it is measured, reset and closed.

What is asked of it, and what comes of that, is in `_hub_core.py`.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

from runpod_sdk.emulator._hub_core import HubCore
from runpod_sdk.emulator._hub_endpoint import held_by
from runpod_sdk.emulator._queue._jobs import NOT_FOUND

if TYPE_CHECKING:
    from collections import Counter

    from runpod_sdk.emulator._queue._measures import Measures


class Hub(HubCore):
    """The state behind every entrance of an emulator."""

    def measures(self) -> tuple[list[Measures], Counter[tuple[str, str]]]:
        """Return what can be measured of every endpoint, and how many requests are held, by endpoint and operation."""
        with self._lock:
            now = self.clock.monotonic()
            for endpoint in self.endpoints.values():
                self._accept(endpoint, endpoint.queue.advance(now))
            self._carry_out()
            held = held_by((endpoint, waiter.hold) for waiter, endpoint in self._waiters.items())
            return [endpoint.queue.measures(now) for endpoint in self.endpoints.values()], held

    def kill_worker_of(self, job_id: str) -> str | None:
        """Kill the worker that runs a job, where it stands, and return its id; None: none runs it."""
        with self._lock:
            for endpoint in self.endpoints.values():
                running = (each for each in endpoint.queue.records() if each.id == job_id and "workerId" in each.state)
                worker_id = next((each.state["workerId"] for each in running if each.status == "IN_PROGRESS"), None)
                if worker_id is not None:
                    self.ledger.fault(None, "kill", 0, "before", endpoint.queue.endpoint_id)
                    self._kill(endpoint, worker_id)
                    self._carry_out()
                    return str(worker_id)
        return None

    def keep(self) -> None:
        """Return when all that is to outlive the emulator is in its file, if it has one."""
        if self._store is not None:
            self._store.flush()

    def reset(self) -> None:
        """Forget every job, and begin a new ledger; callers waiting for a job get 404, workers and endpoints stay."""
        with self._lock:
            self.ledger.reset()
            self.webhooks.forget()
            if self._store is not None:
                self._store.clear()
            for endpoint in self.endpoints.values():
                self._accept(endpoint, endpoint.queue.clear())
                if endpoint.timer is not None:
                    endpoint.timer.cancel()
                endpoint.timer, endpoint.armed = None, math.inf
                self._carry_out()
            for waiter in self._waiters:
                if waiter.hold.job_id is not None:
                    waiter.hold.reply = NOT_FOUND
                    waiter.deliver(NOT_FOUND)

    def close(self) -> None:
        """Answer everybody who waits, and look at no deadline any more."""
        with self._lock:
            if self._store is not None and not self.closed:
                for endpoint in self.endpoints.values():
                    self._store.recount(endpoint.queue)
            self.closed = True
            waiters, pauses = list(self._waiters), list(self._pauses)
            for endpoint in self.endpoints.values():
                if endpoint.timer is not None:
                    endpoint.timer.cancel()
        self.webhooks.close()
        for waiter in waiters:
            waiter.cut_short()
        for parking in pauses:
            with contextlib.suppress(RuntimeError):
                parking.wake()
