"""Builds requests with the generated client; with `_batch_api.py` the only module that imports it.

The generated client knows paths, names and types. It does not check ranges, so arguments are checked here before it
sees them; nothing generated gets past this file. It is imported with the first request: it brings httpx and attrs.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from runpod_sdk._flows._loading import loading
from runpod_sdk._values._arguments import (
    EXECUTION_TIMEOUT_RANGE,
    TTL_RANGE,
    checked_headers,
    checked_input,
    checked_query,
    checked_seconds,
    encoded,
    kind_of,
)
from runpod_sdk._values._hidden import Hidden, hide_frames
from runpod_sdk._values._inputs import as_object
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
from runpod_sdk._values._requests import HiddenOptions, Request, SubmitOptions
from runpod_sdk._values._states import S3Config
from runpod_sdk._values._words import meant

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_queue_client import models
    from runpod_queue_client.models.job_input import JobInput
    from runpod_queue_client.models.run_request import RunRequest

    from runpod_sdk._values._operations import Operation

    Build = Callable[[str, object, SubmitOptions], Request]

# How long /runsync is asked to hold: its least value, so that the id of the job is known within a second.
RUN_SYNC_HOLD = 1.0
# What callers pass by place, or as options.
_UNNAMED = frozenset({"input", "inputs", "options"})
# Whose frames hold what a submit is made of.
_BUILDERS = frozenset({"runpod_sdk._flows._api", "runpod_sdk._values._arguments", "runpod_sdk._values._inputs"})


@cache
def load() -> tuple[object, ...]:
    """Load what any request is built with: later there may be no descriptor left to read a file with.

    Raises:
        RunpodError: it cannot be read.
    """
    with loading("what builds requests"):
        from runpod_queue_client import types
        from runpod_queue_client.api.endpoint import health, purge_queue
        from runpod_queue_client.api.jobs import cancel, get_status, get_status_sync, retry, run, run_sync, stream

        return types, health, purge_queue, cancel, get_status, get_status_sync, retry, run, run_sync, stream


def built(
    build: Build,
    endpoint_id: str,
    given: Hidden[Any],
    options: HiddenOptions,
    method: Callable[..., object] | None = None,
) -> Request:
    """Return a submit. No frame that holds what it is made of is left in the traceback of what is wrong with it.

    Args:
        build: makes the request.
        endpoint_id: where it goes.
        given: the input.
        options: what else the caller passed by name.
        method: what the caller called; its arguments are named where one was misspelt.

    Raises:
        TypeError, ValueError: a bad argument.
    """
    try:
        load()
        _check_names(options.reveal(), method)
        return build(endpoint_id, checked_input(given.reveal()), options.reveal())
    except BaseException as error:
        hide_frames(error, _is_builders)
        raise


def _is_builders(module: str) -> bool:
    return module in _BUILDERS or module.partition(".")[0] in ("json", "runpod_queue_client")


def run(endpoint_id: str, input: object, more: SubmitOptions) -> Request:  # noqa: A002  the API's word
    """Submit a job."""
    import runpod_queue_client.api.jobs.run as generated

    kwargs = generated._get_kwargs(endpoint_id, body=run_body(input, more))
    return _submit(RUN, endpoint_id, kwargs, more)


def run_sync(endpoint_id: str, input: object, more: SubmitOptions) -> Request:  # noqa: A002  the API's word
    """Submit a job and hold the answer for a second, in case it ends at once."""
    import runpod_queue_client.api.jobs.run_sync as generated

    kwargs = generated._get_kwargs(endpoint_id, body=run_body(input, more), wait=_ms(RUN_SYNC_HOLD))
    return _submit(RUN_SYNC, endpoint_id, kwargs, more, hold=RUN_SYNC_HOLD)


def status(endpoint_id: str, job_id: str, *, ttl: float | None = None) -> Request:
    """Look at a job once."""
    import runpod_queue_client.api.jobs.get_status as generated
    from runpod_queue_client.types import UNSET

    query = UNSET if ttl is None else _ms(checked_seconds("ttl", ttl, TTL_RANGE))
    return request_of(STATUS, endpoint_id, generated._get_kwargs(endpoint_id, job_id, ttl=query), job_id)


def status_sync(endpoint_id: str, job_id: str, *, hold: float) -> Request:
    """Look at a job when it has ended, or after `hold` seconds."""
    import runpod_queue_client.api.jobs.get_status_sync as generated

    kwargs = generated._get_kwargs(endpoint_id, job_id, wait=_ms(hold))
    return request_of(STATUS_SYNC, endpoint_id, kwargs, job_id, hold=hold)


def stream(endpoint_id: str, job_id: str, *, hold: float) -> Request:
    """Take the chunks that are there; wait up to `hold` seconds for the first."""
    import runpod_queue_client.api.jobs.stream as generated

    kwargs = generated._get_kwargs(endpoint_id, job_id, wait=_ms(hold))
    return request_of(STREAM, endpoint_id, kwargs, job_id, hold=hold)


def cancel(endpoint_id: str, job_id: str) -> Request:
    """Cancel a job."""
    import runpod_queue_client.api.jobs.cancel as generated

    return request_of(CANCEL, endpoint_id, generated._get_kwargs(endpoint_id, job_id), job_id)


def retry(endpoint_id: str, job_id: str) -> Request:
    """Queue a failed job again."""
    import runpod_queue_client.api.jobs.retry as generated

    return request_of(RETRY, endpoint_id, generated._get_kwargs(endpoint_id, job_id), job_id)


def purge_queue(endpoint_id: str) -> Request:
    """Remove every waiting job."""
    load()
    import runpod_queue_client.api.endpoint.purge_queue as generated

    return request_of(PURGE_QUEUE, endpoint_id, generated._get_kwargs(endpoint_id))


def health(endpoint_id: str) -> Request:
    """Look at an endpoint."""
    load()
    import runpod_queue_client.api.endpoint.health as generated

    return request_of(HEALTH, endpoint_id, generated._get_kwargs(endpoint_id))


def _input(input: object) -> JobInput | None:  # noqa: A002  the API's word
    from runpod_queue_client.models.job_input import JobInput

    if input is None:  # official source: runpodctl run_test.go, legal; the worker gets a job without input
        return None
    input = as_object(input)  # noqa: A001  as above
    if not isinstance(input, Mapping):
        many = "; for a table, endpoint.map(…) makes each row an input" if hasattr(input, "columns") else ""
        many = "; for many inputs, use endpoint.map(…)" if type(input) in (list, tuple) else many
        raise TypeError(f"input is {kind_of(input)}: the service takes a JSON object, pass a dict or a model{many}")
    given = JobInput()
    given.additional_properties = dict(cast("Mapping[str, Any]", input))  # keys are checked by encoded()
    return given


def _check_names(more: Mapping[str, object], method: Callable[..., object] | None = None) -> None:
    """Refuse what is no option, and name the option, or the argument of the method, that may have been meant."""
    unknown = more.keys() - SubmitOptions.__annotations__.keys()
    if unknown:
        from inspect import signature

        named = [] if method is None else [name for name in signature(method).parameters if name not in _UNNAMED]
        word = min(unknown)
        raise TypeError(f"unexpected argument {word!r}" + meant(word, [*SubmitOptions.__annotations__, *named]))


def run_body(input: object, more: SubmitOptions) -> RunRequest:  # noqa: A002  the API's word
    """Return the body of a submit."""
    from runpod_queue_client.models.run_request import RunRequest

    _check_names(more)
    if more.get("on_unknown", "raise") not in ("raise", "resubmit"):
        raise ValueError(f'on_unknown={more.get("on_unknown")!r}: "raise" or "resubmit" expected')
    body = RunRequest(input_=_input(input))
    if more:
        _add(more, body)
    return body


def _add(more: SubmitOptions, body: RunRequest) -> None:
    """Put options into the body of a submit."""
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
    if more:
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
    load()
    params = kwargs.get("params")
    query = urlencode(params) if params else ""
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
