"""Ctrl-C, SIGTERM and kill, in processes: what becomes of jobs, and what the same command does the next time."""

from __future__ import annotations

import json
import signal
from contextlib import suppress
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import Journal, JournalError
from runpod_sdk.emulator import Fault
from tests.cli.conftest import Done, Gate, Shell, ended, posix_only, process
from tests.faults.server import KEY, Connection, FaultServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [posix_only, pytest.mark.slow]


# wait


def interrupted(
    monkeypatch: pytest.MonkeyPatch, *words: str, number: int = signal.SIGINT, submits: bool = False
) -> tuple[Done, list[str]]:
    """Run a command that is sent a signal as soon as it waits; return what came of it, and what it asked for."""
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)

    def interrupt(connection: Connection) -> None:
        running.send_signal(number)
        connection.stall()

    def answer(connection: Connection) -> None:
        connection.send(connection.server.take(connection) or b"")

    with FaultServer() as server:
        server.script("e", *([answer] if submits else []), interrupt, looks=9)
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", server.url)
        with process(*words) as running:
            return ended(running), server.operations("e")


def test_ctrl_c_in_wait_leaves_the_job_running_and_tells_how_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    done, operations = interrupted(monkeypatch, "wait", "e", "j1")
    assert (done.code, done.out, operations) == (130, "", ["status-sync"])
    assert done.err == "interrupted\nThe job goes on. Re-attach: runpod-sdk wait e j1\n"


def test_ctrl_c_in_wait_cancels_the_job_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    done, operations = interrupted(monkeypatch, "wait", "e", "j1", "--on-abandon", "cancel")
    assert (done.code, operations) == (130, ["status-sync", "cancel"])
    assert done.err == "interrupted\nThe job was cancelled (j1)\n"


def test_sigterm_does_what_ctrl_c_does_and_exits_with_143(monkeypatch: pytest.MonkeyPatch) -> None:
    done, operations = interrupted(monkeypatch, "wait", "e", "j1", "--on-abandon", "cancel", number=signal.SIGTERM)
    assert (done.code, operations) == (143, ["status-sync", "cancel"])
    assert done.err == "terminated\nThe job was cancelled (j1)\n"


def test_ctrl_c_in_run_and_wait_leaves_the_job_running(monkeypatch: pytest.MonkeyPatch) -> None:
    done, operations = interrupted(monkeypatch, "run", "e", "n=1", "--wait", submits=True)
    assert (done.code, operations) == (130, ["run", "status-sync"])
    assert done.err.splitlines()[1:] == ["interrupted", "The job goes on. Re-attach: runpod-sdk wait e j1"]


def test_ctrl_c_in_a_stream_tells_how_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    done, operations = interrupted(monkeypatch, "stream", "e", "j1")
    assert (done.code, operations) == (130, ["stream"])
    assert done.err == "interrupted\nThe job goes on. Re-attach: runpod-sdk stream e j1\n"


# map


class Batch:
    """A bulk run in processes."""

    def __init__(self, shell: Shell, gate: Gate, folder: Path) -> None:
        self.shell = shell
        self.gate = gate
        self.output = folder / "results.jsonl"
        self.journal = folder / "results.jsonl.journal"
        self.inputs = folder / "inputs.jsonl"
        self.inputs.write_text("".join(json.dumps({"n": n}) + "\n" for n in range(12)))
        self.words: tuple[Any, ...] = ("map", "abc", self.inputs, "--output", self.output, "--progress", 0)

    def ended_by(self, number: int, *options: object, known: int = 4) -> Done:
        """Run it until the process knows so many jobs that do not end, and send it a signal."""
        with process(*self.words, "--concurrency", known or 4, *options) as running:
            self.gate.wait()
            while self.known < known:
                with suppress(TimeoutExpired):
                    running.wait(0.01)
                assert running.returncode is None
            running.send_signal(number)
            return ended(running)

    def __call__(self) -> Done:
        """Run it to its end, in this process."""
        self.gate.open()
        return self.shell(*self.words)

    @property
    def results(self) -> list[tuple[int, str]]:
        lines = [json.loads(line) for line in self.output.read_text().splitlines()]
        return sorted((line["line"], line["status"]) for line in lines)

    @property
    def known(self) -> int:
        """How many ids stand in the journal."""
        try:
            return Journal(self.journal).counts().get("SUBMITTED", 0)
        except JournalError:
            return 0  # it is not there yet

    @property
    def submitted(self) -> list[int]:
        """What the emulator was given to run."""
        return sorted(job.input["n"] for job in self.shell.emulator.jobs.values())


@pytest.fixture
def batch(shell: Shell, gate: Callable[..., Gate], tmp_path: Path) -> Batch:
    return Batch(shell, gate(wanted=4, workers=8), tmp_path)


ALL_COMPLETED = [(line, "COMPLETED") for line in range(1, 13)]


def test_a_run_that_was_killed_is_taken_up_and_nothing_is_doubled(batch: Batch) -> None:
    assert batch.ended_by(signal.SIGKILL).code == -signal.SIGKILL
    assert batch.submitted == [0, 1, 2, 3]
    done = batch()
    assert (done.code, batch.results, batch.submitted) == (0, ALL_COMPLETED, list(range(12)))
    assert Journal(batch.journal).counts() == {"COMPLETED": 12}


def test_a_run_that_was_killed_twice_is_taken_up_and_nothing_is_doubled(batch: Batch) -> None:
    batch.ended_by(signal.SIGKILL)
    batch.ended_by(signal.SIGKILL, known=8)
    assert batch.submitted == list(range(8))
    assert (batch().code, batch.results, batch.submitted) == (0, ALL_COMPLETED, list(range(12)))


def test_a_submit_on_its_way_when_the_process_was_killed_is_unknown_and_not_repeated(batch: Batch) -> None:
    with batch.shell.emulator.inject(Fault.stall("after", on="run")):
        batch.ended_by(signal.SIGKILL, known=0)
    done = batch()
    unknown = [(line, "UNKNOWN") for line in range(1, 5)]
    assert (done.code, batch.results) == (3, unknown + ALL_COMPLETED[4:])
    assert batch.submitted == list(range(12))
    assert "4 inputs are UNKNOWN and may have run; to submit again: --resubmit-unknown" in done.err


def test_ctrl_c_leaves_jobs_to_the_next_run(batch: Batch) -> None:
    done = batch.ended_by(signal.SIGINT)
    assert done.code == 130
    assert done.err.splitlines() == [
        "interrupted",
        "4 jobs go on. To resume, run the same command again",
    ]
    assert (batch().code, batch.results, batch.submitted) == (0, ALL_COMPLETED, list(range(12)))


def test_sigterm_leaves_jobs_to_the_next_run(batch: Batch) -> None:
    assert batch.ended_by(signal.SIGTERM).code == 143
    assert (batch().code, batch.results, batch.submitted) == (0, ALL_COMPLETED, list(range(12)))


def test_ctrl_c_cancels_jobs_where_that_is_asked_for_and_the_next_run_submits_them_again(batch: Batch) -> None:
    assert batch.ended_by(signal.SIGINT, "--on-abandon", "cancel").code == 130
    assert {str(job.status) for job in batch.shell.emulator.jobs.values()} == {"CANCELLED"}
    assert batch.results == []
    assert (batch().code, batch.results) == (0, ALL_COMPLETED)
    assert batch.submitted == sorted([*range(4), *range(12)])
