"""Validates what callers pass in before any request: ids, durations, JSON inputs."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from ._bodies import unknown_in, wrapped
from ._inputs import as_json, as_object, has_fields

if TYPE_CHECKING:
    from ._operations import Operation

ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
# RFC 9110, 5.6.2 and 5.5; ASCII only, since a header has no encoding of its own.
_HEADER_NAME, _HEADER_VALUE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"), re.compile(r"[\x20-\x7e\t]*")
# Headers that say how a message is framed and where it goes, or carry the key: not for callers to set. RFC 9110, 7.6.
RESERVED_HEADERS = frozenset(
    {
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# Answers that every carrier can read.
_ENCODINGS = frozenset({"gzip", "deflate", "identity"})

# Seconds. docs: send-requests, execution policies (there in milliseconds).
EXECUTION_TIMEOUT_RANGE = (5.0, 604_800.0)
TTL_RANGE = (10.0, 604_800.0)
# Deeper than this is taken for something that holds itself; Python's own limit is about 1,000.
_DEPTH_MAX = 200
# ASCII only: a lone surrogate survives, and it is 5 times faster than httpx's own json= for large bodies.
_JSON = json.JSONEncoder(allow_nan=False, separators=(",", ":"), default=as_json)


def checked_id(name: str, value: object) -> str:
    """Return an id that is safe in a path: `..` or an empty string would reach another operation."""
    if not isinstance(value, str):
        raise TypeError(f"{name}={value!r}: a string expected, not {type(value).__name__}")
    if not ID.fullmatch(value):
        raise ValueError(f"{name}={value[:200]!r}: 1 to 128 of the characters A-Z a-z 0-9 _ - expected")
    return value


def checked_seconds(name: str, value: float, limits: tuple[float, float]) -> float:
    """Return a duration that the service accepts, or say which unit was probably meant."""
    if isinstance(value, bool) or not isinstance(value, int | float):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"{name}={value!r}: seconds expected, not {type(value).__name__}")
    least, most = limits
    if least <= value <= most:
        return float(value)
    guess = ""
    if most < value <= most * 1000:
        guess = f"; {value:.0f} ms is {value / 1000:g} s"
    raise ValueError(f"{name}={value!r}: {least:g} … {most:.0f} seconds expected{guess}")


def checked_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return headers that can be sent, and leave the framing of the request alone; a value may be a secret."""
    checked: dict[str, str] = {}
    for name, value in _items("extra_headers", headers):
        if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"extra_headers has a name that is {kind_of(name)}: a string expected")
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"extra_headers[{name!r}]: no header has such a name")
        if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"extra_headers[{name!r}] is {kind_of(value)}: a string expected")
        if not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"extra_headers[{name!r}] holds what no header carries: line ends or non-ASCII characters")
        known = name.lower()
        if known in RESERVED_HEADERS:
            raise ValueError(f"extra_headers[{name!r}]: this header cannot be set by callers")
        if known == "accept-encoding" and not set(re.split(r"[,\s]+", value.strip().lower())) <= _ENCODINGS:
            raise ValueError(f"extra_headers[{name!r}]: of {', '.join(sorted(_ENCODINGS))} expected")
        if known in map(str.lower, checked):
            raise ValueError(f"extra_headers[{name!r}] is there twice")
        checked[name] = value.strip()  # blanks around it are no part of it, and not every carrier takes them
    return checked


def checked_query(query: Mapping[str, str]) -> Mapping[str, str]:
    """Return query parameters that can be sent, beside the service's own; a value may be a secret."""
    for name, value in _items("extra_query", query):
        if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"extra_query has a name that is {kind_of(name)}: a string expected")
        if name == "wait":
            raise ValueError(f"extra_query holds {name!r}, which has an argument of its own: timeout")
        if not isinstance(value, str | int | float):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"extra_query[{name!r}] is {kind_of(value)}: a string expected")
        if not (_is_text(name) and _is_text(f"{value}")):
            raise ValueError(f"extra_query[{name!r}] holds half a character (a lone surrogate)")
    return query


def _items(name: str, given: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    if not isinstance(given, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"{name} is {kind_of(given)}: a dict expected")
    return given.items()


def _is_text(value: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in value)


def checked_input(input: Any) -> Any:  # noqa: A002  the service's word
    """Return the input as it is; warn where it looks like a whole request body, or like a worker's test."""
    if (
        isinstance(input, Mapping)
        and wrapped(cast("Mapping[str, Any]", input)) is not None
        and not unknown_in(cast("Mapping[str, Any]", input))
    ):
        warnings.warn(
            'the input holds an "input" of its own: the worker gets job["input"]["input"]; '
            "pass what stands under it, and webhook or policy as arguments",
            stacklevel=4,
        )
    return cast("Any", input)


def encoded(operation: Operation, body: Mapping[str, Any]) -> bytes:
    """Return a request body as JSON.

    Raises:
        TypeError, ValueError: something that JSON cannot hold, named by its place; or more than the service takes.
    """
    try:
        content = _JSON.encode(body).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        others = "extra_body" if "input" in body else "attributes"
        found = next(_faults(body.get("input"), "input", 0), None) or next(_faults(body, others, 0), None)
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise found or kind(f"input cannot be written as JSON: {type(error).__name__}") from None
    limit = operation.body_max
    if limit is not None and len(content) > limit:
        raise ValueError(
            f"the body of {operation.name} is {len(content)} bytes: the service takes at most {limit} "
            f"({limit // 2**20} MiB); put large inputs into storage and send a URL"
        )
    return content


def _faults(value: object, path: str, depth: int) -> Iterator[TypeError | ValueError]:
    """Say where the things are that JSON cannot hold, without showing them."""
    if depth > _DEPTH_MAX:
        yield ValueError(f"{path[:60]}… is nested too deeply, or holds itself")
    elif isinstance(value, dict):
        for key, item in cast("dict[object, object]", value).items():
            if not (key is None or isinstance(key, str | int | float)):
                yield TypeError(f"{path} has a key that is {kind_of(key)}: JSON keys are strings")
            yield from _faults(item, f"{path}[{key!r}]", depth + 1)
    elif isinstance(value, list | tuple):
        for at, item in enumerate(cast("list[object]", value)):
            yield from _faults(item, f"{path}[{at}]", depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        yield ValueError(f"{path} is {float(value)!r}: JSON has no such number; send None, or leave it out")
    elif isinstance(value, bytes | bytearray | memoryview):
        kind = kind_of(cast("object", value))
        yield TypeError(f"{path} is {kind}: JSON holds no bytes; send base64 text or a URL")
    elif not (value is None or isinstance(value, str | int | float)):
        yield from _faults_of_object(value, path, depth)


def _faults_of_object(value: object, path: str, depth: int) -> Iterator[TypeError | ValueError]:
    if has_fields(value):
        yield from _faults(as_object(value), path, depth + 1)
    else:
        yield TypeError(f"{path} is {kind_of(value)}: JSON cannot hold it{_remedy(value)}")


# What to send instead, by what a value has; the first that fits. So nothing is imported to know a class of pandas,
# numpy or PIL, whose NaTType and NAType are missing values.
_REMEDIES = (
    (("to_dict", "columns"), '.to_dict("records")'),  # a DataFrame
    (("tolist",), ".tolist()"),  # arrays, tensors, Series
    (("total_seconds",), ".total_seconds()"),
    (("isoformat",), ".isoformat()"),  # dates and times, also those of pandas
    (("__fspath__",), "str(…), or what the file holds as base64 text"),
    (("as_integer_ratio",), "float(…), or str(…)"),  # Decimal, Fraction
    (("tobytes", "save"), "base64 text, or a URL"),  # a picture of PIL
    (("value", "name"), ".value"),  # a member of an Enum
    (("hex", "urn"), "str(…)"),  # a UUID
    (("__iter__",), "list(…)"),  # a set, a generator
)


def _remedy(value: object) -> str:
    if type(value).__name__ in ("NaTType", "NAType"):
        return "; send None, or leave it out"
    if any(base.__name__ == "generic" for base in type(value).__mro__):  # numpy's numbers and dates
        return "; send .item()"
    fitting = (instead for names, instead in _REMEDIES if all(hasattr(value, name) for name in names))
    return f"; send {found}" if (found := next(fitting, None)) else ""


def checked_function(name: str, value: object) -> None:
    """See whether an argument that is to be called can be.

    Raises:
        TypeError: it cannot.
    """
    if value is not None and not callable(value):
        raise TypeError(f"{name} is {kind_of(value)}: a function expected")


def kind_of(value: object) -> str:
    """Name the type of a value that is not shown."""
    return "None" if value is None else f"of type {type(value).__name__}"
