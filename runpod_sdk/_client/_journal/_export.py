"""Exports a journal as JSON lines, CSV or Parquet."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import asdict
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ._items import JournalItem

# The columns, in this order.
COLUMNS: tuple[str, ...] = (
    "key",
    "status",
    "job_id",
    "attempt",
    "is_handed",
    "input_sha256",
    "output",
    "error",
    "submitted_at",
    "ended_at",
    "delay_time_ms",
    "execution_time_ms",
    "worker_id",
)
# Rows of a Parquet file that are in memory at once; ours.
_GROUP = 1000


def export(items: Iterator[JournalItem], path: Path) -> int:
    """Write the inputs into a file, by what its name ends in; return how many there are."""
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise ValueError(f"path={str(path)!r}: a name that ends in {', '.join(_WRITERS)} expected")
    new = path.with_name(path.name + ".new")
    try:
        count = write(items, new)
        os.replace(new, path)  # noqa: PTH105  Path.replace of 3.11 is the same
    finally:
        new.unlink(missing_ok=True)
    return count


def facts_of(item: JournalItem) -> dict[str, Any]:
    """Return an input as JSON has it; what is not known is left out."""
    facts = asdict(item)
    found = {name: facts[name] for name in COLUMNS if facts[name] is not None or name == "output"}
    return {name: _time(value) if isinstance(value, datetime) else value for name, value in found.items()}


def _time(value: datetime) -> str:
    return value.isoformat(timespec="milliseconds")


def _lines(items: Iterator[JournalItem], path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for item in items:
            count += 1
            file.write(json.dumps(facts_of(item)) + "\n")
    return count


def _table(items: Iterator[JournalItem], path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="", errors="backslashreplace") as file:  # half characters
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for item in items:
            count += 1
            facts = facts_of(item)
            writer.writerow({**facts, "output": _text(facts["output"])})
    return count


def _parquet(items: Iterator[JournalItem], path: Path) -> int:
    try:
        pa: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError as error:
        raise ImportError("a Parquet file needs pyarrow: pip install pyarrow") from error
    times = pa.timestamp("ms", tz="UTC")
    kinds: dict[str, Any] = dict.fromkeys(COLUMNS, pa.string())
    kinds |= {"attempt": pa.int32(), "is_handed": pa.bool_(), "submitted_at": times, "ended_at": times}
    kinds |= {"delay_time_ms": pa.int64(), "execution_time_ms": pa.int64()}
    schema = pa.schema(list(kinds.items()))
    count = 0
    with parquet.ParquetWriter(path, schema) as writer:
        group: list[dict[str, Any]] = []
        for item in items:
            count += 1
            texts = {"key": _whole(str(item.key)), "output": _whole(_text(item.output)), "error": _whole(item.error)}
            group.append({**asdict(item), **texts})
            if len(group) == _GROUP:
                writer.write_table(pa.Table.from_pylist(group, schema))
                group = []
        writer.write_table(pa.Table.from_pylist(group, schema))
    return count


def _text(output: Any) -> str | None:
    return output if output is None or isinstance(output, str) else json.dumps(output)


def _whole(text: str | None) -> str | None:
    """Return a text that UTF-8 can hold: of half a character (a lone surrogate) its number."""
    return text if text is None or text.isascii() else text.encode("utf-8", "backslashreplace").decode()


_WRITERS: dict[str, Callable[[Iterator[JournalItem], Path], int]] = {
    ".jsonl": _lines,
    ".csv": _table,
    ".parquet": _parquet,
}
