"""Which bodies /run and /runsync accept, and the jobs they become."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn, cast

from runpod_sdk.emulator import _limits as limits
from runpod_sdk.emulator._queue._requests import Submit
from runpod_sdk.emulator._routes._queries import wait_of
from runpod_sdk.emulator._routes._route import InvalidRequestError

if TYPE_CHECKING:
    from runpod_sdk.emulator._options import Options
    from runpod_sdk.emulator._routes._route import Call

_S3_REQUIRED = ("accessId", "accessSecret", "bucketName", "endpointUrl")  # official source: types of the JS client
_S3_OPTIONAL = ("objectPath",)
_STRINGS = ("webhook", "webhookV2")
_FOR_THE_WORKER = ("s3Config", "webhookV2")


def run(_: Call, body: bytes, options: Options) -> Submit:
    """Return what /run asks."""
    return submission(_object(body), options, wait=None, retention=limits.RUN_RETENTION)


def run_sync(call: Call, body: bytes, options: Options) -> Submit:
    """Return what /runsync asks."""
    wait = wait_of(call.query, limits.RUNSYNC_HOLD)
    # Up to 5 minutes with wait, says operation-reference#retry; assumed: as long as wait itself.
    kept = wait if "wait" in call.query else 0.0
    kept = min(limits.RUNSYNC_RETENTION_MAX, max(limits.RUNSYNC_RETENTION, kept))
    return submission(_object(body), options, wait=wait, retention=kept)


def submission(fields: dict[str, Any], options: Options, *, wait: float | None, retention: float) -> Submit:
    """Return the submission in a body. Unknown top-level keys are ignored: the official JavaScript sample sends one.

    Raises:
        InvalidRequestError: a field of it is not what the service takes.
    """
    # official source: runpodctl, an array or a scalar is refused, and run_test.go, null and absent are legal
    job_input: Any = fields.get("input")
    if job_input is None and not options.require_input:
        job_input = {}
    if not isinstance(job_input, dict):
        raise InvalidRequestError("input is required" if job_input is None else "input must be an object")
    for name in _STRINGS:
        if not isinstance(fields.get(name, ""), str):
            raise InvalidRequestError(f"{name} must be a string")
    s3_config: Any = fields.get("s3Config", {})
    if "s3Config" in fields:
        _check_s3(s3_config)
    policy = _policy(fields, options)
    return Submit(
        input=cast("dict[str, Any]", job_input),
        extras={name: fields[name] for name in _FOR_THE_WORKER if name in fields},
        execution_timeout=policy["executionTimeout"] / 1000,
        ttl=policy["ttl"] / 1000,
        retention=retention,
        webhook=fields.get("webhook"),
        low_priority=policy["lowPriority"],
        wait=wait,
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        fields: Any = json.loads(body.decode(), parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError("body is not JSON") from error
    if not isinstance(fields, dict):
        raise InvalidRequestError("body must be an object")
    return fields  # pyright: ignore[reportUnknownVariableType]


def no_constant(name: str) -> NoReturn:
    """Refuse what Python takes for JSON, and is none."""
    raise ValueError(f"{name} is no JSON")


def _policy(fields: dict[str, Any], options: Options) -> dict[str, Any]:
    """Return the policy with its defaults; out of range is 400 (assumed), or the default if Options say so."""
    policy = {"executionTimeout": options.execution_timeout * 1000, "ttl": options.ttl * 1000, "lowPriority": False}
    if not isinstance(fields.get("policy", {}), dict):
        if options.check_policy:
            raise InvalidRequestError("policy must be an object")
        return policy
    sent: dict[str, Any] = fields.get("policy", {})
    if not sent:
        return policy
    ranges = {
        "executionTimeout": (limits.EXECUTION_TIMEOUT_MIN_MS, limits.EXECUTION_TIMEOUT_MAX_MS),
        "ttl": (limits.TTL_MIN_MS, limits.TTL_MAX_MS),
    }
    for name, (low, high) in ranges.items():
        value: Any = sent.get(name)
        if _is_integer(value) and low <= value <= high:
            policy[name] = int(value)
        elif name in sent and options.check_policy:
            raise InvalidRequestError(f"policy.{name} is invalid; must be between {low} and {high}")
    low_priority = sent.get("lowPriority", False)
    if isinstance(low_priority, bool):
        policy["lowPriority"] = low_priority
    elif options.check_policy:
        raise InvalidRequestError("policy.lowPriority must be a boolean")
    return policy


def _is_integer(value: Any) -> bool:
    """Whether JSON counts `value` as an integer, as it does 5000.0."""
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())


def _check_s3(config: Any) -> None:
    if not isinstance(config, dict):
        raise InvalidRequestError("s3Config must be an object")
    for name in _S3_REQUIRED:
        if name not in config:
            raise InvalidRequestError(f"s3Config.{name} is required")
    for name in (*_S3_REQUIRED, *_S3_OPTIONAL):
        if not isinstance(config.get(name, ""), str):  # pyright: ignore[reportUnknownMemberType]
            raise InvalidRequestError(f"s3Config.{name} must be a string")
