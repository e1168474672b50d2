"""The processes of a comparison: which Python each client runs in, a server beside them, a fresh one for each run.

BENCH_BASE_PYTHON names a Python that has the base install and nothing else, BENCH_FAST_PYTHON one with the extra
`fast` and aiohttp, RUNPOD_OFFICIAL_PYTHON one with the official package; `nox -s bench` makes all three. Without them
the first two are this Python, where httptools is hidden from who should not have it; what is not there is left out.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# What is compared. In the base install: the SDK, httpx, and floors of the standard library; with `fast` aiohttp, too.
OURS, FAST, OFFICIAL = "runpod_sdk", "runpod_sdk[fast]", "runpod (official)"
FLOOR, HTTPX, AIOHTTP = "floor", "httpx", "aiohttp"
ORDER = (OURS, FAST, OFFICIAL, HTTPX, AIOHTTP, FLOOR)  # in tables
LIMITS = "react"  # how the SDK paces itself in every run: its default, which slows down after a 429 only
HERE = Path(__file__).resolve().parent


def python_of(client: str) -> str | None:
    """Return the Python that a client runs in; None where there is none."""
    if client == OFFICIAL:
        return os.environ.get("RUNPOD_OFFICIAL_PYTHON")
    if client in (FAST, AIOHTTP):
        is_here = find_spec("aiohttp" if client == AIOHTTP else "httptools") is not None
        return os.environ.get("BENCH_FAST_PYTHON") or (sys.executable if is_here else None)
    return os.environ.get("BENCH_BASE_PYTHON", sys.executable)


def present(clients: Iterable[str]) -> list[str]:
    """Return those that can be measured here."""
    return [client for client in clients if python_of(client)]


def begin(client: str) -> None:
    """Be the process of a client: one of the base install finds no httptools, even where this Python has it."""
    if client == OURS:
        import runpod_sdk._http._parsers

        runpod_sdk._http._parsers.has_httptools = lambda: False


def end(found: Any) -> None:
    """Print what was measured, and leave at once: what a client leaves running is not part of it."""
    print(json.dumps(found), flush=True)
    os._exit(0)


def peak() -> float:
    """Return the most memory that this process has had, MB."""
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage: bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def measured(script: str, client: str, *arguments: str | float) -> Any:
    """Run a script of this folder in a process of the client's own, and return what it gives to `end`."""
    command = [python_of(client) or sys.executable, str(HERE / script), client, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603  a script beside this one
    return json.loads(done.stdout.splitlines()[-1])


class Server:
    """A server in a process of its own.

    Attributes:
        told: what it said when it was ready.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.told = self._read()

    def ask(self) -> Any:
        """Send it a line, and return the one that it answers."""
        if self._process.stdin is not None:
            print(file=self._process.stdin, flush=True)
        return self._read()

    def _read(self) -> Any:
        return json.loads(self._process.stdout.readline() if self._process.stdout is not None else "")


@contextmanager
def serving(script: str, *arguments: str) -> Iterator[Server]:
    """Run a script of this folder as a server, until the end of the block; it ends with its standard input."""
    command = [sys.executable, str(HERE / script), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            yield Server(process)
        finally:
            if process.stdin is not None:
                process.stdin.close()
