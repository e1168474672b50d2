"""How a record becomes an input: the key field, the fields that are sent, the fields that are carried along."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from runpod_sdk._client._journal._keys import checked_key
from runpod_sdk.cli._input import job_input
from runpod_sdk.cli._session import BadCallError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# What a result is called by in the output; a column of the inputs with such a name gets another one there.
OURS = (
    *("line", "key", "occurrence", "id", "status", "output", "error", "worker_traceback", "submitted_at"),
    *("worker_id", "delay_time_ms", "execution_time_ms", "input_sha256", "endpoint"),
)
# The columns that make a table one of inputs as lines of JSON are: an input in one cell, and its key.
_WHOLE = frozenset({"input", "key", "id"})


class Input(dict[str, Any]):
    """What is sent, and where it stands.

    Attributes:
        line: its line, or its place in an array or a table, from 1.
        key: what it says of itself; None if it has no key.
        beside: what stands beside it, and is kept for the output.
    """

    __slots__ = ("beside", "key", "line")

    line: int
    key: str | int | None
    beside: dict[str, Any] | None

    @classmethod
    def of(
        cls, given: dict[str, Any], line: int, key: str | int | None = None, beside: dict[str, Any] | None = None
    ) -> Input:
        """Make one of a plain dict."""
        made = cls(given)
        made.line = line
        made.key = key
        made.beside = beside
        return made

    @property
    def note(self) -> str:
        """Return how its line in the output begins, as JSON."""
        begin: dict[str, Any] = {"line": self.line}
        if self.key is not None:
            begin["key"] = self.key
        return json.dumps({**begin, **(self.beside or {})})


class Field(NamedTuple):
    """A field of an input: its name, the column that it comes from, and whether that is a text of JSON."""

    name: str
    column: str
    is_json: bool = False


def field_of(word: str) -> Field:
    """Read NAME, NAME=COLUMN or NAME:=COLUMN.

    Raises:
        BadCallError: it is none of these.
    """
    name, is_renamed, column = word.partition("=")
    is_json = bool(is_renamed) and name.endswith(":")
    name = name[:-1] if is_json else name
    if not name or (is_renamed and not column):
        raise BadCallError(f"--input-field {word}: NAME, NAME=COLUMN or NAME:=COLUMN expected")
    return Field(name, column or name, is_json)


class Shape:
    """Makes inputs of records.

    Args:
        key: the field that is the key.
        fields: those that make the input.
        columns: of a table; None where each record has its own.

    Raises:
        BadCallError: a column that the table does not have.
    """

    def __init__(self, key: str | None, fields: Sequence[Field], columns: Iterable[str] | None) -> None:
        self._key = key
        self._fields = fields
        self._is_table = columns is not None
        self._columns = names = [*(columns or ())]
        for column in [*([key] if key is not None else []), *(field.column for field in fields)]:
            if self._is_table and column not in names:
                known = ", ".join(map(json.dumps, names))
                raise BadCallError(f"there is no column {json.dumps(column)}: the inputs have {known}")
        self._is_whole = "input" in names and {*names} <= _WHOLE | {key} and not fields
        if self._is_table and "" in names and not (fields or self._is_whole):
            raise BadCallError("a column of the inputs has no name: name it, or choose columns with --input-field")

    @property
    def form(self) -> list[Any]:
        """Return what tells it from others, as JSON has it: the key, and the fields; of a table all of them."""
        return [self._key, [list(field) for field in self._all]]

    @property
    def cells(self) -> list[Field]:
        """Return the fields that are sent as they stand in their cells."""
        return [field for field in self._all if not field.is_json]

    @property
    def _all(self) -> Sequence[Field]:
        if self._is_table and not self._fields and not self._is_whole:
            return [Field(name, name) for name in self._columns if name != self._key]
        return self._fields

    @property
    def options(self) -> str:
        """Return the options that ask for it."""
        words = [] if self._key is None else [f"--key-field {self._key}"]
        for name, column, is_json in self._fields:
            renamed = f"{name}{':' * is_json}={column}"
            words.append(f"--input-field {name if name == column and not is_json else renamed}")
        return " ".join(words) or "no --key-field and no --input-field"

    def may_fit(self, record: object) -> bool:
        """Whether there is such a key in a record."""
        return self._key is None or (isinstance(record, dict) and self._key in record)

    def input_of(self, line: int, record: Any) -> Input:
        """Return the input that a record is.

        Raises:
            ValueError: it is none.
        """
        if not (self._is_table or self._fields or self._key is not None):
            return _bare(line, record)
        if not isinstance(record, dict):
            raise ValueError("a JSON object expected")  # noqa: TRY004  not our caller's mistake
        row = cast("dict[str, Any]", record)
        if self._is_whole:
            name = self._key or ("key" if "key" in row else "id")
            return Input.of(_object(row["input"]), line, _key_of(row.get(name)), _beside(row, {"input", name}))
        key = None if self._key is None else _key_of(_found(row, self._key))
        own = {self._key} & {*OURS} if self._key is not None else set[str]()
        return Input.of(self._sent(row), line, key, _beside(row, own))

    def _sent(self, row: dict[str, Any]) -> dict[str, Any]:
        if not self._fields:
            inner = row.get("input")
            if not self._is_table and isinstance(inner, dict):
                return cast("dict[str, Any]", inner)
            return {name: value for name, value in row.items() if name != self._key}
        if len(self._fields) == 1:
            (field,) = self._fields
            value = _value(row, field)
            if isinstance(value, dict) and field.name == field.column:
                return cast("dict[str, Any]", value)
        return {field.name: _value(row, field) for field in self._fields}


def _bare(line: int, record: Any) -> Input:
    """Return an input as lines of JSON have it: in a body, with a key or an id if it likes; or as it is."""
    if not isinstance(record, dict):
        return Input.of(job_input(record), line)  # which raises
    row = cast("dict[str, Any]", record)
    if "input" not in row:
        return Input.of(row, line)
    inner = row["input"]
    is_plain = isinstance(inner, dict) and row.keys() <= _WHOLE
    given = cast("dict[str, Any]", inner) if is_plain else job_input(row)
    return Input.of(given, line, None if given is row else _key_of(row.get("key", row.get("id"))))


def _found(row: dict[str, Any], name: str) -> Any:
    if name not in row:
        raise ValueError(f"there is no field {json.dumps(name)}")
    return row[name]


def _value(row: dict[str, Any], field: Field) -> Any:
    value = _found(row, field.column)
    if not field.is_json:
        return value
    try:
        return json.loads(value)
    except (TypeError, ValueError, RecursionError):
        raise ValueError(f"{json.dumps(field.column)} is not JSON") from None


def _object(value: Any) -> dict[str, Any]:
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValueError('"input" is not a JSON object')  # noqa: TRY004  not our caller's mistake
    return cast("dict[str, Any]", found)


def _key_of(key: object) -> str | int | None:
    if key is None or key == "":
        return None
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise ValueError("a key is a text or a whole number")  # noqa: TRY004  not our caller's mistake
    return checked_key(key)


def _beside(row: dict[str, Any], own: set[str]) -> dict[str, Any]:
    """Return what is kept of a row: all but what is the key or the input, under names that are no result's."""
    return {f"row_{name}" if name in OURS else name: value for name, value in row.items() if name not in own}
