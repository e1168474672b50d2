"""The options of a submit, shared by `run` and `map`."""

from __future__ import annotations

import argparse
import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ._session import BadCallError

if TYPE_CHECKING:
    from runpod_sdk._values._requests import SubmitOptions

_S3 = {
    "accessId": "access_id",
    "accessSecret": "access_secret",
    "bucketName": "bucket_name",
    "endpointUrl": "endpoint_url",
    "objectPath": "object_path",
}


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def add_submit_options(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    job = parser.add_argument_group("job")
    job.add_argument("--webhook", metavar="URL", help="the service POSTs the final state there")
    job.add_argument("--execution-timeout", type=seconds, metavar="TIME", help="longest time on a worker (10m)")
    job.add_argument("--ttl", type=seconds, metavar="TIME", help="when the service forgets the job (24h)")
    job.add_argument("--low-priority", action="store_true", help="do not scale up for it")
    job.add_argument(
        "--s3-config",
        type=Path,
        metavar="FILE",
        help="a bucket for the worker: JSON with accessId, accessSecret, bucketName, endpointUrl, objectPath",
    )


def submit_options(arguments: argparse.Namespace) -> SubmitOptions:
    """Return those that were given."""
    return {
        "webhook": arguments.webhook,
        "execution_timeout": arguments.execution_timeout,
        "ttl": arguments.ttl,
        "low_priority": arguments.low_priority or None,
        "s3_config": None if arguments.s3_config is None else _s3_config(arguments.s3_config),
    }


def seconds(text: str) -> float:
    """Read a duration, for argparse: seconds, or numbers with units."""
    parts = _PART.findall(text)
    if parts and "".join(map("".join, parts)) == text:
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text}: seconds expected, or a time such as 30s, 5m or 1h30m")
    return value


def _s3_config(path: Path) -> Any:
    """Read a bucket's configuration; what stands in it is never shown."""
    from runpod_sdk import S3Config  # noqa: PLC0415  --help does not need it

    try:
        given = json.loads(path.read_bytes())
    except OSError as error:
        raise BadCallError(f"--s3-config {path}: {error.strerror}") from None
    except ValueError:
        raise BadCallError(f"--s3-config {path}: it is not JSON") from None
    names = {str(name) for name in cast("dict[str, Any]", given)} if isinstance(given, dict) else set[str]()
    if not _S3.keys() - {"objectPath"} <= names <= _S3.keys():
        raise BadCallError(f"--s3-config {path}: an object with {', '.join(_S3)} (the last one optional) expected")
    return S3Config(**{_S3[name]: value for name, value in cast("dict[str, Any]", given).items()})
