"""What ends by itself: ttl in every state, executionTimeout, retention."""

from __future__ import annotations

import itertools
from typing import Any, Literal

import pytest

from runpod_sdk.emulator import Options
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._requests import Hold, Reply, ReplyKind
from tests.emulator.queues import Queue


def new_queue(**options: Any) -> Queue:
    ids = itertools.count()
    return Queue("e", new_id=lambda: f"job{next(ids)}", options=Options(**options))


def submit(**fields: Any) -> ask.Submit:
    known: dict[str, Any] = {"input": {"n": 1}, "execution_timeout": 600.0, "ttl": 86_400.0, "retention": 1_800.0}
    return ask.Submit(**(known | fields))


def reply(queue: Queue, request: ask.Request, now: float) -> Reply:
    result = queue.handle(request, now)
    assert isinstance(result, Reply)
    return result


def status(queue: Queue, now: float, job_id: str = "job0", ttl: float | None = None) -> dict[str, Any] | None:
    answer = reply(queue, ask.Status(job_id=job_id, ttl=ttl), now)
    return None if answer.kind is ReplyKind.NOT_FOUND else answer.body


@pytest.mark.parametrize("state", ["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED"])
@pytest.mark.fidelity(
    "states: the ttl counts from the submission, and ends a job in any state: it is answered 404", source="documented"
)
def test_the_ttl_ends_a_job_in_every_state(state: str) -> None:
    queue = new_queue()
    queue.handle(submit(ttl=100.0), 0.0)
    if state not in ("IN_QUEUE", "CANCELLED"):
        queue.handle(ask.Take(worker_id="w"), 1.0)
    if state in ("COMPLETED", "FAILED"):
        queue.handle(ask.Finish(worker_id="w", job_id="job0", error="x" if state == "FAILED" else None), 2.0)
    if state == "CANCELLED":
        queue.handle(ask.Cancel(job_id="job0"), 2.0)
    before = status(queue, 99.999)
    assert before is not None
    assert before["status"] == state
    assert status(queue, 100.0) is None
    assert queue.stopped() == ([("w", "job0")] if state == "IN_PROGRESS" else [])
    assert queue.records() == []


@pytest.mark.fidelity("states: a job whose ttl is over is not taken", source="documented")
def test_a_job_whose_ttl_is_over_is_not_taken() -> None:
    queue = new_queue()
    queue.handle(submit(ttl=100.0), 0.0)
    assert isinstance(queue.handle(ask.Take(worker_id="w"), 100.0), Hold)


@pytest.mark.fidelity("worker: a result for a job that is forgotten is answered 404", source="reported")
def test_a_result_after_the_ttl_is_not_found() -> None:
    queue = new_queue()
    queue.handle(submit(ttl=100.0), 0.0)
    queue.handle(ask.Take(worker_id="w"), 1.0)
    late = reply(queue, ask.Finish(worker_id="w", job_id="job0"), 101.0)
    assert late.kind is ReplyKind.NOT_FOUND


@pytest.mark.fidelity("/status: ?ttl sets the job's ttl", source="documented")
@pytest.mark.fidelity("/status: ?ttl counts from the submission", source="assumed")
def test_status_sets_the_ttl_from_the_submission() -> None:
    queue = new_queue()
    queue.handle(submit(), 0.0)
    assert status(queue, 5.0, ttl=60.0) is not None
    assert status(queue, 59.0) is not None
    assert status(queue, 60.0) is None


def test_status_may_set_a_ttl_that_is_over_already() -> None:
    queue = new_queue()
    queue.handle(submit(), 0.0)
    assert status(queue, 5.0, ttl=5.0) is None


def test_a_longer_ttl_does_not_outlast_the_retention() -> None:
    queue = new_queue()
    queue.handle(submit(), 0.0)
    queue.handle(ask.Cancel(job_id="job0"), 0.0)
    assert status(queue, 1.0, ttl=600_000.0) is not None
    assert status(queue, 1_799.0) is not None
    assert status(queue, 1_800.0) is None


@pytest.mark.parametrize("ends_as", ["FAILED", "TIMED_OUT"])
@pytest.mark.fidelity(
    "states: a job over its executionTimeout is FAILED with executionTimeout exceeded (Options.overrun_status)",
    source="reported",
)
def test_a_job_that_runs_too_long_ends(ends_as: Literal["FAILED", "TIMED_OUT"]) -> None:
    queue = new_queue(overrun_status=ends_as)
    queue.handle(submit(execution_timeout=5.0), 0.0)
    queue.handle(ask.Take(worker_id="w"), 3.0)
    assert queue.next_deadline() == 8.0
    # Looked at late: the end is still noted at its own time.
    assert status(queue, 9.0) == {
        "delayTime": 3000,
        "error": "executionTimeout exceeded",
        "executionTime": 5000,
        "id": "job0",
        "status": ends_as,
        "workerId": "w",
    }
    assert queue.stopped() == [("w", "job0")]
    assert reply(queue, ask.RetryJob(job_id="job0"), 10.0).body == {"id": "job0", "status": "IN_QUEUE"}


@pytest.mark.fidelity(
    "states: a job whose handler fails is FAILED, or ERROR (Options.failed_status)", source="documented"
)
def test_a_failed_job_is_called_as_the_sample_has_it() -> None:
    queue = new_queue(failed_status="ERROR")
    queue.handle(submit(), 0.0)
    queue.handle(ask.Take(worker_id="w"), 0.0)
    queue.handle(ask.Finish(worker_id="w", job_id="job0", error="broken"), 1.0)
    state = status(queue, 1.0)
    assert state is not None
    assert (state["status"], state["error"]) == ("ERROR", "broken")
    assert reply(queue, ask.ReadHealth(), 1.0).body["jobs"]["failed"] == 1
    assert reply(queue, ask.RetryJob(job_id="job0"), 1.0).kind is ReplyKind.REFUSED  # docs: only FAILED or TIMED_OUT


def test_a_job_that_was_lost_too_often_is_called_so_too() -> None:
    queue = new_queue(failed_status="ERROR")
    queue.handle(submit(), 0.0)
    for _ in range(2):
        queue.handle(ask.Take(worker_id="w"), 0.0)
        queue.handle(ask.Leave(worker_id="w"), 0.0)
    state = status(queue, 0.0)
    assert state is not None
    assert state["status"] == "ERROR"


@pytest.mark.fidelity("states: executionTimeout counts the time on the worker, not in the queue", source="documented")
def test_waiting_in_the_queue_does_not_count_as_running() -> None:
    queue = new_queue()
    queue.handle(submit(execution_timeout=5.0), 0.0)
    waiting = status(queue, 1_000.0)
    assert waiting is not None
    assert waiting["status"] == "IN_QUEUE"


@pytest.mark.fidelity("states: a second run has the whole executionTimeout again", source="assumed")
def test_a_second_run_has_its_own_execution_timeout() -> None:
    queue = new_queue()
    queue.handle(submit(execution_timeout=5.0), 0.0)
    queue.handle(ask.Take(worker_id="a"), 0.0)
    queue.handle(ask.Leave(worker_id="a"), 4.0)
    queue.handle(ask.Take(worker_id="b"), 4.0)
    running = status(queue, 8.9)
    assert running is not None
    assert running["status"] == "IN_PROGRESS"
    over = status(queue, 9.0)
    assert over is not None
    assert over["error"] == "executionTimeout exceeded"


@pytest.mark.parametrize("retention", [60.0, 1_800.0])
@pytest.mark.fidelity("states: a job that has ended is forgotten after its retention", source="documented")
def test_a_finished_job_is_kept_for_its_retention(retention: float) -> None:
    queue = new_queue()
    queue.handle(submit(retention=retention), 0.0)
    queue.handle(ask.Take(worker_id="w"), 0.0)
    queue.handle(ask.Finish(worker_id="w", job_id="job0", output=1), 10.0)
    assert queue.next_deadline() == 10.0 + retention
    assert status(queue, 9.999 + retention) is not None
    assert status(queue, 10.0 + retention) is None


@pytest.mark.fidelity("/retry: the ttl goes on from the first submission", source="assumed")
def test_a_retried_job_has_its_whole_ttl_but_not_more() -> None:
    queue = new_queue()
    queue.handle(submit(ttl=10_000.0), 0.0)
    queue.handle(ask.Take(worker_id="w"), 0.0)
    queue.handle(ask.Finish(worker_id="w", job_id="job0", error="x"), 1.0)
    queue.handle(ask.RetryJob(job_id="job0"), 1_000.0)
    assert status(queue, 9_999.0) is not None
    assert status(queue, 10_000.0) is None


@pytest.mark.fidelity("/retry: a job that has expired cannot be retried", source="documented")
def test_after_its_retention_a_job_cannot_be_retried() -> None:
    queue = new_queue()
    queue.handle(submit(), 0.0)
    queue.handle(ask.Take(worker_id="w"), 0.0)
    queue.handle(ask.Finish(worker_id="w", job_id="job0", error="x"), 0.0)
    assert reply(queue, ask.RetryJob(job_id="job0"), 1_800.0).kind is ReplyKind.NOT_FOUND


def test_deadlines_that_no_longer_hold_are_not_announced() -> None:
    queue = new_queue()
    assert queue.next_deadline() is None
    queue.handle(submit(execution_timeout=5.0), 0.0)
    assert queue.next_deadline() == 86_400.0
    queue.handle(ask.Take(worker_id="w"), 0.0)
    assert queue.next_deadline() == 5.0
    queue.handle(ask.Finish(worker_id="w", job_id="job0"), 1.0)
    assert queue.next_deadline() == 1_801.0
    queue.advance(1_801.0)
    assert queue.next_deadline() is None
