"""Detects the format of an input file from its name and first bytes. No I/O."""

from __future__ import annotations

import codecs
import csv
import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from runpod_sdk.cli._session import BadCallError

Kind = Literal["lines", "array", "csv", "parquet"]

_JSON = (".jsonl", ".ndjson", ".jsonlines", ".json")
_TABLES = (".csv", ".tsv")
# How files of others begin, and what makes inputs of them.
_OTHERS = (
    (b"PK\x03\x04", "a spreadsheet, or an archive: save it as CSV, or unpack it"),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet: save it as CSV"),
    (b"\x1f\x8b", "compressed: zcat FILE | runpod-sdk map ENDPOINT - …"),
    (b"\x28\xb5\x2f\xfd", "compressed: zstdcat FILE | runpod-sdk map ENDPOINT - …"),
    (b"BZh", "compressed: bzcat FILE | runpod-sdk map ENDPOINT - …"),
    (b"\xfd7zXZ", "compressed: xzcat FILE | runpod-sdk map ENDPOINT - …"),
    (b"ARROW1", "a file of Arrow: write it as Parquet"),
    (b"SQLite format 3", "a database: export a table of it as CSV"),
    (b"%PDF", "a PDF"),
)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# A column of a table that is not called one: a word, so that it is told from a text.
_NAME = re.compile(r"[\w.-]{1,64}")
_EXPECTED = "lines of JSON, a JSON array, CSV or Parquet expected"
_TEXT_HINT = "of lines of text, jq makes such: jq -cR '{prompt: .}' FILE"


@dataclass(frozen=True, slots=True)
class Format:
    """What kind of file it is.

    Attributes:
        encoding: of its text.
        delimiter: between the cells of a CSV.
    """

    kind: Kind
    encoding: str = "utf-8-sig"
    delimiter: str = ","


def format_of(name: str, head: bytes) -> Format:
    """Return what kind of file begins with these lines, two of them if there are that many.

    Raises:
        BadCallError: none that inputs are read from; it says what to do instead.
    """
    suffix = PurePath(name).suffix.lower()
    if head.startswith(b"PAR1"):
        return Format("parquet")
    for mark, what in _OTHERS:
        if head.startswith(mark):
            raise BadCallError(f"{name}: {what}")
    if suffix == ".parquet":
        raise BadCallError(f"{name}: it is not a Parquet file, in spite of its name")
    encoding = _encoding(name, head)
    lines = [line for line in head.decode(encoding, "replace").splitlines() if line.strip()]
    first, second = [*lines, "", ""][:2]
    begin = first.lstrip()[:1]
    if begin == "{" or not begin:
        if first.strip() == "{" and second.lstrip() != second and second.lstrip()[:1] in ('"', "}"):
            raise BadCallError(f"{name}: one JSON object over several lines: jq -c . FILE makes lines of it")
        return _table(suffix, encoding, first) if not begin and suffix in _TABLES else Format("lines", encoding)
    if begin == "[":
        return Format("array", encoding)
    if suffix in _TABLES or (suffix not in _JSON and _is_header(first, second)):
        return _table(suffix, encoding, first)
    if suffix in _JSON:
        raise BadCallError(f"{name}: it does not begin with a JSON object: {_EXPECTED}")
    raise BadCallError(f"{name}: {_EXPECTED}; {_TEXT_HINT}")


def _encoding(name: str, head: bytes) -> str:
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    if b"\0" not in head:
        return "utf-8-sig"
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd > len(head) // 4 > even:
        return "utf-16-le"
    if even > len(head) // 4 > odd:
        return "utf-16-be"
    raise BadCallError(f"{name}: not text: {_EXPECTED}")


def _table(suffix: str, encoding: str, header: str) -> Format:
    return Format("csv", encoding, "\t" if suffix == ".tsv" else _delimiter(header))


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)


def _is_header(first: str, second: str) -> bool:
    """Whether two lines look like the beginning of a table."""
    delimiter = _delimiter(first)
    names, *rows = csv.reader([first, second] if second else [first], delimiter=delimiter)
    cells = rows[0] if rows else []
    are_names = all(_NAME.fullmatch(name) for name in names) and len(names) == len({*names})
    return len(names) > 1 and are_names and len(names) == len(cells)
