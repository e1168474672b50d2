"""The next release of the official package, unmodified: as worker processes of an emulator, and as a client.

Its `Endpoint` and `AsyncioEndpoint` are those of 1.12.0, letter by letter; what is new is the client for queues.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk.emulator import Emulator, Fault
from tests.official.stage import CLIENTS
from tests.official.test_clients_journeys import journeys
from tests.official.test_workers import Service, is_alive, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

JOURNEYS = ("run", "run_sync", "no_arguments", "with_options", "status", "stream", "failure", "cancel", "retry")


@pytest.fixture(scope="module")
def workers(official_python_2: str) -> Iterator[Service]:
    service = Service(official_python_2, kinds=("plain", "stream", "aggregate"))
    yield service
    service.close()


@pytest.mark.parametrize("value", [None, [], {"a": [1]}])
def test_a_result_is_the_output(workers: Service, value: Any) -> None:
    state = workers.run_to_end("plain", do="return", value=value)
    assert (state["status"], state["output"]) == ("COMPLETED", value)


def test_what_is_raised_is_a_json_string(workers: Service) -> None:
    state = workers.run_to_end("plain", do="raise")
    error = json.loads(state["error"])
    assert (state["status"], error["error_message"], error["worker_id"]) == ("FAILED", "boom", state["workerId"])
    assert error["runpod_version"].startswith("2.")


@pytest.mark.parametrize(("kind", "chunk", "output"), [("stream", {"chunk": 2}, []), ("aggregate", 2, [0, 1, 2])])
@pytest.mark.fidelity(
    "official workers: those of the release candidate of 2.0 deliver results, errors, chunks and lists of chunks",
    source="official source",
)
def test_a_generator_streams(workers: Service, kind: str, chunk: Any, output: Any) -> None:
    job_id = workers.run(kind, chunks=3)
    assert workers.end(kind, job_id)["output"] == output
    read = workers.http.get(f"/{kind}/stream/{job_id}").json()
    assert (read["status"], len(read["stream"]), read["stream"][-1]) == ("COMPLETED", 3, {"output": chunk})


def test_refresh_worker(workers: Service) -> None:
    first = workers.run_to_end("plain", do="refresh")
    second = workers.run_to_end("plain", do="return", value=1)
    assert second["workerId"] != first["workerId"]
    wait_for(lambda: not is_alive(first["output"]["pid"]))


def service_of_queues() -> Emulator:
    """Return an emulator with the endpoints that `apps.py` calls."""
    tried: set[str] = set()

    def fails_once(job: dict[str, Any]) -> str:
        if job["id"] in tried:
            return "second run"
        tried.add(job["id"])
        raise RuntimeError("first run")

    emulator = Emulator()
    emulator.endpoint("mock", workers=8)
    emulator.endpoint("again", fails_once)
    emulator.endpoint("echo", lambda job: job["input"])
    return emulator


@pytest.fixture(scope="module")
def made(official_python_2: str) -> Iterator[dict[str, Any]]:
    with service_of_queues() as emulator:
        yield journeys([official_python_2, "apps.py", *JOURNEYS], CLIENTS, emulator.serve().url)


@pytest.mark.parametrize(
    ("journey", "outcome"),
    [
        ("run", [{"text": "done"}, "COMPLETED", True]),
        ("run_sync", "done"),
        ("no_arguments", {"__empty": True}),
        ("status", "COMPLETED"),
        ("stream", ["a", "b", "c"]),
        ("cancel", ["CANCELLED", "CANCELLED"]),
        ("retry", ["RemoteExecutionError", "second run"]),
    ],
)
@pytest.mark.fidelity(
    "official clients: queues of the release candidate of 2.0 run, wait, stream, cancel and retry",
    source="official source",
)
def test_a_queue_does_what_its_documentation_says(made: dict[str, Any], journey: str, outcome: Any) -> None:
    assert made[journey] == outcome


@pytest.mark.parametrize(
    ("journey", "said"), [("failure", "Mock error"), ("with_options", "executionTimeout exceeded")]
)
def test_a_queue_raises_the_error_of_a_job(made: dict[str, Any], journey: str, said: str) -> None:
    assert made[journey].startswith("RemoteExecutionError: remote execution failed: ")
    assert said in made[journey]


@pytest.mark.fidelity(
    "official clients: the release candidate of 2.0 repeats a 404 of a job for status, stream, cancel and retry",
    source="official source",
)
def test_a_queue_repeats_a_404_of_a_fresh_job(official_python_2: str) -> None:
    with service_of_queues() as emulator:
        for endpoint_id, operation in (("mock", "status"), ("mock", "stream"), ("mock", "cancel"), ("again", "retry")):
            emulator.inject(Fault.status(404, on=operation, endpoint=endpoint_id, times=1))
        command = [official_python_2, "apps.py", "run", "stream", "cancel", "retry"]
        found = journeys(command, CLIENTS, emulator.serve().url)
        statuses = [
            [record.status for record in emulator.requests if record.operation == operation][:2]
            for operation in ("status", "stream", "cancel", "retry")
        ]
        submitted = len(emulator.jobs)
    assert statuses == [[404, 200]] * 4
    assert found == {
        "run": [{"text": "done"}, "COMPLETED", True],
        "stream": ["a", "b", "c"],
        "cancel": ["CANCELLED", "CANCELLED"],
        "retry": ["RemoteExecutionError", "second run"],
    }
    assert submitted == 4, "none was submitted twice"
