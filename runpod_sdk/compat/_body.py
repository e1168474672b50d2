"""Splits what callers pass to `run` and `run_sync` into the input and the fields beside it. Pure."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, cast

from runpod_sdk._values._arguments import kind_of
from runpod_sdk._values._requests import SubmitOptions
from runpod_sdk._values._states import S3Config

# The fields of a request beside its input. docs: send-requests
_BESIDE = frozenset({"webhook", "policy", "s3Config"})
_POLICY = frozenset({"executionTimeout", "ttl", "lowPriority"})
_BUCKET = {
    "accessId": "access_id",
    "accessSecret": "access_secret",
    "bucketName": "bucket_name",
    "endpointUrl": "endpoint_url",
}
_PATH = "objectPath"
Parts = tuple[Mapping[str, Any], SubmitOptions]


def parts(given: Mapping[str, Any], *, stacklevel: int = 3) -> Parts:
    """Return the input, and the options beside it, of a request as the official `run` and `run_sync` take it.

    With "input" it is a whole request, also when that is empty. Without, it is the input itself; a webhook, policy or
    bucket among its fields that can only be the service's is taken out, and a warning says so.

    Raises:
        TypeError, ValueError: it is no request; nothing was sent.
    """
    if not isinstance(given, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"request_input is {kind_of(given)}: a dict expected")
    if "input" in given:
        return _request(given)
    beside = {name: value for name, value in given.items() if _is_of_the_service(name, value)}
    if not beside:
        return given, {}
    warnings.warn(
        f"{' and '.join(sorted(beside))} beside the fields of the input: sent as an option of the job, not to the "
        'worker; write {"input": {…}, …} to say so',
        stacklevel=stacklevel,
    )
    fields = {name: value for name, value in given.items() if name not in beside}
    return _request({"input": fields, **beside})


def input_parts(given: Mapping[str, Any]) -> Parts:
    """Return the same for the official `AsyncioEndpoint.run`, which takes the input alone; here a whole request, too.

    Where "input" is no object, or has other fields beside it, it can only be a field of the input.
    """
    if isinstance(given, Mapping) and "input" in given:  # pyright: ignore[reportUnnecessaryIsInstance]
        is_request = isinstance(given["input"], Mapping) and given.keys() <= {"input", *_BESIDE}
        return _request(given) if is_request else (given, {})
    return parts(given, stacklevel=4)


def _request(given: Mapping[str, Any]) -> Parts:
    options = SubmitOptions()
    if given.get("webhook"):
        options["webhook"] = given["webhook"]
    policy = _mapping("policy", given.get("policy"))
    if unknown := policy.keys() - _POLICY:
        raise ValueError(f"policy holds {min(unknown)!r}: {', '.join(sorted(_POLICY))} expected")
    if policy.get("executionTimeout") is not None:
        options["execution_timeout"] = _seconds("executionTimeout", policy["executionTimeout"])
    if policy.get("ttl") is not None:
        options["ttl"] = _seconds("ttl", policy["ttl"])
    if policy.get("lowPriority") is not None:
        options["low_priority"] = policy["lowPriority"]
    bucket = _mapping("s3Config", given.get("s3Config"))
    if bucket:
        options["s3_config"] = _bucket(bucket)
    more = {name: value for name, value in given.items() if name not in {"input", *_BESIDE}}
    if more:
        options["extra_body"] = more
    return given["input"], options


def _bucket(given: Mapping[str, Any]) -> S3Config:
    """Return the bucket; a message names fields, never their values."""
    missing, unknown = _BUCKET.keys() - given.keys(), given.keys() - {*_BUCKET, _PATH}
    if missing or unknown:
        what = f"lacks {min(missing)!r}" if missing else f"holds {min(unknown)!r}"
        raise ValueError(f"s3Config {what}: {', '.join(_BUCKET)} and perhaps {_PATH} expected")
    return S3Config(**{ours: given[name] for name, ours in _BUCKET.items()}, object_path=given.get(_PATH))


def _is_of_the_service(name: str, value: object) -> bool:
    """Whether a field among those of an input can only be meant for the service."""
    if name == "webhook":
        return isinstance(value, str) and value.startswith(("https://", "http://"))
    if not isinstance(value, Mapping) or not value:
        return False
    keys = cast("Mapping[object, object]", value).keys()
    return (name == "policy" and keys <= _POLICY) or (name == "s3Config" and _BUCKET.keys() <= keys)


def _mapping(name: str, value: object) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} is {kind_of(value)}: a dict expected")
    return cast("Mapping[str, Any]", value)


def _seconds(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"policy[{name!r}]={value!r}: milliseconds expected")
    return value / 1000
