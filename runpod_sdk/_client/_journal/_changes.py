"""Every change to a journal as SQL with its parameters, and the schema. No I/O.

Of what is written, two things are waited for: the intent, before the request goes out, since without it a job could run
twice and nobody would know; and the end, before it is handed out. The loss of an id at a power failure makes a job
UNKNOWN; the loss of anything else is made good by the next run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._rows import EXPIRED, UNKNOWN, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runpod_sdk._values._states import JobState

    from ._rows import Key

# What a file is known by as one of ours ("Rpjl"), and the version of its tables.
APPLICATION_ID, VERSION = 0x52706A6C, 2
TABLES = """
CREATE TABLE run(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE item(
  number INTEGER PRIMARY KEY, key NOT NULL, digest BLOB NOT NULL, stage INTEGER NOT NULL, attempt INTEGER NOT NULL,
  status TEXT, job_id TEXT, is_handed INTEGER NOT NULL DEFAULT 0, intent_at REAL, submitted_at REAL, ended_at REAL,
  delay_ms INTEGER, execution_ms INTEGER, worker_id TEXT, outcome_file TEXT, note TEXT, outcome TEXT);
CREATE UNIQUE INDEX item_key ON item(key);
CREATE INDEX item_live ON item(submitted_at) WHERE stage IN (1, 2);
CREATE TABLE attempt(
  number INTEGER NOT NULL, attempt INTEGER NOT NULL, stage INTEGER NOT NULL, status TEXT, job_id TEXT, intent_at REAL,
  submitted_at REAL, ended_at REAL, execution_ms INTEGER, PRIMARY KEY(number, attempt)) WITHOUT ROWID;
"""
# What is done to a file of each earlier form, so that it is of the next one.
UPGRADES = {1: "ALTER TABLE item ADD COLUMN note TEXT"}
ROW = "number, key, digest, stage, attempt, status, job_id, is_handed"

# An outcome that is longer, bytes of JSON, stands in a file of its own beside the journal; ours.
LARGE = 1_000_000


@dataclass(frozen=True, slots=True)
class Change:
    """Statements that belong together.

    Attributes:
        must: the last one has to change exactly one row.
        is_id: it tells the id of a job, its first value.
        name, content: of a file that is written before.
    """

    statements: tuple[tuple[str, tuple[Any, ...]], ...]
    must: bool = False
    is_id: bool = False
    name: str = ""
    content: str = ""


NOTHING = Change(())

_KEPT = """INSERT OR REPLACE INTO attempt
SELECT number, attempt, stage, status, job_id, intent_at, submitted_at, ended_at, execution_ms FROM item
WHERE key = ? AND (stage IN (3, 4) OR job_id IS NOT NULL)"""
# Never over one that is on its way or submitted, whatever the program believes.
_BEGUN = """INSERT INTO item(key, digest, stage, attempt, job_id, intent_at, submitted_at, note)
VALUES(?, ?, ?, 1, ?, ?, ?, ?)
ON CONFLICT(key) DO UPDATE SET digest = excluded.digest, stage = excluded.stage, attempt = attempt + 1,
  note = excluded.note, job_id = excluded.job_id, intent_at = excluded.intent_at, submitted_at = excluded.submitted_at,
  status = NULL,
  is_handed = 0, ended_at = NULL, delay_ms = NULL, execution_ms = NULL, worker_id = NULL, outcome_file = NULL,
  outcome = NULL
WHERE stage IN (3, 4, 5)"""
_SUBMITTED = """UPDATE item SET stage = 2, status = NULL, job_id = ?, submitted_at = ? WHERE key = ? AND stage = 1"""
_ENDED = """UPDATE item SET stage = 3, status = ?, job_id = ?, ended_at = ?, delay_ms = ?, execution_ms = ?,
  worker_id = ?, outcome_file = ?, outcome = ? WHERE key = ?"""
_UNKNOWN = """UPDATE item SET stage = 4, status = ?, ended_at = ?, outcome = ? WHERE key = ? AND stage = 1"""
_WITHDRAWN = """UPDATE item SET stage = 5, ended_at = ?, outcome = ? WHERE key = ? AND stage IN (1, 2)"""
_HANDED = """UPDATE item SET is_handed = 1 WHERE key = ? AND stage = ?"""
_RENAMED = """UPDATE item SET key = ? WHERE key = ?"""
_REFUSED = """INSERT INTO item(key, digest, stage, attempt, ended_at, note, outcome) VALUES(?, ?, 5, 0, ?, ?, ?)
ON CONFLICT(key) DO UPDATE SET digest = excluded.digest, ended_at = excluded.ended_at, note = excluded.note,
  outcome = excluded.outcome
WHERE stage = 5"""
_RESOLVED = """UPDATE item SET stage = 2, status = NULL, job_id = ?, submitted_at = coalesce(intent_at, ?),
  ended_at = NULL, is_handed = 0, outcome = NULL
WHERE key = ? AND (stage IN (1, 4) OR (stage = 3 AND status = 'EXPIRED'))"""


def intent(key: Key, digest: bytes, now: float, *, note: str | None = None, known_as: Key | None = None) -> Change:
    """Note that a submit is about to be sent. What the key stood for before is kept among its attempts.

    `known_as` is how the input was known before it got this key; `note` is the caller's.
    """
    renamed = () if known_as is None else ((_RENAMED, (key, known_as)),)
    begun = (_BEGUN, (key, digest, Stage.INTENT, None, now, None, note))
    return Change((*renamed, (_KEPT, (key,)), begun), must=True)


def adopted(key: Key, digest: bytes, job_id: str, now: float) -> Change:
    """Note a job that was submitted elsewhere, and is waited for here."""
    values = (key, digest, Stage.SUBMITTED, job_id, None, now, None)
    return Change(((_KEPT, (key,)), (_BEGUN, values)), must=True)


def submitted(key: Key, job_id: str, now: float) -> Change:
    """Note the id that a submit was answered with."""
    return Change(((_SUBMITTED, (job_id, now, key)),), is_id=True)


def ended(key: Key, state: JobState, now: float, outcome: str) -> Change:
    """Note how a job has ended; `outcome` is the answer that said so."""
    facts = (str(state.status), state.id, now, state.delay_time_ms, state.execution_time_ms, state.worker_id)
    if len(outcome) <= LARGE:
        return Change(((_ENDED, (*facts, None, outcome, key)),), must=True)
    name = f"{state.id}.json"
    return Change(((_ENDED, (*facts, name, None, key)),), must=True, name=name, content=outcome)


def expired(key: Key, job_id: str, now: float, why: str) -> Change:
    """Note that the service does not know a job any more."""
    return Change(((_ENDED, (EXPIRED, job_id, now, None, None, None, None, why, key)),), must=True)


def unknown(key: Key, now: float, why: str) -> Change:
    """Note that nobody knows whether a submit arrived; unless its job has been told meanwhile."""
    return Change(((_UNKNOWN, (UNKNOWN, now, why, key)),))


def withdrawn(key: Key, now: float, why: str | None) -> Change:
    """Note that nothing of an input is under way any more, and that the next run may submit it."""
    return Change(((_WITHDRAWN, (now, why, key)),))


def refused(key: Key, digest: bytes, now: float, *, note: str | None, why: str | None) -> Change:
    """Note an input that was not sent, and why; the next run tries it again."""
    return Change(((_REFUSED, (key, digest, now, note, why)),))


def handed(key: Key, *, is_unknown: bool) -> Change:
    """Note that the caller has had a result, and asked for the next one."""
    return Change(((_HANDED, (key, Stage.UNKNOWN if is_unknown else Stage.ENDED)),))


def joined(changes: Iterable[Change]) -> Change:
    """Return changes as one: all of them are made, or none. For such as have no file."""
    return Change(tuple(statement for change in changes for statement in change.statements))


def resolved(key: Key, job_id: str, now: float) -> Change:
    """Note which job came of a submit that was unknown."""
    return Change(((_KEPT, (key,)), (_RESOLVED, (job_id, now, key))), must=True)
