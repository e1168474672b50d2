"""Converts files of version 0.1, and outputs without a journal, to a journal.

An output has a line for each input that has an end; where there are several, the last one counts. The journal of
version 0.1 is lines of JSON, too: one before each submit, one with the job's id, one when its result was written.
"""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from runpod_sdk._client._journal._changes import LARGE, Change
from runpod_sdk._client._journal._database import opened, write_file
from runpod_sdk._client._journal._keys import checked_key, named
from runpod_sdk._client._journal._rows import EXPIRED, UNKNOWN, UNSUBMITTED, Stage
from runpod_sdk.cli._session import BadCallError

from ._log import BEGIN, lines_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Generator
    from pathlib import Path

    from runpod_sdk import Endpoint
    from runpod_sdk._client._journal._rows import Key

_STAGES = {UNKNOWN: Stage.UNKNOWN, UNSUBMITTED: Stage.UNSUBMITTED}
_COLUMNS = (
    *("key", "digest", "stage", "attempt", "status", "job_id", "is_handed", "intent_at", "submitted_at"),
    *("ended_at", "delay_ms", "execution_ms", "worker_id", "outcome_file", "note", "outcome"),
)
_PUT = f"""INSERT INTO item({", ".join(_COLUMNS)}) VALUES({", ".join("?" * len(_COLUMNS))})
ON CONFLICT(key) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[1:])}"""


def is_earlier(output: Path, journal: Path) -> bool:
    """Whether there is something that only such files know."""
    try:
        with journal.open("rb") as file:
            begin = file.read(len(BEGIN))
    except FileNotFoundError:
        return output.exists() and output.stat().st_size > 0
    return begin == BEGIN[: len(begin)] or not begin.strip(b"\n")


def convert(output: Path, journal: Path, endpoint: Endpoint) -> None:
    """Make the journal, in the place of the one that is there; as a whole, or not at all.

    Raises:
        BadCallError: a file is damaged, none of ours, or another endpoint's.
    """
    new = journal.with_name(journal.name + ".converted")
    new.unlink(missing_ok=True)
    try:
        with closing(opened(new, is_new=True)) as database:
            database.execute("BEGIN IMMEDIATE")
            _Conversion(database, output, journal, endpoint).make()
            database.execute("COMMIT")
        new.replace(journal)
    finally:
        new.unlink(missing_ok=True)


class _Conversion:
    def __init__(self, database: sqlite3.Connection, output: Path, journal: Path, endpoint: Endpoint) -> None:
        self._database = database
        self._output = output
        self._journal = journal
        self._endpoint = endpoint
        # Of files that know an input by its line: which of the equal ones it is.
        database.execute("CREATE TEMP TABLE place(digest, line, occurrence, PRIMARY KEY(digest, line)) WITHOUT ROWID")

    def make(self) -> None:
        count = 0
        for facts in lines_of(self._output) if self._output.exists() else ():
            with _reading(self._output):
                self._check_endpoint(facts)
                self._put_end(facts)
            count += 1
        if self._journal.exists():
            self._replay()
        facts = {"endpoint_url": self._endpoint.url, "endpoint_id": self._endpoint.id, "output_lines": count}
        facts["output_size"] = _size(self._output) if self._output.exists() else 0
        self._database.executemany("INSERT INTO run VALUES(?, ?)", facts.items())

    def _put_end(self, facts: dict[str, Any]) -> None:
        status, job_id = str(facts.get("status")), facts.get("id")
        stage = _STAGES.get(status, Stage.ENDED)
        if stage != Stage.ENDED or status == EXPIRED:
            text = facts.get("error")
        else:
            text = json.dumps(_answer(facts), separators=(",", ":"))
        sent = facts.get("submitted_at")
        at = None if sent is None else datetime.fromisoformat(sent).timestamp()
        name = None
        if text is not None and len(text) > LARGE:
            name = f"{job_id}.json"
            write_file(self._journal, Change((), name=name, content=text))
        self._put(
            facts,
            stage=stage,
            status=None if stage == Stage.UNSUBMITTED else status,
            job_id=job_id,
            is_handed=int(stage != Stage.UNSUBMITTED),
            intent_at=at,
            delay_ms=facts.get("delay_time_ms"),
            execution_ms=facts.get("execution_time_ms"),
            worker_id=facts.get("worker_id"),
            outcome_file=name,
            outcome=text if name is None else None,
        )

    def _replay(self) -> None:
        """Take over what was under way."""
        sent: dict[int, Key] = {}
        begun: dict[Key, dict[str, Any]] = {}
        for facts in lines_of(self._journal):
            with _reading(self._journal):
                if "input_sha256" in facts or "key" in facts:
                    sent[facts["line"]] = self._key(facts)
                key, event = sent[facts["line"]], facts["event"]
                if event == "settled":
                    begun.pop(key, None)
                elif event == "submitted":
                    if facts["endpoint"] != self._endpoint.url:  # another service does not know it
                        where = facts["endpoint"]
                        raise BadCallError(f"{self._journal}: jobs are under way on {where}: go on there first")
                    begun[key] = {**begun[key], "id": facts["id"]}
                else:
                    begun[key] = facts
        at = self._journal.stat().st_mtime  # when they were submitted is not in it
        for key, facts in begun.items():
            self._put_begun(key, facts, at)

    def _put_begun(self, key: Key, facts: dict[str, Any], at: float) -> None:
        job_id = facts.get("id")
        known = self._database.execute("SELECT job_id FROM item WHERE key = ? AND stage = 3", (key,)).fetchone()
        if known is not None and job_id is not None and known[0] == job_id:
            return  # its result was written, and the process ended right then
        if job_id is None:
            self._put(facts, stage=Stage.UNKNOWN, status=UNKNOWN, intent_at=at, is_handed=0)
        else:
            self._put(facts, stage=Stage.SUBMITTED, job_id=job_id, intent_at=at, submitted_at=at, is_handed=0)

    def _put(self, facts: dict[str, Any], **columns: Any) -> None:
        digest = bytes.fromhex(facts["input_sha256"])
        if len(digest) != 32:
            raise ValueError("no SHA-256")
        begin = {"line": int(facts["line"])}
        note = json.dumps(begin if facts.get("key") is None else {**begin, "key": facts["key"]})
        row = {"key": self._key(facts), "digest": digest, "attempt": 1, "note": note, **columns}
        self._database.execute(_PUT, [row.get(name) for name in _COLUMNS])

    def _key(self, facts: dict[str, Any]) -> Key:
        if facts.get("key") is not None:
            return checked_key(facts["key"])
        digest = bytes.fromhex(facts["input_sha256"])
        if "endpoint" in facts or "occurrence" in facts or facts.get("event") == "settled":
            return named(digest, int(facts.get("occurrence", 0)))
        return named(digest, self._occurrence(digest, int(facts["line"])))

    def _occurrence(self, digest: bytes, line: int) -> int:
        """Return which of the equal inputs stood on a line."""
        place = self._database.execute("SELECT occurrence FROM place WHERE digest = ? AND line = ?", (digest, line))
        found = place.fetchone()
        if found is None:
            found = self._database.execute("SELECT count(*) FROM place WHERE digest = ?", (digest,)).fetchone()
            self._database.execute("INSERT INTO place VALUES(?, ?, ?)", (digest, line, found[0]))
        return int(found[0])

    def _check_endpoint(self, facts: dict[str, Any]) -> None:
        where = facts.get("endpoint", self._endpoint.url)  # version 0.1 did not say
        if where != self._endpoint.url and facts.get("status") != UNSUBMITTED:  # of which nothing is there
            raise BadCallError(f"{self._output}: it has results of {where}; use another --output")


def _size(output: Path) -> int:
    """Return the size of an output; of one whose last line is torn, none that a file can have."""
    size = output.stat().st_size
    with output.open("rb") as file:
        file.seek(max(0, size - 1))
        return size if file.read() in (b"", b"\n") else -1


def _answer(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of the service that a line was made of."""
    names = {"id": "id", "status": "status", "output": "output", "worker_id": "workerId"}
    names |= {"delay_time_ms": "delayTime", "execution_time_ms": "executionTime", "error": "error"}
    answer = {of_answer: facts[name] for name, of_answer in names.items() if name in facts}
    if "worker_traceback" in facts:
        kind, is_kind, message = str(facts.get("error", "")).partition(": ")
        is_kind = is_kind if kind.isidentifier() else ""
        error = {"error_type": kind if is_kind else None, "error_message": message if is_kind else facts.get("error")}
        answer["error"] = json.dumps({**error, "error_traceback": facts["worker_traceback"]})
    return answer


@contextmanager
def _reading(path: Path) -> Generator[None]:
    """Take a line that no version can have written for what it is."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise BadCallError(f"{path}: a line of it is damaged; use another --output") from None
