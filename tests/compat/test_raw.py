"""`RunPodClient.get` and `.post`, odd answers, and what code imports of the official modules beside the clients."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import BadRequestError, NotFoundError, RateLimitError, RunpodError, SubmissionUnknownError, compat
from runpod_sdk.compat import error, http_client
from runpod_sdk.compat.endpoint import asyncio as official_asyncio
from runpod_sdk.compat.endpoint import helpers, runner
from runpod_sdk.compat.endpoint.asyncio import asyncio_runner
from runpod_sdk.emulator import Fault
from tests.compat.flavours import World, both

if TYPE_CHECKING:
    from pathlib import Path

    from tests.compat.service import Service


@pytest.fixture
def client(service: Service) -> runner.RunPodClient:
    service.emulator.endpoint("e", lambda job: job["input"]["n"])
    return compat.Endpoint("e").rp_client


def test_the_raw_status_of_a_job(client: runner.RunPodClient) -> None:
    submitted = client.post("e/run", {"input": {"n": 1}})
    assert submitted["status"] == "IN_QUEUE"
    state = client.get(f"e/status/{submitted['id']}")
    while state["status"] != "COMPLETED":
        client.native.endpoint("e").job(submitted["id"]).wait(timeout=60)
        state = client.get(f"e/status/{submitted['id']}")
    assert (state["id"], state["output"]) == (submitted["id"], 1)
    assert {"delayTime", "executionTime", "workerId"} <= state.keys()
    assert client.get(f"e/stream/{submitted['id']}") == {"status": "COMPLETED", "stream": []}


def test_the_other_paths(client: runner.RunPodClient) -> None:
    assert client.post("e/runsync", {"input": {"n": 2}})["output"] == 2
    assert client.get("e/health")["jobs"]["completed"] == 1
    assert client.post("e/purge-queue", None) == {"removed": 0, "status": "completed"}
    job_id = client.post("e/run", {"n": 3})["id"]
    assert client.post(f"e/cancel/{job_id}", None)["id"] == job_id
    with pytest.raises(BadRequestError):
        client.post(f"e/retry/{job_id}", None)
    with pytest.raises(NotFoundError):
        client.get("e/status/nobody")


NO_PATHS = ["", "e", "e/other", "e/status", "e/health/x", "e/run/x", "../x/health", "e/status/a/b"]


@pytest.mark.parametrize("path", NO_PATHS)
def test_what_is_no_path_of_an_operation_is_refused_before_it_is_sent(
    client: runner.RunPodClient, service: Service, path: str
) -> None:
    with pytest.raises(ValueError, match=r"such as abc/status/ID|endpoint_id|job_id"):
        client.get(path)
    assert service.operations == []


def test_a_raw_submit_is_not_sent_twice(client: runner.RunPodClient, service: Service) -> None:
    service.emulator.inject(Fault.drop("after", on="run"))
    with pytest.raises(SubmissionUnknownError):
        client.post("e/run", {"input": {"n": 1}})
    assert len(service.emulator.jobs) == 1


def test_headers_are_those_of_the_official_client(client: runner.RunPodClient) -> None:
    assert client.headers == {"Content-Type": "application/json", "Authorization": f"Bearer {client.api_key}"}


ODD: list[Any] = [{"workers": 3}, {"jobs": None}, [], {"result": "success"}]


@pytest.mark.parametrize("body", ODD)
def test_health_and_purge_of_odd_shape_are_handed_on(body: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    @both
    async def check(world: World) -> None:
        world.emulator.endpoint("e", lambda job: job["input"])
        for operation in ("health", "purge-queue"):
            world.emulator.inject(Fault.status(200, body=body, on=operation))
        assert await world.endpoint().health() == body
        assert await world.endpoint().purge_queue() == body

    for is_async in (False, True):
        check(is_async, monkeypatch)


@both
async def test_answers_without_an_id_are_taken_for_the_job_that_was_asked_for(world: World) -> None:
    world.emulator.endpoint("e", workers=0)
    job = await world.endpoint().run({"input": {"n": 1}})
    world.emulator.inject(Fault.status(200, body={"status": "CANCELLED"}, on="cancel"))
    assert await job.cancel() == {"status": "CANCELLED"}
    for operation in ("status", "status-sync"):
        world.emulator.inject(Fault.status(200, body={"status": "COMPLETED", "output": "x"}, on=operation))
    assert await job.output(timeout=60) == "x"
    assert await job.status() == "COMPLETED"


def test_a_sync_answer_that_is_final_needs_no_id(service: Service) -> None:
    service.emulator.endpoint("e")
    service.emulator.inject(Fault.status(200, body={"status": "COMPLETED", "output": "x"}, on="runsync"))
    assert compat.Endpoint("e").run_sync({"input": {"n": 1}}) == "x"


@pytest.mark.parametrize("body", [{"status": "IN_QUEUE"}, {"output": "x"}, {"id": 5, "status": "COMPLETED"}])
def test_any_other_without_an_id_is_a_submit_of_unknown_outcome(service: Service, body: Any) -> None:
    service.emulator.endpoint("e")
    service.emulator.inject(Fault.status(200, body=body, on="runsync"))
    with pytest.raises(SubmissionUnknownError):
        compat.Endpoint("e").run_sync({"input": {"n": 1}})


def test_modules_have_the_same_classes() -> None:
    assert (runner.Endpoint, runner.Job) == (compat.endpoint.Endpoint, compat.endpoint.Job)
    assert asyncio_runner.Endpoint is official_asyncio.Endpoint is compat.AsyncioEndpoint
    assert asyncio_runner.Job is official_asyncio.Job is compat.AsyncioJob


def test_helpers() -> None:
    assert helpers.FINAL_STATES == ["COMPLETED", "FAILED", "TIMED_OUT"]
    ended = [status for status in ("IN_QUEUE", "IN_PROGRESS", "CANCELLED", "FAILED") if helpers.is_completed(status)]
    assert ended == ["CANCELLED", "FAILED"]


def test_errors_are_made_as_the_official_ones_are() -> None:
    query = error.QueryError("failed", "query {}", 400, ["bad"])
    assert (query.message, query.query, query.status_code, query.errors) == ("failed", "query {}", 400, ["bad"])
    wrong = error.AuthenticationError("x")
    assert (str(wrong), wrong.message, wrong.status_code) == ("x", "x", 401)
    assert isinstance(wrong, RuntimeError)
    assert isinstance(wrong, error.RunPodError)
    again = pickle.loads(pickle.dumps(wrong))  # noqa: S301  ours
    assert (type(again), str(again)) == (error.AuthenticationError, "x")
    assert error.RunPodError is RunpodError
    assert RunpodError("x").message == "x"
    assert RunpodError().message == ""


def test_sessions_and_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert http_client.TooManyRequests is RateLimitError
    with http_client.SyncClientSession() as session:
        session.close()
    assert isinstance(http_client.ClientSession(), http_client.AsyncClientSession)
    monkeypatch.setenv("RUNPOD_AI_API_KEY", "of-a-worker")
    assert http_client.get_auth_header()["Authorization"] == "of-a-worker"
    config = tmp_path / ".runpod" / "config.toml"
    config.parent.mkdir()
    config.write_text('[default]\napi_key = "of-the-file"\n', encoding="utf-8")
    assert http_client.get_auth_header()["Authorization"] == "of-the-file"


@pytest.fixture(autouse=True)
def _no_key_of_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNPOD_AI_API_KEY", raising=False)
