"""The only door to the generated client: builds requests with its modules; and reads answers into our values.

The generated client knows paths, names and types. It does not check ranges, so arguments are checked here before it
sees them; nothing generated gets past this file. It is imported with the first request: it brings httpx and attrs.

Its models would raise at the first field of an answer that does not fit. So answers are read field by field: only what
decides must be right, an id to know a job, a status to know its end; anything else that does not fit is as good as not
sent, stays in `raw`, and is told to `told`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlencode

from runpod_sdk._values._arguments import (
    EXECUTION_TIMEOUT_RANGE,
    ID,
    TTL_RANGE,
    checked_headers,
    checked_input,
    checked_query,
    checked_seconds,
    encoded,
    kind_of,
)
from runpod_sdk._values._fields import Fields, camel
from runpod_sdk._values._hidden import Hidden, hide_frames
from runpod_sdk._values._operations import (
    CANCEL,
    HEALTH,
    PURGE_QUEUE,
    RETRY,
    RUN,
    RUN_SYNC,
    STATUS,
    STATUS_SYNC,
    STREAM,
)
from runpod_sdk._values._requests import HiddenOptions, Request, StreamPart, SubmitOptions
from runpod_sdk._values._states import Health, JobCounts, JobState, PurgeResult, S3Config, StreamChunk, WorkerCounts
from runpod_sdk._values._status import JobStatus
from runpod_sdk.errors import APIResponseValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_queue_client import models

    from runpod_sdk._values._fields import Told
    from runpod_sdk._values._operations import Operation
    from runpod_sdk._values._outcomes import Answer

    Build = Callable[[str, object, SubmitOptions], Request]

T = TypeVar("T")
Counts = TypeVar("Counts", JobCounts, WorkerCounts)

# How much of a bad answer an error keeps, characters; ours.
BODY_SHOWN = 500
# How long /runsync is asked to hold: its least value, so that the id of the job is known within a second.
RUN_SYNC_HOLD = 1.0
# Whose frames hold what a submit is made of.
_BUILDERS = frozenset({"runpod_sdk._flows._api", "runpod_sdk._values._arguments"})


# Requests.


def built(build: Build, endpoint_id: str, given: Hidden[Any], options: HiddenOptions) -> Request:
    """Return a submit. No frame that holds what it is made of is left in the traceback of what is wrong with it.

    Raises:
        TypeError, ValueError: a bad argument.
    """
    try:
        return build(endpoint_id, checked_input(given.reveal()), options.reveal())
    except BaseException as error:
        hide_frames(error, _is_builders)
        raise


def _is_builders(module: str) -> bool:
    return module in _BUILDERS or module.partition(".")[0] in ("json", "runpod_queue_client")


def run(endpoint_id: str, input: object, more: SubmitOptions) -> Request:  # noqa: A002  the API's word
    """Submit a job."""
    from runpod_queue_client.api.jobs import run as generated

    kwargs = generated._get_kwargs(endpoint_id, body=run_body(input, more))
    return _submit(RUN, endpoint_id, kwargs, more)


def run_sync(endpoint_id: str, input: object, more: SubmitOptions) -> Request:  # noqa: A002  the API's word
    """Submit a job and hold the answer for a second, in case it ends at once."""
    from runpod_queue_client.api.jobs import run_sync as generated

    kwargs = generated._get_kwargs(endpoint_id, body=run_body(input, more), wait=_ms(RUN_SYNC_HOLD))
    return _submit(RUN_SYNC, endpoint_id, kwargs, more, hold=RUN_SYNC_HOLD)


def status(endpoint_id: str, job_id: str, *, ttl: float | None = None) -> Request:
    """Look at a job once."""
    from runpod_queue_client.api.jobs import get_status as generated
    from runpod_queue_client.types import UNSET

    query = UNSET if ttl is None else _ms(checked_seconds("ttl", ttl, TTL_RANGE))
    return request_of(STATUS, endpoint_id, generated._get_kwargs(endpoint_id, job_id, ttl=query), job_id)


def status_sync(endpoint_id: str, job_id: str, *, hold: float) -> Request:
    """Look at a job when it has ended, or after `hold` seconds."""
    from runpod_queue_client.api.jobs import get_status_sync as generated

    kwargs = generated._get_kwargs(endpoint_id, job_id, wait=_ms(hold))
    return request_of(STATUS_SYNC, endpoint_id, kwargs, job_id, hold=hold)


def stream(endpoint_id: str, job_id: str, *, hold: float) -> Request:
    """Take the chunks that are there; wait up to `hold` seconds for the first."""
    from runpod_queue_client.api.jobs import stream as generated

    kwargs = generated._get_kwargs(endpoint_id, job_id, wait=_ms(hold))
    return request_of(STREAM, endpoint_id, kwargs, job_id, hold=hold)


def cancel(endpoint_id: str, job_id: str) -> Request:
    """Cancel a job."""
    from runpod_queue_client.api.jobs import cancel as generated

    return request_of(CANCEL, endpoint_id, generated._get_kwargs(endpoint_id, job_id), job_id)


def retry(endpoint_id: str, job_id: str) -> Request:
    """Queue a failed job again."""
    from runpod_queue_client.api.jobs import retry as generated

    return request_of(RETRY, endpoint_id, generated._get_kwargs(endpoint_id, job_id), job_id)


def purge_queue(endpoint_id: str) -> Request:
    """Remove every waiting job."""
    from runpod_queue_client.api.endpoint import purge_queue as generated

    return request_of(PURGE_QUEUE, endpoint_id, generated._get_kwargs(endpoint_id))


def health(endpoint_id: str) -> Request:
    """Look at an endpoint."""
    from runpod_queue_client.api.endpoint import health as generated

    return request_of(HEALTH, endpoint_id, generated._get_kwargs(endpoint_id))


def _input(input: object) -> models.JobInput | None:  # noqa: A002  the API's word
    from runpod_queue_client import models

    if input is None:  # official source: runpodctl run_test.go, legal; the worker gets a job without input
        return None
    if not isinstance(input, Mapping):
        raise TypeError(f"input is {kind_of(input)}: the service takes a JSON object, pass a dict")
    given = models.JobInput()
    given.additional_properties = dict(cast("Mapping[str, Any]", input))  # keys are checked by encoded()
    return given


def run_body(input: object, more: SubmitOptions) -> models.RunRequest:  # noqa: A002  the API's word
    """Return the body of a submit."""
    from runpod_queue_client import models

    unknown = more.keys() - SubmitOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"unexpected argument {min(unknown)!r}")
    if more.get("on_unknown", "raise") not in ("raise", "resubmit"):
        raise ValueError(f'on_unknown={more.get("on_unknown")!r}: "raise" or "resubmit" expected')
    body = models.RunRequest(input_=_input(input))
    webhook = more.get("webhook")
    if webhook is not None:
        if not isinstance(webhook, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"webhook is {kind_of(webhook)}: a string expected")
        if not webhook.startswith(("http://", "https://")):
            raise ValueError("webhook: an absolute http or https URL expected")
        body.webhook = webhook
    policy = _policy(more)
    if policy.to_dict():
        body.policy = policy
    s3_config = more.get("s3_config")
    if s3_config is not None:
        body.s_3_config = _bucket(s3_config)
    extra = more.get("extra_body") or {}
    clash = extra.keys() & {"input", "webhook", "policy", "s3Config"}
    if clash:
        raise ValueError(f"extra_body holds {min(clash)!r}, which has an argument of its own")
    body.additional_properties = dict(extra)
    return body


def _policy(more: SubmitOptions) -> models.Policy:
    from runpod_queue_client import models

    policy = models.Policy()
    execution_timeout, ttl, low_priority = more.get("execution_timeout"), more.get("ttl"), more.get("low_priority")
    if execution_timeout is not None:
        policy.execution_timeout = _ms(checked_seconds("execution_timeout", execution_timeout, EXECUTION_TIMEOUT_RANGE))
    if ttl is not None:
        policy.ttl = _ms(checked_seconds("ttl", ttl, TTL_RANGE))
    if low_priority is not None:
        if not isinstance(low_priority, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"low_priority={low_priority!r}: True or False expected")
        policy.low_priority = low_priority
    return policy


def _bucket(config: S3Config) -> models.S3Config:
    from runpod_queue_client import models
    from runpod_queue_client.types import UNSET

    if not isinstance(config, S3Config):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"s3_config is {kind_of(config)}: an S3Config expected")
    return models.S3Config(
        access_id=config.access_id,
        access_secret=config.access_secret,
        bucket_name=config.bucket_name,
        endpoint_url=config.endpoint_url,
        object_path=UNSET if config.object_path is None else config.object_path,
    )


def _submit(
    operation: Operation, endpoint_id: str, kwargs: dict[str, Any], more: SubmitOptions, *, hold: float = 0.0
) -> Request:
    content = encoded(operation, kwargs["json"])
    kwargs["params"] = {**kwargs.get("params", {}), **checked_query(more.get("extra_query") or {})}
    kwargs["headers"] = {**kwargs["headers"], **checked_headers(more.get("extra_headers") or {})}
    return request_of(operation, endpoint_id, kwargs, content=content, hold=hold)


def request_of(
    operation: Operation,
    endpoint_id: str,
    kwargs: dict[str, Any],
    job_id: str | None = None,
    *,
    batch_id: str | None = None,
    content: bytes | None = None,
    hold: float = 0.0,
) -> Request:
    """Return a request of the generated client's as one of ours."""
    query = urlencode(kwargs.get("params", {}))
    return Request(
        operation=operation.name,
        endpoint_id=endpoint_id,
        job_id=job_id,
        batch_id=batch_id,
        method=kwargs["method"].upper(),
        path=Hidden(kwargs["url"] + (f"?{query}" if query else "")),
        headers=Hidden(kwargs.get("headers", {})),
        content=Hidden(content),
        hold=hold,
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


# Answers.


def job_state(request: Request, answer: Answer, told: Told) -> JobState:
    """Read an answer that describes a job: submits, status, status-sync, cancel, retry."""
    return read(_job_state, request, answer, told)


def stream_part(request: Request, answer: Answer, told: Told) -> StreamPart:
    """Read an answer of /stream: an object with status and stream, or the bare list of the documentation."""
    return read(_stream_part, request, answer, told)


def purge_result(request: Request, answer: Answer, told: Told) -> PurgeResult:
    """Read an answer of /purge-queue."""
    try:
        return read(_purge_result, request, answer, told)
    except APIResponseValidationError as error:
        error.add_note("The queue may have been purged all the same.")
        raise


def health_of(request: Request, answer: Answer, told: Told) -> Health:
    """Read an answer of /health; a gauge that is not there is 0."""
    return read(_health_of, request, answer, told)


def read(read: Callable[[Request, Answer, Told], T], request: Request, answer: Answer, told: Told) -> T:
    """Read an answer; what is wrong with it is raised from here, where no frame holds what it says.

    Raises:
        APIResponseValidationError: it cannot be used.
    """
    try:
        return read(request, answer, told)
    except Unusable as problem:
        why = str(problem)
    raise invalid(request, answer, why)


def _job_state(request: Request, answer: Answer, told: Told) -> JobState:
    data = object_of(answer)
    status = _status(data)
    if request.rules.starts_job:
        if not _is_id(data.get("id")):
            raise Unusable("it has no id of a job")
        if status is None:
            # Whoever gives it an id has queued it, whatever else is said or not.
            if data.get("status") is not None:
                told("status", data["status"])
            status = JobStatus.IN_QUEUE
    else:
        _check_about(request, data)
        if status is None:
            raise Unusable("it has no status of a job")
    return _state(data, data.get("id") or request.job_id or "", request.endpoint_id, status, told)


def state_of(data: dict[str, Any], endpoint_id: str, told: Told) -> JobState:
    """Read a JSON object of anybody's that is to describe a job: it has to have the id of one, and a status.

    Raises:
        Unusable: it does not.
    """
    job_id, status = data.get("id"), _status(data)
    if not isinstance(job_id, str) or not ID.fullmatch(job_id):
        raise Unusable("it has no id of a job")
    if status is None:
        raise Unusable("it has no status of a job")
    return _state(data, job_id, endpoint_id, status, told)


def refused_job(request: Request, answer: Answer, told: Told) -> JobState | None:
    """Return the job that a refusal describes, with an id and a status of its own; None where it is no such thing."""
    try:
        return state_of(object_of(answer), request.endpoint_id, told)
    except Unusable:
        return None


def _state(data: dict[str, Any], job_id: str, endpoint_id: str, status: JobStatus, told: Told) -> JobState:
    found = Fields(data, told)
    output = data.get("output")
    return JobState(
        id=job_id,
        endpoint_id=endpoint_id,
        status=status,
        # runpod-python 1.12.0 rp_progress.py: progress travels as `output` while IN_PROGRESS.
        output=output if status.is_final else None,
        progress=None if status.is_final else output,
        error=found.as_text("error"),
        worker_id=found.text("workerId"),
        retries=found.count("retries") or 0,
        delay_time_ms=found.count("delayTime"),
        execution_time_ms=found.count("executionTime"),
        raw=data,
    )


def _stream_part(request: Request, answer: Answer, told: Told) -> StreamPart:
    data = json_of(answer)
    status: JobStatus | None = None
    items: Any = data
    if isinstance(data, dict):
        facts = cast("dict[str, Any]", data)
        _check_about(request, facts)
        word = Fields(facts, told).text("status")
        status = None if word is None else JobStatus(word)
        items = facts.get("stream")
        if items is None and status is not None and "stream" in facts:
            items = []
    if not isinstance(items, list):
        raise Unusable("it has no list of chunks")
    raw: list[Any] = items  # pyright: ignore[reportUnknownVariableType]
    return StreamPart(tuple(_chunk(item, told) for item in raw), status)


def _chunk(item: Any, told: Told) -> StreamChunk:
    if not isinstance(item, dict) or "output" not in item:
        raise Unusable("a chunk is not an object with an output")
    raw = cast("dict[str, Any]", item)
    return StreamChunk(output=raw["output"], metrics=Fields(raw, told).object("metrics") or None, raw=raw)


def _purge_result(request: Request, answer: Answer, told: Told) -> PurgeResult:
    data = object_of(answer)
    _check_about(request, data)
    if "removed" not in data and _status(data) is None:
        raise Unusable("it says nothing of a purge")
    found = Fields(data, told)
    return PurgeResult(removed=found.count("removed"), status=found.text("status"))


def _health_of(request: Request, answer: Answer, told: Told) -> Health:
    data = object_of(answer)
    _check_about(request, data)
    found = Fields(data, told)
    jobs, workers = found.object("jobs"), found.object("workers")
    if jobs is None and workers is None:
        raise Unusable("it has neither jobs nor workers")
    return Health(jobs=_gauges(JobCounts, jobs, told), workers=_gauges(WorkerCounts, workers, told), raw=data)


def _gauges(kind: type[Counts], data: Mapping[str, Any] | None, told: Told) -> Counts:
    """Read the gauges that we know; whatever else there is may be anything."""
    found = Fields(data or {}, told)
    return kind(**{gauge.name: found.count(camel(gauge.name)) or 0 for gauge in fields(kind)})


def _check_about(request: Request, data: Mapping[str, Any]) -> None:
    """Raise for an answer about something else than was asked for; one that names nothing is about that."""
    named, asked = data.get("id"), request.job_id or request.endpoint_id
    if named is not None and named != asked and "://" not in asked:  # a URL is no name
        raise Unusable("it is about another job")


def _is_id(value: object) -> bool:
    """Whether a job can be asked for by it."""
    try:
        return isinstance(value, str) and bool(value.encode())
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def _status(data: Mapping[str, Any]) -> JobStatus | None:
    word = data.get("status")
    return JobStatus(word) if isinstance(word, str) and word else None


def invalid(request: Request, answer: Answer, why: str) -> APIResponseValidationError:
    """Return the error for an answer that the spec does not allow."""
    return APIResponseValidationError(
        f"{request.about}: HTTP {answer.status} with an answer that cannot be used: {why}",
        operation=request.operation,
        endpoint_id=request.endpoint_id,
        job_id=request.job_id,
        status_code=answer.status,
        headers=answer.told_headers(),
        body=text_of(answer),
    )


def text_of(answer: Answer) -> str:
    """Return the first characters of an answer, without what it quotes."""
    return answer.text(BODY_SHOWN)


def json_of(answer: Answer) -> Any:
    """Return the JSON of an answer."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise Unusable(f"it is not JSON ({type(error).__name__})") from None


def object_of(answer: Answer) -> dict[str, Any]:
    """Return the JSON object of an answer."""
    data = json_of(answer)
    if not isinstance(data, dict):
        raise Unusable("it is not a JSON object")
    return data  # pyright: ignore[reportUnknownVariableType]


class Unusable(Exception):  # noqa: N818  never leaves the rooms that read answers
    """JSON that is not what it should be; says why."""
