"""A journal in use by a run: locked, read as inputs arrive, written by a thread of its own."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from runpod_sdk._values._words import counted
from runpod_sdk.errors import JournalError

from . import _changes
from ._database import opened, outputs_of, told
from ._lock import Lock
from ._rows import COMPLETED, Row, Stage
from ._writer import Writer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

    from ._rows import Key, Other

# What was given a key, and is not known by its content (`_keys.named`), in the order in which it was sent.
_KEYED = """CREATE TEMP TABLE keyed(digest BLOB, number INTEGER, PRIMARY KEY(digest, number)) WITHOUT ROWID"""
_FILLED = """INSERT INTO keyed SELECT substr(digest, 1, 8), number FROM item
WHERE number <= ? AND substr(key, 1, 33) != lower(hex(substr(digest, 1, 16))) || '-' ORDER BY 1, 2"""
_EQUAL = f"""SELECT {_changes.ROW} FROM item WHERE number =
(SELECT min(number) FROM keyed WHERE digest = ? AND number > ?)"""  # noqa: S608  ours
# Rows that are read ahead: a run that is taken up meets most of its inputs in the order of the run before.
_AHEAD = 500

_ENDED = int(Stage.ENDED)
# As `Row._make` does, in half the time.
_new_tuple: Any = tuple.__new__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_row_of = cast("Callable[[tuple[Any, ...]], Row]", partial(_new_tuple, Row))


@dataclass(frozen=True, slots=True)
class Underway:
    """A job of an earlier run of which no end is known."""

    row: Row
    submitted_at: float


class KeptOutcome(NamedTuple):
    """What a journal keeps of an end: of a job, the answer that said so; otherwise why there is none."""

    stage: int
    status: str | None
    job_id: str | None
    intent_at: float | None
    submitted_at: float | None
    text: str


def no_note(_: Any) -> str | None:
    """Keep nothing beside an input."""
    return None


class JournalRun:
    """One run's hold on a journal.

    Args:
        path: of the journal.
        endpoint_url: whose jobs are in it.
        facts: what else is noted of a new one.
        lock: one that is held already, and goes on being held.
        note_of: what is kept beside an input that is submitted; it is given the input.

    Attributes:
        writer: takes its changes.
        path: of the journal.
        underway: jobs of earlier runs of which no end is known, the oldest first.
        count: how many inputs earlier runs have noted.
        skipped: inputs that are left out, by their status: their results were handed out by an earlier run.
        strangers: inputs that are refused, by their places: their results say nothing of what the journal has by their
            keys; and which other input the key stands for, if that is why.

    Raises:
        JournalError: another run is at work with it, it is another endpoint's, or it cannot be used.
    """

    def __init__(
        self,
        path: Path,
        endpoint_url: str,
        facts: dict[str, object],
        *,
        lock: Lock | None = None,
        note_of: Callable[[Any], str | None] = no_note,
    ) -> None:
        self.path = path
        self.note_of = note_of
        self.skipped: Counter[str] = Counter()
        self.strangers: dict[int, Other] = {}
        self._lock = Lock(path) if lock is None else None
        try:
            self._reader = opened(path, is_new=True)
            try:
                with told(path):
                    _begin(path, self._reader, endpoint_url, facts)
                    self._last = int(self._reader.execute("SELECT coalesce(max(number), 0) FROM item").fetchone()[0])
                    self.underway = [
                        Underway(Row._make(found[:-1]), found[-1])
                        for found in self._reader.execute(
                            f"SELECT {_changes.ROW}, submitted_at FROM item WHERE stage IN (1, 2) "  # noqa: S608  ours
                            "ORDER BY submitted_at, number"
                        )
                    ]
                with told(path):
                    self.writer = Writer(path, opened(path))
            except BaseException:
                self._reader.close()
                raise
        except BaseException:
            self._release()
            raise
        self.count = self._last
        self._reading = threading.Lock()
        self._seen = bytearray(self._last // 8 + 1)
        self._ahead: dict[Key, tuple[Any, ...]] = {}
        self._read_to = 0
        self._has_keyed: bool | None = None
        self._met_to: dict[bytes, int] = {}

    def row(self, key: Key) -> Row | None:
        """Return what is known of an input."""
        ahead = self._ahead.pop(key, None)
        if ahead is not None and _is_done(ahead):
            return _row_of(ahead)  # nobody changes it any more
        with self._reading, told(self.path):
            row = self._reader.execute(f"SELECT {_changes.ROW} FROM item WHERE key = ?", (key,)).fetchone()  # noqa: S608
            if row is None:
                return None
            found = Row._make(row)
            if self._read_to < found.number <= self._last:
                self._read_ahead(found.number)
        return found

    def met_done(self, key: Key, digest: bytes, *, is_again: bool) -> str | None:
        """Note that this run has met an input that is done, and return its status; None where that takes a look.

        The way that a million of them go, when a run is taken up. `is_again`: only such as have completed.
        """
        ahead = self._ahead.get(key)
        if ahead is None or ahead[2] != digest or not _is_done(ahead) or (is_again and ahead[5] != COMPLETED):
            return None
        number: int = ahead[0]
        at, bit = number >> 3, 1 << (number & 7)
        if number > self._last or self._seen[at] & bit:
            return None
        self._seen[at] |= bit
        del self._ahead[key]
        status: str = ahead[5]
        return status

    def is_seen(self, row: Row) -> bool:
        """Whether this run has met the input before; from now on it has."""
        is_seen = self.was_seen(row)
        if not is_seen:
            self._seen[row.number >> 3] |= 1 << (row.number & 7)
        return is_seen

    def was_seen(self, row: Row) -> bool:
        """Whether this run has met the input before."""
        return row.number > self._last or bool(self._seen[row.number >> 3] & 1 << (row.number & 7))

    def forget(self, row: Row) -> None:
        """Note that what was met is another input than that of the journal: it may still come."""
        self._seen[row.number >> 3] &= ~(1 << (row.number & 7))

    def equal(self, digest: bytes, is_coming: Callable[[Row], bool]) -> Row | None:
        """Return the first input of earlier runs with this content that has a key, and that this run has not met.

        Those that it will meet do not count, nor do such as were never sent.
        """
        if self._last == 0 or self._has_keyed is False:
            return None
        with self._reading, told(self.path):
            if self._has_keyed is None:
                self._reader.execute(_KEYED)
                self._has_keyed = self._reader.execute(_FILLED, (self._last,)).rowcount > 0
            after = self._met_to.get(digest, 0)
            while True:
                found = self._reader.execute(_EQUAL, (digest[:8], after)).fetchone()
                if found is None:
                    return None
                row = Row._make(found)
                is_other = row.digest != digest or row.stage == Stage.UNSUBMITTED
                if not (is_other or self.was_seen(row) or is_coming(row)):
                    return row
                after = self._met_to[digest] = row.number

    def outcome(self, key: Key) -> KeptOutcome:
        """Return how an input has ended."""
        with self._reading, told(self.path):
            found = self._reader.execute(
                "SELECT stage, status, job_id, intent_at, submitted_at, outcome, outcome_file FROM item WHERE key = ?",
                (key,),
            ).fetchone()
            *facts, text, name = found
            if name is not None:
                text = (outputs_of(self.path) / name).read_text("ascii")
        return KeptOutcome._make((*facts, text or ""))

    def sent_at(self, key: Key) -> float | None:
        """Return when an input was sent, seconds since 1970; None where that is not noted."""
        with self._reading, told(self.path):
            found = self._reader.execute("SELECT coalesce(intent_at, submitted_at) FROM item WHERE key = ?", (key,))
            row = found.fetchone()
        return None if row is None else row[0]

    def close(self) -> None:
        """Write all that has been put, and let others in."""
        self._close_reader()
        self.writer.close()
        self._release()
        self._warn()

    async def aclose(self) -> None:
        """Do the same, without keeping others from their work."""
        self._close_reader()
        await self.writer.aclose()
        self._release()
        self._warn()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def _close_reader(self) -> None:
        with self._reading:
            self._reader.close()

    def _warn(self) -> None:
        lost, self.writer.lost = self.writer.lost, []
        if lost and self.writer.failure is not None:
            ids = [str(change.statements[-1][1][0]) for change in lost if change.is_id]
            told_ids = f"; these jobs are not in it: {', '.join(ids)}" if ids else ""
            self.writer.failure.add_note(f"{counted(len(lost), 'note')} could not be written{told_ids}")

    def _read_ahead(self, number: int) -> None:
        rows = self._reader.execute(
            f"SELECT {_changes.ROW} FROM item WHERE number > ? ORDER BY number LIMIT {_AHEAD}",  # noqa: S608
            (number,),
        )
        self._ahead = {row[1]: row for row in rows}
        self._read_to = number + len(self._ahead)


def _is_done(columns: tuple[Any, ...]) -> bool:
    """Whether the columns of a `Row` are those of an input whose end was handed out."""
    return columns[3] == _ENDED and bool(columns[7])


def _begin(path: Path, database: sqlite3.Connection, endpoint_url: str, facts: dict[str, object]) -> None:
    """Note whose journal it is, or see that it is ours; and that what the run before was sending is unknown."""
    database.execute("BEGIN IMMEDIATE")
    try:
        known = database.execute("SELECT value FROM run WHERE name = 'endpoint_url'").fetchone()
        if known is None:
            database.executemany("INSERT INTO run VALUES(?, ?)", [("endpoint_url", endpoint_url), *facts.items()])
        elif known[0] != endpoint_url:
            _check_unused(path, database, known[0], endpoint_url)
            new = [("endpoint_url", endpoint_url), ("endpoint_id", facts.get("endpoint_id"))]
            database.executemany("INSERT OR REPLACE INTO run VALUES(?, ?)", new)
        database.execute("UPDATE item SET stage = 4, status = 'UNKNOWN', ended_at = NULL WHERE stage = 1")
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _check_unused(path: Path, database: sqlite3.Connection, known: str, endpoint_url: str) -> None:
    """See that nothing was ever submitted: the name of the endpoint may have been wrong."""
    jobs = "SELECT 1 FROM item WHERE stage != 5 UNION ALL SELECT 1 FROM attempt LIMIT 1"
    if database.execute(jobs).fetchone() is not None:
        raise JournalError(
            f"{path}: belongs to a run on {known}, not on {endpoint_url}: use another file", path=str(path)
        )
