"""Reads the inputs of a bulk run as they are needed."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from runpod_sdk._values._states import shorten
from runpod_sdk.cli._session import BadCallError
from runpod_sdk.cli._shown import complain, one_line
from runpod_sdk.errors import JobFailedError

from ._shape import Field, Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod_sdk import MapResult

    from ._journal import OutputJournal
    from ._shape import Input
    from ._sources import Source

# Bad records that are told one by one.
_TOLD = 10
# Keys of which the line is remembered, to name it where another input has the same; ours.
_RECENT = 10_000
# Errors that are told apart; ours.
_KINDS = 1_000


class Inputs:
    """Inputs, or pairs of key and input.

    Attributes:
        bad: records that were not taken.
        stopped_by: set it, and no more are taken.
        failures: what workers said of failed jobs, each with how often; the first kinds of it.
        number: a field of a failed job that was sent as a text, and that reads as a number; None if there is none.

    Args:
        source: of the records.
        shape: makes inputs of them.
        journal: of the output.
        is_meant: records may be other inputs than in earlier runs.
    """

    def __init__(self, source: Source, shape: Shape, journal: OutputJournal, *, is_meant: bool = False) -> None:
        self._source = source
        self._shape = shape
        self._earlier, self._keyed = ([], []) if is_meant else earlier_shapes(shape, journal, source)
        self._journal = journal
        self._recent: dict[str | int, int] = {}
        self._older = self._recent
        self.bad = 0
        self.stopped_by: Exception | None = None
        self.failures: Counter[str] = Counter()
        self.number: Field | None = None

    def note(self, result: MapResult[Any]) -> None:
        """Count why a job has failed."""
        if isinstance(result.error, JobFailedError):
            kind = f"{result.error.error_type}: " if result.error.error_type else ""
            said = one_line(shorten(f"{kind}{result.error.error_message}"))
            if said in self.failures or len(self.failures) < _KINDS:
                self.failures[said] += 1
            if self._source.are_texts and self.number is None:
                fields = (field for field in self._shape.cells if _is_number(result.input.get(field.name)))
                self.number = next(fields, None)

    def __len__(self) -> int:
        """Return how many there are about to be, where they can be counted.

        Raises:
            TypeError: they come through a pipe.
        """
        return max(0, len(self._source) - self._journal.done)

    def __iter__(self) -> Iterator[Input | tuple[str | int, Input]]:
        for number, record in self._source:
            if self.stopped_by is not None:
                return
            try:
                if isinstance(record, Exception):
                    raise record
                given = self._shape.input_of(number, record)
                if self._earlier or (self._keyed and given.key is None and ("key" in given or "id" in given)):
                    self._see_that_it_is_none_of_before(number, record, given)
                if given.key is not None:
                    self._remember(given.key, number)
            except (ValueError, RecursionError) as error:
                self.leave_out(number, str(error) or type(error).__name__)
                continue
            yield given if given.key is None else (given.key, given)

    def _see_that_it_is_none_of_before(self, line: int, record: Any, given: Input) -> None:
        """Look for a record that was run as another input, with other options.

        Raises:
            BadCallError: it was, and so it would be run once more.
        """
        for shape in (*self._earlier, *self._keyed):
            if not shape.may_fit(record):
                continue
            try:
                before = shape.input_of(line, record)
            except (ValueError, RecursionError):
                continue
            if before != given and self._journal.has(before) and not self._journal.has(given):
                raise BadCallError(
                    f"line {line} is known from an earlier run, but as the input that {shape.options} would make of "
                    f"it, not the one that {self._shape.options} makes: it would run once more. Use the former, or "
                    "another --output; --resubmit-renamed submits it"
                )

    def leave_out(self, line: int, why: str) -> None:
        """Count a record that is not taken, and say why."""
        self.bad += 1
        if self.bad <= _TOLD:
            complain("map", f"line {line} is left out: {why}")
        elif self.bad == _TOLD + 1:
            complain("map", "further lines are left out, too")

    def _remember(self, key: str | int, line: int) -> None:
        known = self._recent.get(key) or self._older.get(key)
        if known is not None:
            raise ValueError(f"the key {json.dumps(key)} is on line {known}, too")
        if len(self._recent) == _RECENT:
            self._older, self._recent = self._recent, {}
        self._recent[key] = line


def _is_number(cell: object) -> bool:
    """Whether a text would be a number if it were read as JSON."""
    try:
        value = json.loads(cell) if isinstance(cell, str) else None
    except (ValueError, RecursionError):
        return False
    return isinstance(value, int | float) and not isinstance(value, bool)


def earlier_shapes(shape: Shape, journal: OutputJournal, source: Source) -> tuple[list[Shape], list[Shape]]:
    """Return how else records may have been taken by earlier runs.

    That is, as is noted, where these records can be taken so; and as fields of which one has become a key since.
    """
    found: list[Shape] = []
    for key, fields in journal.shapes:
        with suppress(BadCallError):
            found.append(Shape(key, [Field(*field) for field in fields], source.columns))
    is_plain = source.columns is None and shape.form == [None, []]
    return found, [Shape(key, [], None) for key in ("key", "id") if is_plain and journal.is_taken_up]
