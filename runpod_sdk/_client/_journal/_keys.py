"""How an input is identified across runs: its key, or a fingerprint of its content. No I/O."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from runpod_sdk._values._inputs import as_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._rows import Key

# What SQLite holds as a whole number.
_LEAST, _MOST = -(2**63), 2**63 - 1
# Bytes of a fingerprint that stand in a key.
_SHOWN = 16


def _encoder() -> Callable[[Any], str]:
    """Return what writes JSON with sorted keys and no spaces, as `json.dumps` does: made once, and not at each call."""
    encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"), check_circular=False, default=as_json)
    parts: Any = json.encoder
    try:  # no part of what Python documents
        encode = parts.c_make_encoder(None, as_json, parts.encode_basestring_ascii, None, ":", ",", True, False, True)
    except (AttributeError, TypeError):
        return encoder.encode
    return lambda given: "".join(encode(given, 0))


_canonical = _encoder()


def digest_of(given: Any) -> bytes:
    """Return the SHA-256 of an input as JSON with sorted keys and no spaces, as errors and results have it.

    Raises:
        TypeError, ValueError, RecursionError: it is not JSON.
    """
    try:
        text = _canonical(given)
    except TypeError:  # keys that are no texts are some, once they have been written
        text = _canonical(json.loads(json.dumps(given, default=as_json)))
    return hashlib.sha256(text.encode("ascii")).digest()


def digest_of_job(job_id: str) -> bytes:
    """Return what stands in the place of a digest for a job that was submitted elsewhere."""
    return hashlib.sha256(b"job " + job_id.encode()).digest()


def named(digest: bytes, occurrence: int) -> str:
    """Return the key of an input without one; equal inputs are numbered from 0."""
    return f"{digest[:_SHOWN].hex()}-{occurrence}"


def checked_key(key: object) -> Key:
    """Return a key that can stand in a journal: a text, or a whole number of up to 64 bits.

    Raises:
        TypeError, ValueError: another one.
    """
    if isinstance(key, str):
        if not key.isascii() and any("\ud800" <= letter <= "\udfff" for letter in key):
            raise ValueError(f"key={key!r}: it holds half a character (a lone surrogate)")
        return str(key)
    number = None if isinstance(key, bool) else getattr(key, "__index__", None)  # numpy's numbers have one, too
    if number is None:
        raise TypeError(f"key={key!r}: a string or an integer expected, with a journal")
    value: int = number()
    if not _LEAST <= value <= _MOST:
        raise ValueError(f"key={key!r}: with a journal, a whole number of 64 bits expected, or a text")
    return value


def meanings(key: Key) -> tuple[Key, ...]:
    """Return what a key may stand for where it came as a text: itself, else the whole number whose text it is."""
    if not isinstance(key, str) or len(key) > len(str(_LEAST)) or not key.removeprefix("-").isdecimal():
        return (key,)
    number = int(key)
    return (key, number) if str(number) == key and _LEAST <= number <= _MOST else (key,)
