"""The result file: JSON lines appended as results arrive, or a table written at the end of a run."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from runpod_sdk.cli._session import BadCallError

from ._log import AppendLog
from ._shape import OURS
from ._sources import library

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Lines of results, as often as they are asked for.
Results = Callable[[], Iterator[dict[str, Any]]]
# In a table, what stands before the columns of the inputs, and behind them.
_FIRST = ("line", "key")
_LAST = tuple(name for name in OURS if name not in (*_FIRST, "occurrence"))
# Rows of a Parquet file that are in memory at once.
_GROUP = 1000


class Output(Protocol):
    """Where results go.

    Attributes:
        path: of the file.
        size: of it, in bytes.
        grows: whether each result stands in it at once.
    """

    path: Path
    size: int
    grows: bool

    def append(self, facts: Mapping[str, Any]) -> None:
        """Take a result; write it, if it grows."""
        ...

    def mend(self) -> None:
        """Check that it is ours and can be appended to, even if others have edited it.

        Raises:
            BadCallError: it is not.
        """
        ...

    def write(self, results: Results, new: Path) -> None:
        """Write all results, in the place of what is there; as a whole or not at all, by way of another file."""
        ...

    def sync(self) -> None:
        """Have what was appended on the disk."""
        ...

    def close(self) -> None:
        """Close it; may be called twice."""
        ...


def output_of(path: Path) -> Output:
    """Open the file of results that is at a path, by what its name ends in.

    Raises:
        BadCallError: it cannot be written here, or another process is at it.
    """
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return _CsvResults(path)
    if suffix == ".parquet":
        return _ParquetResults(path)
    lines = ResultLines(path)
    try:
        lines.lock()
    except BaseException:
        lines.close()
        raise
    return lines


class ResultLines(AppendLog):
    """Lines of JSON."""

    grows = True

    def write(self, results: Results, new: Path) -> None:
        """Write all results anew."""
        _begin(new, self.path)
        with new.open("wb") as file:
            file.writelines(json.dumps(facts).encode("ascii") + b"\n" for facts in results())
        if os.name == "nt":  # which replaces no file that is open; elsewhere the lock has to last until then
            self.close()
        self.size = _put(new, self.path)


class _ResultTable:
    """A table of results."""

    grows = False
    begin: bytes

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists() and not path.is_file():
            raise BadCallError(f"--output {path}: a file expected")
        if not path.parent.is_dir():
            raise FileNotFoundError(2, "No such file or directory", str(path))
        self.size = path.stat().st_size if path.exists() else 0

    def append(self, facts: Mapping[str, Any]) -> None:
        """Do nothing: it is written at the end."""

    def mend(self) -> None:
        if not self.size:
            return
        with self.path.open("rb") as file:
            if not file.read(len(self.begin)).startswith(self.begin):
                raise BadCallError(f"{self.path}: not the results of a bulk run; use another --output")

    def sync(self) -> None:
        """Do nothing: what is written is there."""

    def close(self) -> None:
        """Do nothing: it is not open."""


class _CsvResults(_ResultTable):
    begin = b"line,key,"

    def write(self, results: Results, new: Path) -> None:
        columns = [*_FIRST, *_kinds(results()), *_LAST]
        _begin(new, self.path)
        with new.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            for facts in results():
                writer.writerow({name: _text(value) for name, value in facts.items()})
        self.size = _put(new, self.path)


class _ParquetResults(_ResultTable):
    begin = b"PAR1"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._arrow, self._parquet = library("pyarrow"), library("pyarrow.parquet")

    def write(self, results: Results, new: Path) -> None:
        pa = self._arrow
        kinds = {"text": pa.string(), "bool": pa.bool_(), "int": pa.int64(), "float": pa.float64()}
        own = _kinds(results(), also=_FIRST)
        names = [*_FIRST, *(name for name in own if name not in _FIRST), *_LAST]
        numbers = {"delay_time_ms": "int", "execution_time_ms": "int"}
        schema = pa.schema([(name, kinds[{**numbers, **own}.get(name, "text")]) for name in names])
        texts = {name for name in names if {**numbers, **own}.get(name, "text") == "text"}
        _begin(new, self.path)
        with self._parquet.ParquetWriter(new, schema) as writer:
            for group in _grouped(results()):
                rows = [
                    {name: _text(row.get(name)) if name in texts else row.get(name) for name in names} for row in group
                ]
                writer.write_table(pa.Table.from_pylist(rows, schema))
        self.size = _put(new, self.path)


def _begin(new: Path, path: Path) -> None:
    """Make a new file that nobody may read who may not read the old one."""
    if path.exists():
        new.touch(mode=0o600)
        shutil.copymode(path, new)


def _put(new: Path, path: Path) -> int:
    """Have a new file on the disk, and in the place of the old one; return its size."""
    with new.open("rb+") as file:
        os.fsync(file.fileno())
        size = file.seek(0, os.SEEK_END)
    new.replace(path)
    return size


def _kinds(results: Iterable[dict[str, Any]], also: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the columns of the inputs, in the order in which they come, and what kind of cells each has."""
    kinds: dict[str, str] = {}
    for facts in results:
        for name, value in facts.items():
            if name in OURS and name not in also:
                continue
            kind, known = _kind(value), kinds.get(name)
            if known is None or known == "none":
                kinds[name] = kind
            elif kind not in (known, "none"):
                kinds[name] = "float" if {kind, known} == {"int", "float"} else "text"
    return {name: "text" if kind == "none" else kind for name, kind in kinds.items()}


def _kind(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        return "text"
    if isinstance(value, bool):
        return "bool"
    return "int" if isinstance(value, int) else "float" if isinstance(value, float) else "text"


def _text(value: Any) -> str | None:
    """Return what stands in a cell of text; of half a character (a lone surrogate) its number."""
    if value is None or not isinstance(value, str):
        return None if value is None else json.dumps(value)
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()


def _grouped(results: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    for facts in results:
        group.append(facts)
        if len(group) == _GROUP:
            yield group
            group = []
    yield group
