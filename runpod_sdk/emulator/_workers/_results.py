"""What workers send, as the service takes it in: JSON, and nothing else. Pure.

What they build is in `_host/_results.py`; when it is sent, and to whom, in `_callables.py` and `_process_pool.py`.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from runpod_sdk.emulator._workers._host._results import (
    NotJSONError,
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
    "chunk",
    "decoded",
    "encoded",
    "ending",
    "generator_raised",
    "raised",
    "returned",
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
    """Return `value` as the service gets it, so tuples are lists and keys are strings; nothing in it is shared.

    Args:
        value: what is sent.
        as_official: by the official library, which cannot write a lone surrogate; else by one that escapes it.

    Raises:
        NotJSONError: it cannot be sent, or is refused.
    """
    return decoded(encoded(value, ascii_only=not as_official))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
