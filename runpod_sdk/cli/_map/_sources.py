"""Reads records one by one from JSON lines, a JSON array, CSV or Parquet.

A file that cannot be read as a whole is refused before anything is sent, where it can be read twice. A record that is
none is told in its place, and the next one is read.
"""

from __future__ import annotations

import csv
import io
import json
import re
from abc import ABC, abstractmethod
from datetime import date, time
from decimal import Decimal
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

from runpod_sdk._client._bulk._map_tables import plain
from runpod_sdk._values._words import counted
from runpod_sdk.cli._session import BadCallError

from ._formats import format_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed import WriteableBuffer

    from ._formats import Format

# A record that is none, in its place.
Record = Any | Exception
# Bytes that are read of an array at once, and rows of a Parquet file.
_CHUNK, _ROWS = 1 << 18, 500
# Bytes that are looked at to see what a file is.
_HEAD = 1 << 16
_DECODE = json.JSONDecoder().raw_decode
_SPACE = re.compile(r"[ \t\r\n]*")


class Source(Protocol):
    """Records with their places, from 1."""

    are_texts: bool  # whether all fields are

    @property
    def columns(self) -> list[str] | None:
        """The columns, where all rows have the same."""
        ...

    def __len__(self) -> int:
        """Return how many there are; raises TypeError where nobody knows."""
        ...

    def __iter__(self) -> Iterator[tuple[int, Record]]: ...


def source_of(name: str, file: IO[bytes]) -> Source:
    """Return the records of a file.

    Raises:
        BadCallError: it is none that inputs are read from, or broken.
    """
    head = _head(file)
    if file.seekable():
        file.seek(0)
    else:
        file = io.BufferedReader(_Replayed(head, file))
    form = format_of(name, head)
    if form.kind == "parquet":
        return _ParquetRows(name, file)
    kinds: dict[str, type[_JsonLines | _JsonArray | _CsvRows]] = {
        "lines": _JsonLines,
        "array": _JsonArray,
        "csv": _CsvRows,
    }
    return kinds[form.kind](name, file, form)


def _head(file: IO[bytes]) -> bytes:
    """Read the first lines: two that are not blank, if there are."""
    head, lines = b"", 0
    while lines < 2 and len(head) < _HEAD:
        line = file.readline(_HEAD)
        if not line:
            break
        head += line
        lines += bool(line.strip(b" \t\r\n\0"))
    return head


class _Replayed(io.RawIOBase):
    """A pipe, with what was read of it already."""

    def __init__(self, head: bytes, file: IO[bytes]) -> None:
        self._head = memoryview(head)
        self._file: Any = file

    def readable(self) -> bool:
        """Return that it is."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what there is."""
        view = memoryview(buffer)
        if not self._head:
            data = self._file.read1(len(view))
        else:
            data, self._head = self._head[: len(view)], self._head[len(view) :]
        view[: len(data)] = data
        return len(data)


class _Text(ABC):
    """A file of text.

    Raises:
        BadCallError: it is broken.
    """

    columns: list[str] | None = None
    are_texts = False
    # Whether it has to be read as a whole to know that it is one.
    is_one = True

    def __init__(self, name: str, file: IO[bytes], form: Format) -> None:
        self.name = name
        self._file = file
        self.form = form
        self._count: int | None = None
        if file.seekable() and (self.is_one or not self.is_utf_8):
            self._count = sum(1 for _ in self)

    @property
    def is_utf_8(self) -> bool:
        return self.form.encoding == "utf-8-sig"

    def __len__(self) -> int:
        if self._count is None:
            if not self._file.seekable():
                raise TypeError("a pipe has no length")
            self._count = sum(not line.isspace() for line in self._file)
            self._file.seek(0)
        return self._count

    def __iter__(self) -> Iterator[tuple[int, Record]]:
        text = io.TextIOWrapper(self._file, self.form.encoding, newline="")
        try:
            yield from self.records(text)
        except UnicodeDecodeError as error:
            encoding = self.form.encoding.removesuffix("-sig").upper()
            hint = ": iconv -f latin1 -t utf-8 FILE makes it such" if self.is_utf_8 else ""
            raise BadCallError(f"{self.name}: it is no {encoding} ({error.reason}){hint}") from None
        except csv.Error as error:
            raise BadCallError(f"{self.name}: {error}") from None
        finally:
            text.detach()
        if self._file.seekable():
            self._file.seek(0)

    @abstractmethod
    def records(self, text: io.TextIOWrapper) -> Iterator[tuple[int, Record]]:
        """Read them, each once."""


class _JsonLines(_Text):
    is_one = False

    def __iter__(self) -> Iterator[tuple[int, Record]]:
        if not self.is_utf_8:
            yield from super().__iter__()
            return
        encoding = "utf-8-sig"
        for number, line in enumerate(self._file, 1):
            if not line.isspace():
                yield number, _parsed(line, encoding)
            encoding = "utf-8"

    def records(self, text: io.TextIOWrapper) -> Iterator[tuple[int, Record]]:
        for number, line in enumerate(text, 1):
            if not line.isspace():
                yield number, _parsed(line.encode(), "utf-8")


def _parsed(line: bytes, encoding: str) -> Record:
    try:
        text = line.decode(encoding).strip(" \t\r\n")
        value, end = _DECODE(text)
        return value if end == len(text) else json.loads(text)  # which says what is wrong
    except (ValueError, RecursionError) as error:
        return error


class _JsonArray(_Text):
    def records(self, text: io.TextIOWrapper) -> Iterator[tuple[int, Record]]:
        """Read one element after the other: all of them might not fit into memory."""
        reader, number = _Elements(text), 0
        mark = reader.take()
        is_empty = mark == "[" and reader.next() == "]"
        while mark in ("[", ",") and not is_empty:
            value = reader.value()
            if value is _NONE:
                break
            number += 1
            yield number, value
            mark = reader.take()
        if is_empty:
            mark = reader.take()
        if mark != "]":
            raise BadCallError(f"{self.name}: incomplete JSON array: it ends after element {number}")
        if reader.next():
            raise BadCallError(f"{self.name}: there is something after its JSON array")


_NONE = object()


class _Elements:
    """Reads an array a piece at a time."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._held = ""
        self._at = 0

    def next(self) -> str:
        """Return the next character that is no space; "" at the end."""
        while True:
            found = _SPACE.match(self._held, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._held):
                return self._held[self._at]
            if not self._more(_CHUNK):
                return ""

    def take(self) -> str:
        """Return it, and go on behind it."""
        character = self.next()
        self._at += 1
        return character

    def value(self) -> Any:
        """Return the value that begins here; `_NONE` if it is none."""
        size = _CHUNK
        while self.next():
            value: Any = _NONE
            try:
                value, end = _DECODE(self._held, self._at)
            except ValueError:
                end = len(self._held)
            except RecursionError:
                return _NONE
            if end < len(self._held):  # else a number might go on
                self._at = end
                return value
            if not self._more(size):
                return _NONE
            size *= 2
        return _NONE

    def _more(self, size: int) -> bool:
        more = self._text.read(size)
        self._held, self._at = self._held[self._at :] + more, 0
        return bool(more)


class _CsvRows(_Text):
    are_texts = True

    def records(self, text: io.TextIOWrapper) -> Iterator[tuple[int, Record]]:
        csv.field_size_limit(1 << 30)  # pictures stand in cells, too
        reader = csv.reader(text, delimiter=self.form.delimiter)
        header = next((row for row in reader if row), None)
        if header is None:
            return
        self.columns = header
        doubled = next((column for column in header if header.count(column) > 1), None)
        if doubled is not None:
            raise BadCallError(f"{self.name}: two columns are called {json.dumps(doubled)}")
        begin = reader.line_num + 1
        for row in reader:
            number, begin = begin, reader.line_num + 1
            if not row:
                continue
            if len(row) != len(header):
                yield number, ValueError(f"{counted(len(row), 'cell')}, where the header has {len(header)}")
            else:
                yield number, dict(zip(header, row, strict=True))


class _ParquetRows:
    are_texts = False

    def __init__(self, name: str, file: IO[bytes]) -> None:
        if not file.seekable():
            raise BadCallError("a Parquet file cannot be read from a pipe: name the file")
        parquet = library("pyarrow.parquet")
        try:
            self._file: Any = parquet.ParquetFile(file)
        except Exception as error:  # noqa: BLE001  whatever a library finds in a file
            raise BadCallError(f"{name}: incomplete Parquet file: {error}") from None
        self.columns: list[str] | None = list(self._file.schema_arrow.names)

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    def __iter__(self) -> Iterator[tuple[int, Record]]:
        number = 0
        for batch in self._file.iter_batches(batch_size=_ROWS):
            for row in batch.to_pylist():
                number += 1
                try:
                    yield number, {name: _cell(name, value) for name, value in row.items()}
                except ValueError as error:
                    yield number, error


def _cell(name: str, value: Any) -> Any:
    """Return a cell as JSON has it."""
    if isinstance(value, dict):
        return {inner: _cell(f"{name}.{inner}", one) for inner, one in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
        return [_cell(name, one) for one in items]
    if isinstance(value, date | time):  # and datetime, which is a date
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if value is not None and not isinstance(value, str | int | float):
        raise ValueError(f'"{name}" holds {type(value).__name__}, which JSON cannot hold')
    return plain(value)


def library(name: str) -> Any:
    """Return a module that only Parquet files need.

    Raises:
        BadCallError: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError:
        raise BadCallError("a Parquet file needs pyarrow: pip install 'runpod-sdk[parquet]'") from None
