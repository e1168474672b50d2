"""The service, as tests of engines need it: the emulator at a URL, and what it has seen of each key."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk.emulator import Emulator

ENGINES = Path(__file__).parent.parent.parent / "examples" / "engines"
# After so many seconds a run has come to a standstill.
LONG = 600.0


class Service:
    """The emulator at a URL, whose jobs take a moment each; those of "held" end when the gate is opened."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.environment: dict[str, str] = {}
        self.gate = threading.Event()
        self.begun: list[str] = []
        emulator.endpoint("abc", self.handle, workers=16)
        emulator.endpoint("held", self.hold, workers=16)

    def at(self, url: str, api_key: str) -> None:
        """Say where it is."""
        self.environment = {
            **os.environ,
            "RUNPOD_API_KEY": api_key,
            "RUNPOD_ENDPOINT_BASE_URL": url,
            "RUNPOD_ENDPOINT": "abc",
            "PYTHONUNBUFFERED": "1",
        }

    def handle(self, job: dict[str, Any]) -> str:
        self.begun.append(job["input"]["key"])
        time.sleep(0.1)
        if job["input"]["key"].startswith("failing"):
            raise ValueError("this one fails")
        return f"done {job['input']['key']}"

    def hold(self, job: dict[str, Any]) -> str:
        self.gate.wait(LONG)
        return self.handle(job)

    def patience(self, rows: int) -> float:
        """Return after how many seconds a run of so many rows has come to a standstill."""
        return LONG + rows / 20

    def submits(self) -> Counter[str]:
        """Return how often each key was submitted."""
        return Counter(job.input["key"] for job in self.emulator.jobs.values())

    def start(self, *command: object, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603  ours
            [sys.executable, *map(str, command)], env={**self.environment, **more}, text=True, stdout=subprocess.PIPE
        )

    def done(self, *command: object, **more: str) -> str:
        process = self.start(*command, **more)
        out, _ = process.communicate(timeout=LONG)
        assert process.returncode == 0
        return out


def needs(*modules: str, **programs: object) -> None:
    """Skip by name what is not installed, unless it has to be (`nox -s engines`)."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    missing += [name for name, found in programs.items() if not found]
    if missing and os.environ.get("REQUIRE_ENGINES"):
        pytest.fail(f"not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def happened(what: Callable[[], object], within: float = LONG) -> None:
    """Wait until another process has done something."""
    until = time.monotonic() + within
    while not what():
        assert time.monotonic() < until, "nothing happens any more"
        time.sleep(0.05)


def inputs_in(path: Path, keys: range) -> Path:
    rows = [{"key": f"k{n}", "input": {"key": f"k{n}"}} for n in keys]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
