"""How values are printed: output and JSON to standard output, errors as one line to standard error."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runpod_sdk import JobState

_STATE = (
    "id",
    "endpoint_id",
    "status",
    "output",
    "progress",
    "error",
    "worker_id",
    "retries",
    "delay_time_ms",
    "execution_time_ms",
)


def put(text: str, end: str = "\n") -> None:
    """Write to standard output, at once. What its encoding cannot hold (a lone surrogate) is written as an escape."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + end)
    sys.stdout.flush()


def put_json(facts: Mapping[str, Any]) -> None:
    """Write one object on one line."""
    put(json.dumps(facts))


def text_of(value: Any) -> str:
    """Return a text as it is, and anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def facts_of(state: JobState) -> dict[str, Any]:
    """Return a state as `--json` shows it: always the same names; null where the service said nothing."""
    return {name: getattr(state, name) for name in _STATE}


def one_line(text: str) -> str:
    """Return a text without what would break its line, or command a terminal."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def complain(command: str, text: str) -> None:
    """Say on standard error what is wrong."""
    print(f"runpod-sdk {command}: {one_line(text)}", file=sys.stderr, flush=True)


def put_table(rows: Sequence[Sequence[str]]) -> None:
    """Write rows in columns; the last one is as long as it is."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        put("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
