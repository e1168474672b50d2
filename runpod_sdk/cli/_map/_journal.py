"""The journal beside an output file: the fate of each input, over all runs with that output.

The journal of the SDK, OUTPUT.journal, knows it. The output is written from it: a line as each result is handed out,
and all of it anew at the end of a run where it would not be the same as what the journal has.
"""

from __future__ import annotations

import errno
import json
import sqlite3
from collections import Counter
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runpod_sdk import Journal
from runpod_sdk._client._journal import _changes
from runpod_sdk._client._journal._database import opened, opened_to_read, outputs_of, told
from runpod_sdk._client._journal._keys import digest_of, named
from runpod_sdk._client._journal._lock import Lock
from runpod_sdk._client._journal._rows import UNSUBMITTED, Stage
from runpod_sdk._client._journal._run import JournalRun
from runpod_sdk._values._version import __version__
from runpod_sdk.cli._session import BadCallError
from runpod_sdk.errors import JournalError

from ._earlier import convert, is_earlier
from ._log import BEGIN
from ._outputs import output_of
from ._records import REFUSED, UNFINISHED, KeptEnd, facts_of, facts_of_kept
from ._shape import Input

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runpod_sdk import Endpoint, MapResult
    from runpod_sdk._client._journal._rows import Key, Other

# Errors of a disk that is full, or broken: there is nothing wrong with the command.
_NO_ROOM = {errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EDQUOT} if hasattr(errno, "EDQUOT") else {errno.ENOSPC}
# How inputs are made of records where nobody says; and how many other ways are remembered. Ours.
_PLAIN: list[Any] = [None, []]
_SHAPES = 10
# What stands in the output: each end; and what was refused by this run, or by the last one that met it.
_SHOWN = "stage IN (3, 4) OR (stage = 5 AND outcome IS NOT NULL AND ended_at >= ?)"


class OutputJournal(Journal):
    """The journal of an output, held until it is closed.

    Args:
        output: where results go.
        endpoint: whose results they are.
        form: how inputs are made of records: `Shape.form`.

    Attributes:
        shapes: how else earlier runs have made them.
        done: how many inputs had a result before this run.
        collected: how many jobs of earlier runs are asked for.

    Raises:
        BadCallError: the output belongs to another endpoint, is not one of ours, or is in use by another process.
        JournalError: the journal could not be written.
        OSError: the output could not.
    """

    def __init__(self, output: Path, endpoint: Endpoint, form: list[Any]) -> None:
        output = output.resolve() if output.is_symlink() else output  # one journal, whatever name it goes by
        path = output.with_name(output.name + ".journal")
        if not output.parent.is_dir():
            raise BadCallError(f"--output {output}: there is no such folder")
        self._began = datetime.now(UTC).timestamp()
        with ExitStack() as held:
            try:
                lock = Lock(path)
                held.callback(lock.release)
                self._out = held.enter_context(closing(output_of(output)))
                is_converted = is_earlier(output, path)
                if is_converted:
                    self._check_lines()
                    convert(output, path, endpoint)
                super().__init__(path)
                self._check_endpoint(endpoint)
                self._run = JournalRun(path, endpoint.url, _facts(endpoint), lock=lock, note_of=note_of)
                held.callback(self._run.close)
            except JournalError as error:
                raise _judged(error) from error
            self._endpoint = endpoint
            self._is_written = True
            self._is_same = self._taken_up(is_converted=is_converted)
            self.shapes = self._noted(form)
            self._held = held.pop_all()

    @property
    def skipped(self) -> Counter[str]:
        """Inputs that had a result before this run, by their status."""
        return self._run.skipped

    @property
    def is_taken_up(self) -> bool:
        """Whether an earlier run has noted inputs."""
        return self._run.count > 0

    def has(self, given: Input) -> bool:
        """Whether an input was submitted by an earlier run, by its key or by its content."""
        digest = digest_of(given)
        names = [named(digest, 0), *([] if given.key is None else [given.key])]
        rows = (self._run.row(name) for name in names)
        return any(row is not None and row.digest == digest and row.stage != Stage.UNSUBMITTED for row in rows)

    def is_refused(self, result: MapResult[Any]) -> bool:
        """Whether an input was not even looked up: its key is another one's, or it cannot be known by its content."""
        return result.index in self._run.strangers

    def other(self, result: MapResult[Any]) -> Other:
        """Return which other input the key of one stands for, if it was refused for that."""
        return self._run.strangers.get(result.index)

    def record(self, result: MapResult[Any]) -> str:
        """Write the result of one input, and return it in one word."""
        facts = facts_of(result, self._run.sent_at(result.key))
        status: str = facts["status"]
        if status in (REFUSED, UNSUBMITTED):
            self._note_refusal(result, None if status == REFUSED else facts["error"])
        if status not in (REFUSED, UNFINISHED):  # of which nothing is to be said: the next run has them again
            digest = digest_of(result.input)
            self._out.append(self._line(result.key, note_of(result.input), facts, digest))
            self._count += 1
            self._is_written = self._out.grows
        return status

    def finish(self, *, is_whole: bool) -> Counter[str]:
        """Tidy up after an orderly end: see that the output is what the journal has.

        Args:
            is_whole: all inputs have been met.

        Returns:
            What has ended without having been handed out: its lines are gone from the inputs.
        """
        self._run.close()
        with told(self.path), closing(opened(self.path)) as database:
            gone: Counter[str] = Counter()
            if is_whole:
                gone = _unmet(database)
            if is_whole or not self._out.grows:
                self._see_that_it_is_the_same(database, self._began if is_whole else 0.0)
            if self._is_same:
                self._out.sync()
                facts = [("output_size", self._out.size), ("output_lines", self._count)]
                database.executemany("INSERT OR REPLACE INTO run VALUES(?, ?)", facts)
            is_empty = database.execute("SELECT 1 FROM item LIMIT 1").fetchone() is None
        if is_empty:
            self.path.unlink()
        return gone

    def under_way(self) -> int:
        """Return how many jobs have no end."""
        if not self.path.exists():
            return 0
        with told(self.path), closing(opened_to_read(self.path)) as database:
            return int(database.execute("SELECT count(*) FROM item WHERE stage = 2").fetchone()[0])

    def line_of(self, key: Key) -> int | None:
        """Return where the input stood that a key was given first, if that is known."""
        with told(self.path), closing(opened_to_read(self.path)) as database:
            found = database.execute("SELECT note FROM item WHERE key = ?", (key,)).fetchone()
        return None if found is None or found[0] is None else json.loads(found[0]).get("line")

    def close(self) -> None:
        """Let others in."""
        self._held.close()

    def _begin(self, endpoint_id: str, endpoint_url: str) -> JournalRun:
        del endpoint_id, endpoint_url
        return self._run

    def _to_go_on(self, going_on: int) -> str | None:
        """Say nothing: the command says what to do in its own words."""
        del going_on
        return None

    def _check_endpoint(self, endpoint: Endpoint) -> None:
        if not self.path.exists():
            return
        with told(self.path), closing(opened_to_read(self.path)) as database:
            known = database.execute("SELECT value FROM run WHERE name = 'endpoint_url'").fetchone()
            jobs = database.execute("SELECT 1 FROM item WHERE stage != 5 UNION ALL SELECT 1 FROM attempt LIMIT 1")
            if known is not None and known[0] != endpoint.url and jobs.fetchone():
                raise BadCallError(f"{self._out.path}: it has results of {known[0]}; use another --output")

    def _check_lines(self) -> None:
        """See that what is there without a journal are lines of JSON, which can be taken up."""
        if self._out.grows or not self._out.size:
            return
        with self._out.path.open("rb") as file:
            if file.read(len(BEGIN)) != BEGIN:
                raise BadCallError(f"{self._out.path}: it exists, but its journal does not; use another --output")

    def _taken_up(self, *, is_converted: bool) -> bool:
        """Note that the output is about to be written; return whether it is what the journal has."""
        with told(self.path), closing(opened(self.path)) as database:
            found = dict(database.execute("SELECT name, value FROM run WHERE name LIKE 'output_%'").fetchall())
            handed = "SELECT count(*) FROM item WHERE stage IN (3, 4) AND is_handed"
            self.done = int(database.execute(handed).fetchone()[0])
            self.collected = len(self._run.underway)
            is_same = self._out.size == found.get("output_size", 0) and (self._out.grows or not is_converted)
            if not is_same and (self._out.grows or not is_converted):
                self._out.mend()
            self._count = int(found.get("output_lines", 0))
            database.execute("DELETE FROM run WHERE name LIKE 'output_%'")
        return bool(is_same)

    def _noted(self, form: list[Any]) -> list[list[Any]]:
        """Note how inputs are made of records; return how else that was done before."""
        with told(self.path), closing(opened(self.path)) as database:
            found = database.execute("SELECT value FROM run WHERE name = 'shapes'").fetchone()
            known: list[list[Any]] = [_PLAIN] if found is None else json.loads(found[0])
            others = [each for each in known if each != form]
            if form not in known or (found is None and not self._run.count):
                known = [form, *(others if self._run.count else [])][:_SHAPES]
                database.execute("INSERT OR REPLACE INTO run VALUES('shapes', ?)", (json.dumps(known),))
        return others if self._run.count else []

    def _note_refusal(self, result: MapResult[Any], why: str | None) -> None:
        digest = digest_of(result.input)
        key = result.key
        change = _changes.refused(key, digest, datetime.now(UTC).timestamp(), note=note_of(result.input), why=why)
        self._run.writer.put(change)

    def _line(self, key: Key, note: str | None, facts: dict[str, Any], digest: bytes) -> dict[str, Any]:
        begin: dict[str, Any] = {"line": 0} if note is None else json.loads(note)
        first = named(digest, 0)
        if "key" not in begin and isinstance(key, str) and key != first and key.startswith(first[:-1]):
            begin["occurrence"] = int(key[len(first) - 1 :])
        return {**begin, **facts, "input_sha256": digest.hex(), "endpoint": self._endpoint.url}

    def _see_that_it_is_the_same(self, database: sqlite3.Connection, since: float) -> None:
        """Write the output anew where it is not what the journal has."""
        count = database.execute(f"SELECT count(*) FROM item WHERE {_SHOWN}", (since,)).fetchone()[0]  # noqa: S608  ours
        if (self._is_same and self._is_written and count == self._count) or not (count or self._out.size):
            return
        self._out.write(lambda: self._kept(database, since), self.path.with_name(self.path.name + ".new"))
        self._count = count
        database.execute("UPDATE item SET is_handed = 1 WHERE stage IN (3, 4) AND NOT is_handed")
        self._is_same = True

    def _kept(self, database: sqlite3.Connection, since: float) -> Iterator[dict[str, Any]]:
        """Return what stands in the output, in the order in which inputs were sent first."""
        rows = database.execute(
            "SELECT key, digest, note, stage, status, job_id, coalesce(intent_at, submitted_at), "  # noqa: S608  ours
            f"outcome, outcome_file FROM item WHERE {_SHOWN} ORDER BY number",
            (since,),
        )
        for key, digest, note, stage, status, job_id, sent_at, text, name in rows:
            outcome = text if name is None else (outputs_of(self.path) / name).read_text("ascii")
            facts = facts_of_kept(KeptEnd(stage, status, job_id, sent_at, outcome), self.path, self._endpoint.id)
            yield self._line(key, note, facts, digest)


def note_of(given: Any) -> str | None:
    """Return what is kept beside an input: how its line in the output begins."""
    return given.note if isinstance(given, Input) else None


def is_no_room(error: BaseException) -> bool:
    """Whether an error says that the disk is full, or broken."""
    if isinstance(error, OSError):
        return error.errno in _NO_ROOM
    return isinstance(error, sqlite3.OperationalError) and any(word in str(error) for word in ("full", "disk I/O"))


def _judged(error: JournalError) -> JournalError | BadCallError:
    """Return the error of a journal that cannot be had as one of the command's, unless there is no room."""
    cause = error.__cause__
    if cause is not None and is_no_room(cause):
        return error
    return BadCallError(str(error))


def _facts(endpoint: Endpoint) -> dict[str, object]:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"endpoint_id": endpoint.id, "sdk_version": __version__, "created_at": now}


def _unmet(database: sqlite3.Connection) -> Counter[str]:
    found = database.execute(
        "SELECT status, count(*) FROM item WHERE stage IN (3, 4) AND NOT is_handed GROUP BY status"
    ).fetchall()
    return Counter({str(status): count for status, count in found})
