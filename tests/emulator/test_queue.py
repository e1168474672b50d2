"""The rules of one queue, asked directly: who gets what, and when."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from runpod_sdk.emulator import Options
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._requests import Hold, Reply, ReplyKind
from tests.emulator.queues import Queue


class Desk:
    """A queue with a hand-moved time and short names for what is asked."""

    def __init__(self, **options: Any) -> None:
        ids = itertools.count()
        self.queue = Queue("e", new_id=lambda: f"job{next(ids)}", options=Options(**options))
        self.now = 0.0

    def send(self, request: ask.Request) -> Reply | Hold:
        return self.queue.handle(request, self.now)

    def done(self, request: ask.Request) -> dict[str, Any]:
        reply = self.send(request)
        assert isinstance(reply, Reply)
        assert reply.kind is ReplyKind.DONE
        return reply.body

    def outcome(self, request: ask.Request) -> ReplyKind:
        reply = self.send(request)
        assert isinstance(reply, Reply)
        return reply.kind

    def held(self, request: ask.Request) -> Hold:
        hold = self.send(request)
        assert isinstance(hold, Hold)
        return hold

    def run(self, **fields: Any) -> str:
        job_id: str = self.done(submit(**fields))["id"]
        return job_id

    def take(self, worker: str = "w") -> dict[str, Any]:
        return self.done(ask.Take(worker_id=worker))

    def status(self, job_id: str) -> dict[str, Any]:
        return self.done(ask.Status(job_id=job_id))

    def finish(self, job_id: str, worker: str = "w", **result: Any) -> None:
        self.done(ask.Finish(worker_id=worker, job_id=job_id, **result))

    def released(self) -> dict[Hold, dict[str, Any]]:
        return {hold: reply.body for hold, reply in self.queue.released()}


def submit(**fields: Any) -> ask.Submit:
    known: dict[str, Any] = {"input": {"n": 1}, "execution_timeout": 600.0, "ttl": 86_400.0, "retention": 1_800.0}
    return ask.Submit(**(known | fields))


@pytest.mark.fidelity("/run: answers at once with id and status IN_QUEUE, and nothing else", source="documented")
def test_run_answers_at_once_with_id_and_status_only() -> None:
    assert Desk().done(submit()) == {"id": "job0", "status": "IN_QUEUE"}


@pytest.mark.fidelity(
    "worker: jobs are taken in the order of their submission, by whoever waits longest", source="assumed"
)
def test_jobs_are_taken_in_order_and_workers_by_how_long_they_wait() -> None:
    desk = Desk()
    first, second = desk.held(ask.Take(worker_id="a")), desk.held(ask.Take(worker_id="b"))
    desk.run()
    desk.run()
    assert [(hold, reply.body["id"]) for hold, reply in desk.queue.released()] == [(first, "job0"), (second, "job1")]


@pytest.mark.fidelity("/status: a queued job shows id and status only", source="live")
def test_a_queued_job_shows_nothing_but_id_and_status() -> None:
    desk = Desk()
    job_id = desk.run()
    assert desk.status(job_id) == {"id": job_id, "status": "IN_QUEUE"}


@pytest.mark.fidelity("/status: a running job shows delayTime and workerId", source="live")
def test_a_running_job_shows_its_delay_and_worker() -> None:
    desk = Desk()
    job_id = desk.run()
    desk.now = 61.372
    assert desk.take() == {"id": job_id, "input": {"n": 1}}
    assert desk.status(job_id) == {"delayTime": 61372, "id": job_id, "status": "IN_PROGRESS", "workerId": "w"}


@pytest.mark.parametrize("output", [None, 0, False, "", [], {"a": []}])
@pytest.mark.fidelity(
    "worker: falsy outputs (0, false, empty text, empty list, null) are kept", source="official source"
)
def test_falsy_outputs_are_kept(output: Any) -> None:
    desk = Desk()
    job_id = desk.run()
    desk.take()
    desk.now = 1.5
    desk.finish(job_id, output=output)
    state = desk.status(job_id)
    assert state == {
        "delayTime": 0,
        "executionTime": 1500,
        "id": job_id,
        "output": output,
        "status": "COMPLETED",
        "workerId": "w",
    }
    assert type(state["output"]) is type(output)


@pytest.mark.fidelity("/status: output is there only when there is one", source="live")
def test_a_result_without_output_shows_none() -> None:
    desk = Desk()
    job_id = desk.run()
    desk.take()
    desk.finish(job_id)
    assert "output" not in desk.status(job_id)


@pytest.mark.parametrize(("error", "shown"), [("boom", "boom"), ({"a": 1}, '{"a": 1}'), ("", "")])
@pytest.mark.fidelity("/status: error is always a string", source="official source")
def test_an_error_fails_the_job_and_is_always_a_string(error: Any, shown: str) -> None:
    desk = Desk()
    job_id = desk.run()
    desk.take()
    desk.finish(job_id, error=error, output={"partial": 1})
    state = desk.status(job_id)
    assert (state["status"], state["error"], state["output"]) == ("FAILED", shown, {"partial": 1})


@pytest.mark.fidelity("/run: s3Config and webhookV2 reach the worker, and are never echoed", source="official source")
def test_extras_go_to_the_worker_and_to_nobody_else() -> None:
    desk = Desk()
    job_id = desk.run(extras={"s3Config": {"accessSecret": "x"}})
    assert desk.take()["s3Config"] == {"accessSecret": "x"}
    assert "s3Config" not in desk.status(job_id)


@pytest.mark.fidelity("/run: of an empty input the worker gets no input at all (Options.empty_input)", source="live")
def test_an_empty_input_does_not_reach_the_worker() -> None:
    """live: the worker gets a job without `input`."""
    lost, delivered = Desk(), Desk(empty_input="delivered")
    lost.run(input={})
    delivered.run(input={})
    assert "input" not in lost.take()
    assert delivered.take()["input"] == {}


# Holds.


@pytest.mark.fidelity("/runsync: is held until the job ends", source="documented")
def test_runsync_is_held_until_the_end() -> None:
    desk = Desk()
    hold = desk.held(submit(wait=90.0))
    assert hold.until == 90.0
    job_id = desk.take()["id"]
    assert job_id.startswith("sync-")
    assert desk.released() == {}
    desk.finish(job_id, output=1)
    assert desk.released() == {hold: desk.status(job_id)}


@pytest.mark.fidelity("/runsync: answers 200 with IN_QUEUE or IN_PROGRESS when wait runs out", source="live")
def test_runsync_whose_wait_runs_out_answers_the_state_of_then() -> None:
    desk = Desk()
    hold = desk.held(submit(wait=1.0))
    assert desk.queue.expire_hold(hold, 1.0).body == {"id": "sync-job0", "status": "IN_QUEUE"}
    desk.take()
    desk.finish("sync-job0", output=1)
    assert desk.released() == {}


@pytest.mark.fidelity("/status-sync: answers at once for a job that has ended", source="official source")
def test_status_sync_of_a_final_job_answers_at_once() -> None:
    desk = Desk()
    job_id = desk.run()
    desk.done(ask.Cancel(job_id=job_id))
    assert desk.done(ask.Status(job_id=job_id, wait=90.0))["status"] == "CANCELLED"


@pytest.mark.parametrize("end", ["finish", "cancel", "purge", "overrun", "expire"])
@pytest.mark.fidelity("/status-sync: answers as soon as the job ends, however it ends", source="official source")
def test_status_sync_wakes_at_every_kind_of_end(end: str) -> None:
    desk = Desk()
    job_id = desk.run()
    hold = desk.held(ask.Status(job_id=job_id, wait=90.0))
    if end in ("finish", "overrun"):
        desk.take()
    match end:
        case "finish":
            desk.finish(job_id)
        case "cancel":
            desk.done(ask.Cancel(job_id=job_id))
        case "purge":
            desk.done(ask.Purge())
        case "overrun":
            desk.queue.advance(600.0)
        case _:
            desk.queue.advance(86_400.0)
    ((released, reply),) = desk.queue.released()
    assert released is hold
    expected = {"finish": "COMPLETED", "cancel": "CANCELLED", "purge": "CANCELLED", "overrun": "FAILED"}
    assert reply.body.get("status") == expected.get(end)
    assert (reply.kind is ReplyKind.NOT_FOUND) is (end == "expire")


def test_a_hold_that_was_answered_keeps_its_answer_when_it_expires_too_late() -> None:
    desk = Desk()
    job_id = desk.run()
    hold = desk.held(ask.Status(job_id=job_id, wait=90.0))
    desk.done(ask.Cancel(job_id=job_id))
    answered = desk.released()[hold]
    assert desk.queue.expire_hold(hold, 90.0).body == answered


def test_a_dropped_hold_is_never_answered() -> None:
    desk = Desk()
    job_id = desk.run()
    status = desk.held(ask.Status(job_id=job_id, wait=90.0))
    desk.queue.drop_hold(status)
    desk.queue.drop_hold(status)
    desk.done(ask.Cancel(job_id=job_id))
    assert desk.released() == {}


def test_a_dropped_take_loses_no_job() -> None:
    desk = Desk()
    desk.queue.drop_hold(desk.held(ask.Take(worker_id="gone")))
    job_id = desk.run()
    assert desk.released() == {}
    assert desk.take("w")["id"] == job_id


def test_a_take_whose_wait_runs_out_answers_nothing() -> None:
    desk = Desk()
    hold = desk.held(ask.Take(worker_id="w", wait=5.0))
    assert hold.until == 5.0
    assert desk.queue.expire_hold(hold, 5.0).body == {}
    desk.run()
    assert desk.released() == {}


# Streams.


def chunk(job_id: str, value: Any, worker: str = "w") -> ask.Chunk:
    return ask.Chunk(worker_id=worker, job_id=job_id, body={"output": value})


@pytest.mark.fidelity("/stream: a read drains: what was handed out is not handed out again", source="official source")
def test_a_stream_read_drains() -> None:
    desk = Desk()
    job_id = desk.run()
    desk.take()
    for value in "ab":
        desk.done(chunk(job_id, value))
    read = ask.ReadStream(job_id=job_id)
    assert desk.done(read) == {"status": "IN_PROGRESS", "stream": [{"output": "a"}, {"output": "b"}]}
    assert desk.done(read) == {"status": "IN_PROGRESS", "stream": []}


@pytest.mark.fidelity(
    "/stream: a held read answers with the first chunk; two readers split the chunks", source="official source"
)
def test_a_held_read_wakes_at_the_first_chunk_and_two_readers_split_them() -> None:
    desk = Desk()
    job_id = desk.run()
    desk.take()
    first, second = (desk.held(ask.ReadStream(job_id=job_id, wait=5.0)) for _ in range(2))
    desk.done(chunk(job_id, 1))
    desk.done(chunk(job_id, 2))
    desk.done(chunk(job_id, 3))
    assert desk.released() == {
        first: {"status": "IN_PROGRESS", "stream": [{"output": 1}]},
        second: {"status": "IN_PROGRESS", "stream": [{"output": 2}]},
    }
    assert desk.done(ask.ReadStream(job_id=job_id))["stream"] == [{"output": 3}]


@pytest.mark.fidelity("/stream: the final status comes with the last chunks", source="official source")
def test_the_final_status_comes_with_the_last_chunks() -> None:
    desk = Desk()
    job_id = desk.run()
    desk.take()
    desk.done(chunk(job_id, 1))
    desk.done(chunk(job_id, 2))
    desk.finish(job_id, output=[])
    read = ask.ReadStream(job_id=job_id, wait=5.0)
    assert desk.done(read) == {"status": "COMPLETED", "stream": [{"output": 1}, {"output": 2}]}
    assert desk.done(read) == {"status": "COMPLETED", "stream": []}


@pytest.mark.fidelity("/stream: a held read ends when the job does", source="assumed")
def test_held_reads_wake_at_the_end() -> None:
    desk = Desk()
    job_id = desk.run()
    hold = desk.held(ask.ReadStream(job_id=job_id, wait=5.0))
    desk.done(ask.Cancel(job_id=job_id))
    assert desk.released() == {hold: {"status": "CANCELLED", "stream": []}}


@pytest.mark.fidelity("/stream: a read whose wait runs out answers with the status and an empty list", source="live")
def test_a_read_whose_wait_runs_out_is_empty() -> None:
    desk = Desk()
    hold = desk.held(ask.ReadStream(job_id=desk.run(), wait=5.0))
    assert desk.queue.expire_hold(hold, 5.0).body == {"status": "IN_QUEUE", "stream": []}


@pytest.mark.fidelity("/stream: a chunk keeps what it carries beside its output, such as metrics", source="documented")
def test_what_else_a_chunk_carries_is_kept() -> None:
    desk = Desk()
    job_id = desk.run()
    desk.take()
    body = {"output": "a", "metrics": {"running": 1}}
    desk.done(ask.Chunk(worker_id="w", job_id=job_id, body=body))
    assert desk.done(ask.ReadStream(job_id=job_id))["stream"] == [body]


# Progress, and workers that come late or never.


@pytest.mark.fidelity("/status: what a worker sends as progress is the output until the end", source="official source")
def test_progress_is_the_output_until_the_end() -> None:
    desk = Desk()
    job_id = desk.run()
    desk.take()
    desk.done(ask.ReportProgress(worker_id="w", job_id=job_id, output="half"))
    assert desk.status(job_id)["output"] == "half"
    desk.finish(job_id, error="boom")
    assert "output" not in desk.status(job_id)


@pytest.mark.parametrize("end", ["finish", "cancel"])
@pytest.mark.fidelity(
    "worker: a result or progress after the end is taken, and changes nothing", source="official source"
)
def test_what_comes_late_changes_nothing(end: str) -> None:
    desk = Desk()
    job_id = desk.run()
    desk.take()
    if end == "finish":
        desk.finish(job_id, output=1)
    else:
        desk.done(ask.Cancel(job_id=job_id))
    before = desk.status(job_id)
    desk.done(ask.ReportProgress(worker_id="w", job_id=job_id, output="late"))
    desk.done(chunk(job_id, "late"))
    desk.finish(job_id, output="late")
    assert desk.status(job_id) == before
    assert desk.done(ask.ReadStream(job_id=job_id))["stream"] == []


def test_a_worker_reports_on_its_own_job_only() -> None:
    desk = Desk()
    job_id = desk.run()
    desk.take("w")
    desk.done(ask.ReportProgress(worker_id="other", job_id=job_id, output=1))
    desk.finish(job_id, "other", output=1)
    assert desk.status(job_id)["status"] == "IN_PROGRESS"
    assert "output" not in desk.status(job_id)


@pytest.mark.fidelity("worker: a result for a job that is forgotten is answered 404", source="reported")
def test_a_result_for_a_forgotten_job_is_not_found() -> None:
    assert Desk().outcome(ask.Finish(worker_id="w", job_id="x")) is ReplyKind.NOT_FOUND


@pytest.mark.fidelity(
    "states: a job whose worker dies is queued once more with retries 1, then FAILED (job timed out after 1 retries)",
    source="live",
)
def test_a_lost_worker_costs_one_retry_then_the_job() -> None:
    desk = Desk()
    job_id = desk.run()
    later = desk.run()
    for _ in range(2):
        assert desk.take("w")["id"] == job_id, f"it goes ahead of {later}"
        desk.done(ask.Leave(worker_id="w"))
    state = desk.status(job_id)
    assert (state["status"], state["error"], state["retries"]) == ("FAILED", "job timed out after 1 retries", 1)


@pytest.mark.fidelity("states: between two workers the job is IN_QUEUE, at the front", source="assumed")
def test_a_job_between_two_workers_is_queued_with_its_retry() -> None:
    desk = Desk()
    job_id = desk.run()
    desk.take("w")
    desk.done(ask.ReportProgress(worker_id="w", job_id=job_id, output="half"))
    desk.done(ask.Lose(worker_id="w", job_id=job_id))
    assert desk.status(job_id) == {"id": job_id, "retries": 1, "status": "IN_QUEUE"}
    assert desk.take("w")["id"] == job_id
    desk.finish(job_id, output=1)
    assert desk.status(job_id)["retries"] == 1


def test_a_lost_job_goes_to_a_waiting_worker_at_once() -> None:
    desk = Desk()
    job_id = desk.run()
    desk.take("dying")
    hold = desk.held(ask.Take(worker_id="alive"))
    desk.done(ask.Leave(worker_id="dying"))
    assert desk.released() == {hold: {"id": job_id, "input": {"n": 1}}}


def test_losing_what_was_never_taken_does_nothing() -> None:
    desk = Desk()
    job_id = desk.run()
    desk.done(ask.Lose(worker_id="w", job_id=job_id))
    desk.done(ask.Leave(worker_id="w"))
    assert desk.status(job_id) == {"id": job_id, "status": "IN_QUEUE"}


# Cancel, retry, purge, health.


@pytest.mark.fidelity("/cancel: a running job is stopped on its worker", source="documented")
def test_a_cancelled_running_job_is_stopped_on_its_worker() -> None:
    desk = Desk()
    job_id = desk.run()
    desk.take()
    desk.now = 2.0
    assert desk.done(ask.Cancel(job_id=job_id)) == {
        "delayTime": 0,
        "executionTime": 2000,
        "id": job_id,
        "status": "CANCELLED",
        "workerId": "w",
    }
    assert desk.queue.stopped() == [("w", job_id)]
    assert desk.queue.stopped() == []


@pytest.mark.fidelity("/cancel: a queued job leaves the queue", source="documented")
def test_a_cancelled_queued_job_is_never_taken() -> None:
    desk = Desk()
    job_id = desk.run()
    assert desk.done(ask.Cancel(job_id=job_id)) == {"id": job_id, "status": "CANCELLED"}
    desk.held(ask.Take(worker_id="w"))
    assert desk.queue.stopped() == []


@pytest.mark.fidelity("/cancel: a second cancel is answered as the first", source="assumed")
def test_a_second_cancel_answers_as_the_first() -> None:
    desk = Desk(cancel_finished="refused")
    job_id = desk.run()
    assert desk.done(ask.Cancel(job_id=job_id)) == desk.done(ask.Cancel(job_id=job_id))


@pytest.mark.fidelity(
    "/cancel: a job that has ended is answered as it is, or refused with 400 (Options.cancel_finished)",
    source="assumed",
)
def test_cancelling_a_finished_job_answers_or_is_refused_by_choice() -> None:
    for choice, expected in (("answered", ReplyKind.DONE), ("refused", ReplyKind.REFUSED)):
        desk = Desk(cancel_finished=choice)
        job_id = desk.run()
        desk.take()
        desk.finish(job_id, output=1)
        assert desk.outcome(ask.Cancel(job_id=job_id)) is expected
        assert desk.status(job_id)["status"] == "COMPLETED"


@pytest.mark.fidelity("/retry: keeps id and input, and removes the former output", source="documented")
def test_retry_keeps_id_and_input_and_drops_the_rest() -> None:
    desk = Desk()
    job_id = desk.run()
    desk.take()
    desk.done(chunk(job_id, 1))
    desk.finish(job_id, error="boom", output=1)
    desk.now = 10.0
    assert desk.done(ask.RetryJob(job_id=job_id)) == {"id": job_id, "status": "IN_QUEUE"}
    assert desk.status(job_id) == {"id": job_id, "status": "IN_QUEUE"}
    assert desk.done(ask.ReadStream(job_id=job_id))["stream"] == []
    desk.now = 11.0
    assert desk.take() == {"id": job_id, "input": {"n": 1}}
    assert desk.status(job_id)["delayTime"] == 1000


@pytest.mark.parametrize("state", ["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "CANCELLED"])
@pytest.mark.fidelity("/retry: only a FAILED or TIMED_OUT job can be retried", source="documented")
@pytest.mark.fidelity("/retry: a refusal is a 400", source="assumed")
def test_retry_is_refused_in_every_other_state(state: str) -> None:
    desk = Desk()
    job_id = desk.run()
    if state in ("IN_PROGRESS", "COMPLETED"):
        desk.take()
    if state == "COMPLETED":
        desk.finish(job_id)
    if state == "CANCELLED":
        desk.done(ask.Cancel(job_id=job_id))
    assert desk.outcome(ask.RetryJob(job_id=job_id)) is ReplyKind.REFUSED
    assert desk.status(job_id)["status"] == state


@pytest.mark.fidelity(
    "/purge-queue: removes what is queued, says how many, and lets running jobs go on", source="documented"
)
@pytest.mark.fidelity("/purge-queue: a removed job is CANCELLED afterwards", source="assumed")
def test_purge_removes_what_is_queued_and_nothing_else() -> None:
    desk = Desk()
    running = desk.run()
    desk.take()
    queued = [desk.run() for _ in range(2)]
    assert desk.done(ask.Purge()) == {"removed": 2, "status": "completed"}
    assert desk.status(running)["status"] == "IN_PROGRESS"
    assert [desk.status(job_id)["status"] for job_id in queued] == ["CANCELLED"] * 2
    assert desk.done(ask.Purge())["removed"] == 0


@pytest.mark.parametrize("request_type", [ask.Status, ask.ReadStream, ask.Cancel, ask.RetryJob])
@pytest.mark.fidelity("errors: a job that is not known is answered 404", source="documented")
def test_an_unknown_job_is_not_found(request_type: type[Any]) -> None:
    assert Desk().outcome(request_type(job_id="x")) is ReplyKind.NOT_FOUND


@pytest.mark.fidelity("/health: counts jobs by five names, and workers by six", source="live")
def test_health_counts() -> None:
    desk = Desk()
    jobs = [desk.run() for _ in range(4)]
    desk.take("a")
    desk.finish(jobs[0], "a")
    desk.take("a")
    desk.finish(jobs[1], "a", error="boom")
    desk.done(ask.RetryJob(job_id=jobs[1]))
    desk.take("a")
    desk.take("b")
    desk.done(ask.Cancel(job_id=desk.run()))
    desk.done(ask.Leave(worker_id="b"))
    health = desk.done(ask.ReadHealth())
    assert health["jobs"] == {"completed": 1, "failed": 1, "inProgress": 1, "inQueue": 2, "retried": 2}
    assert health["workers"] == {
        "idle": 0,
        "initializing": 0,
        "ready": 0,
        "running": 1,
        "throttled": 0,
        "unhealthy": 0,
    }
    desk.done(ask.Purge())
    desk.held(ask.Take(worker_id="c"))
    assert desk.done(ask.ReadHealth())["workers"] | {"idle": 1, "ready": 1} == desk.done(ask.ReadHealth())["workers"]


def test_records_show_each_job_as_it_is() -> None:
    desk = Desk()
    job_id = desk.run(webhook="https://example.com", low_priority=True)
    (record,) = desk.queue.records()
    assert (record.id, record.endpoint_id, record.status, record.input) == (job_id, "e", "IN_QUEUE", {"n": 1})
    assert (record.webhook, record.low_priority, record.chunks) == ("https://example.com", True, 0)
    assert record.state == desk.status(job_id)
