"""The only door to the generated client: builds requests with its modules, and turns its models into our values.

The generated client knows paths, names and types. It does not check ranges, carry a deadline or survive a bad answer;
so arguments are checked here before it sees them, and status, size and JSON of an answer before it parses them.
Nothing generated gets past this file. It is imported with the first request: it brings httpx and attrs, 100 ms.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlencode

from runpod_sdk._values._arguments import (
    EXECUTION_TIMEOUT_RANGE,
    ID,
    TTL_RANGE,
    checked_headers,
    checked_seconds,
    encoded,
    kind_of,
)
from runpod_sdk._values._requests import Request, StreamPart, SubmitOptions
from runpod_sdk._values._states import Health, JobCounts, JobState, PurgeResult, S3Config, StreamChunk, WorkerCounts
from runpod_sdk._values._status import JobStatus
from runpod_sdk.errors import APIResponseValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_queue_client import models

    from runpod_sdk._values._outcomes import Answer, Operation

T = TypeVar("T")
Counts = TypeVar("Counts", JobCounts, WorkerCounts)

# How much of a bad answer an error keeps, characters; ours.
BODY_SHOWN = 500
# How long /runsync is asked to hold: its least value, so that the id of the job is known within a second.
RUN_SYNC_HOLD = 1.0


# Requests.


def run(endpoint_id: str, input: object, more: SubmitOptions) -> Request:  # noqa: A002  the API's word
    """Submit a job."""
    from runpod_queue_client.api.jobs import run as generated

    kwargs = generated._get_kwargs(endpoint_id, body=_body(input, more))
    return _submit("run", endpoint_id, kwargs, more)


def run_sync(endpoint_id: str, input: object, more: SubmitOptions) -> Request:  # noqa: A002  the API's word
    """Submit a job and hold the answer for a second, in case it ends at once."""
    from runpod_queue_client.api.jobs import run_sync as generated

    kwargs = generated._get_kwargs(endpoint_id, body=_body(input, more), wait=_ms(RUN_SYNC_HOLD))
    return _submit("runsync", endpoint_id, kwargs, more, hold=RUN_SYNC_HOLD)


def status(endpoint_id: str, job_id: str, *, ttl: float | None = None) -> Request:
    """Look at a job once."""
    from runpod_queue_client.api.jobs import get_status as generated
    from runpod_queue_client.types import UNSET

    query = UNSET if ttl is None else _ms(checked_seconds("ttl", ttl, TTL_RANGE))
    return _request("status", endpoint_id, generated._get_kwargs(endpoint_id, job_id, ttl=query), job_id)


def status_sync(endpoint_id: str, job_id: str, *, hold: float) -> Request:
    """Look at a job when it has ended, or after `hold` seconds."""
    from runpod_queue_client.api.jobs import get_status_sync as generated

    kwargs = generated._get_kwargs(endpoint_id, job_id, wait=_ms(hold))
    return _request("status-sync", endpoint_id, kwargs, job_id, hold=hold)


def stream(endpoint_id: str, job_id: str, *, hold: float) -> Request:
    """Take the chunks that are there; wait up to `hold` seconds for the first."""
    from runpod_queue_client.api.jobs import stream as generated

    kwargs = generated._get_kwargs(endpoint_id, job_id, wait=_ms(hold))
    return _request("stream", endpoint_id, kwargs, job_id, hold=hold)


def cancel(endpoint_id: str, job_id: str) -> Request:
    """Cancel a job."""
    from runpod_queue_client.api.jobs import cancel as generated

    return _request("cancel", endpoint_id, generated._get_kwargs(endpoint_id, job_id), job_id)


def retry(endpoint_id: str, job_id: str) -> Request:
    """Queue a failed job again."""
    from runpod_queue_client.api.jobs import retry as generated

    return _request("retry", endpoint_id, generated._get_kwargs(endpoint_id, job_id), job_id)


def purge_queue(endpoint_id: str) -> Request:
    """Remove every waiting job."""
    from runpod_queue_client.api.endpoint import purge_queue as generated

    return _request("purge-queue", endpoint_id, generated._get_kwargs(endpoint_id))


def health(endpoint_id: str) -> Request:
    """Look at an endpoint."""
    from runpod_queue_client.api.endpoint import health as generated

    return _request("health", endpoint_id, generated._get_kwargs(endpoint_id))


def _body(input: object, more: SubmitOptions) -> models.RunRequest:  # noqa: A002  the API's word
    from runpod_queue_client import models

    if not isinstance(input, Mapping):
        raise TypeError(f"input is {kind_of(input)}: the service takes a JSON object, pass a dict")
    unknown = more.keys() - SubmitOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"unexpected argument {min(unknown)!r}")
    if more.get("on_unknown", "raise") not in ("raise", "resubmit"):
        raise ValueError(f'on_unknown={more.get("on_unknown")!r}: "raise" or "resubmit" expected')
    given = models.JobInput()
    given.additional_properties = dict(cast("Mapping[str, Any]", input))  # keys are checked by encoded()
    body = models.RunRequest(input_=given)
    webhook = more.get("webhook")
    if webhook is not None:
        if not isinstance(webhook, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"webhook={webhook!r}: a string expected")
        if not webhook.startswith(("http://", "https://")):
            raise ValueError(f"webhook={webhook!r}: an absolute http or https URL expected")
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
    kwargs["params"] = {**kwargs.get("params", {}), **(more.get("extra_query") or {})}
    kwargs["headers"] = {**kwargs["headers"], **checked_headers(more.get("extra_headers") or {})}
    return _request(operation, endpoint_id, kwargs, content=content, hold=hold)


def _request(
    operation: Operation,
    endpoint_id: str,
    kwargs: dict[str, Any],
    job_id: str | None = None,
    *,
    content: bytes | None = None,
    hold: float = 0.0,
) -> Request:
    query = urlencode(kwargs.get("params", {}))
    return Request(
        operation=operation,
        endpoint_id=endpoint_id,
        job_id=job_id,
        method=kwargs["method"].upper(),
        path=kwargs["url"] + (f"?{query}" if query else ""),
        headers=kwargs.get("headers", {}),
        content=content,
        hold=hold,
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


# Answers.


def job_state(request: Request, answer: Answer) -> JobState:
    """Read an answer that describes a job: submits, status, status-sync, cancel, retry."""
    data = _object(request, answer)
    state = _parsed(request, answer, lambda: state_of(data, request.endpoint_id))
    if request.job_id is not None and state.id != request.job_id:
        raise invalid(request, answer, "it is about another job")
    return state


def state_of(data: dict[str, Any], endpoint_id: str) -> JobState:
    """Read a JSON object that describes a job.

    Raises:
        Unusable: it does not.
    """
    from runpod_queue_client import models
    from runpod_queue_client.types import UNSET

    job = _made(lambda: models.Job.from_dict(data))
    wrong = _wrong_field(job)
    if wrong is not None:
        raise Unusable(wrong)
    found = JobStatus(job.status)
    output = None if job.output is UNSET else job.output
    error = None if job.error is UNSET or job.error is None else job.error
    return JobState(
        id=job.id,
        endpoint_id=endpoint_id,
        status=found,
        # runpod-python 1.12.0 rp_progress.py: progress travels as `output` while IN_PROGRESS.
        output=output if found.is_final else None,
        progress=None if found.is_final else output,
        error=error if error is None or isinstance(error, str) else json.dumps(error),
        worker_id=job.worker_id or None,
        retries=_number(job.retries) or 0,
        delay_time_ms=_number(job.delay_time),
        execution_time_ms=_number(job.execution_time),
        raw=data,
    )


def stream_part(request: Request, answer: Answer) -> StreamPart:
    """Read an answer of /stream: an object with status and stream, or the bare list of the documentation."""
    data = _json(request, answer)
    found: JobStatus | None = None
    if isinstance(data, dict):
        items = data.get("stream")  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        word = data.get("status")  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        if not isinstance(word, str):
            raise invalid(request, answer, "it has no job status")
        found = JobStatus(word)
    else:
        items = data
    if not isinstance(items, list):
        raise invalid(request, answer, "it has no list of chunks")
    raw: list[Any] = items  # pyright: ignore[reportUnknownVariableType]
    return StreamPart(tuple(_chunk(request, answer, item) for item in raw), found)


def purge_result(request: Request, answer: Answer) -> PurgeResult:
    """Read an answer of /purge-queue."""
    from runpod_queue_client import models

    data = _object(request, answer)
    result = _parsed(request, answer, lambda: models.PurgeResult.from_dict(data))
    removed = _number(result.removed)
    if removed is None or not isinstance(result.status, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise invalid(request, answer, "removed is not a number, or status not a string")
    return PurgeResult(removed=removed, status=result.status)


def health_of(request: Request, answer: Answer) -> Health:
    """Read an answer of /health; a gauge that is not there is 0."""
    from runpod_queue_client import models

    data = _object(request, answer)
    result = _parsed(request, answer, lambda: models.Health.from_dict(data))
    return Health(
        jobs=_gauges(request, answer, JobCounts, result.jobs),
        workers=_gauges(request, answer, WorkerCounts, result.workers),
        raw=data,
    )


def _gauges(request: Request, answer: Answer, kind: type[Counts], found: object) -> Counts:
    """Read the gauges that we know; whatever else there is may be anything."""
    from runpod_queue_client.types import UNSET

    counts: dict[str, int] = {}
    for gauge in fields(kind):
        value = getattr(found, gauge.name)
        count = 0 if value is UNSET else _number(value)
        if count is None:
            raise invalid(request, answer, "a gauge is not a number")
        counts[gauge.name] = count
    return kind(**counts)


def invalid(request: Request, answer: Answer, why: str) -> APIResponseValidationError:
    """Return the error for an answer that the spec does not allow."""
    return APIResponseValidationError(
        f"{request.about}: HTTP {answer.status} with an answer that cannot be used: {why}",
        operation=request.operation,
        endpoint_id=request.endpoint_id,
        job_id=request.job_id,
        status_code=answer.status,
        headers=answer.headers,
        body=text_of(answer),
    )


def text_of(answer: Answer) -> str:
    """Return the first characters of an answer, whatever its bytes are."""
    return answer.body[: 4 * BODY_SHOWN].decode("utf-8", "replace")[:BODY_SHOWN]


def _json(request: Request, answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise invalid(request, answer, f"it is not JSON ({type(error).__name__})") from None


def _object(request: Request, answer: Answer) -> dict[str, Any]:
    data = _json(request, answer)
    if not isinstance(data, dict):
        raise invalid(request, answer, "it is not a JSON object")
    return data  # pyright: ignore[reportUnknownVariableType]


def _parsed(request: Request, answer: Answer, parse: Callable[[], T]) -> T:
    try:
        return _made(parse)
    except Unusable as problem:
        raise invalid(request, answer, str(problem)) from None


class Unusable(Exception):  # noqa: N818  never leaves the rooms that read answers
    """JSON that is not what it should be; says why."""


def _made(parse: Callable[[], T]) -> T:
    try:
        return parse()
    except KeyError as error:
        raise Unusable(f"it has no {error.args[0]}") from None
    except (AttributeError, TypeError, ValueError):
        raise Unusable("a field has the wrong type") from None


def _wrong_field(job: models.Job) -> str | None:
    """Name the first field whose type the spec does not allow; the generated models do not look."""
    from runpod_queue_client.types import UNSET

    if not isinstance(job.id, str) or not ID.fullmatch(job.id):  # pyright: ignore[reportUnnecessaryIsInstance]
        return "id is not a job id"
    for name in ("delay_time", "execution_time", "retries"):
        value = getattr(job, name)
        if value is not UNSET and value is not None and _number(value) is None:
            return f"{name} is not a number"
    if job.worker_id is not UNSET and not isinstance(job.worker_id, str | None):
        return "workerId is not a string"
    return None


def _number(value: object) -> int | None:
    """Return a count or milliseconds; a float is a number too, True is not."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value)


def _chunk(request: Request, answer: Answer, item: Any) -> StreamChunk:
    from runpod_queue_client import models

    if not isinstance(item, dict):
        raise invalid(request, answer, "a chunk is not an object")
    chunk = _parsed(request, answer, lambda: models.StreamChunk.from_dict(item))  # pyright: ignore[reportUnknownArgumentType]
    metrics = None if not chunk.metrics else chunk.metrics.to_dict()
    return StreamChunk(output=chunk.output, metrics=metrics, raw=item)  # pyright: ignore[reportUnknownArgumentType]
