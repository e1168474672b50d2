"""Saves the emulator's state in a SQLite file: jobs, unread chunks, counts, ledger, time.

A hub notes here what each request has changed, as its effects say, and before an answer leaves it sees to it that all
of this is in the file: what was acknowledged is there, whatever ends the process. What nobody waits for, such as the
ledger's rows, follows a moment later. One process has the file at a time; the system takes the lock back when it ends.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._queue._kept import restored, state_kept, submission_kept
from runpod_sdk.emulator._queue._machine import Event
from runpod_sdk.emulator._queue._workers import Lease

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk.emulator._queue._effects import Effects
    from runpod_sdk.emulator._queue._queue import Queue
    from runpod_sdk.emulator._record._ledger import Ledger

_LOG = logging.getLogger("runpod_sdk.emulator")
_MARK = 0x52504547  # says that a file is one of these: SQLite's application_id
_VERSION = 1
_PAUSE = 0.05  # seconds that rows nobody waits for are gathered; ours
_CHECKPOINT = 8_000  # pages of 4 KiB that are written before they are brought into the file itself; ours
_SCHEMA = """
CREATE TABLE fact(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE job(number INTEGER PRIMARY KEY, endpoint TEXT NOT NULL, id TEXT NOT NULL UNIQUE,
  submission TEXT NOT NULL, state TEXT NOT NULL);
CREATE TABLE chunk(number INTEGER PRIMARY KEY, job TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX chunk_of_job ON chunk(job);
CREATE TABLE ledger(number INTEGER PRIMARY KEY, row TEXT NOT NULL);
CREATE TABLE account(number INTEGER PRIMARY KEY, job TEXT NOT NULL, facts TEXT NOT NULL);
"""
_NEW = "INSERT INTO job(endpoint, id, submission, state) VALUES(?, ?, ?, ?)"
_STATE = "UPDATE job SET state = ? WHERE id = ?"
_GONE = "DELETE FROM job WHERE id = ?"
_CHUNK = "INSERT INTO chunk(job, body) VALUES(?, ?)"
_DRAINED = "DELETE FROM chunk WHERE job = ?"
_FACT = "INSERT OR REPLACE INTO fact(name, value) VALUES(?, ?)"
_ROW = "INSERT OR REPLACE INTO ledger(number, row) VALUES(?, ?)"
_ACCOUNT = "INSERT OR REPLACE INTO account(number, job, facts) VALUES(?, ?, ?)"
_CUT = (("DELETE FROM ledger WHERE number <= ?", "ledger"), ("DELETE FROM account WHERE number <= ?", "account"))


class EmulatorFileError(OSError):
    """The file of an emulator's state cannot be used."""


class Store:
    """The file.

    Args:
        path: where it is; it is made where there is none.
        lease: seconds that a worker of before has to be heard of, or its job is given to another.

    Attributes:
        lock: what is done under it is in the file together, or not at all.
        boots: how often it was opened before.
        time: seconds since 1970, on the emulator's clock, when it was written last; None: never.

    Raises:
        EmulatorFileError: it is no such file, another emulator has it, or it cannot be read or written.
    """

    def __init__(self, path: str | os.PathLike[str], lease: float) -> None:
        self._path = Path(path)
        self._lease = lease
        self.lock = threading.RLock()
        self._todo: list[tuple[str, tuple[Any, ...]]] = []
        self._touched: dict[str, dict[str, Any]] = {}  # the counts of queues, by endpoint
        self._is_behind = threading.Event()
        self._closed = self._is_gone = False
        self._thread: threading.Thread | None = None
        self._ledger: Ledger | None = None
        self._now: Callable[[], float] = lambda: 0.0
        self._epoch = 0.0
        self._connection = self._opened()
        facts = dict(self._read("SELECT name, value FROM fact"))
        self.boots = int(facts.get("boots", "0"))
        self.time = float(facts["time"]) if "time" in facts else None
        self._todo.append((_FACT, ("boots", str(self.boots + 1))))
        self.flush()

    # How it begins.

    def begin(self, ledger: Ledger, now: Callable[[], float], monotonic: float) -> None:
        """Go on where the file ends.

        Args:
            ledger: gets the rows and accounts that were kept, and is kept from now on.
            now: returns seconds since 1970 on the emulator's clock.
            monotonic: what is on it now, in monotonic seconds.
        """
        # On a clock that is behind, as a virtual one is that begins anew, no time has passed meanwhile.
        self._epoch = max(now(), self.time or 0.0) - monotonic
        behind = self._epoch + monotonic - now()
        self._now = lambda: now() + behind
        self._ledger = ledger
        ledger.resume(
            [tuple(json.loads(row)) for (row,) in self._read("SELECT row FROM ledger ORDER BY number")],
            [(job, json.loads(facts)) for job, facts in self._read("SELECT job, facts FROM account ORDER BY number")],
            json.loads(dict(self._read("SELECT name, value FROM fact")).get("ledger", "null")),
        )
        self._thread = threading.Thread(target=self._follow, name="emulator-store", daemon=True)
        self._thread.start()

    def restore(self, queue: Queue, monotonic: float) -> Effects:
        """Give a queue its jobs back, and return what was due meanwhile; who runs one has a lease to be heard of."""
        chunks: dict[str, list[dict[str, Any]]] = {}
        for job, body in self._read("SELECT job, body FROM chunk ORDER BY number"):
            chunks.setdefault(job, []).append(json.loads(body))
        rows = self._read("SELECT id, submission, state FROM job WHERE endpoint = ? ORDER BY number", queue.endpoint_id)
        counts = dict(self._read("SELECT name, value FROM fact")).get(f"counts/{queue.endpoint_id}", "{}")
        return queue.restore(
            [
                restored(
                    job_id,
                    json.loads(submission),
                    json.loads(state),
                    chunks.get(job_id, []),
                    self._epoch,
                    Lease(monotonic + self._lease),
                )
                for job_id, submission, state in rows
            ],
            json.loads(counts),
            self._lease,
            monotonic,
        )

    # What is noted.

    def note(self, queue: Queue, effects: Effects) -> None:
        """Note what has changed; it is in the file once `settle` returns."""
        if not (effects.changes or effects.streams or effects.touched):
            return
        todo: list[tuple[str, tuple[Any, ...]]] = []
        for job_id, parts in effects.streams:
            if parts is None:
                todo.append((_DRAINED, (job_id,)))
            else:
                todo += [(_CHUNK, (job_id, json.dumps(part))) for part in parts]
        changed = {change.job_id: change.event is None for change in reversed(effects.changes)}
        for job_id in [*reversed(changed), *(job_id for job_id in effects.touched if job_id not in changed)]:
            job = queue.job(job_id)
            if job is None:
                todo += [(_GONE, (job_id,)), (_DRAINED, (job_id,))]
                continue
            state = json.dumps(state_kept(job, self._epoch))
            if changed.get(job_id):
                submission = json.dumps(submission_kept(job.submission))
                todo.append((_NEW, (queue.endpoint_id, job_id, submission, state)))
            else:
                todo.append((_STATE, (state, job_id)))
        if any(change.event is Event.RETRY for change in effects.changes):
            todo += [(_DRAINED, (change.job_id,)) for change in effects.changes if change.event is Event.RETRY]
        with self.lock:
            self._todo += todo
            self._touched[queue.endpoint_id] = queue.counts()
        self._is_behind.set()

    def settle(self) -> None:
        """Return when all that was noted of jobs is in the file.

        Raises:
            EmulatorFileError: it cannot be written; what was noted is tried again with the next.
        """
        with self.lock:  # what another thread writes just now is in the file, too
            is_behind = bool(self._todo)
        if is_behind:
            self.flush()

    def flush(self) -> None:
        """Return when all is in the file; the same errors."""
        with self.lock:
            if self._is_gone:
                return  # what comes later was acknowledged to nobody
            todo, self._todo = self._todo, []
            written = [*todo, *self._counts(), *self._ledger_rows()]
            if not written:
                return
            if self._ledger is not None:
                written.append((_FACT, ("time", repr(self._now()))))
            try:
                self._write(written)
            except sqlite3.Error as error:
                self._todo = written
                raise EmulatorFileError(f"db {self._path}: {error}") from None

    def clear(self) -> None:
        """Forget all jobs, and the ledger."""
        with self.lock:
            tables = ("job", "chunk", "ledger", "account")
            self._todo = [(f"DELETE FROM {table}", ()) for table in tables]  # noqa: S608  our own names
            self._todo.append(("DELETE FROM fact WHERE name = 'ledger' OR name LIKE 'counts/%'", ()))
        self.flush()

    def close(self) -> None:
        """Write what is left, and let go of the file; does nothing the second time."""
        if self._closed:
            return
        self._closed = True
        self._is_behind.set()
        if self._thread is not None:
            self._thread.join()
            self._todo.append((_FACT, ("time", repr(self._now()))))
        try:
            self.flush()
        finally:
            with self.lock:
                self._is_gone = True
                self._connection.close()

    # How it is written, under the lock.

    def _counts(self) -> list[tuple[str, tuple[Any, ...]]]:
        touched, self._touched = self._touched, {}
        return [(_FACT, (f"counts/{name}", json.dumps(counts))) for name, counts in touched.items()]

    def _ledger_rows(self) -> list[tuple[str, tuple[Any, ...]]]:
        unsaved = None if self._ledger is None else self._ledger.unsaved()
        if unsaved is None:
            return []
        rows: list[tuple[str, tuple[Any, ...]]] = [(_ROW, (row[0], json.dumps(row))) for row in unsaved.rows]
        rows += [(_ACCOUNT, (number, job, json.dumps(facts))) for job, number, facts in unsaved.accounts]
        rows.append((_FACT, ("ledger", json.dumps(unsaved.totals))))
        return [*rows, *((cut, (unsaved.cut[what],)) for cut, what in _CUT if unsaved.cut[what] > 0)]

    def _write(self, statements: list[tuple[str, tuple[Any, ...]]]) -> None:
        self._connection.execute("BEGIN")
        try:
            for statement, group in groupby(statements, key=itemgetter(0)):
                self._connection.executemany(statement, [values for _, values in group])
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _follow(self) -> None:
        """Write what nobody waits for; the thread."""
        pause = threading.Event()
        while not self._closed:
            self._is_behind.wait(1.0)
            pause.wait(_PAUSE)
            self._is_behind.clear()
            try:
                self.flush()
            except EmulatorFileError:
                _LOG.exception("the state of the emulator is not kept")

    def _read(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.lock:
            return self._connection.execute(query, values).fetchall()

    def _opened(self) -> sqlite3.Connection:
        """Open the file, make it if there is none, and take its lock."""
        try:
            if not self._path.exists():
                os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))  # it holds inputs, and keys of S3
            connection = sqlite3.connect(self._path, timeout=0.0, isolation_level=None, check_same_thread=False)
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
        except (sqlite3.Error, OSError) as error:
            busy = isinstance(error, sqlite3.OperationalError) and "locked" in str(error)
            reason = "another emulator has it" if busy else getattr(error, "strerror", None) or str(error)
            raise EmulatorFileError(f"db {self._path}: {reason}") from None
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        mark = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        is_new = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not is_new and (mark, version) != (_MARK, _VERSION):
            kind = f"a file of version {version}; this emulator writes {_VERSION}" if mark == _MARK else "another file"
            raise sqlite3.DatabaseError(f"it is {kind}")
        if is_new:
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_MARK}")
            connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("COMMIT")
        # A commit is then in the hands of the system, which outlives the process; no disk is waited for.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT}")  # for that, a disk is waited for
