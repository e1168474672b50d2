"""Batches as an endpoint keeps them: drafts, what finalizing and cancelling do, counts, pages and limits."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from runpod_sdk.emulator import Emulator, Options
from runpod_sdk.emulator._limits import BATCH_REQUESTS_MAX, BATCHES_MAX, QUEUED_MAX
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._requests import Hold, Reply, ReplyKind
from runpod_sdk.emulator._routes._route import Call, HttpAnswer
from runpod_sdk.emulator._routes._router import Router
from tests.emulator.queues import Queue

SUBMIT = ask.Submit(input={"n": 1}, execution_timeout=600.0, ttl=float("inf"), retention=float("inf"))


def new_queue(**options: Any) -> Queue:
    ids = itertools.count()
    return Queue("e", new_id=lambda: f"{next(ids)}", options=Options(**options), epoch=1_000_000.0)


def reply(queue: Queue, request: ask.Request, now: float = 0.0) -> Reply:
    result = queue.handle(request, now)
    assert not isinstance(result, Hold)
    return result


def batch_of(queue: Queue, count: int, *, finalized: bool = True) -> str:
    batch_id: str = reply(queue, ask.CreateBatch(submissions=(SUBMIT,) * count)).body["id"]
    if finalized:
        reply(queue, ask.FinalizeBatch(batch_id=batch_id))
    return batch_id


def view(queue: Queue, batch_id: str, now: float = 0.0) -> dict[str, Any]:
    return reply(queue, ask.ReadBatch(batch_id=batch_id), now).body


def page(queue: Queue, batch_id: str, **what: int) -> dict[str, Any]:
    return reply(queue, ask.ReadBatchRequests(batch_id=batch_id, **what)).body


def work(queue: Queue, now: float, **result: Any) -> str:
    """Let a worker take a job, and finish it a second later."""
    job_id: str = reply(queue, ask.Take(worker_id="w"), now).body["id"]
    reply(queue, ask.Finish(worker_id="w", job_id=job_id, **result), now + 1)
    return job_id


@pytest.mark.fidelity("/batch: a draft runs nothing, until it is finalized", source="documented")
def test_a_draft_runs_nothing() -> None:
    queue = new_queue()
    batch_id = batch_of(queue, 2, finalized=False)
    assert view(queue, batch_id)["status"] == "DRAFT"
    assert isinstance(queue.handle(ask.Take(worker_id="w"), 0.0), Hold), "there is no job"
    assert reply(queue, ask.FinalizeBatch(batch_id=batch_id)).body == {"id": batch_id, "status": "FINALIZED"}
    ((_, answer),) = queue.released()
    assert answer.body["input"] == {"n": 1}


@pytest.mark.fidelity("/batch: its counts say when it is done: completed and failed are all", source="documented")
def test_counts() -> None:
    queue = new_queue()
    batch_id = batch_of(queue, 3)
    work(queue, 1.0, output="x")
    work(queue, 2.0, error="broken")
    reply(queue, ask.Take(worker_id="w"), 3.0)
    assert view(queue, batch_id) == {
        "id": batch_id,
        "endpointId": "e",
        "status": "FINALIZED",
        "requestTotal": 3,
        "requestInProgress": 1,
        "requestCompleted": 1,
        "requestFailed": 1,
        "createdAt": 1_000_000_000,
    }


@pytest.mark.fidelity("/batch: a page shows output or error and times, and nothing of the input", source="documented")
def test_a_page() -> None:
    queue = new_queue()
    batch_id = batch_of(queue, 3)
    done, failed = work(queue, 1.0, output={"x": 1}), work(queue, 2.0, error="broken")
    body = page(queue, batch_id, offset=0, limit=2)
    times = {"startedAt": "1970-01-12T13:46:41.000Z", "completedAt": "1970-01-12T13:46:42.000Z"}
    assert body["requests"][0] == {"id": done, "status": "COMPLETED", "output": {"x": 1}, **times}
    assert (body["requests"][1]["id"], body["requests"][1]["error"]) == (failed, "broken")
    assert {key: body[key] for key in ("total", "offset", "limit", "hasMore")} == {
        "total": 3,
        "offset": 0,
        "limit": 2,
        "hasMore": True,
    }
    last = page(queue, batch_id, offset=2, limit=2)
    assert [request["status"] for request in last["requests"]] == ["IN_QUEUE"]
    assert last["hasMore"] is False


@pytest.mark.fidelity(
    "/batch: pages are in the order of the requests, or, as in the console, by status (Options.batch_order)",
    source="reported",
)
def test_the_order_of_a_page_may_change_while_the_batch_runs() -> None:
    for order, expected in (("added", ["COMPLETED", "FAILED"]), ("status", ["FAILED", "COMPLETED"])):
        queue = new_queue(batch_order=order)
        batch_id = batch_of(queue, 2)
        work(queue, 1.0, output="x")
        work(queue, 2.0, error="broken")
        assert [request["status"] for request in page(queue, batch_id)["requests"]] == expected


@pytest.mark.fidelity("/batch: only a draft can be changed; else 400", source="assumed")
def test_only_a_draft_can_be_changed() -> None:
    queue = new_queue()
    batch_id = batch_of(queue, 1, finalized=False)
    reply(queue, ask.AddToBatch(batch_id=batch_id, submissions=(SUBMIT, SUBMIT)))
    request_id = page(queue, batch_id)["requests"][0]["id"]
    assert reply(queue, ask.RemoveFromBatch(batch_id=batch_id, request_id=request_id)).kind is ReplyKind.DONE
    assert reply(queue, ask.RemoveFromBatch(batch_id=batch_id, request_id=request_id)).kind is ReplyKind.NOT_FOUND
    assert view(queue, batch_id)["requestTotal"] == 2
    reply(queue, ask.FinalizeBatch(batch_id=batch_id))
    for request in (
        ask.AddToBatch(batch_id=batch_id, submissions=(SUBMIT,)),
        ask.RemoveFromBatch(batch_id=batch_id, request_id=page(queue, batch_id)["requests"][0]["id"]),
        ask.FinalizeBatch(batch_id=batch_id),
    ):
        assert reply(queue, request).kind is ReplyKind.REFUSED
    assert view(queue, batch_id)["requestTotal"] == 2


@pytest.mark.fidelity(
    "/batch: a cancel ends what is queued at once, and the batch once nothing is in progress", source="documented"
)
def test_a_cancelled_batch_waits_for_what_is_in_progress() -> None:
    queue = new_queue(batch_webhook="https://example.com/hook")
    batch_id = batch_of(queue, 2)
    job_id = reply(queue, ask.Take(worker_id="w"), 1.0).body["id"]
    reply(queue, ask.CancelBatch(batch_id=batch_id), 2.0)
    assert view(queue, batch_id)["status"] == "FINALIZED"
    assert isinstance(queue.handle(ask.Take(worker_id="v"), 2.0), Hold), "nothing is queued any more"
    assert queue.stopped() == []
    reply(queue, ask.Finish(worker_id="w", job_id=job_id, output="x"), 3.0)
    assert view(queue, batch_id)["status"] == "CANCELLED"
    assert sorted(request["status"] for request in page(queue, batch_id)["requests"]) == ["CANCELLED", "COMPLETED"]
    (notice,) = queue.notices()
    assert (notice.url, notice.body["status"]) == ("https://example.com/hook", "CANCELLED")


def test_a_batch_that_was_cancelled_ends_when_time_ends_its_last_request() -> None:
    queue = new_queue()
    batch_id = batch_of(queue, 1)
    reply(queue, ask.Take(worker_id="w"), 1.0)
    reply(queue, ask.CancelBatch(batch_id=batch_id), 2.0)
    queue.advance(601.0)  # its executionTimeout
    assert view(queue, batch_id)["status"] == "CANCELLED"


@pytest.mark.fidelity("/batch: a failed or cancelled batch is notified, a finished one is not", source="documented")
def test_what_is_notified() -> None:
    queue = new_queue(batch_webhook="https://example.com/hook")
    batch_of(queue, 1)
    work(queue, 1.0, output="x")
    assert queue.notices() == []
    failing = batch_of(queue, 2)
    reply(queue, ask.Take(worker_id="w"), 3.0)
    assert reply(queue, ask.FailBatch(batch_id=failing), 4.0).body["status"] == "FAILED"
    assert view(queue, failing)["requestInProgress"] == 1
    assert [notice.body["status"] for notice in queue.notices()] == ["FAILED"]
    assert reply(queue, ask.FailBatch(batch_id=failing), 4.0).kind is ReplyKind.REFUSED


@pytest.mark.parametrize("choice", ["cancelled", "refused"])
@pytest.mark.fidelity("/batch: a draft can be cancelled, or not (Options.batch_cancel_draft)", source="assumed")
def test_cancelling_a_draft(choice: str) -> None:
    queue = new_queue(batch_cancel_draft=choice)
    batch_id = batch_of(queue, 1, finalized=False)
    answer = reply(queue, ask.CancelBatch(batch_id=batch_id))
    assert (answer.kind is ReplyKind.REFUSED) == (choice == "refused")
    assert view(queue, batch_id)["status"] == ("DRAFT" if choice == "refused" else "CANCELLED")


@pytest.mark.slow
@pytest.mark.fidelity(
    "/batch: 10 active batches an endpoint, 5000 requests a batch, 50000 queued requests", source="documented"
)
def test_limits() -> None:
    queue = new_queue()
    most = (SUBMIT,) * BATCH_REQUESTS_MAX
    first = batch_of(queue, 1, finalized=False)
    assert reply(queue, ask.AddToBatch(batch_id=first, submissions=most)).kind is ReplyKind.REFUSED
    assert view(queue, first)["requestTotal"] == 1, "all are added, or none"
    reply(queue, ask.AddToBatch(batch_id=first, submissions=most[1:]))
    for _ in range(BATCHES_MAX - 1):
        batch_of(queue, 1, finalized=False)
    assert reply(queue, ask.CreateBatch()).kind is ReplyKind.TOO_MANY
    for _ in range(QUEUED_MAX - BATCH_REQUESTS_MAX + 1):
        reply(queue, SUBMIT)
    assert reply(queue, ask.FinalizeBatch(batch_id=first)).kind is ReplyKind.TOO_MANY
    assert view(queue, first)["status"] == "DRAFT"
    reply(queue, ask.Purge())
    assert reply(queue, ask.FinalizeBatch(batch_id=first)).kind is ReplyKind.DONE


def test_a_batch_that_is_done_makes_room_for_another() -> None:
    queue = new_queue()
    for _ in range(BATCHES_MAX):
        batch_of(queue, 1)
    assert reply(queue, ask.CreateBatch()).kind is ReplyKind.TOO_MANY
    work(queue, 1.0, output="x")
    assert reply(queue, ask.CreateBatch()).kind is ReplyKind.DONE


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.fidelity("/batch: /status knows its requests, or does not (Options.batch_status)", source="assumed")
def test_whether_status_knows_a_request_of_a_batch(known: bool) -> None:  # noqa: FBT001  a parameter
    queue = new_queue(batch_status=known)
    batch_id = batch_of(queue, 1)
    request_id = page(queue, batch_id)["requests"][0]["id"]
    answer = reply(queue, ask.Status(job_id=request_id))
    assert answer.kind is (ReplyKind.DONE if known else ReplyKind.NOT_FOUND)


def test_purging_the_queue_leaves_batches_alone() -> None:
    queue = new_queue()
    batch_id = batch_of(queue, 1)
    assert reply(queue, ask.Purge()).body["removed"] == 0
    assert page(queue, batch_id)["requests"][0]["status"] == "IN_QUEUE"


def test_results_are_kept_for_a_year() -> None:
    queue = new_queue()
    batch_id = batch_of(queue, 1)
    work(queue, 1.0, output="x")
    queue.advance(365 * 86_400.0)
    assert page(queue, batch_id)["requests"][0]["output"] == "x"


# Over HTTP.

ROUTES = [
    ("POST", "batch", "batch-create"),
    ("GET", "batch", "batch-list"),
    ("GET", "batch/b", "batch-get"),
    ("PUT", "batch/b", "batch-update"),
    ("POST", "batch/b/requests", "batch-add"),
    ("GET", "batch/b/requests", "batch-requests"),
    ("DELETE", "batch/b/requests/r", "batch-remove"),
    ("POST", "batch/b/finalize", "batch-finalize"),
    ("POST", "batch/b/cancel", "batch-cancel"),
]
ROUTER = Router("k", Options(), is_supervised=lambda _: False)


def come(method: str, path: str, query: str = "") -> Call | HttpAnswer:
    return ROUTER.call(method, f"/v2/e/{path}", query, "k", {"e"})


@pytest.mark.parametrize(("method", "path", "operation"), ROUTES)
@pytest.mark.fidelity("routes: nine operations on batches", source="documented")
def test_each_operation_has_its_route(method: str, path: str, operation: str) -> None:
    call = come(method, path)
    assert isinstance(call, Call)
    assert call.route.operation == operation
    assert (call.batch_id, call.request_id) == ("b" if "/b" in path else "", "r" if path.endswith("/r") else "")


@pytest.mark.parametrize(
    ("path", "allowed"), [("batch", "POST, GET"), ("batch/b", "GET, PUT"), ("batch/b/finalize", "POST")]
)
def test_another_method_is_405_and_says_which_are_allowed(path: str, allowed: str) -> None:
    answer = come("PATCH", path)
    assert isinstance(answer, HttpAnswer)
    assert (answer.status, dict(answer.headers)["allow"]) == (405, allowed)


@pytest.mark.parametrize("path", ["batch/b/other", "batch/b/requests/r/more", "batch/b/finalize/x"])
def test_other_paths_are_404(path: str) -> None:
    answer = come("POST", path)
    assert isinstance(answer, HttpAnswer)
    assert answer.status == 404


BAD: list[tuple[str, str, str, Any]] = [
    ("POST", "batch", "", {"requests": []}),
    ("POST", "batch", "", [{"input": []}]),
    ("POST", "batch", "", [1]),
    ("POST", "batch/b/requests", "", []),
    ("POST", "batch/b/requests", "", {"requests": {}}),
    ("PUT", "batch/b", "", {"name": 1}),
    ("GET", "batch/b/requests", "limit=0", None),
    ("GET", "batch/b/requests", "offset=-1", None),
    ("GET", "batch/b/requests", "offset=x", None),
]


@pytest.mark.parametrize(("method", "path", "query", "body"), BAD)
def test_what_does_not_fit_is_400(method: str, path: str, query: str, body: Any) -> None:
    call = come(method, path, query)
    assert isinstance(call, Call)
    answer = ROUTER.request(call, json.dumps(body).encode())
    assert isinstance(answer, HttpAnswer)
    assert answer.status == 400


def test_a_batch_of_an_emulator_can_be_failed() -> None:
    with Emulator() as emulator:
        emulator.endpoint("e", workers=0)
        for bad in (("other", "b"), ("e", "b")):
            with pytest.raises(LookupError):
                emulator.fail_batch(*bad)
