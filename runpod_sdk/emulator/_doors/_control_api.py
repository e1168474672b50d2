"""The routes under /_emulator: readiness, reset, state, faults, ledger, time.

They need no key as long as they are called by a name of this machine (localhost, 127.0.0.1, [::1]), so that a server
that listens on other addresses too gives nothing away. Pages of other origins are refused: `_callers.py` decides.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

from runpod_sdk.emulator._doors._callers import Admission, Area, Caller, Callers
from runpod_sdk.emulator._doors._console import Sample, Seen, Watch, job_of, note_secrets
from runpod_sdk.emulator._doors._secrets import Secrets
from runpod_sdk.emulator._doors._timing import Advance, advance, pace, time_of
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._record._faults import faults_from_json
from runpod_sdk.emulator._record._metrics import CONTENT_TYPE, exposition
from runpod_sdk.emulator._routes._route import HttpAnswer, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runpod_sdk.emulator._doors._gateway import Gateway

PREFIX = "/_emulator/"
# What the console asks of the service: an endpoint, and what changes something and is not held.
_FORWARDED = re.compile(r"[A-Za-z0-9_-]+/(run|purge-queue|(cancel|retry)/[^/]+)")
# A body of a control route, bytes; ours.
BODY_LIMIT = 2**20


@dataclass(frozen=True, slots=True)
class Forward:
    """What a door has to do instead: ask this path of the service, with this key; None: with the body that came."""

    path: str
    api_key: str
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class ControlRequest:
    """What came with a request: its body, and what is named at the end of its path, where there is something."""

    body: bytes
    named: str = ""


@dataclass(frozen=True, slots=True)
class ControlRoute:
    """One row.

    Attributes:
        method: the one that is let in.
        path: below `PREFIX`; it may end in a name in braces.
        answer: what is done; a ValueError of it is answered with 400.
    """

    method: str
    path: str
    answer: Callable[[ControlApi, ControlRequest], ControlAnswer]

    def matches(self, name: str) -> bool:
        """Whether this is its path."""
        head, number, _ = self.path.partition("{")
        return (len(name) > len(head) and name.startswith(head)) if number else name == self.path

    def named(self, name: str) -> str:
        """Return what stands in the path where the braces do."""
        return name[self.path.index("{") :] if "{" in self.path else ""


class ControlApi:
    """What the routes do.

    Args:
        gateway: what they look at.
        api_key: what is needed from elsewhere.
        reset: forgets every job.
        callers: who may call them.
        seen: what the console shows beside jobs and rows.
    """

    def __init__(self, gateway: Gateway, api_key: str, reset: Callable[[], None], callers: Callers, seen: Seen) -> None:
        self._gateway = gateway
        self._callers = callers
        self._seen = seen
        self._secrets = Secrets()
        self._api_key = api_key
        self._keys = {api_key, f"Bearer {api_key}"}
        self._forget_all = reset

    def handle(self, method: str, path: str, caller: Caller, authorization: str, body: bytes) -> ControlAnswer:
        """Answer a request whose path begins with `PREFIX`."""
        access = self._callers.access(Area.CONTROL, caller)
        if access is Admission.REFUSED:
            return self._callers.refusal(Area.CONTROL, caller)
        if access is Admission.KEY and authorization.strip() not in self._keys:
            error = f"the host {caller.host!r} is no name of this machine, so the API key is needed"
            return json_answer(401, {"error": error})
        name = path.removeprefix(PREFIX)
        rows = [row for row in CONTROL_ROUTES if row.matches(name)]
        row = next((row for row in rows if row.method == method), None)
        if row is not None:
            try:
                return row.answer(self, ControlRequest(body, row.named(name)))
            except ValueError as error:
                return json_answer(400, {"error": str(error)})
        if not rows:
            return json_answer(404, {"error": "path not found"})
        allowed = tuple(row.method for row in rows)
        return json_answer(405, {"error": f"method {method} not allowed"}, allow=allowed)

    def clock(self, _: ControlRequest | None = None) -> HttpAnswer:
        """Say what time it is, and how it passes."""
        return time_of(self._gateway.hub.clock)

    def ready(self, _: ControlRequest) -> HttpAnswer:
        """Say that it answers, and for which endpoints."""
        return json_answer(200, {"ready": True, "endpoints": sorted(self._gateway.hub.endpoints)})

    def reset(self, _: ControlRequest) -> HttpAnswer:
        """Forget every job, every request and every fault."""
        self._forget_all()
        return json_answer(200, {"reset": True})

    def state(self, _: ControlRequest) -> HttpAnswer:
        """Show every job."""
        records = self._gateway.hub.records()
        endpoints = {
            endpoint_id: {
                "statuses": dict(Counter(each.status for each in records if each.endpoint_id == endpoint_id)),
                "jobs": [each.state for each in records if each.endpoint_id == endpoint_id],
            }
            for endpoint_id in sorted(self._gateway.hub.endpoints)
        }
        return json_answer(200, {"time": self._gateway.hub.clock.time(), "endpoints": endpoints})

    def openapi(self, _: ControlRequest) -> HttpAnswer:
        """Return the document of the service."""
        document = files("runpod_sdk.emulator").joinpath("openapi.json").read_bytes()
        return HttpAnswer(200, document)

    def faults(self, _: ControlRequest) -> HttpAnswer:
        """List what is injected."""
        return json_answer(200, {"faults": [injected.to_json() for injected in self._gateway.faults.all()]})

    def add_faults(self, request: ControlRequest) -> HttpAnswer:
        """Inject faults."""
        faults = faults_from_json(_loaded(request.body))
        added = [self._gateway.faults.add(fault, lasts=True).to_json() for fault in faults]
        self._gateway.hub.keep()
        return json_answer(200, {"faults": added})

    def clear_faults(self, _: ControlRequest) -> HttpAnswer:
        """Remove all faults."""
        removed = len(self._gateway.faults.all())
        self._gateway.faults.clear()
        self._gateway.hub.keep()
        return json_answer(200, {"removed": removed})

    def remove_fault(self, request: ControlRequest) -> HttpAnswer:
        """Remove one fault."""
        number = request.named
        if not (number.isascii() and number.isdigit() and self._gateway.faults.remove(int(number))):
            return json_answer(404, {"error": f"no fault has the number {number}"})
        self._gateway.hub.keep()
        return json_answer(200, {"removed": 1})

    def ledger(self, _: ControlRequest) -> HttpAnswer:
        """Return what has happened, as JSON Lines."""
        body = self._gateway.hub.ledger.to_jsonl().encode()
        return HttpAnswer(200, body, headers=(("content-type", "application/x-ndjson"),))

    def verdict(self, _: ControlRequest) -> HttpAnswer:
        """Say whether anything was lost or doubled."""
        return json_answer(200, self._gateway.hub.ledger.verdict().to_json())

    def metrics(self, _: ControlRequest) -> HttpAnswer:
        """Return what is measured, as Prometheus reads it."""
        return HttpAnswer(
            200, exposition(*self._gateway.hub.measures()).encode(), headers=(("content-type", CONTENT_TYPE),)
        )

    def events(self, _: ControlRequest) -> Watch:
        """Tell what has happened, and what happens from now on."""
        return Watch(self._gateway.hub, self._seen.lines, self._secrets)

    def job(self, request: ControlRequest) -> HttpAnswer:
        """Show one job; secrets are masked."""
        found = next((record for record in self._gateway.hub.records() if record.id == request.named), None)
        if found is None:
            return json_answer(404, {"error": "job not found"})
        note_secrets(self._secrets, self._gateway.hub, found.endpoint_id, found.id)
        return json_answer(200, job_of(found, self._gateway.chunks, self._secrets))

    def forward(self, request: ControlRequest) -> HttpAnswer | Forward:
        """Ask the service to begin, cancel or retry a job, or to purge a queue, for the console, which has no key."""
        if not _FORWARDED.fullmatch(request.named):
            return json_answer(404, {"error": "path not found"})
        return Forward(f"/v2/{request.named}", self._api_key)

    def workers(self, request: ControlRequest) -> HttpAnswer:
        """Let workers of an endpoint be throttled or unhealthy, or replace them."""
        endpoint = self._gateway.hub.endpoints.get(request.named)
        if endpoint is None:
            return json_answer(404, {"error": f"endpoint {request.named!r} is not declared"})
        sent: Any = _loaded(request.body)
        fields = cast("dict[str, Any]", sent) if isinstance(sent, dict) else {}
        counts = {name: fields[name] for name in ("throttled", "unhealthy") if name in fields}
        wrong = [each for each in counts.values() if isinstance(each, bool) or not isinstance(each, int) or each < 0]
        update = fields.get("update", False)
        if not fields or set(fields) - {"throttled", "unhealthy", "update"} or wrong or not isinstance(update, bool):
            raise ValueError('an object like {"throttled": 2, "unhealthy": 0, "update": true} expected')
        asked: list[ask.Request] = [ask.BarWorkers(**counts)] if counts else []
        for each in [*asked, *([ask.UpdateWorkers()] if update else [])]:
            refusal = self._gateway.hub.tell(endpoint, each)
            if refusal:
                return json_answer(409, {"error": refusal})
        self._gateway.hub.keep()
        return json_answer(200, {**counts, "updated": update})

    def kill(self, request: ControlRequest) -> HttpAnswer:
        """Kill the worker that runs a job, as it might die by itself."""
        worker_id = self._gateway.hub.kill_worker_of(request.named)
        if worker_id is None:
            return json_answer(409, {"error": f"no worker runs a job {request.named}"})
        return json_answer(200, {"killed": worker_id})

    def tests(self, _: ControlRequest) -> HttpAnswer:
        """List the inputs that workers' repositories are tested with, by endpoint; secrets are masked."""
        return json_answer(200, {name: self._shown(name) for name in sorted(self._gateway.hub.endpoints)})

    def _shown(self, endpoint_id: str) -> dict[str, Any]:
        try:
            tests = self._seen.tests(endpoint_id)
        except ValueError as error:
            return {"tests": [], "problem": str(error)}
        return {
            "tests": [{"name": test.name, "input": self._secrets.hidden(test.input)} for test in tests],
            "problem": "",
        }

    def run_test(self, request: ControlRequest) -> HttpAnswer | Forward:
        """Run one of them, as it stands in its file."""
        endpoint_id, _, number = request.named.partition("/")
        known = endpoint_id in self._gateway.hub.endpoints
        tests: Sequence[Sample] = self._seen.tests(endpoint_id) if known else ()
        if not (number.isascii() and number.isdigit() and int(number) < len(tests)):
            return json_answer(404, {"error": "there is no such test"})
        test = tests[int(number)]
        body: dict[str, Any] = {"input": test.input}
        if test.execution_timeout is not None:
            body["policy"] = {"executionTimeout": round(test.execution_timeout * 1000)}
        return Forward(f"/v2/{endpoint_id}/run", self._api_key, json.dumps(body).encode())

    def advance(self, request: ControlRequest) -> HttpAnswer | Advance:
        """Say by how much the clock is to be moved."""
        return advance(self._gateway.hub.clock, request.body)

    def pace(self, request: ControlRequest) -> HttpAnswer:
        """Pause the clock, or let it go on, faster or slower."""
        return pace(self._gateway.hub.clock, request.body)


def _loaded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except RecursionError as error:
        raise ValueError("body is nested too deeply") from error


ControlAnswer = HttpAnswer | Advance | Forward | Watch

# To add a route, add its row, and its method above.
CONTROL_ROUTES = (
    ControlRoute("GET", "ready", ControlApi.ready),
    ControlRoute("POST", "reset", ControlApi.reset),
    ControlRoute("GET", "state", ControlApi.state),
    ControlRoute("GET", "openapi.json", ControlApi.openapi),
    ControlRoute("GET", "faults", ControlApi.faults),
    ControlRoute("POST", "faults", ControlApi.add_faults),
    ControlRoute("DELETE", "faults", ControlApi.clear_faults),
    ControlRoute("DELETE", "faults/{number}", ControlApi.remove_fault),
    ControlRoute("GET", "ledger", ControlApi.ledger),
    ControlRoute("GET", "verdict", ControlApi.verdict),
    ControlRoute("GET", "metrics", ControlApi.metrics),
    ControlRoute("GET", "events", ControlApi.events),
    ControlRoute("GET", "jobs/{id}", ControlApi.job),
    ControlRoute("POST", "v2/{call}", ControlApi.forward),
    ControlRoute("POST", "workers/{endpoint}", ControlApi.workers),
    ControlRoute("GET", "clock", ControlApi.clock),
    ControlRoute("POST", "clock/advance", ControlApi.advance),
    ControlRoute("POST", "clock/rate", ControlApi.pace),
    ControlRoute("POST", "kill/{job}", ControlApi.kill),
    ControlRoute("GET", "tests", ControlApi.tests),
    ControlRoute("POST", "tests/{test}", ControlApi.run_test),
)
