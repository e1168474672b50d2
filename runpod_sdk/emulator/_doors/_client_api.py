"""The routes of users: HTTP requests into requests to a queue, replies into HTTP answers.

Which path, which method, which key, which bounds, which status and which body: all of it here and in `_bodies.py`,
and none of it in the doors, which only carry bytes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from runpod_sdk.emulator import _limits as limits
from runpod_sdk.emulator._doors._bodies import BadRequestError, submission
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._requests import Outcome

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from runpod_sdk.emulator._options import Options

_INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_GET, _POST, _BOTH = ("GET",), ("POST",), ("GET", "POST")


@dataclass(frozen=True, slots=True)
class _Operation:
    name: str
    methods: tuple[str, ...]
    has_job: bool
    body_mib: int = 0  # 0: a body is ignored, and not even read


# official source: the Go client POSTs status, status-sync and stream
_OPERATIONS = {
    "run": _Operation("run", _POST, has_job=False, body_mib=limits.RUN_BODY_MIB),
    "runsync": _Operation("runsync", _POST, has_job=False, body_mib=limits.RUNSYNC_BODY_MIB),
    "status": _Operation("status", _BOTH, has_job=True),
    "status-sync": _Operation("status-sync", _BOTH, has_job=True),
    "stream": _Operation("stream", _BOTH, has_job=True),
    "cancel": _Operation("cancel", _POST, has_job=True),
    "retry": _Operation("retry", _POST, has_job=True),
    "purge-queue": _Operation("purge-queue", _POST, has_job=False),
    "health": _Operation("health", _GET, has_job=False),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; its body is JSON, unless `more` says otherwise."""

    status: int
    body: bytes
    allow: tuple[str, ...] = ()
    more: tuple[tuple[str, str], ...] = ()  # header fields; they replace those that every answer has
    job_status: str | None = None  # what the body says of a job

    def headers(self) -> list[tuple[str, str]]:
        """Return the header fields, in lower case."""
        if self.status == 204:  # RFC 9110, 8.6: no content-length
            return []
        length = ("content-length", str(len(self.body)))
        if self.more:
            return list(dict([("content-type", "application/json"), length, *self.more]).items())
        fields = [("content-type", "application/json"), length]
        if self.allow:
            fields.append(("allow", ", ".join(self.allow)))
        return fields


@dataclass(frozen=True, slots=True)
class Call:
    """A request that has been let in: the operation, and on what."""

    operation: str
    endpoint_id: str
    job_id: str
    query: Mapping[str, str]
    body_mib: int

    @property
    def body_limit(self) -> int:
        """Bytes that the body may have; 0: it is ignored."""
        return self.body_mib * limits.MIB


class ClientApi:
    """The routes of users.

    Args:
        api_key: the only key that is let in.
        options: the emulator's choices.
    """

    def __init__(self, api_key: str, options: Options) -> None:
        self._keys = {api_key, f"Bearer {api_key}"}  # docs: with Bearer; every curl sample: the raw key
        self._options = options

    def call(self, method: str, path: str, query: str, authorization: str, endpoints: Collection[str]) -> Call | Answer:
        """Return what a request asks for, or the answer that turns it away.

        Args:
            method: in upper case.
            path: decoded, from the root.
            query: still encoded.
            authorization: the header, or "".
            endpoints: the ids that exist.
        """
        parts = path.split("/")
        operation = _OPERATIONS.get(parts[3]) if len(parts) > 3 else None  # "", "v2", endpoint, operation, job
        if operation is None or parts[1] != "v2" or len(parts) != 4 + operation.has_job:
            return self.not_found("path not found")
        if method not in operation.methods:
            return _answer(405, {"error": f"method {method} not allowed"}, allow=operation.methods)
        if authorization.strip() not in self._keys:
            return _answer(401, {"error": "invalid api key"})  # assumed: the body
        if parts[2] not in endpoints:
            return self.not_found("endpoint not found")  # assumed: the body
        job_id = parts[4] if operation.has_job else ""
        fields = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
        return Call(operation.name, parts[2], job_id, fields, operation.body_mib)

    def request(self, call: Call, body: bytes) -> ask.Request | Answer:
        """Return what to ask the queue, or a 400."""
        try:
            return self._request(call, body)
        except BadRequestError as error:
            return _answer(400, {"error": str(error)})

    def _request(self, call: Call, body: bytes) -> ask.Request:  # noqa: PLR0911  one line per operation
        match call.operation:
            case "run":
                return submission(body, self._options, wait=None, retention=limits.RUN_RETENTION)
            case "runsync":
                wait = _wait(call, limits.RUNSYNC_HOLD)
                # Up to 5 minutes with wait, says operation-reference#retry; assumed: as long as wait itself.
                kept = wait if "wait" in call.query else 0.0
                kept = min(limits.RUNSYNC_RETENTION_MAX, max(limits.RUNSYNC_RETENTION, kept))
                return submission(body, self._options, wait=wait, retention=kept)
            case "status":
                return ask.Status(job_id=call.job_id, ttl=_ttl(call))
            case "status-sync":
                return ask.Status(job_id=call.job_id, wait=_wait(call, self._options.status_sync_hold))
            case "stream":
                return ask.ReadStream(job_id=call.job_id, wait=_wait(call, self._options.stream_hold))
            case "cancel":
                return ask.Cancel(job_id=call.job_id)
            case "retry":
                return ask.Retry(job_id=call.job_id)
            case "purge-queue":
                return ask.Purge()
            case _:
                return ask.Health()

    def answer(self, reply: ask.Reply) -> Answer:
        """Return what the caller sees of a reply; a success is 200 and nothing else: JS and Go take no other."""
        match reply.outcome:
            case Outcome.DONE:
                return Answer(200, json.dumps(reply.body).encode(), job_status=reply.body.get("status"))
            case Outcome.NOT_FOUND:
                return self.not_found(reply.message)
            case Outcome.REFUSED:
                return _answer(400, {"error": reply.message})  # assumed

    def too_large(self, call: Call) -> Answer:
        """Return the answer to a body over the limit."""
        detail = f"bad request: body: exceeded max body size of {call.body_mib}MiB"  # reported x6
        return _answer(400, {"status": 400, "title": "Bad Request", "detail": detail})

    def not_found(self, detail: str) -> Answer:
        """Return a 404, in the shape that Options say."""
        if self._options.not_found == "problem":
            return _answer(404, {"status": 404, "title": "Not Found", "detail": detail})
        return _answer(404, {"error": detail})


def _answer(status: int, body: dict[str, Any], allow: tuple[str, ...] = ()) -> Answer:
    return Answer(status, json.dumps(body).encode(), allow)


def _wait(call: Call, default: float) -> float:
    """Return `wait` in seconds.  # assumed: the bounds of /runsync hold for the others too."""
    text = call.query.get("wait")
    if text is None:
        return default
    wait = int(text) if _INTEGER.fullmatch(text) else 0
    if not limits.WAIT_MIN_MS <= wait <= limits.WAIT_MAX_MS:
        raise BadRequestError(  # live: the wording
            f"wait is invalid; must be between {limits.WAIT_MIN_MS} and {limits.WAIT_MAX_MS}"
        )
    return wait / 1000


def _ttl(call: Call) -> float | None:
    text = call.query.get("ttl")
    if text is None:
        return None
    ttl = int(text) if _INTEGER.fullmatch(text) else 0
    if not limits.STATUS_TTL_MIN_MS <= ttl <= limits.TTL_MAX_MS:
        raise BadRequestError(f"ttl is invalid; must be between {limits.STATUS_TTL_MIN_MS} and {limits.TTL_MAX_MS}")
    return ttl / 1000
