"""A queue whose effects are kept until a test asks for them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._queue import _queue

if TYPE_CHECKING:
    from runpod_sdk.emulator import JobRecord
    from runpod_sdk.emulator._queue import _requests as ask
    from runpod_sdk.emulator._queue._effects import Effects, Webhook
    from runpod_sdk.emulator._queue._requests import Hold, Reply


class Queue:
    """A queue of the emulator, and what it said that is to happen; each is returned once."""

    def __init__(self, endpoint_id: str, **arguments: Any) -> None:
        self.pure = _queue.Queue(endpoint_id, **arguments)
        self.worker_count = self.pure.worker_count
        self.drop_hold = self.pure.drop_hold
        self._next_deadline = math.inf
        self._answers: list[tuple[Hold, Reply]] = []
        self._webhooks: list[Webhook] = []
        self._stops: list[tuple[str, str]] = []
        self._replacements: list[str] = []

    def handle(self, request: ask.Request, now: float) -> Reply | Hold:
        answer, effects = self.pure.handle(request, now)
        self._keep(effects)
        return answer

    def advance(self, now: float) -> None:
        self._keep(self.pure.advance(now))

    def expire_hold(self, hold: Hold, now: float) -> Reply:
        reply, effects = self.pure.expire_hold(hold, now)
        self._keep(effects)
        return reply

    def hang_up(self, hold: Hold, now: float) -> None:
        self._keep(self.pure.hang_up(hold, now))

    def clear(self) -> None:
        self._keep(self.pure.clear())

    def records(self) -> list[JobRecord]:
        return self.pure.records()

    def next_deadline(self) -> float | None:
        return None if math.isinf(self._next_deadline) else self._next_deadline

    def released(self) -> list[tuple[Hold, Reply]]:
        answers, self._answers = self._answers, []
        return answers

    def notices(self) -> list[Webhook]:
        webhooks, self._webhooks = self._webhooks, []
        return webhooks

    def stopped(self) -> list[tuple[str, str]]:
        stops, self._stops = self._stops, []
        return stops

    def replaced(self) -> list[str]:
        replacements, self._replacements = self._replacements, []
        return replacements

    def _keep(self, effects: Effects) -> None:
        self._answers += effects.answers
        self._webhooks += effects.webhooks
        self._stops += effects.stops
        self._replacements += effects.replacements
        self._next_deadline = effects.next_deadline
