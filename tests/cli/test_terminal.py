"""What a terminal shows while a command waits, with rich and without."""

from __future__ import annotations

import os
import select
import sys
from subprocess import PIPE, Popen
from typing import TYPE_CHECKING

import pytest

from runpod_sdk import JobState, JobStatus, QueueReason, WorkerCounts
from runpod_sdk._client._wait_line import words_of
from tests.cli.conftest import JOIN, posix_only

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Gate, Shell

pytestmark = [posix_only, pytest.mark.slow]

WITH_RICH = ("-m", "runpod_sdk")
WITHOUT_RICH = (
    "-c",
    "import sys; sys.modules['rich'] = None; from runpod_sdk.cli import main; sys.exit(main(sys.argv[1:]))",
)


class Terminal:
    """A command whose standard error is a terminal, and whose output is a pipe."""

    def __init__(self, python: tuple[str, ...], *words: object) -> None:
        self._master, slave = os.openpty()
        self.shown = ""
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
        command = [sys.executable, *python, *map(str, words)]
        self.process = Popen(command, stdout=PIPE, stderr=slave, text=True, env=environment)  # noqa: S603  ours
        os.close(slave)

    def read_until(self, text: str) -> None:
        """Read what is shown until a text is among it."""
        while text not in self.shown:
            self.shown += self._more()

    def end(self) -> tuple[int, str]:
        """Return exit code and output, and read the rest."""
        out, _ = self.process.communicate(timeout=JOIN)
        while more := self._more():
            self.shown += more
        os.close(self._master)
        return self.process.returncode, out

    def _more(self) -> str:
        assert select.select([self._master], [], [], JOIN)[0], self.shown
        try:
            return os.read(self._master, 65536).decode()
        except OSError:  # Linux: the other end is closed
            assert self.process.wait(JOIN) is not None
            return ""


@pytest.mark.parametrize("python", [WITH_RICH, WITHOUT_RICH], ids=["rich", "plain"])
def test_a_wait_shows_how_far_the_job_is_and_prints_only_its_output(
    python: tuple[str, ...], shell: Shell, gate: Callable[..., Gate]
) -> None:
    held = gate()
    terminal = Terminal(python, "run", "abc", "n:=1", "--wait")
    terminal.read_until("IN_PROGRESS")
    [job_id] = shell.emulator.jobs
    held.open()
    assert terminal.end() == (0, '{"n": 1}\n')
    assert terminal.shown.startswith(f"runpod-sdk run: job {job_id}\r\n")
    assert terminal.shown.count(job_id[:8]) > 1
    assert ("\x1b[" in terminal.shown) == (python == WITH_RICH)
    assert terminal.shown.count("\x1b[?25h") == terminal.shown.count("\x1b[?25l"), "the cursor is given back"


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (None, "IN_PROGRESS"),
        ("half", "IN_PROGRESS · half"),
        ({"step": 1, "of": "drei Käse"}, 'IN_PROGRESS · {"step": 1, "of": "drei Käse"}'),
        ("[red]\x1b[2J\n", r"IN_PROGRESS · [red]\x1b[2J\n"),
        ("x" * 100, f"IN_PROGRESS · {'x' * 60}…"),
    ],
)
def test_progress_is_shown_on_one_line_and_cannot_command_the_terminal(progress: object, words: str) -> None:
    assert words_of(JobState(id="j", endpoint_id="e", status=JobStatus.IN_PROGRESS, progress=progress)) == words


def test_a_job_that_waits_in_the_queue_says_why() -> None:
    reason = QueueReason(cause="initializing", in_queue=1, workers=WorkerCounts(initializing=2))
    state = JobState(id="j", endpoint_id="e", status=JobStatus.IN_QUEUE, queue_reason=reason)
    assert words_of(state) == "IN_QUEUE · a cold start: workers are initializing (2)"


@pytest.mark.parametrize("python", [WITH_RICH, WITHOUT_RICH], ids=["rich", "plain"])
def test_a_bulk_run_shows_how_far_it_is(python: tuple[str, ...], shell: Shell, tmp_path: Path) -> None:
    shell.emulator.endpoint("abc", lambda job: job["input"])
    inputs = tmp_path / "inputs.jsonl"
    inputs.write_text('{"n": 1}\n' * 3)
    terminal = Terminal(python, "map", "abc", inputs, "--output", tmp_path / "results.jsonl")
    assert terminal.end() == (0, "")
    assert 'map on endpoint "abc"' in terminal.shown
    assert "3/3" in terminal.shown
    assert "3 succeeded" in terminal.shown
