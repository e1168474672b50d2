"""The JSON route of FastAPI: each of our errors is answered with the status that its table names."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk import AsyncClient
from runpod_sdk.emulator import Emulator, Fault
from tests.examples.test_examples import EXAMPLES, needs

if TYPE_CHECKING:
    from collections.abc import Callable


def handler(job: dict[str, Any]) -> str:
    prompt: str = job["input"]["prompt"]
    if prompt == "bad":
        raise ValueError("a path of the worker's")
    return prompt.upper()


@pytest.fixture
def emulator() -> Emulator:
    emulator = Emulator()
    emulator.endpoint("abc123", handler)
    emulator.endpoint("asleep", workers=0)
    return emulator


@pytest.fixture
def ask(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Callable[..., httpx.Response]:
    """Return a function that starts the application, asks it once, and ends it; its client is one on the emulator."""
    needs("fastapi")
    spec = importlib.util.spec_from_file_location("fastapi_json", EXAMPLES / "fastapi_json.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "fastapi_json", example)  # where FastAPI looks up what annotations mean
    spec.loader.exec_module(example)

    async def asked(prompt: str) -> httpx.Response:
        client = AsyncClient(**emulator.connection)
        monkeypatch.setattr(example, "AsyncClient", lambda: client)
        async with example.lifespan(example.app):
            transport = httpx.ASGITransport(example.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://app") as http:
                answer = await http.post("/shout", json={"prompt": prompt})
        with pytest.raises(RuntimeError, match="closed"):
            await client.endpoint("abc123").health()
        return answer

    def asking(prompt: str, endpoint_id: str = "abc123") -> httpx.Response:
        monkeypatch.setenv("ENDPOINT_ID", endpoint_id)
        return asyncio.run(asked(prompt))

    return asking


def test_each_end_of_a_job_has_its_status(ask: Callable[..., httpx.Response], emulator: Emulator) -> None:
    answered = ask("hello")
    assert (answered.status_code, answered.json()) == (200, {"output": "HELLO"})
    failed = ask("bad")
    assert (failed.status_code, failed.json()) == (502, {"error": "JobFailedError"})

    assert ask("").status_code == 422
    assert len(emulator.jobs) == 2  # it was not submitted
    assert ask("hello", "asleep").status_code == 504
    assert [job.status for job in emulator.jobs.values()][-1] == "CANCELLED"
    assert ask("hello", "nowhere").status_code == 500


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.status(429, on="runsync", headers={"retry-after": "7"}), 503),
        (Fault.status(401, on="runsync"), 500),
        (Fault.drop(on="runsync", when="after", times=1), 500),
    ],
    ids=["429", "401", "a lost answer"],
)
def test_what_the_service_does_has_its_status(
    ask: Callable[..., httpx.Response], emulator: Emulator, fault: Fault, status: int
) -> None:
    emulator.inject(fault)
    answered = ask("hello")
    assert answered.status_code == status
    assert answered.headers.get("retry-after") == ("7" if status == 503 else None)
    assert len(emulator.jobs) <= 1
