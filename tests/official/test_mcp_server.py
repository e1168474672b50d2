"""The official MCP server, unmodified: its tools for jobs, called over stdio as an assistant calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk.emulator import Emulator
from tests.official.test_clients_journeys import journeys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def made(official_javascript: Path) -> Iterator[dict[str, Any]]:
    """Return what each tool answered."""
    tried: set[str] = set()

    def fails_once(job: dict[str, Any]) -> str:
        if job["id"] in tried:
            return "second run"
        tried.add(job["id"])
        raise RuntimeError("first run")

    with Emulator() as emulator:
        for name in ("mock", "streamed"):
            emulator.endpoint(name)
        emulator.endpoint("again", fails_once)
        emulator.endpoint("idle", workers=0)
        yield journeys(["node", "mcp.js"], official_javascript, emulator.serve().url)


@pytest.mark.parametrize(
    ("tool", "shown"),
    [
        ("runsync", {"status": "COMPLETED", "output": "done"}),
        ("status", {"status": "COMPLETED", "output": "done"}),
        ("stream", {"status": "COMPLETED", "stream": [{"output": "a"}, {"output": "b"}, {"output": "c"}]}),
        ("queued", {"status": "IN_QUEUE"}),
        ("cancel", {"status": "CANCELLED"}),
        ("failed", {"status": "FAILED"}),
        ("retry", {"status": "IN_QUEUE"}),
        ("retried", {"status": "COMPLETED", "output": "second run"}),
        ("purge", {"status": "completed", "removed": 1}),
        ("unknown", {"isError": True}),
    ],
)
@pytest.mark.fidelity(
    "official clients: the MCP server's tools run, wait, stream, cancel, retry and purge", source="official source"
)
def test_a_tool_shows_what_the_service_says(made: dict[str, Any], tool: str, shown: dict[str, Any]) -> None:
    assert {name: made[tool].get(name) for name in shown} == shown


def test_the_health_tool_counts_the_jobs_that_wait(made: dict[str, Any]) -> None:
    assert made["health"]["jobs"]["inQueue"] == 1


def test_a_failure_carries_the_error_and_an_unknown_job_its_status(made: dict[str, Any]) -> None:
    assert "first run" in made["failed"]["error"]
    assert "404" in made["unknown"]["text"]
