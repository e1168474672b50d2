"""The table of operations: against the document, and against the requests that are really built."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest

from runpod_sdk._flows import _api, _batch_api
from runpod_sdk._values._operations import OPERATIONS, OperationName
from runpod_sdk._values._outcomes import Outcome
from tests.spec import spec

if TYPE_CHECKING:
    from runpod_sdk._values._requests import Request

DOCUMENT = spec()
REQUESTS: dict[OperationName, Request] = {
    "run": _api.run("abc", {}, {}),
    "runsync": _api.run_sync("abc", {}, {}),
    "status": _api.status("abc", "j1"),
    "status-sync": _api.status_sync("abc", "j1", hold=1),
    "stream": _api.stream("abc", "j1", hold=1),
    "cancel": _api.cancel("abc", "j1"),
    "retry": _api.retry("abc", "j1"),
    "purge-queue": _api.purge_queue("abc"),
    "health": _api.health("abc"),
    "batch-create": _batch_api.create("abc"),
    "batch-list": _batch_api.listed("abc"),
    "batch-get": _batch_api.get("abc", "b1"),
    "batch-update": _batch_api.update("abc", "b1", {"name": "n"}),
    "batch-add": _batch_api.add("abc", "b1", [{}])[0][0],
    "batch-requests": _batch_api.page("abc", "b1", 0),
    "batch-remove": _batch_api.remove("abc", "b1", "r1"),
    "batch-finalize": _batch_api.finalize("abc", "b1"),
    "batch-cancel": _batch_api.cancel("abc", "b1"),
}
# What may have happened is not done again: these start a job, run one again, or take something away.
# What is done to a batch is looked up first.
NOT_TWICE = {"run", "runsync", "retry", "purge-queue", "stream", "batch-add", "batch-remove", "batch-finalize"}

each = pytest.mark.parametrize("name", OPERATIONS)


def test_every_name_has_its_row() -> None:
    assert set(get_args(OperationName)) == set(OPERATIONS) == set(REQUESTS)


@each
def test_a_row_is_in_the_document(name: OperationName) -> None:
    operation = OPERATIONS[name]
    assert operation.method.lower() in DOCUMENT["paths"][f"/{{endpoint_id}}{operation.path}"]


@each
def test_a_request_is_as_its_row_says(name: OperationName) -> None:
    operation, request = OPERATIONS[name], REQUESTS[name]
    assert (request.operation, request.method) == (name, operation.method)
    path = operation.path.replace("{job_id}", "j1").replace("{batch_id}", "b1").replace("{request_id}", "r1")
    assert request.path.reveal().partition("?")[0] == "/abc" + path
    assert request.rules is operation


@each
def test_what_may_have_happened_is_not_done_again(name: OperationName) -> None:
    sure = {Outcome.NEVER_SENT, Outcome.BUSY}
    assert OPERATIONS[name].repeatable == (sure if name in NOT_TWICE else sure | {Outcome.UNKNOWN})


def test_who_starts_a_job_has_a_limit_of_its_body() -> None:
    assert {name for name, operation in OPERATIONS.items() if operation.starts_job} == {"run", "runsync"}
    with_body = {name for name, operation in OPERATIONS.items() if operation.body_max}
    assert with_body == {"run", "runsync", "batch-create", "batch-update", "batch-add"}


def test_only_what_is_held_has_connections_of_its_own() -> None:
    assert {name for name, request in REQUESTS.items() if request.is_held} == {"status-sync", "stream"}
