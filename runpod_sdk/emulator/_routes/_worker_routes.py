"""The routes of workers, as the official worker library calls them.

Source of every route: runpod-python 1.12.0, serverless/modules: rp_job.py (job-take, job-take-batch, job-stop),
rp_http.py (job-done, job-stream), rp_ping.py (ping). The official worker takes no answer for a reason to slow down but
429, so one who waits is held. Which job goes to whom, and who is believed, is decided in the queue.
"""

from __future__ import annotations

import json
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, cast

from runpod_sdk.emulator import _limits as limits
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._requests import ReplyKind
from runpod_sdk.emulator._routes._route import Call, HttpAnswer, InvalidRequestError, Route, json_answer

if TYPE_CHECKING:
    from runpod_sdk.emulator._options import Options

_LOG = logging.getLogger("runpod_sdk.emulator")
_GET, _POST = ("GET",), ("POST",)
_WORKER, _WORKER_AND_JOB = ("worker",), ("worker", "job")
_NOTHING = HttpAnswer(204, b"", headers=())


def _take(call: Call, _: bytes, options: Options) -> ask.Request:
    return ask.Take(worker_id=call.worker_id, wait=options.take_hold, lease=options.lease)


def _take_batch(call: Call, _: bytes, options: Options) -> ask.Request:
    size = call.query.get("batch_size", "")
    batch = max(1, int(size)) if size.isdecimal() else 1
    return ask.Take(worker_id=call.worker_id, wait=options.take_hold, batch=batch, lease=options.lease)


def _stop(call: Call, _: bytes, options: Options) -> ask.Request:
    return ask.WatchStops(worker_id=call.worker_id, wait=options.take_hold, lease=options.lease)


def _ping(call: Call, _: bytes, __: Options) -> ask.Request:
    jobs = call.query.get("job_id", "")
    return ask.Ping(worker_id=call.worker_id, job_ids=tuple(jobs.split(",")) if jobs else ())


def _done(call: Call, body: bytes, _: Options) -> ask.Request:
    fields = _fields(body)
    if fields.get("status") == "IN_PROGRESS":  # rp_progress.py: progress takes the route of results
        return ask.ReportProgress(
            worker_id=call.worker_id, job_id=call.job_id, output=fields.get("output"), size=len(body)
        )
    return ask.Finish(
        worker_id=call.worker_id,
        job_id=call.job_id,
        output=fields.get("output", ask.ABSENT),
        error=fields.get("error"),
        stop_pod=fields.get("stopPod") is True,
        size=len(body),
    )


def _chunk(call: Call, body: bytes, _: Options) -> ask.Request:
    return ask.Chunk(worker_id=call.worker_id, job_id=call.job_id, body={"output": None, **_fields(body)})


def _fields(body: bytes) -> dict[str, Any]:
    """Return the object in a body; it is JSON, whatever its content type says."""
    try:
        # The official worker writes NaN and infinity, which are no JSON.
        sent: Any = json.loads(body or b"{}", parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError("body is not JSON") from error
    if not isinstance(sent, dict):
        raise InvalidRequestError("body must be an object")
    return cast("dict[str, Any]", sent)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _work(reply: ask.Reply) -> HttpAnswer:
    """Return jobs to run or to stop, or nothing."""
    return json_answer(200, reply.body.get("jobs", reply.body)) if reply.body else _NOTHING


def _noted(reply: ask.Reply) -> HttpAnswer:
    if reply.kind is ReplyKind.NOT_FOUND:  # seen: a result that comes after the ttl
        return json_answer(404, {"error": reply.message})
    if reply.kind is ReplyKind.REFUSED:
        _LOG.warning("%s", reply.message)
        return json_answer(400, {"error": reply.message})
    return json_answer(200, {})


def _too_large(route: Route) -> HttpAnswer:
    """Return the answer to a body over the limit."""
    return json_answer(400, {"error": f"body exceeds {route.body_mib} MiB"})  # assumed


def taken_back(call: Call, reply: ask.Reply) -> list[ask.Lose]:
    """Return what takes back the jobs in an answer that did not reach its worker."""
    if not (call.route.gives_work and reply.body):
        return []
    jobs: list[dict[str, Any]] = reply.body.get("jobs", [reply.body])
    return [ask.Lose(worker_id=call.worker_id, job_id=job["id"]) for job in jobs]


_row = partial(Route, is_for_workers=True, too_large=_too_large)
WORKER_ROUTES = (
    _row(name="job-take", methods=_GET, ids=_WORKER, request=_take, answer=_work, gives_work=True),
    _row(
        name="job-take-batch",
        operation="job-take",
        methods=_GET,
        ids=_WORKER,
        request=_take_batch,
        answer=_work,
        gives_work=True,
    ),
    _row(name="job-stop", methods=_GET, ids=_WORKER, request=_stop, answer=_work),
    _row(
        name="job-done",
        also="job-progress",
        methods=_POST,
        ids=_WORKER_AND_JOB,
        body_mib=limits.WORKER_BODY_MIB,
        request=_done,
        answer=_noted,
    ),
    _row(
        name="job-stream",
        methods=_POST,
        ids=_WORKER_AND_JOB,
        body_mib=limits.WORKER_BODY_MIB,
        request=_chunk,
        answer=_noted,
    ),
    _row(name="ping", methods=_GET, ids=_WORKER, request=_ping, answer=_noted),
)
