"""An emulator on a socket, and the command line called as a shell calls it."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from subprocess import PIPE, Popen
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk.cli import main
from runpod_sdk.emulator import Emulator, Options

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

JOIN = 30.0


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: object
    out: str
    err: str

    @property
    def objects(self) -> list[Any]:
        """What it printed, as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class Shell:
    """Calls commands in this process, against an emulator."""

    def __init__(self, emulator: Emulator, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.emulator = emulator
        self._capsys = capsys
        self._patch = patch

    def __call__(self, *argv: object, stdin: str = "", terminal: bool = False) -> Done:
        """Run a command to its end."""
        given = io.TextIOWrapper(io.BytesIO(stdin.encode()))
        self._patch.setattr(given, "isatty", lambda: terminal)
        self._patch.setattr(sys, "stdin", given)
        code: object
        try:
            code = main([str(word) for word in argv])
        except SystemExit as stop:
            code = stop.code
        captured = self._capsys.readouterr()
        return Done(code, captured.out, captured.err)

    @property
    def operations(self) -> list[str]:
        """What the emulator was asked for."""
        return [record.operation for record in self.emulator.requests]

    def status_of(self, job_id: str) -> str:
        """Return what the emulator knows of a job."""
        return str(self.emulator.jobs[job_id].status)


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    with Emulator(options=Options(empty_input="delivered")) as emulator:
        monkeypatch.setenv("RUNPOD_API_KEY", emulator.api_key)
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", emulator.serve().url)
        yield Shell(emulator, capsys, monkeypatch)


@contextmanager
def process(*argv: object, python: Sequence[str] = ("-m", "runpod_sdk")) -> Generator[Popen[str]]:
    """Run a command in a process of its own, in the environment of this one."""
    command = [sys.executable, *python, *map(str, argv)]
    running = Popen(command, stdout=PIPE, stderr=PIPE, text=True)  # noqa: S603  our own words
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def ended(running: Popen[str]) -> Done:
    """Wait for a process."""
    out, err = running.communicate(timeout=JOIN)
    return Done(running.returncode, out, err)


class Gate:
    """A handler whose jobs run into a gate: it says when so many have come, and lets them through when it is opened."""

    def __init__(self, wanted: int = 1) -> None:
        self.inputs: list[Any] = []
        self._wanted = wanted
        self._lock = threading.Lock()
        self._here = threading.Event()
        self._open = threading.Event()

    def __call__(self, job: dict[str, Any]) -> Any:
        with self._lock:
            self.inputs.append(job["input"])
            if len(self.inputs) == self._wanted:
                self._here.set()
        assert self._open.wait(JOIN)
        return job["input"]

    def wait(self) -> None:
        """Wait until so many jobs have come."""
        assert self._here.wait(JOIN)

    def open(self) -> None:
        """Let all jobs through, those that have not come yet, too."""
        self._open.set()


@pytest.fixture
def gate(shell: Shell) -> Iterator[Callable[..., Gate]]:
    """Declare an endpoint whose jobs run into a gate; it is open at the end."""
    gates: list[Gate] = []

    def declare(endpoint_id: str = "abc", *, wanted: int = 1, workers: int = 4) -> Gate:
        made = Gate(wanted)
        gates.append(made)
        shell.emulator.endpoint(endpoint_id, made, workers=workers)
        return made

    yield declare
    for made in gates:
        made.open()


posix_only = pytest.mark.skipif(os.name != "posix", reason="it needs signals, or a terminal of POSIX")
