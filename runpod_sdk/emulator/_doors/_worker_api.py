"""The routes of workers: what the official worker library says over HTTP, into requests to a queue, and back.

Source of every route: runpod-python 1.12.0, serverless/modules: rp_job.py (job-take, job-take-batch, job-stop),
rp_http.py (job-done, job-stream), rp_ping.py (ping). The official worker takes no answer for a reason to slow down but
429, so one who waits is held. Which job goes to whom is decided in `_queue.py`, who is believed in `_roster.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl

from runpod_sdk.emulator import _limits as limits
from runpod_sdk.emulator._doors._client_api import Answer, Call
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._requests import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from runpod_sdk.emulator._options import Options


@dataclass(frozen=True, slots=True)
class _Operation:
    name: str  # as faults and the ledger call it
    method: str
    has_job: bool = False
    is_batch: bool = False


_OPERATIONS = {
    "job-take": _Operation("job-take", "GET"),
    "job-take-batch": _Operation("job-take", "GET", is_batch=True),
    "job-stop": _Operation("job-stop", "GET"),
    "job-done": _Operation("job-done", "POST", has_job=True),
    "job-stream": _Operation("job-stream", "POST", has_job=True),
    "ping": _Operation("ping", "GET"),
}
_NOTHING = Answer(204, b"")


def is_for_workers(path: str) -> bool:
    """Claim that a path is one of a worker's routes."""
    parts = path.split("/", 4)
    return len(parts) > 4 and parts[3] in _OPERATIONS and parts[1] == "v2"


class WorkerApi:
    """The routes of workers.

    Args:
        api_key: the key that is let in.
        options: the emulator's choices.
        is_supervised: claims that this emulator has started a worker. Such a worker needs no key: the official library
            sends the key of the user's own ~/.runpod/config.toml, where there is one, before that of its environment.
    """

    def __init__(self, api_key: str, options: Options, is_supervised: Callable[[str], bool]) -> None:
        self._keys = {api_key, f"Bearer {api_key}"}
        self._options = options
        self._is_supervised = is_supervised

    def call(self, method: str, path: str, query: str, authorization: str, endpoints: Collection[str]) -> Call | Answer:
        """Return what a request asks for, or the answer that turns it away; the arguments are those of `ClientApi`."""
        # The worker appends "&…" to whatever its environment says, be there a "?" or not.
        path, _, glued = path.partition("&")
        parts = path.split("/")  # "", "v2", endpoint, operation, worker, job
        operation = _OPERATIONS[parts[3]]
        if len(parts) != 5 + operation.has_job or not all(parts[4:]):
            return _answer(404, {"error": "path not found"})
        if method != operation.method:
            return _answer(405, {"error": f"method {method} not allowed"}, allow=(operation.method,))
        if authorization.strip() not in self._keys and not self._is_supervised(parts[4]):
            return _answer(401, {"error": "invalid api key"})
        if parts[2] not in endpoints:
            return _answer(404, {"error": "endpoint not found"})
        fields = dict(parse_qsl(f"{query}&{glued}" if glued else query, keep_blank_values=True))
        fields["worker"] = parts[4]
        if operation.is_batch:
            fields.setdefault("batch_size", "1")
        else:
            fields.pop("batch_size", None)
        job_id = parts[5] if operation.has_job else ""
        return Call(operation.name, parts[2], job_id, fields, limits.WORKER_BODY_MIB if operation.has_job else 0)

    def request(self, call: Call, body: bytes) -> ask.Request | Answer:
        """Return what to ask the queue, or a 400."""
        worker_id = call.query["worker"]
        match call.operation:
            case "job-take":
                return self._take(worker_id, call.query)
            case "job-stop":
                return ask.WatchStops(worker_id=worker_id, wait=self._options.take_hold, lease=self._options.lease)
            case "ping":
                jobs = call.query.get("job_id", "")
                return ask.Ping(worker_id=worker_id, job_ids=tuple(jobs.split(",")) if jobs else ())
            case _:
                return _posted(call, worker_id, body)

    def _take(self, worker_id: str, query: Mapping[str, str]) -> ask.Take:
        size = query.get("batch_size")
        batch = None if size is None else max(1, int(size)) if size.isdecimal() else 1
        return ask.Take(worker_id=worker_id, wait=self._options.take_hold, batch=batch, lease=self._options.lease)

    def answer(self, call: Call, reply: ask.Reply) -> Answer:
        """Return what the worker sees of a reply."""
        if reply.outcome is Outcome.NOT_FOUND:  # seen: a result that comes after the ttl
            return _answer(404, {"error": reply.message})
        if call.operation in ("job-take", "job-stop"):
            return _answer(200, reply.body.get("jobs", reply.body)) if reply.body else _NOTHING
        return _answer(200, {})

    def too_large(self, call: Call) -> Answer:
        """Return the answer to a body over the limit."""
        return _answer(400, {"error": f"body exceeds {call.body_mib} MiB"})  # assumed

    @staticmethod
    def handed(call: Call, reply: ask.Reply) -> list[ask.Lose]:
        """Return what takes back the jobs in an answer that did not reach its worker."""
        if call.operation != "job-take" or not reply.body:
            return []
        jobs: list[dict[str, Any]] = reply.body.get("jobs", [reply.body])
        return [ask.Lose(worker_id=call.query["worker"], job_id=job["id"]) for job in jobs]


def _posted(call: Call, worker_id: str, body: bytes) -> ask.Request | Answer:
    """Return what a result, a progress update or a chunk says. JSON, whatever its content type says."""
    try:
        sent: Any = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return _answer(400, {"error": "body is not JSON"})
    if not isinstance(sent, dict):
        return _answer(400, {"error": "body must be an object"})
    fields = cast("dict[str, Any]", sent)
    if call.operation == "job-stream":
        return ask.Chunk(worker_id=worker_id, job_id=call.job_id, body={"output": None, **fields})
    if fields.get("status") == "IN_PROGRESS":  # rp_progress.py
        return ask.Progress(worker_id=worker_id, job_id=call.job_id, output=fields.get("output"))
    return ask.Finish(
        worker_id=worker_id,
        job_id=call.job_id,
        output=fields.get("output", ask.ABSENT),
        error=fields.get("error"),
        stop_pod=fields.get("stopPod") is True,
    )


def _answer(status: int, body: Any, allow: tuple[str, ...] = ()) -> Answer:
    return Answer(status, json.dumps(body).encode(), allow)
