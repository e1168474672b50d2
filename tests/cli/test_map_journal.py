"""The journal of `map`, cut off in each of its writes: what the next process knows."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runpod_sdk.cli._map._journal import Again, OutputJournal, Place
from runpod_sdk.cli._session import BadCallError
from tests.cli.disk import full_at

A, B, C = (Place(line, key, f"{line}" * 64) for line, key in ((1, None), (2, "b"), (3, None)))


@dataclass(frozen=True)
class Handle:
    id: str


def torn(before: bytes, after: bytes) -> list[bytes]:
    """Return what is in a file if a write breaks off: at each of its ends, and here and there between."""
    begin = next((at for at, (old, new) in enumerate(zip(before, after, strict=False)) if old != new), len(before))
    end = next((at for at in range(len(after), begin, -1) if after[at - 1 : at] != before[at - 1 : at]), begin)
    ends = {begin, begin + 1, *range(begin, min(end, begin + 400), 11), end - 1, end} & {*range(begin, end + 1)}
    return [after[:at] + before[at:] for at in sorted(ends)]


class Story:
    """A run of three inputs, and the files after each of its writes, whichever file it goes to."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.output = folder / "results"
        self.files = (self.output, folder / "results.journal")
        self.moments: list[tuple[tuple[bytes, ...], dict[str, set[int]]]] = []
        self.facts: dict[str, set[int]] = {"sent": set(), "known": set(), "ended": set()}
        journal = OutputJournal(self.output, "abc")
        self._note()
        write = os.write

        def noted(file: int, data: bytes) -> int:
            written = write(file, data)
            self._note()
            return written

        patch.setattr(os, "write", noted)
        for place in (A, B, C):
            self._act("sent", place, journal.on_submit, place, None)
            if place is not C:
                self._act("known", place, journal.on_submit, place, Handle(f"j{place.line}"))
        self._act("ended", B, journal.ended, B, "COMPLETED", {"id": "j2", "output": "x" * 20})
        self._act("ended", C, journal.ended, C, "UNKNOWN", {"id": None})
        self._act("ended", A, journal.ended, A, "FAILED", {"id": "j1", "error": "x"})
        journal.close()
        patch.undo()

    def _act(self, what: str, place: Place, call: Any, *args: Any) -> None:
        """Make a call; what it promises holds once it is over."""
        call(*args)
        self.facts = {**self.facts, what: self.facts[what] | {place.line}}
        self._note()

    def _note(self) -> None:
        self.moments.append((tuple(file.read_bytes() for file in self.files), self.facts))

    def cuts(self) -> list[tuple[tuple[bytes, ...], dict[str, set[int]]]]:
        """Return the files as any end of the process may have left them, and what had been promised until then."""
        cuts: list[tuple[tuple[bytes, ...], dict[str, set[int]]]] = []
        for (before, promised), (after, _) in zip(self.moments, self.moments[1:], strict=False):
            results, journal = after
            assert results == before[0] or journal == before[1], "one write, to one file"
            cuts += [((content, before[1]), promised) for content in torn(before[0], results)]
            cuts += [((results, content), promised) for content in torn(before[1], journal)]
        return [*cuts, self.moments[-1]]


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Story:
    return Story(tmp_path, monkeypatch)


def reopened(story: Story, contents: tuple[bytes, ...]) -> OutputJournal:
    for file, content in zip(story.files, contents, strict=True):
        file.write_bytes(content)
    return OutputJournal(story.output, "abc")


def test_whenever_the_process_ends_the_next_one_knows_what_was_sent(story: Story) -> None:
    for contents, promised in story.cuts():
        journal = reopened(story, contents)
        for place in (A, B, C):
            begun, end = journal.in_flight.get(place.name), journal.end_of(place)
            if place.line in promised["ended"]:
                assert (end, begun) == ({1: "FAILED", 2: "COMPLETED", 3: "UNKNOWN"}[place.line], None)
            elif place.line in promised["known"]:
                assert end is not None or (begun is not None and begun.job_id == f"j{place.line}")
            elif place.line in promised["sent"]:
                assert end is not None or begun is not None
            assert begun is None or begun.job_id is not None, "a job that nobody knows is unknown, and not in flight"
        journal.close()


def test_what_was_never_sent_is_not_known(story: Story) -> None:
    contents, _ = story.moments[0]
    journal = reopened(story, contents)
    assert [journal.end_of(place) for place in (A, B, C)] == [None] * 3
    assert journal.in_flight == {}
    journal.close()


def test_a_second_end_in_the_same_place_is_no_worse(story: Story) -> None:
    for contents, _ in story.cuts()[::7]:
        first = reopened(story, contents)
        known = (first.in_flight, [first.end_of(place) for place in (A, B, C)])
        first.close()
        second = OutputJournal(story.output, "abc")
        assert (second.in_flight, [second.end_of(place) for place in (A, B, C)]) == known
        second.close()


def test_the_id_of_a_job_is_written_though_the_disk_is_full(tmp_path: Path) -> None:
    """Its room was taken before it was submitted; and where there is none, nothing is."""
    output, long = tmp_path / "results", "j" * 60
    journal = OutputJournal(output, "https://api.invalid/v2/abc")
    journal.on_submit(A, None)
    journal.on_submit(B, None)

    def submit_all() -> None:
        for line in range(4, 100):
            journal.on_submit(Place(line, f"{line}", "4" * 64), None)

    with full_at((tmp_path / "results.journal").stat().st_size):
        with pytest.raises(OSError, match=r"No space left|too large"):
            submit_all()
        for begun in [*journal.in_flight.values()][:-1]:  # the last one was not sent
            journal.on_submit(begun.place, Handle(long))
    journal.close()
    again = OutputJournal(output, "https://api.invalid/v2/abc")
    assert len(again.in_flight) > 2
    assert {begun.job_id for begun in again.in_flight.values()} == {long}
    assert again.counts().total() == 0, "none is unknown"
    again.close()


def test_the_last_line_of_an_input_counts_and_the_others_go(story: Story) -> None:
    journal = OutputJournal(story.output, "abc")
    journal.ended(A, "COMPLETED", {"id": "j9", "output": 1})
    journal.finish()
    journal.close()
    again = OutputJournal(story.output, "abc")
    assert (again.end_of(A), again.end_of(B), again.counts().total()) == ("COMPLETED", "COMPLETED", 3)
    assert story.output.read_bytes().count(b"\n") == 3
    again.close()


def test_a_process_that_begins_as_another_tidies_up_keeps_its_journal(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace
    second: list[OutputJournal] = []

    def replaced(self: Path, target: Path) -> Path:
        found = replace(self, target)
        second.append(OutputJournal(story.output, "abc"))
        return found

    first = OutputJournal(story.output, "abc")
    first.ended(A, "COMPLETED", {"id": "j9", "output": 1})
    monkeypatch.setattr(Path, "replace", replaced)
    first.finish()
    first.close()
    [begun] = second
    begun.on_submit(A, None)
    begun.close()
    third = OutputJournal(story.output, "abc")
    assert third.end_of(A) == "UNKNOWN"
    third.close()


def test_a_file_that_could_not_be_read_is_not_kept_locked(story: Story) -> None:
    story.output.write_text("notes")
    for _ in range(2):
        with pytest.raises(BadCallError, match="no line of a bulk run"):
            OutputJournal(story.output, "abc")


@pytest.mark.parametrize(
    ("again", "expected"),
    [
        (Again(), {"UNSUBMITTED"}),
        (Again(failed=True), {"UNSUBMITTED", "FAILED", "TIMED_OUT", "CANCELLED", "EXPIRED"}),
        (Again(unknown=True), {"UNSUBMITTED", "UNKNOWN"}),
    ],
)
def test_what_is_submitted_again_is_what_was_asked_for(again: Again, expected: set[str]) -> None:
    ends = ("COMPLETED", "FAILED", "TIMED_OUT", "CANCELLED", "EXPIRED", "UNKNOWN", "UNSUBMITTED")
    assert {end for end in ends if again.applies(end)} == expected
