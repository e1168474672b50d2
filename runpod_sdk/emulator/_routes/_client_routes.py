"""The routes of users. To add one, add its row to `CLIENT_ROUTES`, and what it asks."""

from __future__ import annotations

import json
import math
import re
from functools import partial
from typing import TYPE_CHECKING

from runpod_sdk.emulator import _limits as limits
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._requests import Outcome
from runpod_sdk.emulator._routes._bodies import submission
from runpod_sdk.emulator._routes._route import Answer, Call, InvalidRequestError, Route, json_answer

if TYPE_CHECKING:
    from runpod_sdk.emulator._options import Options

_INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_GET, _POST, _BOTH = ("GET",), ("POST",), ("GET", "POST")
_JOB = ("job",)


def _run(_: Call, body: bytes, options: Options) -> ask.Request:
    return submission(body, options, wait=None, retention=limits.RUN_RETENTION)


def _runsync(call: Call, body: bytes, options: Options) -> ask.Request:
    wait = _wait(call, limits.RUNSYNC_HOLD)
    # Up to 5 minutes with wait, says operation-reference#retry; assumed: as long as wait itself.
    kept = wait if "wait" in call.query else 0.0
    kept = min(limits.RUNSYNC_RETENTION_MAX, max(limits.RUNSYNC_RETENTION, kept))
    return submission(body, options, wait=wait, retention=kept)


def _status(call: Call, _: bytes, __: Options) -> ask.Request:
    return ask.Status(job_id=call.job_id, ttl=_ttl(call))


def _status_sync(call: Call, _: bytes, options: Options) -> ask.Request:
    return ask.Status(job_id=call.job_id, wait=_wait(call, options.status_sync_hold))


def _stream(call: Call, _: bytes, options: Options) -> ask.Request:
    return ask.ReadStream(job_id=call.job_id, wait=_wait(call, options.stream_hold))


def _cancel(call: Call, _: bytes, __: Options) -> ask.Request:
    return ask.Cancel(job_id=call.job_id)


def _retry(call: Call, _: bytes, __: Options) -> ask.Request:
    return ask.Retry(job_id=call.job_id)


def _purge(_: Call, __: bytes, ___: Options) -> ask.Request:
    return ask.Purge()


def _health(_: Call, __: bytes, ___: Options) -> ask.Request:
    return ask.Health()


def _answer(reply: ask.Reply, options: Options) -> Answer:
    """Return what the caller sees of a reply; a success is 200 and nothing else: JS and Go take no other."""
    match reply.outcome:
        case Outcome.DONE:
            return Answer(200, json.dumps(reply.body).encode(), job_status=reply.body.get("status"))
        case Outcome.NOT_FOUND:
            return not_found(reply.message, options)
        case Outcome.REFUSED:
            return json_answer(400, {"error": reply.message})  # assumed


def not_found(detail: str, options: Options) -> Answer:
    """Return a 404, in the shape that Options say."""
    if options.not_found == "problem":
        return json_answer(404, {"status": 404, "title": "Not Found", "detail": detail})
    return json_answer(404, {"error": detail})


def _too_large(route: Route) -> Answer:
    """Return the answer to a body over the limit."""
    detail = f"bad request: body: exceeded max body size of {route.body_mib}MiB"  # reported x6
    return json_answer(400, {"status": 400, "title": "Bad Request", "detail": detail})


def _wait(call: Call, default: float) -> float:
    """Return `wait` in seconds.  # assumed: the bounds of /runsync hold for the others too."""
    text = call.query.get("wait")
    if text is None:
        return default
    wait = int(text) if _INTEGER.fullmatch(text) else 0
    if not limits.WAIT_MIN_MS <= wait <= limits.WAIT_MAX_MS:
        raise InvalidRequestError(  # live: the wording
            f"wait is invalid; must be between {limits.WAIT_MIN_MS} and {limits.WAIT_MAX_MS}"
        )
    return wait / 1000


def _ttl(call: Call) -> float | None:
    text = call.query.get("ttl")
    if text is None:
        return None
    ttl = int(text) if _INTEGER.fullmatch(text) else 0
    if not limits.STATUS_TTL_MIN_MS <= ttl <= limits.TTL_MAX_MS:
        raise InvalidRequestError(f"ttl is invalid; must be between {limits.STATUS_TTL_MIN_MS} and {limits.TTL_MAX_MS}")
    return ttl / 1000


_row = partial(Route, answer=_answer, too_large=_too_large)
# docs: send-requests, rate limits; assumed: /status-sync, which is not in the table there, has those of /status.
# official source: the Go client POSTs status, status-sync and stream.
CLIENT_ROUTES = (
    _row(name="run", request=_run, methods=_POST, body_mib=limits.RUN_BODY_MIB, rate=(1000, 200)),
    _row(name="runsync", request=_runsync, methods=_POST, body_mib=limits.RUNSYNC_BODY_MIB, rate=(2000, 400)),
    _row(name="status", request=_status, methods=_BOTH, ids=_JOB, rate=(2000, 400)),
    _row(name="status-sync", request=_status_sync, methods=_BOTH, ids=_JOB, rate=(2000, 400)),
    _row(name="stream", request=_stream, methods=_BOTH, ids=_JOB, rate=(2000, 400)),
    _row(name="cancel", request=_cancel, methods=_POST, ids=_JOB, rate=(100, 20)),
    _row(name="retry", request=_retry, methods=_POST, ids=_JOB),
    _row(name="purge-queue", request=_purge, methods=_POST, rate=(2, math.inf)),
    _row(name="health", request=_health, methods=_GET),
)
