"""Where both doors bring what they carry: a visit is one HTTP request, from its head to its answer and its record.

Here a fault that was injected strikes a request, and here both are written to the ledger. How a connection is dropped
or an answer cut short is left to the doors: they get a `Damaged` instead of an answer.
"""

from __future__ import annotations

import json
import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpod_sdk.emulator._hub import Waiter
from runpod_sdk.emulator._queue._requests import Progress, Submit
from runpod_sdk.emulator._record._faults import OF_DOORS
from runpod_sdk.emulator._record._ledger import Exchange, input_sha256
from runpod_sdk.emulator._routes._route import Answer, Call
from runpod_sdk.emulator._routes._worker_routes import taken_back

if TYPE_CHECKING:
    from runpod_sdk.clock import Parking
    from runpod_sdk.emulator._doors._control_api import ControlApi
    from runpod_sdk.emulator._doors._rates import Rates
    from runpod_sdk.emulator._hub import Hub
    from runpod_sdk.emulator._queue._requests import Reply
    from runpod_sdk.emulator._record._faults import Fault, Faults, InjectedFault, Kind
    from runpod_sdk.emulator._record._ledger import Fate
    from runpod_sdk.emulator._routes._router import Router

_FATES: dict[Kind, Fate] = {
    "drop": "dropped",
    "reset": "reset",
    "stall": "stalled",
    "refuse": "refused",
    "truncate": "truncated",
}


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request that an emulator has answered.

    Attributes:
        operation: run, runsync, status, …; "" where the request was turned away before that was known.
        method: the HTTP method.
        path: the path, from the root.
        status: the HTTP status; None where the caller left before the answer, or a fault took it.
        time: when it came, seconds since 1970 on the emulator's clock.
    """

    operation: str
    method: str
    path: str
    status: int | None
    time: float


@dataclass(frozen=True, slots=True)
class Damaged:
    """What a door has instead of an answer.

    Attributes:
        fate: what it has to do: send half of the answer, close or reset the connection, or nothing for ever; "whole":
            send it, but only then.
        answer: what there would have been to send.
        until: the monotonic time before which nothing is sent.
    """

    fate: Fate
    answer: Answer
    until: float = 0.0


_NO_ANSWER = Answer(0, b"")
_TOO_MANY = Answer(429, b'{"error": "rate limit exceeded"}')  # assumed: the body, and that there is no Retry-After


class Visit:
    """One request on its way: `call` or `answer` first, then `ask`, then, after a wait, `conclude` or `leave`.

    A `Damaged` with a time in it is waited for in `pause`, and then either `sent` or `left`.
    """

    __slots__ = (
        "_arrived",
        "_connected",
        "_desk",
        "_entered",
        "_exchange",
        "_method",
        "_path",
        "_reply",
        "_struck",
        "answer",
        "call",
    )

    def __init__(
        self, desk: Desk, method: str, path: str, query: str, authorization: str, *, connected: bool = False
    ) -> None:
        self._connected = connected
        self._entered = False
        self._desk = desk
        self._method = method
        self._path = path
        self._arrived = desk.hub.clock.time()
        self._exchange: Exchange | None = None
        self._struck: Fault | None = None  # a fault that its answer will suffer
        self._reply: Reply | None = None
        found = desk.router.call(method, path, query, authorization, desk.hub.rooms)
        self.call: Call | None = found if isinstance(found, Call) else None
        self.answer: Answer | None = found if isinstance(found, Answer) else None

    @property
    def body_limit(self) -> int:
        """Bytes of body that are worth reading."""
        return self.call.body_limit if self.call is not None else 0

    def ask(self, body: bytes, patience: float = math.inf) -> Answer | Waiter | Damaged:
        """Return the answer, or what to wait on for it until monotonic `patience`."""
        if self.call is None:
            return self._done(self.answer)
        call, desk = self.call, self._desk
        request = desk.router.request(call, body)
        self._note(input_sha256(request.input) if isinstance(request, Submit) else None)
        # Progress takes the route of results.  # runpod-python 1.12.0 rp_progress.py
        struck = call.route.also if isinstance(request, Progress) and call.route.also else call.route.operation
        injected = desk.faults.strike(struck, call.endpoint_id, OF_DOORS)
        if injected is not None:
            self._note_fault(injected)
            self._struck = injected.fault
            if injected.fault.when == "before":
                return self._done(_NO_ANSWER)
        room = desk.hub.rooms[call.endpoint_id]
        if desk.rates is not None and not call.route.is_for_workers:
            now, workers = desk.hub.clock.monotonic(), room.queue.worker_count()
            self._entered = desk.rates.enter(call.endpoint_id, call.route.operation, now, workers)
            if not self._entered:
                return self._done(_TOO_MANY)
        if isinstance(request, Answer):
            return self._done(request)
        result = desk.hub.ask(room, request, patience, self._exchange)
        return result if isinstance(result, Waiter) else self._done(self._answered(call, result))

    def too_large(self) -> Answer | Damaged:
        """Return the answer to a body over `body_limit`."""
        return self._done(self.answer if self.call is None else self._desk.router.too_large(self.call))

    def conclude(self, waiter: Waiter) -> Answer | Damaged | None:
        """Return the answer after a wait; None if the caller's patience ended first."""
        reply = self._desk.hub.conclude(waiter)
        if reply is None or self.call is None:
            self._record(None, "left")
            return None
        return self._done(self._answered(self.call, reply))

    def leave(self, waiter: Waiter) -> None:
        """Note that the caller has gone away."""
        self._reply = self._desk.hub.drop(waiter)
        self.undelivered()
        self._record(None, "left")

    @property
    def gives_work(self) -> bool:
        """Whether jobs were taken for the answer."""
        call, reply = self.call, self._reply
        return call is not None and reply is not None and bool(taken_back(call, reply))

    def undelivered(self) -> None:
        """Take back the jobs in an answer that was never written, because its worker has gone."""
        call, reply, hub = self.call, self._reply, self._desk.hub
        if call is None or reply is None:
            return
        for lost in taken_back(call, reply):
            hub.ask(hub.rooms[call.endpoint_id], lost, exchange=self._exchange)

    def _answered(self, call: Call, reply: Reply) -> Answer:
        self._reply = reply
        return self._desk.router.answer(call, reply)

    def pause(self, damaged: Damaged, patience: float = math.inf) -> Parking:
        """Return what to wait on before `damaged` is sent; give it back with `sent` or `left`."""
        return self._desk.hub.pause(min(patience, damaged.until))

    def resume(self, parking: Parking, damaged: Damaged) -> Answer | None:
        """Return what to send after a pause; None where the caller's patience, or the emulator, ended first."""
        self._desk.hub.resume(parking)
        is_whole = damaged.fate == "whole"
        if is_whole and self._desk.hub.clock.monotonic() >= damaged.until:
            self._record(damaged.answer, "whole")
            return damaged.answer
        self.undelivered()
        if is_whole:
            self._record(None, "left")
        return None

    def _done(self, answer: Answer | None) -> Answer | Damaged:
        """Record the answer, as it is or as a fault leaves it."""
        if answer is None:
            raise RuntimeError("a visit that was turned away has its answer")
        fault = self._struck
        if fault is None and self.gives_work and self._loses_work():
            self._record(None, "dropped")
            return Damaged("dropped", answer)
        if fault is None:
            self._record(answer, "whole")
            return answer
        if fault.kind == "status":
            answer = _answer_of(fault)
            self._record(answer, "whole")
            return answer
        if fault.kind == "delay":
            return Damaged("whole", answer, self._desk.hub.clock.monotonic() + fault.seconds)
        fate = _FATES[fault.kind]
        if fate == "refused" and self._connected:
            fate = "dropped"
        self._record(answer if fate == "truncated" else None, fate)
        return Damaged(fate, answer, math.inf if fate == "stalled" else 0.0)

    def _loses_work(self) -> bool:
        """Claim that a fault strikes the jobs in this answer; what becomes of them is up to their lease."""
        hub, call = self._desk.hub, self.call
        if call is None:
            return False
        return hub.lose(hub.rooms[call.endpoint_id], call.route.operation, call.worker_id, self._exchange)

    def _note(self, sha256: str | None) -> None:
        ledger, call = self._desk.hub.ledger, self.call
        if not ledger.is_on:
            return
        if call is None:
            self._exchange = ledger.request("", self._method, self._path, "", "", None)
        else:
            operation, endpoint_id, job_id = call.route.operation, call.endpoint_id, call.job_id
            self._exchange = ledger.request(operation, self._method, self._path, endpoint_id, job_id, sha256)

    def _note_fault(self, injected: InjectedFault) -> None:
        ledger, fault = self._desk.hub.ledger, injected.fault
        if ledger.is_on and self.call is not None:
            ledger.fault(self._exchange, fault.kind, injected.number, fault.when, self.call.endpoint_id)

    def _record(self, answer: Answer | None, fate: Fate) -> None:
        status = None if answer is None else answer.status
        operation = "" if self.call is None else self.call.route.operation
        if self._entered and self._desk.rates is not None and self.call is not None:
            self._desk.rates.leave(self.call.endpoint_id, self.call.route.operation)
        self._desk.records.append(RequestRecord(operation, self._method, self._path, status, self._arrived))
        ledger = self._desk.hub.ledger
        if not ledger.is_on:
            return
        if self._exchange is None:
            self._note(None)
        if self._exchange is not None:
            ledger.answer(self._exchange, status, fate, None if answer is None else answer.job_status)


class Desk:
    """What both doors share."""

    def __init__(self, hub: Hub, router: Router, faults: Faults, rates: Rates | None, record: int) -> None:
        self.rates = rates
        self.hub = hub
        self.router = router
        self.faults = faults
        self.records: deque[RequestRecord] = deque(maxlen=record)
        self.control: ControlApi

    def visit(self, method: str, path: str, query: str, authorization: str, *, connected: bool = False) -> Visit:
        """Receive the head of a request; `connected`: on a connection, which it is too late to refuse."""
        return Visit(self, method, path, query, authorization, connected=connected)


def _answer_of(fault: Fault) -> Answer:
    """Return the answer that a fault gives."""
    body, content_type = fault.page()
    if body is None:
        body = json.dumps(fault.facts()).encode()
    headers = {name.lower(): value for name, value in fault.headers.items()}
    if content_type:
        headers.setdefault("content-type", content_type)
    return Answer(fault.code, body, more=tuple(headers.items()))
