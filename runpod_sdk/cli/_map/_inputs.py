"""The inputs of a bulk run, a line of JSON each; read as they are needed, and sorted by what is known of them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any, cast

from runpod_sdk.cli._input import job_input
from runpod_sdk.cli._shown import complain

from ._journal import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod_sdk import Endpoint, Job

    from ._journal import Again, Name, OutputJournal

# Bad lines that are told one by one.
_TOLD = 10


class Inputs:
    """Pairs of a place and what is to be done there: an input to submit, or a job to collect.

    Attributes:
        skipped: inputs that have an end already, by their status.
        collected: jobs of an earlier run.
        bad: lines that were not taken.
        stopped_by: set it, and no more are taken.
    """

    def __init__(self, file: IO[bytes], endpoint: Endpoint, journal: OutputJournal, again: Again) -> None:
        self._file = file
        self._endpoint = endpoint
        self._journal = journal
        self._again = again
        self._keys: dict[Name, int] = {}
        self._met: Counter[bytes] = Counter()
        self._known = {name: begun.job_id for name, begun in journal.in_flight.items() if begun.job_id is not None}
        self.skipped: Counter[str] = Counter()
        self.collected = self.bad = 0
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
        skipped = sum(n for status, n in self._journal.counts().items() if not self._again.applies(status))
        return max(0, lines - skipped)

    def __iter__(self) -> Iterator[tuple[Place, dict[str, Any] | Job]]:
        for number, line in enumerate(self._file, 1):
            if self.stopped_by is not None:
                return
            if line.isspace():
                continue
            try:
                place, given = read_line(number, line)
                place = self._as_known(place)
                todo = self._todo(place, given)
            except (ValueError, RecursionError) as error:
                self._complain(number, str(error) or type(error).__name__)
                continue
            if todo is not None:
                yield place, todo
        for name in list(self._known):  # their lines are gone, or were changed
            yield self._journal.in_flight[name].place, self._collected(name)

    def _as_known(self, place: Place) -> Place:
        """Return an input as it is known: one that got its key later is the same as without."""
        if place.key is not None:
            if self._keys.setdefault(place.name, place.line) != place.line:
                raise ValueError(f"the key {json.dumps(place.key)} stands on line {self._keys[place.name]}, too")
            if self._journal.knows(place):
                return place
        bare = replace(place, key=None, occurrence=self._met[place.digest])
        if place.key is not None and not self._journal.knows(bare):
            return place
        self._met[place.digest] += 1
        return bare

    def _todo(self, place: Place, given: dict[str, Any]) -> dict[str, Any] | Job | None:
        """Return what is to be done with an input; None for nothing."""
        end = self._journal.end_of(place)
        is_known = place.name in self._known
        if not is_known and (end is None or self._again.applies(end)):
            return given
        if self._journal.is_changed(place):
            raise ValueError("another input than the one that was run here before: keys tell inputs apart, or --output")
        if is_known:
            return self._collected(place.name)
        self.skipped[cast("str", end)] += 1
        return None

    def _collected(self, name: Name) -> Job:
        self.collected += 1
        return self._endpoint.job(self._known.pop(name))

    def _complain(self, number: int, why: str) -> None:
        self.bad += 1
        if self.bad <= _TOLD:
            complain("map", f"line {number} is left out: {why}")
        elif self.bad == _TOLD + 1:
            complain("map", "further lines are left out, too")


def read_line(number: int, line: bytes) -> tuple[Place, dict[str, Any]]:
    """Read a line: {"input": …} with a key or an id if it likes, or an input as it is.

    Raises:
        ValueError: it is neither.
    """
    text = line.decode("utf-8-sig" if number == 1 else "utf-8")
    value = json.loads(text)
    given = job_input(value)
    key = None if given is value else value.get("key", value.get("id"))
    if isinstance(key, bool) or not isinstance(key, str | int | None):
        raise ValueError("a key is a text or a whole number")  # noqa: TRY004  not our caller's mistake
    # As Request.input_sha256 has it.
    canonical = json.dumps(given, sort_keys=True, separators=(",", ":")).encode()
    return Place(number, key, hashlib.sha256(canonical).hexdigest()), given
