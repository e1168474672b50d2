"""The routes of workers: what goes over HTTP in process, and what a connection that ends means on a socket."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk.clock import SystemClock, VirtualClock
from runpod_sdk.emulator import Emulator, Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

JOIN = 10
KEY = {"authorization": "test"}
FORM = {"content-type": "application/x-www-form-urlencoded", "charset": "utf-8"}
GONE = {"status": "IN_QUEUE", "retries": 1}


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(clock=VirtualClock()) as emulator:
        emulator.endpoint("e", workers=0)
        yield emulator


@pytest.fixture
def client(emulator: Emulator) -> Iterator[httpx.Client]:
    with client_of(emulator) as client:
        yield client


def client_of(emulator: Emulator) -> httpx.Client:
    """Return a client of its endpoint, which has no workers of its own."""
    if not emulator.endpoints:
        emulator.endpoint("e", workers=0)
    url = "https://emulator.invalid/v2/e"
    return httpx.Client(transport=emulator.transport, base_url=url, headers=KEY, timeout=None)  # noqa: S113  virtual time


def submit(client: httpx.Client, **job_input: Any) -> str:
    job_id: str = client.post("/run", json={"input": job_input or {"n": 1}}).json()["id"]
    return job_id


def status(client: httpx.Client, job_id: str) -> dict[str, Any]:
    state: dict[str, Any] = client.get(f"/status/{job_id}").json()
    return state


def post(client: httpx.Client, route: str, job_id: str, body: Any, worker: str = "w") -> httpx.Response:
    """Send what the official worker sends, as it sends it."""
    headers = {**FORM, "x-request-id": job_id}
    text = body if isinstance(body, str) else json.dumps(body)
    return client.post(f"/{route}/{worker}/{job_id}?gpu=cpu&isStream=false", content=text, headers=headers)


# What it takes.


def test_a_take_answers_with_the_job_alone(client: httpx.Client) -> None:
    job_id = submit(client, a=1)
    answer = client.get("/job-take/w?gpu=cpu&job_in_progress=0")
    assert (answer.status_code, answer.json()) == (200, {"id": job_id, "input": {"a": 1}})
    assert answer.headers["content-type"] == "application/json"
    assert status(client, job_id)["workerId"] == "w"


def test_s3_config_goes_to_the_worker(client: httpx.Client) -> None:
    config = {"accessId": "a", "accessSecret": "b", "bucketName": "c", "endpointUrl": "d"}
    client.post("/run", json={"input": {"n": 1}, "s3Config": config, "webhookV2": "https://example.com"})
    taken = client.get("/job-take/w").json()
    assert (taken["s3Config"], taken["webhookV2"]) == (config, "https://example.com")


@pytest.mark.parametrize("path", ["/job-take/w", "/job-take-batch/w?batch_size=3", "/job-stop/w"])
@pytest.mark.fidelity(
    "worker: a take is held, and answered 204 when no job came (Options.take_hold)", source="official source"
)
def test_who_waits_for_nothing_is_held_for_a_minute(client: httpx.Client, emulator: Emulator, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-length" not in answer.headers
    assert emulator.clock.monotonic() == Options().take_hold == 60.0


def test_a_batch_is_a_list(client: httpx.Client) -> None:
    ids = [submit(client) for _ in range(3)]
    answer = client.get("/job-take-batch/w?gpu=cpu&batch_size=2&job_in_progress=0")
    assert [job["id"] for job in answer.json()] == ids[:2]
    assert [job["id"] for job in client.get("/job-take-batch/w?batch_size=none").json()] == ids[2:]


@pytest.mark.fidelity(
    "worker: what is glued to the last segment of a path with & is read as its query", source="official source"
)
def test_a_query_may_be_glued_to_the_path(client: httpx.Client) -> None:
    first, second = submit(client), submit(client)
    assert [job["id"] for job in client.get("/job-take-batch/w&batch_size=2&job_in_progress=0").json()] == [
        first,
        second,
    ]
    answer = client.post(f"/job-done/w/{first}&isStream=false", content='{"output": 1}')
    assert answer.status_code == 200
    assert status(client, first)["output"] == 1
    assert status(client, second)["workerId"] == "w"


# What it sends.


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ({"output": None}, {"status": "COMPLETED", "output": None}),
        ({"output": 0}, {"status": "COMPLETED", "output": 0}),
        ({"output": []}, {"status": "COMPLETED", "output": []}),
        ({}, {"status": "COMPLETED"}),
        ("", {"status": "COMPLETED"}),
        ({"output": {"partial": 1}, "error": "x"}, {"status": "FAILED", "output": {"partial": 1}, "error": "x"}),
        ({"error": {"a": 1}}, {"status": "FAILED", "error": '{"a": 1}'}),
        ({"output": 1, "stopPod": True}, {"status": "COMPLETED", "output": 1}),
    ],
)
@pytest.mark.fidelity(
    "worker: a result, a chunk or progress is JSON, whatever its content type says", source="official source"
)
def test_results(client: httpx.Client, sent: Any, seen: dict[str, Any]) -> None:
    job_id = submit(client)
    client.get("/job-take/w")
    assert post(client, "job-done", job_id, sent).status_code == 200
    state = status(client, job_id)
    assert {key: state[key] for key in ("status", "output", "error") if key in state} == seen


def test_progress_is_the_output_until_the_result_and_late_progress_reopens_nothing(client: httpx.Client) -> None:
    job_id = submit(client)
    client.get("/job-take/w")
    post(client, "job-done", job_id, {"status": "IN_PROGRESS", "output": "half"})
    assert status(client, job_id)["output"] == "half"
    post(client, "job-done", job_id, {"output": "all"})
    assert post(client, "job-done", job_id, {"status": "IN_PROGRESS", "output": "late"}).status_code == 200
    assert status(client, job_id)["output"] == "all"


def test_chunks_are_streamed_in_order(client: httpx.Client) -> None:
    job_id = submit(client)
    client.get("/job-take/w")
    for chunk in ({"output": "a"}, {"output": None}, {"output": 3, "metrics": {"x": 1}}):
        assert post(client, "job-stream", job_id, chunk).status_code == 200
    post(client, "job-done", job_id, {"output": []})
    assert client.get(f"/stream/{job_id}").json() == {
        "status": "COMPLETED",
        "stream": [{"output": "a"}, {"output": None}, {"output": 3, "metrics": {"x": 1}}],
    }


def test_a_ping_answers_200_and_renews_the_lease(client: httpx.Client, emulator: Emulator) -> None:
    job_id = submit(client)
    client.get("/job-take/w")
    for _ in range(5):
        emulator.clock.sleep(30)
        assert client.get(f"/ping/w?job_id=other,{job_id}&runpod_version=1.12.0").status_code == 200
    assert status(client, job_id)["status"] == "IN_PROGRESS"
    emulator.clock.sleep(40)
    assert status(client, job_id) == {"id": job_id, **GONE}


@pytest.mark.parametrize(
    ("late", "worker"), [("after the end", "w"), ("after a cancel", "w"), ("of somebody else", "other")]
)
@pytest.mark.fidelity("worker: a late, doubled or foreign result is answered 200 and ignored", source="official source")
def test_results_that_change_nothing_are_answered_200(client: httpx.Client, late: str, worker: str) -> None:
    job_id = submit(client)
    client.get("/job-take/w")
    if late == "after the end":
        post(client, "job-done", job_id, {"output": 1})
    if late == "after a cancel":
        client.post(f"/cancel/{job_id}")
    before = status(client, job_id)
    assert post(client, "job-done", job_id, {"output": "wrong"}, worker).status_code == 200
    assert post(client, "job-stream", job_id, {"output": "wrong"}, worker).status_code == 200
    assert status(client, job_id) == before


@pytest.mark.fidelity("worker: a result for a job that is forgotten is answered 404", source="reported")
def test_a_result_for_a_job_that_is_forgotten(client: httpx.Client) -> None:
    assert post(client, "job-done", "no-such-job", {"output": 1}).status_code == 404


@pytest.mark.parametrize("body", ["{", "[]", "1", "[" * 100_000, '{"output": NaN}', '{"output": [-Infinity]}'])
@pytest.mark.fidelity("worker: what is not JSON is answered 400, NaN and infinity too", source="assumed")
def test_a_result_that_is_no_object_is_refused_and_the_job_goes_on(client: httpx.Client, body: str) -> None:
    job_id = submit(client)
    client.get("/job-take/w")
    assert post(client, "job-done", job_id, body).status_code == 400
    assert status(client, job_id)["status"] == "IN_PROGRESS"


def test_a_result_of_five_megabytes_comes_through(client: httpx.Client) -> None:
    job_id = submit(client)
    client.get("/job-take/w")
    post(client, "job-done", job_id, {"output": "x" * 5_000_000})
    assert len(status(client, job_id)["output"]) == 5_000_000


@pytest.mark.parametrize(("length", "seen"), [(100, "x" * 100), (101, None)])
@pytest.mark.fidelity(
    "worker: a result over 20 MB is answered 400, and its job COMPLETED without output (Options.result_limit)",
    source="reported",
)
def test_a_result_over_the_limit_is_refused_and_its_job_has_no_output(length: int, seen: str | None) -> None:
    limit = len(json.dumps({"output": "x" * 100}))
    with Emulator(options=Options(result_limit=limit)) as emulator, client_of(emulator) as client:
        job_id = submit(client)
        client.get("/job-take/w")
        answer = post(client, "job-done", job_id, {"output": "x" * length})
        state = status(client, job_id)
        assert answer.status_code == (400 if seen is None else 200)
        assert (state["status"], state.get("output")) == ("COMPLETED", seen)
        assert (state["workerId"], client.get("/health").json()["jobs"]["completed"]) == ("w", 1)
        assert post(client, "job-done", job_id, {"output": "again"}).status_code == 200
        assert status(client, job_id).get("output") == seen


def test_an_error_over_the_limit_is_refused_as_a_result_is() -> None:
    with Emulator(options=Options(result_limit=100)) as emulator, client_of(emulator) as client:
        job_id = submit(client)
        client.get("/job-take/w")
        assert post(client, "job-done", job_id, {"error": "x" * 100}).status_code == 400
        assert status(client, job_id).items() >= {"status": "COMPLETED"}.items()
        assert not status(client, job_id).keys() & {"output", "error"}


def test_progress_over_the_limit_is_refused_and_the_job_goes_on() -> None:
    with Emulator(options=Options(result_limit=100)) as emulator, client_of(emulator) as client:
        job_id = submit(client)
        client.get("/job-take/w")
        progress = {"status": "IN_PROGRESS", "output": "x" * 100}
        assert post(client, "job-done", job_id, progress).status_code == 400
        assert (status(client, job_id)["status"], status(client, job_id).get("output")) == ("IN_PROGRESS", None)
        assert post(client, "job-done", job_id, {"output": 1}).status_code == 200
        assert status(client, job_id)["output"] == 1


@pytest.mark.slow
def test_without_a_limit_a_result_may_have_any_size() -> None:
    with Emulator(options=Options(result_limit=None)) as emulator, client_of(emulator) as client:
        job_id = submit(client)
        client.get("/job-take/w")
        assert post(client, "job-done", job_id, {"output": "x" * 20_000_001}).status_code == 200
        assert len(status(client, job_id)["output"]) == 20_000_001


# Who is let in.


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/job-take/w", 405),
        ("GET", "/job-done/w/j", 405),
        ("GET", "/job-take", 404),
        ("GET", "/job-take/", 404),
        ("GET", "/job-take/w/more", 404),
        ("POST", "/job-done/w", 404),
    ],
)
def test_what_is_no_route_is_turned_away(client: httpx.Client, method: str, path: str, expected: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == expected
    if expected == 405:
        assert answer.headers["allow"] == ("POST" if "done" in path else "GET")


@pytest.mark.parametrize(("key", "expected"), [("test", 200), ("Bearer test", 200), ("wrong", 401), ("", 401)])
def test_the_key_is_raw_or_a_bearer(client: httpx.Client, key: str, expected: int) -> None:
    submit(client)
    assert client.get("/job-take/w", headers={"authorization": key}).status_code == expected


def test_an_unknown_endpoint_is_404(client: httpx.Client) -> None:
    assert client.get("https://emulator.invalid/v2/other/job-take/w").status_code == 404


def test_a_reset_forgets_jobs_and_worker_goes_on(client: httpx.Client, emulator: Emulator) -> None:
    job_id = submit(client)
    client.get("/job-take/w")
    emulator.reset()
    assert client.get("/job-stop/w").json() == {"jobsToStop": [job_id]}
    assert post(client, "job-done", job_id, {"output": 1}).status_code == 404
    again = submit(client)
    assert client.get("/job-take/w").json()["id"] == again


# On a socket.


class RawWorker:
    """A worker that is made of connections, so that each can end on its own."""

    def __init__(self, url: str) -> None:
        self.address = urllib.parse.urlsplit(url)
        self.connections: list[socket.socket] = []

    def ask(self, path: str) -> socket.socket:
        """Send a GET, and read nothing."""
        connection = socket.create_connection((self.address.hostname or "", self.address.port or 0), timeout=JOIN)
        head = f"GET {self.address.path}/e{path} HTTP/1.1\r\nhost: emulator\r\nauthorization: test\r\n\r\n"
        connection.sendall(head.encode())
        self.connections.append(connection)
        return connection

    def die(self) -> None:
        """Let the kernel close every connection, as it does for a process that is killed."""
        for connection in self.connections:
            connection.close()


@pytest.fixture
def served() -> Iterator[Emulator]:
    with Emulator(clock=SystemClock()) as emulator:
        emulator.endpoint("e", workers=0)
        yield emulator


@pytest.fixture
def worker(served: Emulator) -> Iterator[RawWorker]:
    worker = RawWorker(served.serve().url)
    yield worker
    worker.die()


@pytest.fixture
def user(served: Emulator, worker: RawWorker) -> Iterator[httpx.Client]:
    url = f"{worker.address.scheme}://{worker.address.netloc}/v2/e"
    with httpx.Client(base_url=url, headers=KEY, timeout=JOIN) as client:
        yield client


def answer_on(connection: socket.socket) -> tuple[int, Any]:
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    body = answer.read()
    return answer.status, json.loads(body) if body else None


def until(user: httpx.Client, is_so: Callable[[dict[str, int]], bool]) -> None:
    """Ask for the gauges until they say so: what ends a connection reaches the server in its own time."""
    for _ in range(2_000):
        if is_so(user.get("/health").json()["workers"]):
            return
    raise AssertionError("it never did")


@pytest.mark.fidelity(
    "worker: a job goes back to the queue when the take's connection is closed before it got there", source="assumed"
)
def test_a_parked_worker_gets_a_job_and_a_dead_one_does_not(user: httpx.Client, worker: RawWorker) -> None:
    worker.ask("/job-take/dead")
    until(user, lambda workers: workers["idle"] == 1)
    worker.die()
    until(user, lambda workers: workers["idle"] == 0)
    alive = worker.ask("/job-take/alive")
    until(user, lambda workers: workers["idle"] == 1)
    job_id = submit(user)
    assert answer_on(alive) == (200, {"id": job_id, "input": {"n": 1}})
    assert "retries" not in status(user, job_id)


def test_of_forty_takers_that_die_as_jobs_come_none_keeps_one(user: httpx.Client, worker: RawWorker) -> None:
    """Jobs are handed over while their takers' connections end: each is taken back at once, or was never given."""
    takers = [worker.ask(f"/job-take/w{number}") for number in range(40)]
    until(user, lambda workers: workers["idle"] == len(takers))
    begin = threading.Barrier(2)

    def die() -> None:
        begin.wait(JOIN)
        worker.die()

    with ThreadPoolExecutor(1) as pool:
        dying = pool.submit(die)
        begin.wait(JOIN)
        ids = [submit(user) for _ in range(20)]
        dying.result(JOIN)
    until(user, lambda workers: workers["idle"] == 0)
    states = [status(user, job_id) for job_id in ids]
    # Where the answer was in the kernel's hands before the connection ended, only the lease can tell.
    assert {state["status"] for state in states} <= {"IN_QUEUE", "IN_PROGRESS", "FAILED"}
    assert all(state.get("retries", 0) <= 1 for state in states)
    assert all(state["status"] != "FAILED" or state["retries"] == 1 for state in states)


def test_held_polls_are_released_when_the_server_closes(
    served: Emulator, user: httpx.Client, worker: RawWorker
) -> None:
    take, stop = worker.ask("/job-take/w"), worker.ask("/job-stop/w")
    until(user, lambda workers: workers["idle"] == 1)
    served.close()
    assert [answer_on(take), answer_on(stop)] == [(204, None), (204, None)]


def test_a_cancel_reaches_who_watches(user: httpx.Client, worker: RawWorker) -> None:
    job_id = submit(user)
    assert answer_on(worker.ask("/job-take/w"))[0] == 200
    stop = worker.ask("/job-stop/w")
    user.post(f"/cancel/{job_id}")
    assert answer_on(stop) == (200, {"jobsToStop": [job_id]})
