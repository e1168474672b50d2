"""What became of each input, over all runs with the same output: what is done, in flight, or unknown.

Two files. The output has a line for each input that has an end; where there are several, the last one counts. The
journal beside it has what happened to submits: a line before each is sent, one with the job's id, and one when its
result stands in the output. So whenever a process ends, the next one knows of each input whether it is done, which
job it has, or that a submit was on its way; and only an input of which nothing is known is submitted.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections import Counter
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runpod_sdk.cli._session import BadCallError

from ._log import AppendLog

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

# Words of ours beside the service's: no answer to a submit; a refusal, or an input that cannot be sent; a job whose
# result the service has forgotten.
UNKNOWN, UNSUBMITTED, EXPIRED = "UNKNOWN", "UNSUBMITTED", "EXPIRED"
COMPLETED = "COMPLETED"
# Of the hash of an input without a key, hexadecimal digits that are its name.
_DIGITS = 32
Name = str | bytes
# Bytes of the journal that a job's id takes, beside what is there before it: room is kept for each that is to come.
_ROOM = 256
_DIED = "the process ended while the submit was on its way: the job may have been queued and may run"


@dataclass(frozen=True, slots=True)
class Place:
    """Which input is meant: the key that it gives itself, or else what is to be run; and its line from 1, to find it.

    `occurrence` tells inputs apart that have no key and are equal, from 0.
    """

    line: int
    key: str | int | None
    input_sha256: str
    occurrence: int = 0

    @property
    def name(self) -> Name:
        """What tells it from all others, also in a later run, wherever it stands then."""
        if self.key is not None:
            return json.dumps(self.key)
        return self.digest + self.occurrence.to_bytes(4, "big")

    @property
    def digest(self) -> bytes:
        """As much of the hash as tells two inputs apart."""
        return bytes.fromhex(self.input_sha256[:_DIGITS])

    @property
    def facts(self) -> dict[str, Any]:
        """Return how each line about it begins."""
        facts: dict[str, Any] = {"line": self.line}
        if self.key is not None:
            facts["key"] = self.key
        elif self.occurrence:
            facts["occurrence"] = self.occurrence
        return facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """What is submitted again although it has an end: what was asked for, and what was never submitted."""

    failed: bool = False
    unknown: bool = False

    def applies(self, status: str) -> bool:
        """Whether an input with this end is to be submitted."""
        if status in (UNKNOWN, COMPLETED):
            return self.unknown and status == UNKNOWN
        return status == UNSUBMITTED or self.failed


@dataclass(frozen=True, slots=True)
class InFlight:
    """An input whose submit was begun; `job_id` is None until it is known."""

    place: Place
    job_id: str | None = None


class OutputJournal:
    """Keeps both files.

    Attributes:
        in_flight: what was begun and has no end, by name.
    """

    def __init__(self, output: Path, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url
        output = output.resolve() if output.is_symlink() else output  # one journal, whatever name it goes by
        self._journal_path = output.with_name(output.name + ".journal")
        # Status and digest, of earlier runs: what this one adds does not come up in it again.
        self._ends: dict[Name, tuple[str, int]] = {}
        self._is_superseded = False
        # What was refused, and has not been met again: its line says nothing of what there is now.
        self._refused: set[Name] = set()
        # Of files of version 0.1, which know an input by its line: the occurrence of each, by hash and line.
        self._old: dict[bytes, dict[int, int]] = {}
        self.in_flight: dict[Name, InFlight] = {}
        # What is kept free in the journal for the id of each job that is being submitted, bytes.
        self._room: dict[Name, int] = {}
        with ExitStack() as files:
            self._results = files.enter_context(closing(AppendLog(output)))
            self._results.lock()
            self._journal = files.enter_context(closing(AppendLog(self._journal_path)))
            self._load()
            self._files = files.pop_all()

    def end_of(self, place: Place) -> str | None:
        """Return the status with which an input had ended before this run."""
        end = self._ends.get(place.name)
        self._refused.discard(place.name)
        return None if end is None else end[0]

    def knows(self, place: Place) -> bool:
        """Whether an input has an end or a job."""
        return place.name in self._ends or place.name in self.in_flight

    def is_changed(self, place: Place) -> bool:
        """Whether it is another input than the one that is known by this name."""
        begun = self.in_flight.get(place.name)
        if begun is not None:
            return begun.place.input_sha256 != place.input_sha256
        end = self._ends.get(place.name)
        return end is not None and end[1] != _digest(place.input_sha256)

    def counts(self) -> Counter[str]:
        """Return how many inputs had ended with what status before this run."""
        return Counter(status for status, _ in self._ends.values())

    def on_submit(self, place: Place, job: Any) -> None:
        """Note that a submit is about to be sent (`job` is None), or what job came of it."""
        if job is None:
            self.in_flight[place.name] = InFlight(place)
            self._note(place, "sending", {"endpoint": self._endpoint_url})
        else:
            self.in_flight[place.name] = InFlight(place, job.id)
            self._note(place, "submitted", {"id": job.id, "endpoint": self._endpoint_url})

    def ended(self, place: Place, status: str, facts: Mapping[str, Any]) -> None:
        """Write a result."""
        self._results.append(
            {
                **place.facts,
                "id": facts.get("id"),
                "status": status,
                **facts,
                "input_sha256": place.input_sha256,
                "endpoint": self._endpoint_url,
            }
        )
        self._is_superseded = self._is_superseded or place.name in self._ends
        self.withdrawn(place)

    def withdrawn(self, place: Place) -> None:
        """Note that nothing of an input is under way any more."""
        if self.in_flight.pop(place.name, None) is not None:
            self._note(place, "settled", {})

    def finish(self) -> None:
        """Tidy up after an orderly end: a line for each input that has an end, and no journal where none is left."""
        if not self.in_flight:
            self._journal.close()  # Windows removes no file that is open
            self._journal_path.unlink()
        if (
            self._is_superseded or self._refused
        ):  # last: the new file is not locked, and whoever takes it has a journal of his own
            self._drop_superseded()

    def keep_refused(self) -> None:
        """Leave the lines of what was refused before: not all inputs have been met."""
        self._refused.clear()

    def close(self) -> None:
        """Close both files."""
        self._files.close()

    def _note(self, place: Place, event: str, facts: Mapping[str, Any]) -> None:
        """Write a line of the journal. Where there is no room left for the ids of what was sent, nothing more is."""
        if event == "sending":
            self._room[place.name] = _ROOM + len(json.dumps([place.facts, self._endpoint_url]))
        else:
            self._room.pop(place.name, None)
        keep = 0 if event == "submitted" else sum([*self._room.values()])  # a copy: threads share it
        self._journal.append({**place.facts, "event": event, **facts, "input_sha256": place.input_sha256}, keep=keep)

    def _load(self) -> None:
        ids: dict[Name, str | None] = {}
        for facts in self._results.lines():
            with _reading(self._results):
                place = self._place(facts)
                self._check_endpoint(facts)
                ids[place.name] = facts.get("id")
                self._is_superseded = self._is_superseded or place.name in self._ends
                self._ends[place.name] = (sys.intern(str(facts.get("status"))), _digest(place.input_sha256))
        sent: dict[int, Place] = {}
        for facts in self._journal.lines():
            with _reading(self._journal):
                if "input_sha256" in facts:
                    sent[facts["line"]] = self._place(facts)
                self._replay(self._place(facts) if "key" in facts else sent[facts["line"]], facts)
        for begun in list(self.in_flight.values()):
            if begun.job_id is None:
                # No answer was noted. What the process did after it had noted the submit, nobody knows.
                self.ended(begun.place, UNKNOWN, {"error": _DIED})
                self._ends[begun.place.name] = (UNKNOWN, _digest(begun.place.input_sha256))
            elif ids.get(begun.place.name) == begun.job_id:
                self.withdrawn(begun.place)  # its result was written, and the process ended right then
        self._refused = {name for name, (status, _) in self._ends.items() if status == UNSUBMITTED}

    def _replay(self, place: Place, facts: Mapping[str, Any]) -> None:
        if facts.get("event") == "settled":
            self.in_flight.pop(place.name, None)
        elif facts.get("event") == "submitted":
            begun, where = self.in_flight[place.name], facts["endpoint"]
            if where != self._endpoint_url:  # another service does not know them, and they would count as EXPIRED
                raise BadCallError(f"{self._journal_path}: jobs are under way on {where}: go on there first")
            self.in_flight[place.name] = InFlight(begun.place, facts["id"])
        else:
            self.in_flight[place.name] = InFlight(place)

    def _check_endpoint(self, facts: Mapping[str, Any]) -> None:
        where = facts.get("endpoint", self._endpoint_url)  # version 0.1 did not say
        if where != self._endpoint_url and facts.get("status") != UNSUBMITTED:  # of which nothing is there
            raise BadCallError(f"{self._results.path}: it has results of {where}; take another --output")

    def _place(self, facts: Mapping[str, Any]) -> Place:
        """Return what a line is about.

        Raises:
            KeyError, TypeError, ValueError: it is damaged.
        """
        line, key = int(facts["line"]), facts.get("key")
        place = Place(line, key, facts.get("input_sha256", ""), facts.get("occurrence", 0))
        if key is None and "endpoint" not in facts and facts.get("event") != "settled":
            known = self._old.setdefault(place.digest, {})
            return replace(place, occurrence=known.setdefault(line, len(known)))
        place.name  # noqa: B018  raises
        return place

    def _drop_superseded(self) -> None:
        """Write the output anew, with the last line of each input."""
        last = {self._place(facts).name: number for number, facts in enumerate(self._results.lines())}
        for name in self._refused:
            last.pop(name, None)
        new = self._journal_path.with_name(self._journal_path.name + ".new")
        new.touch(mode=0o600)
        shutil.copymode(self._results.path, new)
        with self._results.path.open("rb") as lines, new.open("wb") as file:
            kept = set(last.values())
            file.writelines(line for number, line in enumerate(lines) if number in kept)
            file.flush()
            os.fsync(file.fileno())
        if os.name == "nt":  # which replaces no file that is open; elsewhere the lock has to last until then
            self._results.close()
        new.replace(self._results.path)


@contextmanager
def _reading(log: AppendLog) -> Generator[None]:
    """Take a line that this file cannot have written for what it is."""
    try:
        yield
    except (KeyError, TypeError, ValueError):
        raise BadCallError(f"{log.path}: a line of it is damaged; take another --output") from None


def _digest(sha256: str) -> int:
    """Return enough of it to see a change, in the memory of a number."""
    return int(sha256[:15] or "0", 16)
