"""One HTTP request from its head to its recorded answer, for every entrance.

Here faults that were injected strike a request, and here both are written to the ledger. How a connection is dropped
or an answer cut short is left to the doors: they get a `Damaged` instead of an answer.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runpod_sdk.emulator._doors._feed import JobFeed
from runpod_sdk.emulator._doors._gateway import RequestRecord
from runpod_sdk.emulator._queue._requests import ReplyKind, ReportProgress, Submit
from runpod_sdk.emulator._record._faults import OF_DOORS
from runpod_sdk.emulator._record._ledger import input_sha256
from runpod_sdk.emulator._record._misfits import with_misfits
from runpod_sdk.emulator._routes._openai_routes import streams
from runpod_sdk.emulator._routes._route import REFUSALS, Call, HttpAnswer
from runpod_sdk.emulator._routes._worker_routes import taken_back
from runpod_sdk.emulator._waiter import Waiter

if TYPE_CHECKING:
    from runpod_sdk.clock import Parking
    from runpod_sdk.emulator._doors._gateway import Gateway
    from runpod_sdk.emulator._doors._rates import RateLimits
    from runpod_sdk.emulator._queue._requests import Lose, Reply, Request
    from runpod_sdk.emulator._record._faults import Fault
    from runpod_sdk.emulator._record._injection import Disruption
    from runpod_sdk.emulator._record._ledger import Fate, LoggedRequest


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
    answer: HttpAnswer
    until: float = 0.0


_NO_ANSWER = HttpAnswer(0, b"")
_FOLLOWED = HttpAnswer(200, b"")
_TOO_MANY = HttpAnswer(429, b'{"error": "rate limit exceeded"}')  # assumed: the body, and that there is no Retry-After


class Exchange:
    """One request on its way: `ask`, then, after a wait, `conclude` or `leave`.

    A `Damaged` with a time in it is waited for in `pause`, and then `resume` says what to send.

    Args:
        gateway: where it leads.
        method: in upper case.
        path: decoded, from the root.
        query: still encoded.
        authorization: the header, or "".
        resource: the header that names an endpoint beside the path, or "".
        connected: it is on a connection, which it is too late to refuse.

    Attributes:
        body_limit: bytes of body that are worth reading.
        has_work: jobs were taken for the answer.
    """

    __slots__ = (
        "_arrived",
        "_call",
        "_connected",
        "_disruption",
        "_entered",
        "_gateway",
        "_hub",
        "_logged",
        "_method",
        "_path",
        "_refusal",
        "_work",
        "body_limit",
    )

    def __init__(
        self,
        gateway: Gateway,
        method: str,
        path: str,
        query: str,
        authorization: str,
        *,
        resource: str = "",
        connected: bool = False,
    ) -> None:
        self._gateway = gateway
        self._hub = gateway.hub
        self._method = method
        self._path = path
        self._connected = connected
        self._arrived = gateway.hub.clock.time()
        self._logged: LoggedRequest | None = None
        self._disruption: Disruption | None = None  # what its answer will suffer
        self._entered = False
        self._work: list[Lose] = []  # what takes back the jobs in the answer
        found = gateway.router.call(method, path, query, authorization, gateway.hub.endpoints, resource)
        self._call: Call | None = found if isinstance(found, Call) else None
        self._refusal: HttpAnswer | None = found if isinstance(found, HttpAnswer) else None
        self.body_limit = 0 if self._call is None else self._call.route.body_limit

    @property
    def has_work(self) -> bool:
        """Whether jobs were taken for the answer."""
        return bool(self._work)

    def ask(  # noqa: PLR0911  one for each way out
        self, body: bytes, patience: float = math.inf
    ) -> HttpAnswer | Waiter | Damaged | JobFeed:
        """Return the answer, what to wait on for it until monotonic `patience`, or what it comes from in pieces."""
        call, hub = self._call, self._hub
        if call is None:
            return self._done(self._refused())
        request = self._gateway.router.request(call, body)
        self._log(input_sha256(request.input) if isinstance(request, Submit) else None)
        repeated = self._gateway.repeats.pop((call.route.operation, call.endpoint_id, call.job_id), None)
        if repeated is not None:
            return self._done(repeated)
        # Progress takes the route of results.  # runpod-python 1.12.0 rp_progress.py
        struck = call.route.also if isinstance(request, ReportProgress) and call.route.also else call.route.operation
        endpoint = hub.endpoints[call.endpoint_id]
        self._disruption = hub.disruption(struck, endpoint, OF_DOORS, self._logged)
        if self._disruption is not None and not self._disruption.times:
            return self._done(_NO_ANSWER)
        if self._gateway.rates is not None and not self._enter(call, self._gateway.rates):
            return self._done(_TOO_MANY)
        if isinstance(request, HttpAnswer):
            return self._done(request)
        result = hub.ask(endpoint, request, patience, self._logged)
        if isinstance(result, Waiter):
            return result
        return self._followed(call, request, result) if call.rest else self._answered(call, result)

    def _followed(self, call: Call, request: Request, reply: Reply) -> HttpAnswer | Damaged | JobFeed:
        """Return what follows a job that was submitted for one call, unless a fault is in its way."""
        if reply.kind is not ReplyKind.DONE or not isinstance(request, Submit):
            return self._answered(call, reply)
        done = self._done(_FOLLOWED)
        if done is not _FOLLOWED:
            return done
        hosted = self._hub.endpoints[call.endpoint_id]
        return JobFeed(self._hub, hosted, reply.body["id"], streams=streams(request))

    def too_large(self) -> HttpAnswer | Damaged:
        """Return the answer to a body over `body_limit`."""
        return self._done(self._refused() if self._call is None else self._gateway.router.too_large(self._call))

    def conclude(self, waiter: Waiter) -> HttpAnswer | Damaged | None:
        """Return the answer after a wait; None if the caller's patience ended first."""
        reply = self._hub.conclude(waiter)
        if reply is None or self._call is None:
            self._record(None, "left")
            return None
        return self._answered(self._call, reply)

    def leave(self, waiter: Waiter) -> None:
        """Note that the caller has gone away."""
        reply = self._hub.drop(waiter)
        if reply is not None and self._call is not None:
            self._work = taken_back(self._call, reply)
        self.take_back_work()
        self._record(None, "left")

    def take_back_work(self) -> None:
        """Take back the jobs in an answer that was never written, because its worker has gone."""
        work, self._work = self._work, []
        for lost in work:
            if self._call is not None:
                self._hub.ask(self._hub.endpoints[self._call.endpoint_id], lost, logged=self._logged)

    def pause(self, damaged: Damaged, patience: float = math.inf) -> Parking:
        """Return what to wait on before `damaged` is sent; give it back with `resume`."""
        return self._hub.pause(min(patience, damaged.until))

    def resume(self, parking: Parking, damaged: Damaged) -> HttpAnswer | None:
        """Return what to send after a pause; None where the caller's patience, or the emulator, ended first."""
        self._hub.resume(parking)
        is_whole = damaged.fate == "whole"
        if is_whole and self._hub.clock.monotonic() >= damaged.until:
            self._record(damaged.answer, "whole")
            return damaged.answer
        self.take_back_work()
        if is_whole:
            self._record(None, "left")
        return None

    def _refused(self) -> HttpAnswer:
        if self._refusal is None:
            raise RuntimeError("a request that was let in has no answer yet")
        return self._refusal

    def _enter(self, call: Call, rates: RateLimits) -> bool:
        """Whether the rate limits let the request in."""
        if call.route.is_for_workers:
            return True
        workers = self._hub.endpoints[call.endpoint_id].queue.worker_count()
        now = self._hub.clock.monotonic()
        self._entered = rates.enter(call.endpoint_id, call.route.operation, now, workers)
        return self._entered

    def _answered(self, call: Call, reply: Reply) -> HttpAnswer | Damaged:
        if call.route.gives_work:
            self._work = taken_back(call, reply)
        return self._done(self._gateway.router.answer(call, reply))

    def _done(self, answer: HttpAnswer) -> HttpAnswer | Damaged:
        """Record the answer, as it is or as a fault leaves it."""
        disruption = self._disruption
        if disruption is None:
            if self._work and self._loses_work():
                self._record(None, "dropped")
                return Damaged("dropped", answer)
            self._record(answer, "whole")
            return answer
        if disruption.repeats and self._call is not None:
            self._gateway.repeats[self._call.route.operation, self._call.endpoint_id, self._call.job_id] = answer
        if disruption.instead is not None:
            answer = _answer_of(disruption.instead)
        if disruption.misfits and self._call is not None:
            answer = replace(answer, body=with_misfits(answer.body, self._call.route.operation))
        until = self._hub.clock.monotonic() + disruption.pause if disruption.pause else 0.0
        fate = "dropped" if disruption.fate == "refused" and self._connected else disruption.fate
        if fate != "whole":
            self._record(answer if fate == "truncated" else None, fate)
            return Damaged(fate, answer, until)
        if until:
            return Damaged("whole", answer, until)
        self._record(answer, "whole")
        return answer

    def _loses_work(self) -> bool:
        """Whether a fault strikes the jobs in this answer; what happens to them is up to their lease."""
        call = self._call
        if call is None:
            return False
        endpoint = self._hub.endpoints[call.endpoint_id]
        jobs = [job.job_id for job in self._work]
        return self._hub.loses_work(endpoint, call.route.operation, call.worker_id, jobs, self._logged)

    def _log(self, sha256: str | None) -> None:
        ledger, call = self._hub.ledger, self._call
        if not ledger.is_on:
            return
        if call is None:
            self._logged = ledger.request("", self._method, self._path, "", "", None)
        else:
            operation, endpoint_id, job_id = call.route.operation, call.endpoint_id, call.job_id
            self._logged = ledger.request(operation, self._method, self._path, endpoint_id, job_id, sha256)

    def _record(self, answer: HttpAnswer | None, fate: Fate) -> None:
        gateway, call = self._gateway, self._call
        status = None if answer is None else answer.status
        operation = "" if call is None else call.route.operation
        if self._entered and gateway.rates is not None and call is not None:
            gateway.rates.leave(call.endpoint_id, operation)
        gateway.records.append(RequestRecord(operation, self._method, self._path, status, self._arrived))
        ledger = self._hub.ledger
        if not ledger.is_on:
            return
        if self._logged is None:
            self._log(None)
        # The true answer may also have been whole, and another sent in its place.
        is_lost = fate != "whole" or (self._disruption is not None and self._disruption.instead is not None)
        if self._work and is_lost and call is not None:
            ledger.not_begun(call.worker_id, [lost.job_id for lost in self._work])
        if self._logged is not None:
            said = None if answer is None else answer.job_status
            reason = None if answer is None or answer.status < REFUSALS else answer.reason
            ledger.answer(self._logged, status, fate, said, reason)


def headers_of(answer: HttpAnswer) -> list[tuple[str, str]]:
    """Return the header fields of an answer, with its length, unless a fault gives it another."""
    if answer.status in (204, 304):  # RFC 9110, 8.6: no content-length
        return [field for field in answer.headers if field[0] != "content-length"]
    fields = dict(answer.headers)
    fields.setdefault("content-length", str(len(answer.body)))
    return list(fields.items())


def _answer_of(fault: Fault) -> HttpAnswer:
    """Return the answer that a fault gives."""
    body, content_type = fault.page()
    if body is None:
        body = json.dumps(fault.facts()).encode()
    headers = {name.lower(): value for name, value in fault.headers.items()}
    if content_type:
        headers = {"content-type": content_type, **headers}
    return HttpAnswer(fault.code, body, tuple(headers.items()))
