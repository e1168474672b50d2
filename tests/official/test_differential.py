"""Whatever a handler does ends alike on the official worker, in our worker processes and in this process."""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk.clock import SystemClock
from runpod_sdk.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.name != "posix", reason="worker processes are POSIX")

WORKERS = Path(__file__).parent / "workers"
VALUES, STREAMS = str(WORKERS / "values.py"), str(WORKERS / "streams.py")
KINDS = {"sync": [], "sync aggregate": ["aggregate"], "async": ["async"], "async aggregate": ["async", "aggregate"]}
FLAVOURS = ("official", "process", "here")
PARTS = 4
DEADLY = ("refresh", "raises system exit", "exits")
# What is never sent ends here, in milliseconds; the least that the service takes.
POLICY = {"executionTimeout": 5000}


class Ends:
    """Every job of a list in each flavour, and how it ended.

    In parts, each with workers of its own, as an official one takes a job a second; the jobs of a part one after the
    other, as some share what they return. Those that end their worker come last, so that they end nothing else.
    """

    def __init__(self, python: str, file: str, arguments: list[str]) -> None:
        self.emulator = Emulator(clock=SystemClock())
        for part in range(PARTS):
            self.emulator.endpoint(f"official-{part}", command=[python, file, *arguments])
            self.emulator.endpoint(f"process-{part}", file, arguments=arguments)
            self.emulator.endpoint(f"here-{part}", file, arguments=arguments, in_process=True)
        server = self.emulator.serve()
        self.http = httpx.Client(base_url=server.url, headers={"authorization": "test"}, timeout=120)

    def of(self, names: list[str]) -> dict[str, dict[str, Any]]:
        """Return how each ended, by name and flavour."""
        harmless = [name for name in names if not name.startswith(DEADLY)]
        size = -(-len(harmless) // PARTS)
        ends = self._ends({name: number // size for number, name in enumerate(harmless)})
        for name in names:
            if name.startswith(DEADLY):
                ends |= self._ends({name: 0})
        return ends

    def _ends(self, parts: dict[str, int]) -> dict[str, dict[str, Any]]:
        jobs = {
            (name, flavour): self._run(name, f"{flavour}-{part}")
            for name, part in parts.items()
            for flavour in FLAVOURS
        }
        return {
            name: {flavour: self._end(f"{flavour}-{part}", jobs[name, flavour]) for flavour in FLAVOURS}
            for name, part in parts.items()
        }

    def _run(self, name: str, endpoint: str) -> str:
        body = {"input": {"what": name}, "policy": POLICY}
        job_id: str = self.http.post(f"/{endpoint}/run", json=body).json()["id"]
        return job_id

    def _end(self, endpoint: str, job_id: str) -> dict[str, Any]:
        path = f"/{endpoint}/status-sync/{job_id}?wait=90000"
        while (text := self.http.get(path).text) and _strict(text)["status"] in ("IN_QUEUE", "IN_PROGRESS"):
            pass
        state = _strict(text)
        chunks = _strict(self.http.get(f"/{endpoint}/stream/{job_id}").text)["stream"]
        return {
            "status": state["status"],
            "output": state.get("output", "(none)"),
            "error": _said(state.get("error")),
            "stream": [chunk["output"] for chunk in chunks],
        }

    def close(self) -> None:
        self.http.close()
        self.emulator.close()


def _strict(text: str) -> Any:
    """Return what a body says; NaN is no JSON."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def _said(error: str | None) -> Any:
    """Return what an error says, without the traceback: the frames before the handler's own are each worker's."""
    try:
        fields = json.loads(error or "")
    except ValueError:
        return error and error.partition(" \ntraceback: ")[0]
    return (
        (fields["error_type"], fields["error_message"])
        if isinstance(fields, dict) and "error_type" in fields
        else error
    )


@pytest.fixture(scope="module")
def values(official_python: str) -> Iterator[dict[str, dict[str, Any]]]:
    ends = Ends(official_python, VALUES, [])
    yield ends.of(_names(VALUES, "VALUES"))
    ends.close()


def test_every_value_ends_alike(values: dict[str, dict[str, Any]]) -> None:
    assert {name: ends for name, ends in values.items() if not _alike(ends)} == {}
    assert len(values) > 68


@pytest.mark.parametrize("kind", KINDS)
def test_every_stream_ends_alike(official_python: str, kind: str) -> None:
    ends = Ends(official_python, STREAMS, KINDS[kind])
    try:
        found = ends.of(_names(STREAMS, "STREAMS"))
    finally:
        ends.close()
    assert {name: each for name, each in found.items() if not _alike(each)} == {}
    assert len(found) >= 30


def _names(file: str, table: str) -> list[str]:
    """Return the keys of a table in a worker's file, without running that."""
    for node in ast.parse(Path(file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict) and ast.unparse(node.targets[0]) == table:
            return [str(key.value) for key in node.value.keys if isinstance(key, ast.Constant)]
    raise AssertionError(f"{file}: it has no {table}")


def _alike(ends: dict[str, Any]) -> bool:
    return all(ends[flavour] == ends["official"] for flavour in FLAVOURS)
