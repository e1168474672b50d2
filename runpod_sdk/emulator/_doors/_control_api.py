"""The routes of whoever runs the emulator, under /_emulator: readiness, reset, state, faults, ledger, time.

They need no key as long as they are called by a name of this machine (localhost, 127.0.0.1, [::1]), so that a server
that listens on other addresses too gives nothing away, and no page on the web reaches it by a name of its own (DNS
rebinding). Called by any other name, they need the API key.
"""

from __future__ import annotations

import ipaddress
import json
from collections import Counter
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

from runpod_sdk.clock import SystemClock, VirtualClock
from runpod_sdk.emulator._doors._client_api import Answer
from runpod_sdk.emulator._record._faults import faults_from_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk.emulator._doors._desk import Desk

PREFIX = "/_emulator/"
# A body of a control route, bytes; ours.
BODY_LIMIT = 2**20
# The most that one call moves the clock, seconds: ten years; ours.
_ADVANCE_MAX = 10 * 366 * 86_400.0
_NAMES = frozenset({"localhost", "emulator.invalid"})  # the second is what the transport in this process is called


@dataclass(frozen=True, slots=True)
class Advance:
    """What a door has to do before it answers with `ControlApi.clock`: move the clock by so many seconds."""

    clock: VirtualClock
    seconds: float


class ControlApi:
    """The routes.

    Args:
        desk: what they look at.
        api_key: what is needed from elsewhere.
        reset: forgets every job.
    """

    def __init__(self, desk: Desk, api_key: str, reset: Callable[[], None]) -> None:
        self._desk = desk
        self._keys = {api_key, f"Bearer {api_key}"}
        self._reset = reset
        self._routes: dict[tuple[str, str], Callable[[bytes], Answer | Advance]] = {
            ("GET", "ready"): self._ready,
            ("POST", "reset"): self._reset_all,
            ("GET", "state"): self._state,
            ("GET", "openapi.json"): self._openapi,
            ("GET", "faults"): self._faults,
            ("POST", "faults"): self._add_faults,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "ledger"): self._ledger,
            ("GET", "verdict"): self._verdict,
            ("GET", "clock"): lambda _: self.clock(),
            ("POST", "clock/advance"): self._advance,
        }

    def handle(self, method: str, path: str, host: str, authorization: str, body: bytes) -> Answer | Advance:
        """Answer a request whose path begins with `PREFIX`; `host` is the name that it was called by."""
        if not _is_this_machine(host) and authorization.strip() not in self._keys:
            return _json(401, {"error": f"the host {host!r} is no name of this machine, so the API key is needed"})
        name = path.removeprefix(PREFIX)
        if method == "DELETE" and name.startswith("faults/"):
            return self._remove_fault(name.removeprefix("faults/"))
        route = self._routes.get((method, name))
        if route is not None:
            try:
                return route(body)
            except ValueError as error:
                return _json(400, {"error": str(error)})
        methods = [known for known, known_name in self._routes if known_name == name]
        if not methods:
            return _json(404, {"error": "path not found"})
        return Answer(405, _dumped({"error": f"method {method} not allowed"}), allow=tuple(methods))

    def clock(self) -> Answer:
        """Say what time it is, and how it passes."""
        clock = self._desk.hub.clock
        rate = clock.rate if isinstance(clock, SystemClock) else None
        mode = "system" if rate == 1 else "scaled"
        if isinstance(clock, VirtualClock):
            mode = "virtual" if clock.auto_jump else "manual"
        return _json(200, {"mode": mode, "rate": rate, "time": clock.time(), "monotonic": clock.monotonic()})

    def _ready(self, _: bytes) -> Answer:
        return _json(200, {"ready": True, "endpoints": sorted(self._desk.hub.rooms)})

    def _reset_all(self, _: bytes) -> Answer:
        self._reset()
        return _json(200, {"reset": True})

    def _state(self, _: bytes) -> Answer:
        records = self._desk.hub.records()
        endpoints = {
            endpoint_id: {
                "statuses": dict(Counter(each.status for each in records if each.endpoint_id == endpoint_id)),
                "jobs": [each.state for each in records if each.endpoint_id == endpoint_id],
            }
            for endpoint_id in sorted(self._desk.hub.rooms)
        }
        return _json(200, {"time": self._desk.hub.clock.time(), "endpoints": endpoints})

    def _openapi(self, _: bytes) -> Answer:
        document = files("runpod_sdk.emulator").joinpath("openapi.json").read_bytes()
        return Answer(200, document)

    def _faults(self, _: bytes) -> Answer:
        return _json(200, {"faults": [injected.to_json() for injected in self._desk.faults.all()]})

    def _add_faults(self, body: bytes) -> Answer:
        faults = faults_from_json(_loaded(body))
        return _json(200, {"faults": [self._desk.faults.add(fault).to_json() for fault in faults]})

    def _clear_faults(self, _: bytes) -> Answer:
        removed = len(self._desk.faults.all())
        self._desk.faults.clear()
        return _json(200, {"removed": removed})

    def _remove_fault(self, number: str) -> Answer:
        if not (number.isascii() and number.isdigit() and self._desk.faults.remove(int(number))):
            return _json(404, {"error": f"no fault has the number {number}"})
        return _json(200, {"removed": 1})

    def _ledger(self, _: bytes) -> Answer:
        body = self._desk.hub.ledger.to_jsonl().encode()
        return Answer(200, body, more=(("content-type", "application/x-ndjson"),))

    def _verdict(self, _: bytes) -> Answer:
        return _json(200, self._desk.hub.ledger.verdict().to_json())

    def _advance(self, body: bytes) -> Answer | Advance:
        clock = self._desk.hub.clock
        if not isinstance(clock, VirtualClock):
            return _json(409, {"error": "time passes by itself here; only a manual clock can be advanced"})
        sent = _loaded(body)
        seconds: Any = cast("dict[str, Any]", sent).get("seconds") if isinstance(sent, dict) else None
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if not (is_number and 0 <= seconds <= _ADVANCE_MAX):
            raise ValueError('an object like {"seconds": 60} expected, with 0 or more')
        return Advance(clock, float(seconds))


def _is_this_machine(host: str) -> bool:
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name.lower() in _NAMES:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _loaded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except RecursionError as error:
        raise ValueError("body is nested too deeply") from error


def _dumped(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()


def _json(status: int, value: dict[str, Any]) -> Answer:
    return Answer(status, _dumped(value))
