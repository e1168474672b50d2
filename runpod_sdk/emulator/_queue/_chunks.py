"""Splits chunks that are too large, as the service does. Pure."""

from __future__ import annotations

import json
from typing import Any

from runpod_sdk.emulator._limits import CHUNK_BYTES

# Bytes that the JSON text of one character may take: an escaped pair of surrogates.
_WORST = 12


def split(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the chunks that a reader gets for what a worker sent, each with an output of at most `CHUNK_BYTES`.

    assumed: text is cut, and its parts follow each other; what stands beside the output comes with the first part.
    Where a value that is no text would be cut is unknown, so it passes whole.
    """
    output: Any = body.get("output")
    if not isinstance(output, str) or len(output) * _WORST <= CHUNK_BYTES or _size(output) <= CHUNK_BYTES:
        return [body]
    parts: list[str] = []
    start = 0
    while start < len(output):
        length = min(len(output) - start, CHUNK_BYTES)
        while _size(output[start : start + length]) > CHUNK_BYTES:
            length = length * 3 // 4
        parts.append(output[start : start + length])
        start += length
    return [{**body, "output": parts[0]}, *({"output": part} for part in parts[1:])]


def _size(text: str) -> int:
    return len(json.dumps(text))
