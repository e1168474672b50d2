"""Query parameters: bounds, and conversion from milliseconds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runpod_sdk.emulator import _limits as limits
from runpod_sdk.emulator._routes._route import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

_INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)


def wait_of(query: Mapping[str, str], default: float) -> float:
    """Return `wait` in seconds.  # assumed: the bounds of /runsync hold for the others too."""
    text = query.get("wait")
    if text is None:
        return default
    wait = int(text) if _INTEGER.fullmatch(text) else 0
    if not limits.WAIT_MIN_MS <= wait <= limits.WAIT_MAX_MS:
        raise InvalidRequestError(  # live: the wording
            f"wait is invalid; must be between {limits.WAIT_MIN_MS} and {limits.WAIT_MAX_MS}"
        )
    return wait / 1000


def number_of(query: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """Return an integer.  # assumed: 400 for what is none, or out of range."""
    text = query.get(name)
    if text is None:
        return default
    number = int(text) if _INTEGER.fullmatch(text) else least - 1
    if not least <= number <= most:
        raise InvalidRequestError(f"{name} is invalid; must be between {least} and {most}")
    return number


def ttl_of(query: Mapping[str, str]) -> float | None:
    """Return `ttl` in seconds, or None."""
    text = query.get("ttl")
    if text is None:
        return None
    ttl = int(text) if _INTEGER.fullmatch(text) else 0
    if not limits.STATUS_TTL_MIN_MS <= ttl <= limits.TTL_MAX_MS:
        raise InvalidRequestError(f"ttl is invalid; must be between {limits.STATUS_TTL_MIN_MS} and {limits.TTL_MAX_MS}")
    return ttl / 1000
