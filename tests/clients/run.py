"""Generate clients by the generators that people use, compile them, and let each call the emulator.

    python -m tests.clients.run [hey-api] [orval] [Go] [...]

The commands that generate are those of openapi/README.md, read from there. A step whose toolchain or registry is
missing is skipped, and so is what follows from it. A step that fails is a failure, and so is a row of the README's
table that says something else than the run. What a client does with an unknown status, with the union of /stream, with
errors and with a bare key is told by the program that drives it, and printed as a table.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from runpod_sdk.clock import SystemClock
from runpod_sdk.emulator import Emulator
from tests.clients.recipes import DOCUMENT, README, RECIPES, MissingError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

SOURCE = Path(__file__).resolve().parents[2] / "runpod_sdk" / "emulator" / "openapi.json"
FACTS = ("unknown status", "stream", "errors", "bare key")


@dataclass
class Row:
    """What was done by one generator, and what its client was seen to do."""

    name: str
    done: list[str] = field(default_factory=list[str])
    skipped: str = ""
    failed: str = ""
    facts: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def cells(self) -> list[str]:
        """The row as the table of the README has it."""
        return [self.name, *(self.facts.get(about, "") for about in FACTS)]


class Odd(BaseHTTPRequestHandler):
    """A service that is ahead of the document: every job is in a status that no client knows."""

    def do_GET(self) -> None:
        """Answer with a job."""
        body = json.dumps({"id": self.path.rpartition("/")[2], "status": "PAUSED"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name that http.server has
        """Say nothing."""


@contextmanager
def odd_service() -> Generator[str]:
    """Serve an unknown status, and yield the base URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Odd) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v2"
        server.shutdown()


def tried(name: str, work: Path) -> Row:
    """Do what can be done with a generator, and return what came of it."""
    row = Row(name)
    try:
        row.done.extend(RECIPES[name](work))
    except MissingError as error:
        row.skipped = str(error)
    except subprocess.CalledProcessError as error:
        row.failed = f"exit code {error.returncode} of {error.cmd[0]}"
    for said in sorted(work.rglob("said")):
        row.facts |= dict(re.findall(r"^fact: ([^:\n]+): (.+)$", said.read_text(encoding="utf-8"), re.MULTILINE))
    if "called" in row.done:
        row.failed = "; ".join(disagreements(row))
    return row


def disagreements(row: Row) -> Iterator[str]:
    """Yield where the README's table says something else."""
    if not set(FACTS) <= row.facts.keys():
        yield f"its driver says nothing of {', '.join(set(FACTS) - row.facts.keys())}"
    line = f"| {' | '.join(row.cells)} |"
    if line not in README.read_text(encoding="utf-8").splitlines():
        yield f"openapi/README.md has no such row: {line}"


def table(rows: list[Row]) -> str:
    """Return what was done and seen, for a terminal."""
    lines = [["generator", "done", *FACTS]]
    for row in rows:
        done = [*row.done, *([f"skipped the rest: {row.skipped}"] if row.skipped else [])]
        done += [f"FAILED: {row.failed}"] if row.failed else []
        lines.append([row.name, ", ".join(done), *row.cells[1:]])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    padded = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join(padded)


def main(names: list[str]) -> int:
    """Do what can be done with each generator, say what that was, and return the exit code."""
    with tempfile.TemporaryDirectory() as folder, odd_service() as odd:
        os.environ["RUNPOD_ODD_BASE_URL"] = odd
        rows: list[Row] = []
        for name in names:
            work = Path(folder) / f"{len(rows)}"
            work.mkdir()
            shutil.copy(SOURCE, work / DOCUMENT)
            with Emulator(clock=SystemClock()) as emulator:  # of its own: some count how many jobs failed
                emulator.endpoint("jobs")
                emulator.endpoint("idle", workers=0)
                os.environ["RUNPOD_ENDPOINT_BASE_URL"] = emulator.serve().url
                os.environ["RUNPOD_API_KEY"] = emulator.api_key
                rows.append(tried(name, work))
    print(f"\n{table(rows)}")
    return 1 if any(row.failed for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(RECIPES)))
