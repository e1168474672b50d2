"""Delivers webhooks: a POST when a job ends, with two more tries unless the answer is 200.

Each delivery is made by a thread of its own kind, for real: the receiver is somebody's server. While it is made it
counts as a running handler on the clock, and the pause between two tries passes on the clock, so that an hour of
virtual time knows when to wait for it.
"""

from __future__ import annotations

import json
import queue
import threading
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpod_sdk.emulator._limits import WEBHOOK_PAUSE, WEBHOOK_TRIES
from runpod_sdk.emulator._receiver import post

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from runpod_sdk.clock import ParkingClock
    from runpod_sdk.emulator._queue._effects import Webhook
    from runpod_sdk.emulator._record._ledger import Ledger

# Deliveries at once; ours.
_THREADS = 4


@dataclass(slots=True)
class _Attempt:
    """One webhook on its way, and its presence on the clock while it is being delivered."""

    webhook: Webhook
    attempt: int
    context: Context
    presence: AbstractContextManager[object]


class WebhookSender:
    """Delivers what it is given, each until it is answered with 200 or was tried three times.

    Args:
        clock: where the pauses pass.
        ledger: where each attempt is noted.
        limit: real seconds that a receiver has to answer.
    """

    def __init__(self, clock: ParkingClock, ledger: Ledger, limit: float) -> None:
        self._clock = clock
        self._ledger = ledger
        self._limit = limit
        self._todo: queue.SimpleQueue[_Attempt | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False

    def deliver(self, webhook: Webhook, attempt: int = 1) -> None:
        """Deliver in a thread; never waits."""
        with self._lock:
            if self._closed:
                return
            # A context of its own, as whoever ends a job is somebody else on the clock.
            context = Context()
            presence = context.run(self._clock.participate, "handler")
            context.run(presence.__enter__)
            self._todo.put(_Attempt(webhook, attempt, context, presence))
            if len(self._threads) < _THREADS:
                thread = threading.Thread(target=self._work, name="emulator-webhooks", daemon=True)
                self._threads.append(thread)
                thread.start()

    def close(self) -> None:
        """Deliver nothing more."""
        with self._lock:
            self._closed = True
            for _ in self._threads:
                self._todo.put(None)

    def _work(self) -> None:
        while (delivery := self._todo.get()) is not None:
            try:
                self._attempt(delivery.webhook, delivery.attempt)
            finally:
                delivery.context.run(delivery.presence.__exit__, None, None, None)

    def _attempt(self, webhook: Webhook, attempt: int) -> None:
        if self._closed:
            return
        try:
            status: int | str = post(webhook.url, json.dumps(webhook.body).encode(), self._limit)
        except Exception as error:  # noqa: BLE001  somebody else's server and URL: whatever comes of them is noted
            status = type(error).__name__
        if self._ledger.is_on:
            self._ledger.webhook(webhook.job_id, attempt, status)
        if status != 200 and attempt < WEBHOOK_TRIES:
            self._clock.call_at(self._clock.monotonic() + WEBHOOK_PAUSE, lambda: self.deliver(webhook, attempt + 1))
