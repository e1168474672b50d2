"""The official worker library, unmodified, as worker processes of an emulator and as a worker started elsewhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk.clock import SystemClock
from runpod_sdk.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runpod_sdk.emulator import EmulatedEndpoint, Server

pytestmark = pytest.mark.skipif(os.name != "posix", reason="supervised workers are POSIX")

FILE = str(Path(__file__).parent / "workers" / "every.py")
PATIENCE = 60
KEY = {"authorization": "test"}


class Service:
    """An emulator with one endpoint for each kind of worker."""

    def __init__(
        self, python: str, kinds: tuple[str, ...] = ("plain", "stream", "aggregate", "together", "unfit")
    ) -> None:
        self.python = python
        self.emulator = Emulator(clock=SystemClock())
        self.endpoints = {kind: self.emulator.endpoint(kind, command=[python, FILE, kind]) for kind in kinds}
        self.external = self.emulator.endpoint("external", workers=0)
        self.server: Server = self.emulator.serve()
        self.http = httpx.Client(base_url=self.server.url, headers=KEY, timeout=PATIENCE)

    def run(self, kind: str, policy: dict[str, Any] | None = None, **job_input: Any) -> str:
        """Submit a job, and return its id."""
        body = {"input": job_input} if policy is None else {"input": job_input, "policy": policy}
        job_id: str = self.http.post(f"/{kind}/run", json=body).json()["id"]
        return job_id

    def end(self, kind: str, job_id: str) -> dict[str, Any]:
        """Return how a job ended."""
        state: dict[str, Any] = self.http.get(f"/{kind}/status-sync/{job_id}?wait=60000").json()
        return state

    def run_to_end(self, kind: str, **job_input: Any) -> dict[str, Any]:
        return self.end(kind, self.run(kind, **job_input))

    def close(self) -> None:
        self.http.close()
        self.emulator.close()


@pytest.fixture(scope="module")
def service(official_python: str) -> Iterator[Service]:
    service = Service(official_python)
    yield service
    service.close()


def wait_for(is_so: Callable[[], Any]) -> Any:
    """Return what is so at last; each look is a request, or a look at the system."""
    clock = SystemClock()
    end = clock.monotonic() + PATIENCE
    while clock.monotonic() < end:
        if found := is_so():
            return found
    raise AssertionError("it never was")


def is_alive(group: int) -> bool:
    """Claim that a process of the group still runs; one that is dead and was not waited for does not."""
    command = ["ps", "-o", "stat=", "-g", str(group)]
    states = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()  # noqa: S603  ours
    return any(not state.startswith("Z") for state in states)


def group_of(endpoint: EmulatedEndpoint, worker_id: str) -> int:
    assert endpoint.supervisor is not None
    return endpoint.supervisor.processes[worker_id]


@pytest.mark.parametrize("value", [None, 0, False, "", [], "text", {"a": [1]}, 1.5])
@pytest.mark.fidelity("official workers: any JSON is the output as it is, falsy values too", source="official source")
def test_a_result_is_the_output(service: Service, value: Any) -> None:
    state = service.run_to_end("plain", do="return", value=value)
    assert (state["status"], state["output"]) == ("COMPLETED", value)


def test_an_empty_dict_is_no_output(service: Service) -> None:
    state = service.run_to_end("plain", do="return", value={})
    assert (state["status"], "output" in state) == ("COMPLETED", False)


def test_the_handler_gets_id_and_input(service: Service) -> None:
    state = service.run_to_end("plain", do="show")
    assert state["output"] == {"id": state["id"], "input": {"do": "show"}}


def test_an_error_beside_a_result_fails_the_job(service: Service) -> None:
    state = service.run_to_end("plain", do="return", value={"error": "x", "partial": 1})
    assert (state["status"], state["error"], state["output"]) == ("FAILED", "x", {"partial": 1})


def test_what_is_raised_is_a_json_string(service: Service) -> None:
    state = service.run_to_end("plain", do="raise")
    error = json.loads(state["error"])
    assert (state["status"], error["error_type"], error["error_message"]) == ("FAILED", "<class 'ValueError'>", "boom")
    assert (error["worker_id"], error["runpod_version"]) == (state["workerId"], "1.12.0")


def test_a_result_of_five_megabytes(service: Service) -> None:
    assert service.run_to_end("plain", do="big", size=5_000_000)["output"] == "x" * 5_000_000


def test_progress_shows_and_late_progress_reopens_nothing(service: Service, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    job_id = service.run("plain", do="progress", fifo=str(fifo))
    shown = wait_for(lambda: service.http.get(f"/plain/status/{job_id}").json().get("output"))
    assert shown in ("one", "two", "three")
    fifo.write_text("go on")
    assert service.end("plain", job_id)["output"] == "done"
    service.run_to_end("plain", do="return", value=1)
    assert service.end("plain", job_id)["output"] == "done"


@pytest.mark.fidelity(
    "official workers: of a result that is no JSON nothing is sent, and the job ends by its executionTimeout",
    source="official source",
)
def test_a_result_that_is_no_json_hangs_until_the_execution_timeout(service: Service) -> None:
    job_id = service.run("plain", {"executionTimeout": 5_000}, do="no JSON")
    state = service.end("plain", job_id)
    assert (state["status"], state["error"]) == ("FAILED", "executionTimeout exceeded")
    assert 5_000 <= state["executionTime"] < 6_000


@pytest.mark.parametrize(("kind", "chunk", "output"), [("stream", {"chunk": 2}, []), ("aggregate", 2, [0, 1, 2])])
def test_a_generator_streams(service: Service, kind: str, chunk: Any, output: Any) -> None:
    job_id = service.run(kind, chunks=3)
    chunks: list[Any] = []
    answer: dict[str, Any] = {"status": "IN_QUEUE"}
    while answer["status"] in ("IN_QUEUE", "IN_PROGRESS"):
        answer = service.http.get(f"/{kind}/stream/{job_id}").json()
        chunks += [part["output"] for part in answer["stream"]]
    assert (len(chunks), chunks[-1]) == (3, chunk)
    assert service.end(kind, job_id)["output"] == output


def test_a_generator_that_raises_keeps_what_it_yielded(service: Service) -> None:
    job_id = service.run("stream", chunks=3, raise_at=2)
    state = service.end("stream", job_id)
    assert state["status"] == "FAILED"
    assert state["error"].startswith("handler: boom \ntraceback: ")
    assert service.http.get(f"/stream/stream/{job_id}").json()["stream"] == [
        {"output": {"chunk": 0}},
        {"output": {"chunk": 1}},
    ]


@pytest.mark.fidelity(
    "official workers: at concurrency 4, one worker takes four jobs at once", source="official source"
)
def test_concurrency(service: Service) -> None:
    ids = [service.run("together", wanted=4) for _ in range(4)]
    states = [service.end("together", job_id) for job_id in ids]
    assert {state["status"] for state in states} == {"COMPLETED"}
    assert len({state["output"] for state in states}) == 1, "one process"


@pytest.mark.fidelity("official workers: a cancel reaches an async handler", source="official source")
def test_a_cancel_stops_an_async_handler(service: Service, tmp_path: Path) -> None:
    cancelled = tmp_path / "cancelled"
    job_id = service.run("together", cancelled=str(cancelled))
    wait_for(Path(f"{cancelled}.begun").exists)
    assert service.http.post(f"/together/cancel/{job_id}").json()["status"] == "CANCELLED"
    wait_for(cancelled.exists)


@pytest.mark.fidelity("official workers: refresh_worker replaces the worker", source="official source")
def test_refresh_worker(service: Service) -> None:
    first = service.run_to_end("plain", do="refresh")
    second = service.run_to_end("plain", do="return", value=1)
    assert second["workerId"] != first["workerId"]
    wait_for(lambda: not is_alive(first["output"]["pid"]))


@pytest.mark.fidelity("official workers: kill -9 in a job costs one retry, and leaves no pinger", source="live")
def test_kill_9_in_the_middle_of_a_job(service: Service, tmp_path: Path) -> None:
    marker = tmp_path / "first"
    job_id = service.run("plain", do="hang once", marker=str(marker))
    pid = int(wait_for(lambda: marker.exists() and marker.read_text()))
    worker_id = service.http.get(f"/plain/status/{job_id}").json()["workerId"]
    assert group_of(service.endpoints["plain"], worker_id) == pid
    os.kill(pid, signal.SIGKILL)
    state = service.end("plain", job_id)
    assert (state["status"], state["output"], state["retries"]) == ("COMPLETED", "second run", 1)
    assert state["workerId"] != worker_id
    wait_for(lambda: not is_alive(pid))


def test_a_worker_that_is_unfit_is_unhealthy(service: Service) -> None:
    wait_for(lambda: service.http.get("/unfit/health").json()["workers"]["unhealthy"])
    log = next(iter(service.endpoints["unfit"].logs.iterdir()))
    wait_for(lambda: "this machine will not do" in log.read_text())


def test_kill_9_of_a_worker_elsewhere_is_seen_by_its_connections(service: Service, tmp_path: Path) -> None:
    """Its pinger lives on and lists the job; the held job-stop that ends says that it is dead."""
    marker = tmp_path / "first"
    job_id = service.run("external", do="hang once", marker=str(marker))
    workers: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        environment = os.environ | service.server.worker_environment("external")
        command = [service.python, FILE, "plain"]
        with (tmp_path / "log").open("ab") as log:
            workers.append(
                subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)  # noqa: S603  ours
            )

    try:
        start()
        pid = int(wait_for(lambda: marker.exists() and marker.read_text()))
        os.kill(pid, signal.SIGKILL)
        workers[0].wait(PATIENCE)
        assert is_alive(pid), "the pinger"
        start()
        state = service.end("external", job_id)
    finally:
        for worker in workers:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait(PATIENCE)
    assert (state["status"], state["output"], state["retries"]) == ("COMPLETED", "second run", 1)


def test_a_parked_worker_ends_when_it_is_told_to(official_python: str) -> None:
    with Emulator(clock=SystemClock()) as emulator:
        endpoint = emulator.endpoint("e", command=[official_python, FILE, "plain"], workers=2)
        with httpx.Client(base_url=f"{emulator.serve().url}/e", headers=KEY, timeout=PATIENCE) as http:
            wait_for(lambda: http.get("/health").json()["workers"]["idle"] == 2)
        assert endpoint.supervisor is not None
        groups = list(endpoint.supervisor.processes.values())
        begun = emulator.clock.monotonic()
        emulator.close()
        took = SystemClock().monotonic() - begun
    assert len(groups) == 2
    wait_for(lambda: not any(is_alive(group) for group in groups))
    assert took < 5, "long before the grace is over: its held polls were answered"
