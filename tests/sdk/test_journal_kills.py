"""A run with a journal, killed at each of its boundaries and at any moment, and taken up until it is done.

Nothing runs twice, nothing is lost, and what is unknown is what the service alone can tell.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import Journal
from runpod_sdk.emulator import Emulator, Options
from tests.scale import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod_sdk import JournalItem

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
PROGRAM = Path(__file__).with_name("journal_runs.py")
COUNT = 12
ATTEMPTS = 50


class Bench:
    """An emulator on a socket, and a process that makes runs on it."""

    def __init__(
        self, emulator: Emulator, connection: dict[str, Any], process: subprocess.Popen[str], folder: Path
    ) -> None:
        self.ran: Counter[tuple[int, int]] = Counter()
        self.connection = connection
        self.process = process
        self.folder = folder
        self.is_interrupted = False
        emulator.endpoint("abc", self.handle, workers=8)

    def handle(self, job: dict[str, Any]) -> int:
        given = job["input"]
        self.ran[given["trial"], given["n"]] += 1
        number: int = given["n"]
        return number

    def order(self, trial: int, **more: Any) -> bool:
        """Make a run, and return whether it came to its end."""
        order: dict[str, Any] = {
            "trial": trial,
            "url": self.connection["base_url"],
            "key": self.connection["api_key"],
            "journal": str(self.folder / f"{trial}.sqlite"),
            "out": str(self.folder / f"{trial}.out"),
            "count": COUNT,
            "concurrency": 4,
            "flavour": "async" if trial % 2 else "sync",
            "keyed": trial % 3 > 0,
            "at": None,
            "nth": 0,
            "seconds": None,
            "twice": None,
        }
        self.is_interrupted |= "twice" in more
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({**order, **more}) + "\n")
        self.process.stdin.flush()
        status = os.waitstatus_to_exitcode(int(self.process.stdout.readline()))
        assert status in (130, 0) or status < 0, "it ends by itself, or by a signal"
        return status == 0

    def checked(self, trial: int) -> set[int]:
        """See that all is as it should be; return the inputs that are unknown, by their places."""
        left = self._left(trial, list(Journal(self.folder / f"{trial}.sqlite").items()))
        handed = (self.folder / f"{trial}.out").read_text().splitlines()
        keys = {str(item.key) for item in Journal(self.folder / f"{trial}.sqlite").items()}
        assert keys == set(handed), "each is handed out, once at least"
        assert len(handed) <= COUNT + ATTEMPTS, "and again only where the caller may not have been done with it"
        return left

    def checked_output(self, trial: int) -> set[int]:
        """See that all is as it should be after the command line; return the inputs that are unknown."""
        left = self._left(trial, list(Journal(self.folder / f"{trial}.out.journal").items()))
        lines = [json.loads(line) for line in (self.folder / f"{trial}.out").read_text().splitlines()]
        assert sorted(line["line"] for line in lines) == list(range(1, COUNT + 1)), "each has one line"
        assert {line["line"] - 1 for line in lines if line["status"] == "UNKNOWN"} == left
        assert all(line["output"] == line["line"] - 1 for line in lines if line["status"] == "COMPLETED")
        return left

    def _left(self, trial: int, items: list[JournalItem]) -> set[int]:
        assert len(items) == COUNT
        assert {item.status for item in items} <= {"COMPLETED", "UNKNOWN"}
        assert all(item.is_handed for item in items)
        ran = {n: times for (of, n), times in self.ran.items() if of == trial}
        assert set(ran.values()) <= {1}, "none ran twice"
        completed = {item.output for item in items if item.status == "COMPLETED"}
        assert completed <= set(ran)
        assert self.is_interrupted or all(item.attempt == 1 for item in items), (
            "else some are withdrawn before the request"
        )
        return set(range(COUNT)) - completed


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Emulator(options=Options(ledger=0)) as emulator, emulator.serve() as server:
        command, pipe = [sys.executable, str(PROGRAM)], subprocess.PIPE
        # Unmeasured: nothing of what was measured is kept of a process that is killed.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:  # noqa: S603  ours
            yield Bench(emulator, server.connection, process, tmp_path)


BOUNDARIES: dict[str, tuple[set[int], set[bool]]] = {
    "before the intent": ({0}, set()),
    "before the request": ({1}, {False}),
    "with the answer": ({1}, {True}),
    "with the id": ({0, 1}, {True}),  # it is in line for the disk
    "before the end": ({0, 1}, {True}),
    "before the hand-over": ({0, 1}, {False, True}),  # meanwhile the next one is submitted
    "with the result": ({0, 1}, {False, True}),
}


def marks_of(boundary: str) -> tuple[pytest.MarkDecorator, ...]:
    """Return what leaves all but the most dangerous moment to the long tail."""
    return () if boundary == "with the answer" else (pytest.mark.slow,)


@pytest.mark.parametrize("boundary", [pytest.param(name, marks=marks_of(name)) for name in BOUNDARIES])
def test_a_kill_at_a_boundary_leaves_what_that_allows(boundary: str, bench: Bench) -> None:
    unknown, arrived = BOUNDARIES[boundary]
    for trial, nth in enumerate((1, 5)):  # one in each flavour
        assert not bench.order(trial, at=boundary, nth=nth, concurrency=1)
        assert bench.order(trial, concurrency=1)
        left = bench.checked(trial)
        assert len(left) in unknown
        assert {(trial, n) in bench.ran for n in left} <= arrived


@pytest.mark.slow
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_a_kill_of_the_command_at_a_boundary_leaves_what_that_allows(boundary: str, bench: Bench) -> None:
    unknown, arrived = BOUNDARIES[boundary]
    for trial, nth in enumerate((1, 5)):
        assert not bench.order(trial, at=boundary, nth=nth, concurrency=1, flavour="command")
        assert bench.order(trial, concurrency=1, flavour="command")
        left = bench.checked_output(trial)
        assert len(left) in unknown
        assert {(trial, n) in bench.ran for n in left} <= arrived


def killed_at_random(bench: Bench, kills: int, **options: Any) -> None:
    """Kill so many runs; each is taken up, and killed again, five times at most."""
    checked = bench.checked_output if options else bench.checked
    trial, left = 0, kills
    while left > 0:
        chance = random.Random(trial)  # noqa: S311  no secret
        most = min(5, left)
        while not bench.order(trial, seconds=chance.uniform(0.01, 0.3) if most else None, concurrency=8, **options):
            most, left = most - 1, left - 1
        checked(trial)
        trial += 1


@pytest.mark.slow
def test_kills_at_random_moments_double_and_lose_nothing(bench: Bench) -> None:
    killed_at_random(bench, 20)


@pytest.mark.slow
def test_many_kills_at_random_moments_double_and_lose_nothing(bench: Bench) -> None:
    killed_at_random(bench, 200)


@pytest.mark.slow
def test_kills_of_the_command_at_random_moments_double_and_lose_nothing(bench: Bench) -> None:
    killed_at_random(bench, scaled(20, 200), flavour="command")


@pytest.mark.slow
@pytest.mark.parametrize("flavour", ["sync", "async", "command"])
def test_ctrl_c_twice_at_any_moment_doubles_and_loses_nothing(flavour: str, bench: Bench) -> None:
    checked = bench.checked_output if flavour == "command" else bench.checked
    for trial in range(scaled(2, 10)):
        chance = random.Random(trial)  # noqa: S311  no secret
        for _ in range(3):
            twice = [chance.uniform(0.01, 0.3), chance.uniform(0, 0.1)]
            if bench.order(trial, twice=twice, concurrency=8, flavour=flavour):
                break
        else:
            assert bench.order(trial, concurrency=8, flavour=flavour)
        checked(trial)
