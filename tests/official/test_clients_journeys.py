"""What users do with the official clients, several calls long, while the job runs."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk.emulator import Emulator
from tests.official.stage import CLIENTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 60
WORKERS = 16


@pytest.fixture(scope="module")
def service() -> Iterator[Emulator]:
    """Return an emulator on a socket."""
    with Emulator() as emulator:
        for name in ("mock", "slow", "streamed", "streamed_js"):
            emulator.endpoint(name, workers=WORKERS)
        emulator.endpoint("echo", lambda job: job)
        emulator.endpoint("idle", workers=0)
        yield emulator


@pytest.fixture(scope="module")
def base_url(service: Emulator) -> str:
    return service.serve().url


def journeys(command: list[str], folder: Path, base_url: str) -> dict[str, Any]:
    environment = os.environ | {"RUNPOD_ENDPOINT_BASE_URL": base_url}
    done = subprocess.run(  # noqa: S603  our own words
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    [line] = [line for line in done.stdout.splitlines() if line.startswith("{")]
    made: dict[str, Any] = json.loads(line)
    return made


@pytest.fixture(scope="module")
def python(official_python: str, base_url: str) -> dict[str, Any]:
    return journeys([official_python, "journeys.py"], CLIENTS, base_url)


@pytest.fixture(scope="module")
def javascript(official_javascript: Path, base_url: str) -> dict[str, Any]:
    return journeys(["node", "journeys.js"], official_javascript, base_url)


def asked(service: Emulator, endpoint_id: str) -> Counter[str]:
    """Return how often each operation was asked of an endpoint."""
    prefix = f"/v2/{endpoint_id}/"
    return Counter(request.operation for request in service.requests if request.path.startswith(prefix))


def test_python_runs_polls_and_takes_the_output(python: dict[str, Any]) -> None:
    first, last, output = python["run_and_poll"]
    assert first in ("IN_QUEUE", "IN_PROGRESS")
    assert (last, output) == ("COMPLETED", {"text": "done"})


def test_python_waits_in_run_sync_for_a_job_longer_than_its_poll(python: dict[str, Any]) -> None:
    assert python["run_sync_of_a_second"] == "slow"


@pytest.mark.parametrize("name", ["stream_while_it_runs", "asyncio_stream_while_it_runs"])
@pytest.mark.fidelity("official clients: Python streams every chunk of a running job once", source="official source")
def test_python_streams_every_chunk_of_a_running_job_once(python: dict[str, Any], name: str) -> None:
    assert python[name] == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["cancel_while_it_runs", "asyncio_cancel_while_it_runs"])
def test_python_cancels_a_running_job(python: dict[str, Any], name: str) -> None:
    assert python[name] == ["CANCELLED", "CANCELLED"]


def test_python_gives_up_waiting_after_its_timeout(python: dict[str, Any]) -> None:
    assert python["output_of_a_queued_job"] == "TimeoutError: Job timed out."


def test_asyncio_gives_up_at_once_unless_told_otherwise(python: dict[str, Any]) -> None:
    assert python["asyncio_output_by_default"] == "TimeoutError: Job timed out."
    assert python["asyncio_output"] == "done"


def test_python_wraps_an_empty_input_twice(python: dict[str, Any]) -> None:
    assert python["empty_input"]["input"] == {"input": {}}


def test_python_wraps_a_request_without_input_whole(python: dict[str, Any]) -> None:
    assert python["input_without_its_name"]["input"] == {"prompt": "Hi", "webhook": "http://127.0.0.1:9/done"}


@pytest.mark.fidelity("/run: keys beside input that are not known are ignored", source="official source")
def test_javascript_may_send_keys_that_the_service_does_not_know(javascript: dict[str, Any]) -> None:
    assert javascript["run_with_more_keys"] == "done"


@pytest.mark.fidelity("official clients: JavaScript goes on by /status-sync after /runsync", source="official source")
def test_javascript_goes_on_by_status_sync_when_runsync_was_held_long_enough(
    javascript: dict[str, Any], service: Emulator
) -> None:
    whole = {"status": "COMPLETED", "output": "slow", "completed": True, "succeeded": True}
    assert javascript["run_sync_longer_than_its_wait"] == whole
    assert asked(service, "slow") == {"runsync": 1, "status-sync": 1}


@pytest.mark.fidelity(
    "official clients: /stream is held, so that JavaScript does not ask without pause", source="official source"
)
def test_javascript_streams_every_chunk_once_and_asks_no_more_often_than_there_are_chunks(
    javascript: dict[str, Any], service: Emulator
) -> None:
    assert javascript["stream_while_it_runs"] == ["a", "b", "c"]
    assert asked(service, "streamed_js")["stream"] <= 4


def test_javascript_cancels_a_running_job(javascript: dict[str, Any]) -> None:
    assert javascript["cancel_while_it_runs"] == ["CANCELLED", "CANCELLED"]


@pytest.mark.fidelity("/status: delayTime and executionTime are whole milliseconds", source="official source")
def test_javascript_is_held_by_status_sync_and_gets_whole_milliseconds(javascript: dict[str, Any]) -> None:
    assert javascript["status_sync_of_a_running_job"] == {"status": "COMPLETED", "output": "done", "whole": True}
