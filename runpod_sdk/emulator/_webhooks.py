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
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from runpod_sdk.clock import ParkingClock
    from runpod_sdk.emulator._queue._effects import Webhook
    from runpod_sdk.emulator._record._ledger import Ledger

# Deliveries at once; ours.
_THREADS = 4


@dataclass(slots=True)
class _Attempt:
    """One webhook on its way, and its presence on the clock while it is being delivered; `history`: since a reset."""

    webhook: Webhook
    attempt: int
    history: int
    context: Context
    presence: AbstractContextManager[object]


class WebhookSender:
    """Delivers what it is given, each until it is answered with 200 or was tried three times.

    Args:
        clock: where the pauses pass.
        ledger: where each attempt is noted.
        limit: real seconds that a receiver has to answer.
        tried: told which try of a webhook comes next, and when; None: none does.
    """

    def __init__(
        self,
        clock: ParkingClock,
        ledger: Ledger,
        limit: float,
        tried: Callable[[Webhook, int | None, float], None] = lambda _webhook, _attempt, _due: None,
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._limit = limit
        self._tried = tried
        self._history = 0
        self._todo: queue.SimpleQueue[_Attempt | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False

    def deliver(self, webhook: Webhook, attempt: int = 1, history: int | None = None) -> None:
        """Deliver in a thread; never waits. One of an older history than the present is not delivered any more."""
        with self._lock:
            history = self._history if history is None else history
            if self._closed or history != self._history:
                return
            # A context of its own, as whoever ends a job is somebody else on the clock.
            context = Context()
            presence = context.run(self._clock.participate, "handler")
            context.run(presence.__enter__)
            self._todo.put(_Attempt(webhook, attempt, history, context, presence))
            if len(self._threads) < _THREADS:
                thread = threading.Thread(target=self._work, name="emulator-webhooks", daemon=True)
                self._threads.append(thread)
                thread.start()

    def resume(self, webhook: Webhook, attempt: int, due: float | None) -> None:
        """Go on with one that was still to be delivered, at monotonic `due`; None: now."""
        if due is None:
            self.deliver(webhook, attempt)
        else:
            history = self._history
            self._clock.call_at(due, lambda: self.deliver(webhook, attempt, history))

    def forget(self) -> None:
        """Deliver nothing of what was to be delivered until now."""
        with self._lock:
            self._history += 1

    def close(self) -> None:
        """Deliver nothing more."""
        with self._lock:
            self._closed = True
            for _ in self._threads:
                self._todo.put(None)

    def _work(self) -> None:
        while (delivery := self._todo.get()) is not None:
            try:
                self._attempt(delivery.webhook, delivery.attempt, delivery.history)
            finally:
                delivery.context.run(delivery.presence.__exit__, None, None, None)

    def _attempt(self, webhook: Webhook, attempt: int, history: int) -> None:
        if self._closed or history != self._history:
            return
        try:
            status: int | str = post(webhook.url, json.dumps(webhook.body).encode(), self._limit)
        except Exception as error:  # noqa: BLE001  somebody else's server and URL: whatever comes of them is noted
            status = type(error).__name__
        if self._ledger.is_on:
            self._ledger.webhook(webhook.job_id, attempt, status)
        due = self._clock.monotonic() + WEBHOOK_PAUSE
        following = attempt + 1 if status != 200 and attempt < WEBHOOK_TRIES else None
        self._tried(webhook, following, due)
        if following is not None:
            self._clock.call_at(due, lambda: self.deliver(webhook, following, history))
