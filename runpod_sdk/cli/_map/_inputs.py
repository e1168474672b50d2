"""The inputs of a bulk run, a line of JSON each; read as they are needed."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from runpod_sdk._client._journal._keys import checked_key
from runpod_sdk.cli._input import job_input
from runpod_sdk.cli._shown import complain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._journal import OutputJournal

# Bad lines that are told one by one.
_TOLD = 10
# Keys of which the line is remembered, to name it where another input has the same; ours.
_RECENT = 10_000


class Place(NamedTuple):
    """Which input is meant: its line, from 1, and the key that it gives itself."""

    line: int
    key: str | int | None = None


class Input(dict[str, Any]):
    """What is sent, and where it stands.

    Attributes:
        place: its line and its key.
    """

    __slots__ = ("place",)

    def __init__(self, given: dict[str, Any], place: Place) -> None:
        super().__init__(given)
        self.place = place


class Inputs:
    """Inputs, or pairs of key and input.

    Attributes:
        bad: lines that were not taken.
        stopped_by: set it, and no more are taken.
    """

    def __init__(self, file: IO[bytes], journal: OutputJournal) -> None:
        self._file = file
        self._journal = journal
        self._recent: dict[str | int, int] = {}
        self.bad = 0
        self.stopped_by: Exception | None = None

    def __len__(self) -> int:
        """Return how many there are about to be, where they can be counted.

        Raises:
            TypeError: they come through a pipe.
        """
        if not self._file.seekable():
            raise TypeError("a pipe has no length")
        lines = sum(not line.isspace() for line in self._file)
        self._file.seek(0)
        return max(0, lines - self._journal.done)

    def __iter__(self) -> Iterator[Input | tuple[str | int, Input]]:
        for number, line in enumerate(self._file, 1):
            if self.stopped_by is not None:
                return
            if line.isspace():
                continue
            try:
                given = read_line(number, line)
                self._remember(given.place)
            except (ValueError, RecursionError) as error:
                self.leave_out(number, str(error) or type(error).__name__)
                continue
            key = given.place.key
            yield given if key is None else (key, given)

    def leave_out(self, line: int, why: str) -> None:
        """Count a line that is not taken, and say why."""
        self.bad += 1
        if self.bad <= _TOLD:
            complain("map", f"line {line} is left out: {why}")
        elif self.bad == _TOLD + 1:
            complain("map", "further lines are left out, too")

    def _remember(self, place: Place) -> None:
        if place.key is None:
            return
        line = self._recent.setdefault(place.key, place.line)
        if line != place.line:
            raise ValueError(f"the key {json.dumps(place.key)} stands on line {line}, too")
        if len(self._recent) > _RECENT:
            del self._recent[next(iter(self._recent))]


def read_line(number: int, line: bytes) -> Input:
    """Read a line: {"input": …} with a key or an id if it likes, or an input as it is.

    Raises:
        ValueError: it is neither.
    """
    text = line.decode("utf-8-sig" if number == 1 else "utf-8")
    value = json.loads(text)
    given = job_input(value)
    key = None if given is value else value.get("key", value.get("id"))
    if key is None:
        return Input(given, Place(number))
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise ValueError("a key is a text or a whole number")  # noqa: TRY004  not our caller's mistake
    return Input(given, Place(number, checked_key(key)))
