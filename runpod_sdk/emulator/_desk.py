"""Where both doors bring what they carry: a visit is one HTTP request, from its head to its answer and its record."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpod_sdk.emulator._client_api import Answer, Call
from runpod_sdk.emulator._hub import Waiter

if TYPE_CHECKING:
    from runpod_sdk.emulator._client_api import ClientApi
    from runpod_sdk.emulator._hub import Hub


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request that an emulator has answered.

    Attributes:
        operation: run, runsync, status, …; "" where the request was turned away before that was known.
        method: the HTTP method.
        path: the path, from the root.
        status: the HTTP status; None where the caller left before the answer.
        time: when it came, seconds since 1970 on the emulator's clock.
    """

    operation: str
    method: str
    path: str
    status: int | None
    time: float


class Visit:
    """One request on its way: `call` or `answer` first, then `ask`, then, after a wait, `conclude` or `leave`."""

    __slots__ = ("_arrived", "_desk", "_method", "_path", "answer", "call")

    def __init__(self, desk: Desk, method: str, path: str, query: str, authorization: str) -> None:
        self._desk = desk
        self._method = method
        self._path = path
        self._arrived = desk.hub.clock.time()
        found = desk.api.call(method, path, query, authorization, desk.hub.rooms)
        self.call: Call | None = found if isinstance(found, Call) else None
        self.answer: Answer | None = found if isinstance(found, Answer) else None

    @property
    def body_limit(self) -> int:
        """Bytes of body that are worth reading."""
        return self.call.body_limit if self.call is not None else 0

    def ask(self, body: bytes, patience: float = math.inf) -> Answer | Waiter:
        """Return the answer, or what to wait on for it until monotonic `patience`."""
        if self.call is None:
            return self._done(self.answer)
        request = self._desk.api.request(self.call, body)
        if isinstance(request, Answer):
            return self._done(request)
        hub = self._desk.hub
        result = hub.ask(hub.rooms[self.call.endpoint_id], request, patience)
        return result if isinstance(result, Waiter) else self._done(self._desk.api.answer(result))

    def too_large(self) -> Answer:
        """Return the answer to a body over `body_limit`."""
        return self._done(self.answer if self.call is None else self._desk.api.too_large(self.call))

    def conclude(self, waiter: Waiter) -> Answer | None:
        """Return the answer after a wait; None if the caller's patience ended first."""
        reply = self._desk.hub.conclude(waiter)
        if reply is None:
            self._record(None)
            return None
        return self._done(self._desk.api.answer(reply))

    def leave(self, waiter: Waiter) -> None:
        """Note that the caller has gone away."""
        self._desk.hub.drop(waiter)
        self._record(None)

    def _done(self, answer: Answer | None) -> Answer:
        if answer is None:
            raise RuntimeError("a visit that was turned away has its answer")
        self._record(answer.status)
        return answer

    def _record(self, status: int | None) -> None:
        operation = "" if self.call is None else self.call.operation
        self._desk.records.append(RequestRecord(operation, self._method, self._path, status, self._arrived))


class Desk:
    """What both doors share."""

    def __init__(self, hub: Hub, api: ClientApi, record: int) -> None:
        self.hub = hub
        self.api = api
        self.records: deque[RequestRecord] = deque(maxlen=record)

    def visit(self, method: str, path: str, query: str, authorization: str) -> Visit:
        """Receive the head of a request."""
        return Visit(self, method, path, query, authorization)
