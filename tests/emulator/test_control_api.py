"""The routes under /_emulator, through both doors."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk.clock import SystemClock, VirtualClock
from runpod_sdk.emulator import Emulator, Fault
from runpod_sdk.emulator._workers._worker_tests import WorkerTestError, worker_tests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Call = Callable[..., httpx.Response]

ROOT = "https://emulator.invalid"


@pytest.fixture(params=["in process", "socket"])
def door(request: pytest.FixtureRequest) -> Iterator[tuple[Emulator, httpx.Client]]:
    """Provide an emulator whose time is moved by hand, and a client of it without a key."""
    with Emulator(clock=VirtualClock(auto_jump=False)) as emulator:
        emulator.endpoint("e")
        if request.param == "socket":
            url = emulator.serve().url.removesuffix("/v2")
            with httpx.Client(base_url=url, timeout=10) as client:
                yield emulator, client
        else:
            with httpx.Client(base_url=ROOT, transport=emulator.transport, timeout=10) as client:
                yield emulator, client


KEY = {"authorization": "test"}


def run(client: httpx.Client, **job_input: Any) -> str:
    answer = client.post("/v2/e/run", json={"input": {"n": 1} | job_input}, headers=KEY)
    job_id: str = answer.json()["id"]
    return job_id


def status(client: httpx.Client, job_id: str) -> httpx.Response:
    return client.get(f"/v2/e/status/{job_id}", headers=KEY)


def test_ready_names_the_endpoints(door: tuple[Emulator, httpx.Client]) -> None:
    _, client = door
    assert client.get("/_emulator/ready").json() == {"ready": True, "endpoints": ["e"]}


def test_time_is_moved_by_hand(door: tuple[Emulator, httpx.Client]) -> None:
    _, client = door
    job_id = run(client, mock_delay=300)
    assert client.get("/_emulator/clock").json()["monotonic"] == 0
    moved = client.post("/_emulator/clock/advance", json={"seconds": 299}).json()
    assert (moved["mode"], moved["monotonic"]) == ("manual", 299)
    assert status(client, job_id).json()["status"] == "IN_PROGRESS"
    client.post("/_emulator/clock/advance", json={"seconds": 1})
    assert status(client, job_id).json()["status"] == "COMPLETED"
    assert status(client, job_id).json()["executionTime"] == 300_000


def test_a_held_request_is_answered_when_time_is_moved() -> None:
    with Emulator(clock=VirtualClock(auto_jump=False)) as emulator:
        emulator.endpoint("e", workers=0)
        url = emulator.serve().url.removesuffix("/v2")

        async def main() -> dict[str, Any]:
            async with httpx.AsyncClient(base_url=url, timeout=10) as client:
                body = {"input": {"n": 1}}
                held = asyncio.create_task(client.post("/v2/e/runsync?wait=300000", json=body, headers=KEY))
                while not emulator.jobs:
                    await client.get("/_emulator/clock")
                await client.post("/_emulator/clock/advance", json={"seconds": 300})
                answer: dict[str, Any] = (await held).json()
                return answer

        assert asyncio.run(main())["status"] == "IN_QUEUE"


@pytest.mark.one_in(3)
@pytest.mark.parametrize("seconds", [-1, "60", None, True, 1e12])
def test_time_moves_only_by_a_number(door: tuple[Emulator, httpx.Client], seconds: Any) -> None:
    _, client = door
    assert client.post("/_emulator/clock/advance", json={"seconds": seconds}).status_code == 400


def test_a_clock_that_runs_cannot_be_advanced() -> None:
    with Emulator(clock=SystemClock(rate=60)) as emulator, httpx.Client(transport=emulator.transport) as client:
        said = client.get(f"{ROOT}/_emulator/clock").json()
        assert (said["mode"], said["rate"]) == ("scaled", 60)
        assert client.post(f"{ROOT}/_emulator/clock/advance", json={"seconds": 1}).status_code == 409


def test_reset_forgets_jobs_requests_faults_and_the_ledger(door: tuple[Emulator, httpx.Client]) -> None:
    emulator, client = door
    job_id = run(client)
    emulator.inject(Fault.status(503))
    assert client.post("/_emulator/reset").status_code == 200
    assert emulator.jobs == {}
    assert emulator.requests == []
    assert emulator.faults.all() == []
    assert emulator.ledger.verdict().submitted == 0
    assert status(client, job_id).status_code == 404
    assert run(client) != job_id, "an id was given out twice"


def test_after_a_reset_the_workers_go_on(door: tuple[Emulator, httpx.Client]) -> None:
    _, client = door
    run(client, mock_delay=300)
    client.post("/_emulator/reset")
    job_id = run(client)
    client.post("/_emulator/clock/advance", json={"seconds": 1})
    assert status(client, job_id).json()["status"] == "COMPLETED"
    assert client.get("/v2/e/health", headers=KEY).json()["jobs"]["completed"] == 1


def test_who_is_held_during_a_reset_is_told_404() -> None:
    with Emulator(clock=VirtualClock(auto_jump=False)) as emulator:
        emulator.endpoint("e", workers=0)
        with httpx.Client(base_url=ROOT, transport=emulator.transport, timeout=None) as client:  # noqa: S113  held
            answers: list[int] = []
            body = {"input": {"n": 1}}
            caller = threading.Thread(
                target=lambda: answers.append(client.post("/v2/e/runsync", json=body, headers=KEY).status_code)
            )
            caller.start()
            while not emulator.jobs:
                pass
            emulator.reset()
            caller.join(10)
            assert answers == [404]
            # It began in another history: in the new one nothing was submitted.
            assert emulator.ledger.rows() == []


@pytest.mark.slow
def test_a_reset_takes_five_milliseconds() -> None:
    with Emulator() as emulator:
        emulator.endpoint("e", workers=0)
        with httpx.Client(base_url=ROOT, transport=emulator.transport) as client:
            taken: list[float] = []
            for _ in range(5):
                for _ in range(200):
                    run(client)
                before = time.thread_time()
                emulator.reset()
                taken.append(time.thread_time() - before)
        assert min(taken) < 0.005


def test_state_counts_jobs_and_shows_them(door: tuple[Emulator, httpx.Client]) -> None:
    _, client = door
    first, second = run(client, mock_delay=10), run(client)
    state = client.get("/_emulator/state").json()["endpoints"]["e"]
    assert state["statuses"] == {"IN_PROGRESS": 1, "IN_QUEUE": 1}
    assert [job["id"] for job in state["jobs"]] == [first, second]


def test_the_spec_is_served(door: tuple[Emulator, httpx.Client]) -> None:
    _, client = door
    assert client.get("/_emulator/openapi.json").json()["openapi"].startswith("3.1")


def test_faults_over_http(door: tuple[Emulator, httpx.Client]) -> None:
    _, client = door
    wanted = {"kind": "status", "code": 418, "on": ["health"], "times": 1}
    added = client.post("/_emulator/faults", json=[wanted, {"kind": "drop", "on": "run"}]).json()["faults"]
    assert [each["number"] for each in added] == [1, 2]
    assert client.get("/v2/e/health", headers=KEY).status_code == 418
    listed = client.get("/_emulator/faults").json()["faults"]
    assert listed[0] == {"number": 1, "matched": 1, "struck": 1, "fault": wanted}
    assert client.delete("/_emulator/faults/2").json() == {"removed": 1}
    assert client.delete("/_emulator/faults/2").status_code == 404
    assert client.delete("/_emulator/faults").json() == {"removed": 1}
    assert client.get("/_emulator/faults").json() == {"faults": []}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("body", ["", "7", '{"kind": "nonsense"}', '{"kind": "drop", "colour": 1}', "[" * 100_000])
def test_what_is_no_fault_is_refused(door: tuple[Emulator, httpx.Client], body: str) -> None:
    _, client = door
    assert client.post("/_emulator/faults", content=body).status_code == 400


def test_the_ledger_is_lines_of_json(door: tuple[Emulator, httpx.Client]) -> None:
    _, client = door
    run(client)
    answer = client.get("/_emulator/ledger")
    assert answer.headers["content-type"] == "application/x-ndjson"
    kinds = [json.loads(line)["kind"] for line in answer.text.splitlines()]
    assert kinds == ["request", "job", "job", "answer"]
    assert client.get("/_emulator/verdict").json()["submitted"] == 1


def test_what_is_not_there_is_404_and_what_is_not_meant_405(door: tuple[Emulator, httpx.Client]) -> None:
    _, client = door
    assert client.get("/_emulator/nothing").status_code == 404
    refused = client.get("/_emulator/reset")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")


def test_a_body_beyond_the_limit_is_refused() -> None:
    with Emulator() as emulator:
        url = emulator.serve().url.removesuffix("/v2")
        assert httpx.post(f"{url}/_emulator/faults", content=bytes(2**20 + 1)).status_code == 413


def test_inputs_that_lie_beside_a_worker_are_listed_and_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "handler.py").write_text("def run(job):\n    return job['input']['n'] + 1\n")
    (tmp_path / "test_input.json").write_text('{"input": {"n": 1, "token": "hunter2"}}')
    with Emulator(clock=SystemClock()) as emulator, httpx.Client(timeout=30, headers=KEY) as client:
        emulator.endpoint("file", tmp_path / "handler.py:run", in_process=True)
        emulator.endpoint("mock")
        client.base_url = httpx.URL(emulator.serve().url.removesuffix("/v2"))
        listed = client.get("/_emulator/tests").json()
        [test] = listed["file"]["tests"]
        assert (test["name"], test["input"]["n"]) == ("test_input.json", 1)
        assert "hunter2" not in str(listed)
        assert listed["mock"] == {"tests": [], "problem": "no file runs its jobs"}
        job_id = client.post("/_emulator/tests/file/0").json()["id"]
        found = client.get(f"/v2/file/status-sync/{job_id}?wait=60000")
        assert found.json()["output"] == 2
        for path, code in (("file/1", 404), ("file/x", 404), ("none/0", 404), ("mock/0", 400)):
            assert client.post(f"/_emulator/tests/{path}").status_code == code


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "Expecting property name"),
        ('{"tests": 1}', 'a list "tests" expected'),
        ('[{"input": "text"}]', 'tests.json 1: an object with "input", which is an object, expected'),
        ('[{"input": {}, "timeout": true}]', "tests.json 1: a timeout is a positive number of milliseconds"),
        ("[]", "neither test_input.json nor .runpod/tests.json is in"),
    ],
)
def test_inputs_that_cannot_be_read_say_why(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / ".runpod").mkdir()
    (tmp_path / ".runpod" / "tests.json").write_text(text)
    with pytest.raises(WorkerTestError, match=re.escape(why)):
        worker_tests([tmp_path])


def test_a_worker_that_runs_nothing_cannot_be_killed(door: tuple[Emulator, httpx.Client]) -> None:
    _, client = door
    answer = client.post("/_emulator/kill/none", headers=KEY)
    assert (answer.status_code, answer.json()) == (409, {"error": "no worker runs a job none"})


def test_time_is_moved_by_a_task_in_process() -> None:
    async def main() -> Any:
        with Emulator(clock=VirtualClock(auto_jump=False)) as emulator:
            async with httpx.AsyncClient(base_url=ROOT, transport=emulator.transport) as client:
                return (await client.post("/_emulator/clock/advance", json={"seconds": 5})).json()

    assert asyncio.run(main())["monotonic"] == 5
