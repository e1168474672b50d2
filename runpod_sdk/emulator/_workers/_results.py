"""Checks what workers send, as the service does: it must be JSON. Pure.

What they build is in `_host/_results.py`; when it is sent, and to whom, in `_run.py` and `_place.py`.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from runpod_sdk.emulator._workers._host._results import (
    NotJSONError,
    check_id,
    chunk,
    encoded,
    ending,
    generator_raised,
    raised,
    returned,
    shown,
    what,
)

__all__ = [
    "NotJSONError",
    "as_json",
    "check_id",
    "chunk",
    "decoded",
    "encoded",
    "ending",
    "generator_raised",
    "raised",
    "returned",
    "sent",
    "shown",
    "what",
]


def decoded(body: bytes) -> Any:
    """Return what a body says.

    Raises:
        NotJSONError: it is no JSON; NaN and infinity are none, though the official worker sends them.
    """
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise NotJSONError(f"it is not JSON: {error}", is_caught=True) from error


def as_json(value: Any, *, as_official: bool = True) -> Any:
    """Return what the service makes of `sent(value)`, so tuples are lists and keys are strings; nothing is shared."""
    return sent(value, as_official=as_official)[0]


def sent(value: Any, *, as_official: bool = True) -> tuple[Any, int]:
    """Return `value` as the service gets it, and how many bytes that took.

    Args:
        value: what is sent.
        as_official: by the official library, which cannot write a lone surrogate; else by one that escapes it.

    Raises:
        NotJSONError: it cannot be sent, or is refused.
    """
    body = encoded(value, ascii_only=not as_official)
    return decoded(body), len(body)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
