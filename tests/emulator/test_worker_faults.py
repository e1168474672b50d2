"""Faults on the routes of workers: what the worker sees, what becomes of its job, and what the ledger says of it."""

from __future__ import annotations

from random import Random
from threading import Lock
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk.clock import VirtualClock
from runpod_sdk.emulator import Emulator, Fault, Options
from runpod_sdk.emulator._hub import Hub
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._queue import Queue
from runpod_sdk.emulator._queue._requests import Reply
from runpod_sdk.emulator._record._injection import Faults
from runpod_sdk.emulator._waiter import Waiter
from tests.emulator.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.emulator.wire import Exchange

    Call = Callable[..., httpx.Response]

LEASE = 40.0
BACK = ("IN_QUEUE", 1)  # status and retries of a job that was given back
PROGRESS = {"status": "IN_PROGRESS", "output": "half"}


class Worker:
    """A worker of the endpoint, and its user."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.inject = wire.emulator.inject
        self.advance = wire.advance
        self.job = ""

    def submit(self, **body: Any) -> str:
        answer = self.wire.ask("POST", "/run", {"input": {"n": 1}} | body)
        self.job = answer["id"]
        return self.job

    def take(self, worker: str = "w") -> Exchange:
        return self.wire.open("GET", f"/job-take/{worker}")

    def begin(self) -> None:
        """Take a new job."""
        self.submit()
        assert self.take().json()["id"] == self.job

    def post(self, body: Any, route: str = "job-done", worker: str = "w") -> Exchange:
        return self.wire.open("POST", f"/{route}/{worker}/{self.job}", body)

    def ping(self) -> Exchange:
        return self.wire.open("GET", f"/ping/w?job_id={self.job}")

    def state(self) -> tuple[str, int]:
        seen = self.seen()
        return seen["status"], seen.get("retries", 0)

    def seen(self) -> dict[str, Any]:
        seen: dict[str, Any] = self.wire.ask("GET", f"/status/{self.job}")
        return seen

    def chunks(self) -> list[Any]:
        stream = self.wire.open("GET", f"/stream/{self.job}")
        self.advance(5)
        return [chunk["output"] for chunk in stream.json()["stream"]]


@pytest.fixture
def worker() -> Iterator[Worker]:
    wire = Wire(Options(lease=LEASE))
    yield Worker(wire)
    wire.close()


# What the worker sees, on every route; and whether what it asked was done.

FAULTS: dict[str, tuple[Callable[[str], Fault], int | None, bool]] = {
    "status": (lambda on: Fault.status(503, headers={"x-edge": "7"}, body={"a": 1}, on=on, times=1), 503, False),
    "status after": (lambda on: Fault.status(500, when="after", on=on, times=1), 500, True),
    "rate limited": (lambda on: Fault.rate_limited(3, on=on, times=1), 429, False),
    "html": (lambda on: Fault.html(504, on=on, times=1), 504, False),
    "drop": (lambda on: Fault.drop(on=on, times=1), None, False),
    "drop after": (lambda on: Fault.drop("after", on=on, times=1), None, True),
    "truncate": (lambda on: Fault.truncate(on=on, times=1), 200, True),
}


@pytest.mark.parametrize("name", FAULTS)
def test_on_a_take(worker: Worker, name: str) -> None:
    make, status, done = FAULTS[name]
    worker.submit()
    worker.inject(make("job-take"))
    struck = worker.take()
    assert struck.status == status
    assert struck.is_closed is (name in ("drop", "drop after", "truncate"))
    assert worker.state()[0] == ("IN_PROGRESS" if done else "IN_QUEUE")
    again = worker.take()
    assert again.is_whole is not done
    if done:
        worker.advance(LEASE)
        assert worker.state() == ("IN_PROGRESS", 1), "the lease gave it to who waits"
        assert again.json()["id"] == worker.job
    assert worker.wire.emulator.ledger.verdict().executions == {worker.job: 1}, "what never reached it is none"


@pytest.mark.parametrize("name", FAULTS)
def test_on_a_result(worker: Worker, name: str) -> None:
    make, status, done = FAULTS[name]
    worker.begin()
    worker.inject(make("job-done"))
    assert worker.post({"output": 1}).status == status
    assert worker.state() == ("COMPLETED" if done else "IN_PROGRESS", 0)
    assert worker.post({"output": 2}).status == 200, "the official worker sends it again"
    assert worker.seen()["output"] == (1 if done else 2)


@pytest.mark.parametrize("name", FAULTS)
def test_on_progress(worker: Worker, name: str) -> None:
    make, status, done = FAULTS[name]
    worker.begin()
    worker.inject(make("job-progress"))
    assert worker.post(PROGRESS).status == status
    assert worker.seen().get("output") == ("half" if done else None)


@pytest.mark.parametrize("name", FAULTS)
def test_on_a_chunk(worker: Worker, name: str) -> None:
    make, status, done = FAULTS[name]
    worker.begin()
    worker.inject(make("job-stream"))
    assert worker.post({"output": "a"}, "job-stream").status == status
    assert worker.post({"output": "b"}, "job-stream").status == 200
    assert worker.chunks() == (["a", "b"] if done else ["b"])


@pytest.mark.parametrize("name", FAULTS)
def test_on_a_ping(worker: Worker, name: str) -> None:
    make, status, done = FAULTS[name]
    worker.begin()
    worker.advance(30)
    worker.inject(make("ping"))
    assert worker.ping().status == status
    worker.advance(10)
    assert worker.state() == (("IN_PROGRESS", 0) if done else BACK)


@pytest.mark.parametrize("name", FAULTS)
def test_on_the_question_which_jobs_to_stop(worker: Worker, name: str) -> None:
    make, status, done = FAULTS[name]
    worker.begin()
    worker.wire.ask("POST", f"/cancel/{worker.job}")
    worker.inject(make("job-stop"))
    assert worker.wire.open("GET", "/job-stop/w").status == status
    again = worker.wire.open("GET", "/job-stop/w")
    assert again.is_whole is not done, "it is said once"


def test_a_fault_on_results_leaves_progress_alone_and_the_other_way_round(worker: Worker) -> None:
    worker.begin()
    first = worker.inject(Fault.status(503, on="job-done", nth=1))
    second = worker.inject(Fault.status(502, on="job-progress", nth=2))
    seen = [worker.post(body).status for body in (PROGRESS, PROGRESS, PROGRESS, {"output": 1}, {"output": 1})]
    assert seen == [200, 502, 200, 503, 200]
    assert (first.matched, second.matched) == (2, 3)


def test_an_answer_has_the_headers_and_the_body_of_its_fault(worker: Worker) -> None:
    worker.submit()
    worker.inject(Fault.status(503, headers={"Retry-After": "2"}, body={"a": 1}, on="job-take"))
    struck = worker.take()
    assert (struck.json(), struck.headers["retry-after"]) == ({"a": 1}, "2")


@pytest.mark.parametrize("on", ["job-take", "job-done", "job-stream", "job-stop", "ping"])
def test_each_fault_is_in_the_ledger_with_the_request_that_it_struck(worker: Worker, on: str) -> None:
    worker.begin()
    worker.inject(Fault.status(503, on=on))
    path = f"/{on}/w/{worker.job}" if on in ("job-done", "job-stream") else f"/{on}/w"
    worker.wire.open("POST" if on in ("job-done", "job-stream") else "GET", path, {"output": 1})
    request, fault, answer = worker.wire.emulator.ledger.rows()[-3:]
    assert (request["kind"], request["operation"], fault["kind"], fault["cause"]) == (
        "request",
        on,
        "fault",
        request["n"],
    )
    assert (answer["cause"], answer["status"]) == (request["n"], 503)


# An answer that is slow, and a worker that does not wait for it.


def test_a_delayed_job_arrives_late(worker: Worker) -> None:
    worker.submit()
    worker.inject(Fault.delay(7, on="job-take"))
    take = worker.take()
    assert (take.is_whole, worker.state()) == (False, ("IN_PROGRESS", 0))
    worker.advance(7)
    assert take.json()["id"] == worker.job


@pytest.mark.parametrize("fault", [Fault.delay(7, on="job-take"), Fault.stall("after", on="job-take")])
def test_a_job_whose_answer_is_not_waited_for_goes_back_at_once(worker: Worker, fault: Fault) -> None:
    worker.submit()
    worker.inject(fault)
    worker.wire.drop(worker.take())
    assert worker.state() == BACK


def test_nor_without_a_socket(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e", workers=0)
    job_id = call(emulator, "POST", "/e/run", json={"input": {"n": 1}}).json()["id"]
    emulator.inject(Fault.delay(60, on="job-take"))
    with pytest.raises(httpx.ReadTimeout):
        call(emulator, "GET", "/e/job-take/w", timeout=7)
    assert call(emulator, "GET", f"/e/status/{job_id}").json() == {"id": job_id, "status": "IN_QUEUE", "retries": 1}
    assert emulator.clock.monotonic() == 7


def test_a_stalled_take_takes_nothing(worker: Worker) -> None:
    worker.inject(Fault.stall(on="job-take", times=1))
    stalled = worker.take()
    worker.submit()
    worker.advance(120)
    assert (stalled.is_whole, worker.state()) == (False, ("IN_QUEUE", 0))
    worker.wire.drop(stalled)
    assert worker.take().json()["id"] == worker.job


# What happens to a job or a result on its way.


@pytest.mark.parametrize("held", [False, True])
def test_a_lost_take_goes_back_when_its_lease_is_over(worker: Worker, *, held: bool) -> None:
    worker.inject(Fault.lose_take(times=1))
    if held:
        lost = worker.take()
        worker.submit()
    else:
        worker.submit()
        lost = worker.take()
    worker.wire.settle()
    assert (lost.status, lost.is_closed) == (None, True)
    worker.advance(LEASE - 0.001)
    assert worker.state() == ("IN_PROGRESS", 0)
    worker.advance(0.001)
    assert worker.state() == BACK


def test_an_empty_poll_loses_nothing_and_does_not_spend_the_fault(worker: Worker) -> None:
    fault = worker.inject(Fault.lose_take(times=1))
    empty = worker.take()
    worker.advance(60)
    assert (empty.status, fault.struck) == (204, 0)
    worker.submit()
    assert worker.take().is_closed


def test_a_batch_is_lost_as_a_whole(worker: Worker) -> None:
    ids = [worker.submit() for _ in range(2)]
    worker.inject(Fault.lose_take(times=1))
    assert worker.wire.open("GET", "/job-take-batch/w?batch_size=2").is_closed
    worker.advance(LEASE)
    again = worker.wire.ask("GET", "/job-take-batch/w?batch_size=2")
    assert {job["id"] for job in again} == set(ids)


def test_a_lost_result_is_acknowledged_all_the_same(worker: Worker) -> None:
    worker.begin()
    worker.inject(Fault.lose_result(times=1))
    assert worker.post({"output": 1}).status == 200
    assert worker.state() == ("IN_PROGRESS", 0)


def test_a_lost_chunk_is_acknowledged_all_the_same(worker: Worker) -> None:
    worker.begin()
    worker.inject(Fault(kind="lose", on=("job-stream",), nth=2))
    for output in ("a", "b", "c"):
        assert worker.post({"output": output}, "job-stream").status == 200
    assert worker.chunks() == ["a", "c"]


def test_a_doubled_result_counts_once(worker: Worker) -> None:
    worker.begin()
    worker.inject(Fault.duplicate_result())
    assert worker.post({"output": 1}).status == 200
    ignored = [row for row in worker.wire.emulator.ledger.rows() if row["kind"] == "ignored"]
    assert [(row["event"], row["job"]) for row in ignored] == [("succeed", worker.job)]
    assert worker.wire.ask("GET", "/health")["jobs"]["completed"] == 1


@pytest.mark.parametrize("body", [{"output": 1}, {"error": "boom"}, {"output": 1, "error": "boom"}])
def test_a_refused_result_ends_its_job_without_output(worker: Worker, body: dict[str, Any]) -> None:
    worker.begin()
    worker.inject(Fault.refuse_result(times=1))
    assert worker.post(PROGRESS).status == 200
    refused = worker.post(body)
    assert (refused.status, "refused" in refused.json()["error"]) == (400, True)
    assert worker.state() == ("COMPLETED", 0)
    assert not worker.seen().keys() & {"output", "error"}
    assert [row["fault"] for row in worker.wire.emulator.ledger.rows() if row["kind"] == "fault"] == ["reject"]


@pytest.mark.parametrize("meanwhile", ["nothing", "cancel", "lease", "retry", "ttl"])
def test_a_late_result_counts_only_while_its_worker_has_the_job(worker: Worker, meanwhile: str) -> None:
    worker.submit(policy={"ttl": 15_000 if meanwhile == "ttl" else 600_000})
    worker.take()
    worker.inject(Fault.late_result(20 if meanwhile != "lease" else 50, times=1))
    assert worker.post({"output": "late"}).status == 200
    if meanwhile == "cancel":
        worker.wire.ask("POST", f"/cancel/{worker.job}")
    if meanwhile == "retry":
        worker.post({"error": "boom"})
        worker.wire.ask("POST", f"/retry/{worker.job}")
    if meanwhile == "lease":
        second = worker.take("second")
        worker.advance(LEASE)
        assert second.json()["id"] == worker.job
        worker.advance(10)
        assert worker.state() == ("IN_PROGRESS", 1)
        return
    worker.advance(20)
    if meanwhile == "ttl":
        assert worker.wire.open("GET", f"/status/{worker.job}").status == 404
        return
    expected = {"nothing": "COMPLETED", "cancel": "CANCELLED", "retry": "IN_QUEUE"}[meanwhile]
    assert worker.seen()["status"] == expected
    assert (worker.seen().get("output") == "late") is (meanwhile == "nothing")


# A worker that is killed where it stands.


@pytest.mark.parametrize("at", ["take", "progress", "chunk", "done"])
def test_the_job_of_a_killed_worker_goes_back_at_once_and_what_it_sent_is_lost(worker: Worker, at: Any) -> None:
    worker.submit()
    worker.inject(Fault.kill_worker(at, times=1))
    take = worker.take()
    if at == "take":
        assert take.is_closed
    elif at == "chunk":
        worker.post({"output": 1}, "job-stream")
    else:
        worker.post(PROGRESS if at == "progress" else {"output": 1})
    assert worker.seen() == {"id": worker.job, "status": "IN_QUEUE", "retries": 1}
    assert worker.chunks() == []
    verdict = worker.wire.emulator.ledger.verdict()
    assert (verdict.executions[worker.job], verdict.is_clean) == (int(at != "take"), True)
    worker.take("another")
    assert worker.wire.emulator.ledger.verdict().is_clean == (at == "take"), "it began, and began again"


def test_a_process_that_is_being_killed_takes_no_other_job() -> None:
    """Its death is seen only later; a job that it took meanwhile would be lost for nothing."""
    faults = Faults(lambda number: Random(number).random, Lock())  # noqa: S311
    faults.add(Fault.kill_worker("done"))
    hub = Hub(VirtualClock(auto_jump=False), faults)
    ids = iter(["first", "second"])
    endpoint = hub.add(Queue("e", new_id=lambda: next(ids)))
    killed: list[str] = []

    def kill(worker_id: str) -> bool:
        killed.append(worker_id)
        return False

    endpoint.kill = kill
    hub.ask(endpoint, ask.Expect(worker_id="w"))
    for _ in range(2):
        hub.ask(endpoint, ask.Submit(input={}, execution_timeout=600.0, ttl=600.0, retention=60.0))
    take = ask.Take(worker_id="w", wait=60.0, lease=LEASE)
    assert isinstance(hub.ask(endpoint, take), Reply)
    hub.ask(endpoint, ask.Finish(worker_id="w", job_id="first", output=1))
    assert killed == ["w"]
    assert isinstance(hub.ask(endpoint, take), Waiter), "there is a second job, but not for this worker"
    hub.ask(endpoint, ask.Leave(worker_id="w"))
    states = {record.id: record.state for record in hub.records()}
    assert states == {
        "first": {"id": "first", "status": "IN_QUEUE", "retries": 1},
        "second": {"id": "second", "status": "IN_QUEUE"},
    }


def test_a_rate_strikes_the_same_requests_with_the_same_seed() -> None:
    def statuses() -> list[int | None]:
        wire = Wire()
        wire.emulator.inject(Fault.status(503, on="ping", rate=0.5))
        seen = [wire.open("GET", "/ping/w").status for _ in range(40)]
        wire.close()
        return seen

    first = statuses()
    assert first == statuses()
    assert 10 < first.count(503) < 30
