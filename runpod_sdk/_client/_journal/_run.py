"""A journal while a run is at work with it: locked, read where inputs are taken, written by a thread of its own."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from runpod_sdk.errors import JournalError

from . import _changes
from ._database import opened, outputs_of, told
from ._lock import Lock
from ._rows import Row, Stage
from ._writer import Writer

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from ._rows import Key

# Rows that are read ahead: a run that is taken up meets most of its inputs in the order of the run before.
_AHEAD = 500


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


class JournalRun:
    """One run's hold on a journal.

    Attributes:
        writer: takes its changes.
        path: of the journal.
        underway: jobs of earlier runs of which no end is known, the oldest first.

    Raises:
        JournalError: another run is at work with it, it is another endpoint's, or it cannot be used.
    """

    def __init__(self, path: Path, endpoint_url: str, facts: dict[str, object]) -> None:
        self.path = path
        self._lock = Lock(path)
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
            self._lock.release()
            raise
        self._reading = threading.Lock()
        self._seen = bytearray(self._last // 8 + 1)
        self._ahead: dict[Key, Row] = {}
        self._read_to = 0

    def row(self, key: Key) -> Row | None:
        """Return what is known of an input."""
        found = self._ahead.pop(key, None)
        if found is not None and found.stage == Stage.ENDED and found.is_handed:
            return found  # nobody changes it any more
        with self._reading, told(self.path):
            row = self._reader.execute(f"SELECT {_changes.ROW} FROM item WHERE key = ?", (key,)).fetchone()  # noqa: S608
            if row is None:
                return None
            found = Row._make(row)
            if self._read_to < found.number <= self._last:
                self._read_ahead(found.number)
        return found

    def is_seen(self, row: Row) -> bool:
        """Whether this run has met the input before; from now on it has."""
        if row.number > self._last:
            return True  # written by this run
        at, bit = row.number >> 3, 1 << (row.number & 7)
        is_seen = bool(self._seen[at] & bit)
        self._seen[at] |= bit
        return is_seen

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

    def close(self) -> None:
        """Write all that has been put, and let others in."""
        self._close_reader()
        self.writer.close()
        self._lock.release()
        self._warn()

    async def aclose(self) -> None:
        """Do the same, without keeping others from their work."""
        self._close_reader()
        await self.writer.aclose()
        self._lock.release()
        self._warn()

    def _close_reader(self) -> None:
        with self._reading:
            self._reader.close()

    def _warn(self) -> None:
        if self.writer.lost and self.writer.failure is not None:
            ids = [str(change.statements[-1][1][0]) for change in self.writer.lost if change.is_id]
            told_ids = f"; these jobs are not in it: {', '.join(ids)}" if ids else ""
            self.writer.failure.add_note(f"{len(self.writer.lost)} notes could not be written{told_ids}")

    def _read_ahead(self, number: int) -> None:
        rows = self._reader.execute(
            f"SELECT {_changes.ROW} FROM item WHERE number > ? ORDER BY number LIMIT {_AHEAD}",  # noqa: S608
            (number,),
        )
        self._ahead = {row[1]: Row._make(row) for row in rows}
        self._read_to = number + len(self._ahead)


def _begin(path: Path, database: sqlite3.Connection, endpoint_url: str, facts: dict[str, object]) -> None:
    """Note whose journal it is, or see that it is ours; and that what the run before was sending is unknown."""
    database.execute("BEGIN IMMEDIATE")
    try:
        known = database.execute("SELECT value FROM run WHERE name = 'endpoint_url'").fetchone()
        if known is None:
            database.executemany("INSERT INTO run VALUES(?, ?)", [("endpoint_url", endpoint_url), *facts.items()])
        else:
            _check_endpoint(path, known[0], endpoint_url)
        database.execute("UPDATE item SET stage = 4, status = 'UNKNOWN', ended_at = NULL WHERE stage = 1")
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _check_endpoint(path: Path, known: str, endpoint_url: str) -> None:
    if known != endpoint_url:
        raise JournalError(
            f"{path}: the journal of a run on {known}, and not on {endpoint_url}: take another file", path=str(path)
        )
