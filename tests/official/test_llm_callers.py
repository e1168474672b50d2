"""What calls workers of vLLM, unmodified: langchain-runpod, LiteLLM and the AI SDK's provider of Runpod."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk.emulator import Emulator
from tests.emulator.vllm_worker import MODEL, handler
from tests.official.stage import CLIENTS
from tests.official.test_clients_journeys import journeys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

cancelled = threading.Event()


async def watched(job: Any) -> AsyncIterator[Any]:
    try:
        async for chunk in handler(job):
            yield chunk
    except asyncio.CancelledError:
        cancelled.set()
        raise


@pytest.fixture(scope="module")
def service() -> Iterator[Emulator]:
    with Emulator() as emulator:
        emulator.endpoint("vllm", watched, workers=8, return_aggregate_stream=True)
        yield emulator


@pytest.fixture(scope="module")
def python(llm_python: str, service: Emulator) -> dict[str, Any]:
    url = service.serve().url
    return journeys([llm_python, "llm.py", url, "vllm", MODEL], CLIENTS, url)


@pytest.fixture(scope="module")
def javascript(official_javascript: Path, service: Emulator) -> dict[str, Any]:
    url = service.serve().url
    return journeys(["node", "ai.js", url, "vllm", MODEL], official_javascript, url)


@pytest.mark.parametrize(
    ("call", "seen"),
    [
        ("langchain_chat", "USER: HELLO THERE"),
        ("langchain_chat_async", ["USER: ONE", "USER: TWO"]),
        ("langchain_stream", "USER: HELLO STREAM"),
        ("langchain_llm", "COMPLETE ME"),
        ("langchain_failure", True),
        ("litellm_chat", "HELLO"),
        ("litellm_stream", ["ONE", " TWO", " THREE"]),
        ("litellm_embeddings", [[0.5, 0], [0.5, 1]]),
        ("litellm_failures", ["NotFoundError", "InternalServerError", "AuthenticationError"]),
    ],
)
@pytest.mark.fidelity(
    "/openai: LiteLLM, and langchain-runpod by way of /run, call it unmodified", source="official source"
)
def test_what_users_of_python_do(python: dict[str, Any], call: str, seen: Any) -> None:
    assert python[call] == seen


@pytest.mark.parametrize(
    ("call", "seen"),
    [
        ("text", "HELLO"),
        ("streamed", ["ONE", " TWO", " THREE"]),
        ("tools", [["shout", {"text": "hi"}]]),
        ("no_model", {"status": 404, "message": "the model does not exist"}),
        ("wrong_key", {"status": 401, "message": "invalid api key"}),
        ("aborted", "ONE"),
    ],
)
@pytest.mark.fidelity("/openai: the AI SDK's provider of Runpod calls it unmodified", source="official source")
def test_what_users_of_the_ai_sdk_do(javascript: dict[str, Any], call: str, seen: Any) -> None:
    assert javascript[call] == seen


def test_a_failure_of_the_worker_is_a_servers(javascript: dict[str, Any]) -> None:
    assert javascript["crash"]["status"] == 500
    assert "CUDA out of memory" in javascript["crash"]["message"]


@pytest.mark.usefixtures("javascript")
def test_a_caller_that_aborts_cancels_its_job(service: Emulator) -> None:
    assert cancelled.wait(timeout=20)
    assert "CANCELLED" in {job.status for job in service.jobs.values()}
