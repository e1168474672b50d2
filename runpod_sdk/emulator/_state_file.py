"""The SQLite file that keeps the state of an emulator: its tables, and how it is opened, checked, read and written.

What is written, and when, is decided in `_store.py`. One process has the file at a time; the system takes the lock back
when that ends.
"""

from __future__ import annotations

import os
import sqlite3
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Statement = tuple[str, tuple[Any, ...]]

_MARK = 0x52504547  # says that a file is one of these: SQLite's application_id
_VERSION = 3
_CHECKPOINT = 8_000  # pages of 4 KiB that are written before they are brought into the file itself; ours
_SCHEMA = """
CREATE TABLE fact(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE job(number INTEGER PRIMARY KEY, endpoint TEXT NOT NULL, id TEXT NOT NULL UNIQUE,
  submission TEXT NOT NULL, state TEXT NOT NULL);
CREATE TABLE chunk(number INTEGER PRIMARY KEY, job TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX chunk_of_job ON chunk(job);
CREATE TABLE batch(number INTEGER PRIMARY KEY, endpoint TEXT NOT NULL, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL);
CREATE TABLE entry(number INTEGER PRIMARY KEY, batch TEXT NOT NULL, id TEXT NOT NULL UNIQUE, submission TEXT);
CREATE INDEX entry_of_batch ON entry(batch);
CREATE TABLE webhook(number INTEGER PRIMARY KEY, url TEXT NOT NULL, job TEXT NOT NULL, body TEXT NOT NULL,
  attempt INTEGER NOT NULL, due REAL);
CREATE TABLE fault(number INTEGER PRIMARY KEY, state TEXT NOT NULL);
CREATE TABLE ledger(number INTEGER PRIMARY KEY, row TEXT NOT NULL);
CREATE TABLE account(number INTEGER PRIMARY KEY, job TEXT NOT NULL, facts TEXT NOT NULL);
"""

# What is said of jobs and their chunks,
NEW_JOB = "INSERT INTO job(endpoint, id, submission, state) VALUES(?, ?, ?, ?)"
JOB_STATE = "UPDATE job SET state = ? WHERE id = ?"
JOB_GONE = "DELETE FROM job WHERE id = ?"
CHUNK = "INSERT INTO chunk(job, body) VALUES(?, ?)"
DRAINED = "DELETE FROM chunk WHERE job = ?"
# of batches; the submission of a request that has become a job is the job's,
BATCH = "INSERT INTO batch(endpoint, id, state) VALUES(?, ?, ?) ON CONFLICT(id) DO UPDATE SET state = excluded.state"
ENTRY = "INSERT INTO entry(batch, id, submission) VALUES(?, ?, ?)"
ENTRY_GONE = "DELETE FROM entry WHERE id = ?"
ENTRIES_QUEUED = "UPDATE entry SET submission = NULL WHERE batch = ? AND submission IS NOT NULL"
# of webhooks and faults,
WEBHOOK = "INSERT INTO webhook(number, url, job, body, attempt) VALUES(?, ?, ?, ?, 1)"
WEBHOOK_TRIED = "UPDATE webhook SET attempt = ?, due = ? WHERE number = ?"
WEBHOOK_OVER = "DELETE FROM webhook WHERE number = ?"
FAULT = "INSERT OR REPLACE INTO fault(number, state) VALUES(?, ?)"
FAULT_GONE = "DELETE FROM fault WHERE number = ?"
# of the ledger, and of all else.
ROW = "INSERT OR REPLACE INTO ledger(number, row) VALUES(?, ?)"
ACCOUNT = "INSERT OR REPLACE INTO account(number, job, facts) VALUES(?, ?, ?)"
CUT = (("DELETE FROM ledger WHERE number <= ?", "ledger"), ("DELETE FROM account WHERE number <= ?", "account"))
FACT = "INSERT OR REPLACE INTO fact(name, value) VALUES(?, ?)"
# What a reset forgets; the faults are removed one by one, and time goes on.
CLEARED: tuple[Statement, ...] = (
    *((f"DELETE FROM {table}", ()) for table in ("job", "chunk", "batch", "entry", "webhook", "ledger", "account")),  # noqa: S608  our own names
    ("DELETE FROM fact WHERE name LIKE 'ledger%' OR name LIKE 'counts/%'", ()),
)


class EmulatorFileError(OSError):
    """The file of an emulator's state cannot be used."""


class _ForeignError(sqlite3.DatabaseError):
    """A database that is something else's."""


class StateFile:
    """The file; who uses it in several threads guards it.

    Args:
        path: where it is; it is made where there is none.

    Raises:
        EmulatorFileError: it is no such file, is in use by another emulator, or cannot be read or written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._connection = self._opened()

    def read(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return rows."""
        return self._connection.execute(query, values).fetchall()

    def facts(self) -> dict[str, str]:
        """Return what is kept by name."""
        return dict(self.read("SELECT name, value FROM fact"))

    def write(self, statements: Iterable[Statement]) -> None:
        """Do all of it, or nothing.

        Raises:
            EmulatorFileError: it cannot be written.
        """
        connection = self._connection
        try:
            connection.execute("BEGIN")
            for statement, group in groupby(statements, key=itemgetter(0)):
                connection.executemany(statement, [values for _, values in group])
            connection.execute("COMMIT")
        except BaseException as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise EmulatorFileError(f"db {self._path}: {error}") from None
            raise

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()

    def _opened(self) -> sqlite3.Connection:
        """Open the file, make it if there is none, and take its lock."""
        try:
            if not self._path.exists():
                os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))  # it holds inputs, and keys of S3
            connection = sqlite3.connect(self._path, timeout=0.0, isolation_level=None, check_same_thread=False)
            try:
                _prepare(connection)
            except BaseException:
                connection.close()
                raise
        except (sqlite3.Error, OSError) as error:
            raise EmulatorFileError(f"db {self._path}{_why(error)}") from None
        return connection


def _why(error: sqlite3.Error | OSError) -> str:
    """Return why the file cannot be opened, to be said behind its path."""
    if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
        return " is in use by another emulator"
    if isinstance(error, _ForeignError) or getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_NOTADB:
        return " is not a state file of the emulator"
    return f": {getattr(error, 'strerror', None) or error}"


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")
    mark = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    is_new = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if not is_new and (mark, version) != (_MARK, _VERSION):
        if mark != _MARK:
            raise _ForeignError
        raise sqlite3.DatabaseError(f"it is a file of version {version}; this emulator writes {_VERSION}")
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
