"""Builds requests for batches with the generated client, and reads their answers.

As in `_answers.py`, only what decides must be right: an id and a status of a batch, an id and a status of a result.
What a change of a batch answers is not known, and not read.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from runpod_sdk._values._arguments import encoded
from runpod_sdk._values._batches import PAGE, BatchPage, BatchResult, BatchState
from runpod_sdk._values._fields import Fields
from runpod_sdk._values._operations import (
    BATCH_ADD,
    BATCH_CANCEL,
    BATCH_CREATE,
    BATCH_FINALIZE,
    BATCH_GET,
    BATCH_LIST,
    BATCH_REMOVE,
    BATCH_REQUESTS,
    BATCH_UPDATE,
)
from runpod_sdk._values._status import JobStatus

from . import _answers, _api
from ._loading import loading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runpod_sdk._values._fields import Told
    from runpod_sdk._values._inputs import InputObject
    from runpod_sdk._values._operations import Operation
    from runpod_sdk._values._outcomes import Answer
    from runpod_sdk._values._requests import Request, SubmitOptions

# How large a body is at most, with room for what stands around the inputs.
_BODY_MAX = 10 * 2**20 - 64
# How many requests one call adds at most; ours, so that a lost answer costs little.
_ADDED_MAX = 1_000


@cache
def load() -> tuple[object, ...]:
    """Load what any request is built with, and then what those of batches are; see `_api.load`.

    Raises:
        RunpodError: it cannot be read.
    """
    base = _api.load()
    with loading("what builds requests of batches"):
        from runpod_queue_client import models
        from runpod_queue_client.api.batches import (
            add_batch_requests,
            cancel_batch,
            create_batch,
            finalize_batch,
            get_batch,
            list_batch_requests,
            list_batches,
            remove_batch_request,
            update_batch,
        )

        added = (add_batch_requests, list_batch_requests, remove_batch_request)
        return *base, models, create_batch, list_batches, get_batch, update_batch, *added, finalize_batch, cancel_batch


# Requests.


def create(endpoint_id: str) -> Request:
    """Make an empty draft."""
    from runpod_queue_client.api.batches import create_batch as generated

    kwargs = generated._get_kwargs(endpoint_id, body=[])
    return _api.request_of(BATCH_CREATE, endpoint_id, kwargs, content=b"[]")


def listed(endpoint_id: str) -> Request:
    """Look at all batches of an endpoint."""
    from runpod_queue_client.api.batches import list_batches as generated

    return _api.request_of(BATCH_LIST, endpoint_id, generated._get_kwargs(endpoint_id))


def get(endpoint_id: str, batch_id: str) -> Request:
    """Look at a batch."""
    from runpod_queue_client.api.batches import get_batch as generated

    return _api.request_of(BATCH_GET, endpoint_id, generated._get_kwargs(endpoint_id, batch_id), batch_id=batch_id)


def update(endpoint_id: str, batch_id: str, attributes: Mapping[str, Any]) -> Request:
    """Change attributes of a batch.

    Raises:
        TypeError, ValueError: attributes that JSON cannot hold.
    """
    from runpod_queue_client import models
    from runpod_queue_client.api.batches import update_batch as generated

    content = encoded(BATCH_UPDATE, {**attributes})
    body = models.BatchUpdate.from_dict({**attributes})
    kwargs = generated._get_kwargs(endpoint_id, batch_id, body=body)
    return _api.request_of(BATCH_UPDATE, endpoint_id, kwargs, batch_id=batch_id, content=content)


def add(endpoint_id: str, batch_id: str, inputs: Sequence[InputObject | None]) -> list[tuple[Request, int]]:
    """Add requests to a draft: as many calls as it takes, each with the number of its requests.

    Raises:
        TypeError, ValueError: an input that JSON cannot hold, or that no call is large enough for.
    """
    calls: list[tuple[Request, int]] = []
    part: list[Any] = []
    size = 0
    for given in inputs:
        request = _api.run_body(given, {})
        length = len(encoded(BATCH_ADD, request.to_dict())) + 1
        if part and (size + length > _BODY_MAX or len(part) >= _ADDED_MAX):
            calls.append((_addition(endpoint_id, batch_id, part), len(part)))
            part, size = [], 0
        part.append(request)
        size += length
    if part:
        calls.append((_addition(endpoint_id, batch_id, part), len(part)))
    return calls


def one(endpoint_id: str, given: Any, _: SubmitOptions) -> Request:
    """Return what adds one input to a draft that is not there yet: so it is known whether it can be sent."""
    return add(endpoint_id, "draft", [given])[0][0]


def _addition(endpoint_id: str, batch_id: str, requests: list[Any]) -> Request:
    from runpod_queue_client import models
    from runpod_queue_client.api.batches import add_batch_requests as generated

    kwargs = generated._get_kwargs(endpoint_id, batch_id, body=models.BatchAddition(requests=requests))
    content = encoded(BATCH_ADD, kwargs["json"])
    return _api.request_of(BATCH_ADD, endpoint_id, kwargs, batch_id=batch_id, content=content)


def page(endpoint_id: str, batch_id: str, offset: int, limit: int = PAGE) -> Request:
    """Read a page of the requests of a batch."""
    from runpod_queue_client.api.batches import list_batch_requests as generated

    kwargs = generated._get_kwargs(endpoint_id, batch_id, offset=offset, limit=limit)
    return _api.request_of(BATCH_REQUESTS, endpoint_id, kwargs, batch_id=batch_id)


def remove(endpoint_id: str, batch_id: str, request_id: str) -> Request:
    """Take a request out of a draft."""
    from runpod_queue_client.api.batches import remove_batch_request as generated

    return _changed(BATCH_REMOVE, endpoint_id, batch_id, generated._get_kwargs(endpoint_id, batch_id, request_id))


def finalize(endpoint_id: str, batch_id: str) -> Request:
    """Lock a draft and let it run."""
    from runpod_queue_client.api.batches import finalize_batch as generated

    return _changed(BATCH_FINALIZE, endpoint_id, batch_id, generated._get_kwargs(endpoint_id, batch_id))


def cancel(endpoint_id: str, batch_id: str) -> Request:
    """Cancel a batch."""
    from runpod_queue_client.api.batches import cancel_batch as generated

    return _changed(BATCH_CANCEL, endpoint_id, batch_id, generated._get_kwargs(endpoint_id, batch_id))


def _changed(operation: Operation, endpoint_id: str, batch_id: str, kwargs: dict[str, Any]) -> Request:
    return _api.request_of(operation, endpoint_id, kwargs, batch_id=batch_id)


# Answers.


def state_of(request: Request, answer: Answer, told: Told) -> BatchState:
    """Read an answer that describes a batch."""
    return _answers.read(_state, request, answer, told)


def states_of(request: Request, answer: Answer, told: Told) -> list[BatchState]:
    """Read the list of batches: a list, or an object with one (its shape is not known)."""
    return _answers.read(_states, request, answer, told)


def page_of(request: Request, answer: Answer, told: Told) -> BatchPage:
    """Read a page of results."""
    return _answers.read(_page, request, answer, told)


def nothing_of(_: Request, __: Answer, ___: Told) -> None:
    """Read nothing: what a change answers is not known."""


def _state(request: Request, answer: Answer, told: Told) -> BatchState:
    data = _answers.object_of(answer)
    if request.batch_id is not None and data.get("id") not in (None, request.batch_id):
        raise _answers.Unusable("it is about another batch")
    return _batch({**data, "id": data.get("id") or request.batch_id}, request.endpoint_id, told)


def _batch(data: Mapping[str, Any], endpoint_id: str, told: Told) -> BatchState:
    found = Fields(data, told)
    batch_id, status = found.text("id"), found.text("status")
    if batch_id is None or status is None:
        raise _answers.Unusable("it has no id and status of a batch")
    made_ms = found.count("createdAt")
    return BatchState(
        id=batch_id,
        endpoint_id=endpoint_id,
        status=status,
        total=found.count("requestTotal"),
        in_progress=found.count("requestInProgress") or 0,
        completed=found.count("requestCompleted") or 0,
        failed=found.count("requestFailed") or 0,
        created_at=None if made_ms is None else _moment(made_ms),
        raw=data,
    )


def _states(request: Request, answer: Answer, told: Told) -> list[BatchState]:
    data = _answers.json_of(answer)
    rows: Any = data
    if isinstance(data, dict):
        lists: list[Any] = [value for value in cast("dict[str, Any]", data).values() if isinstance(value, list)]
        rows = lists[0] if len(lists) == 1 else None
    if not isinstance(rows, list):
        raise _answers.Unusable("it has no list of batches")
    found = [cast("dict[str, Any]", row) for row in rows if isinstance(row, dict)]  # pyright: ignore[reportUnknownVariableType]
    return [_batch(row, request.endpoint_id, told) for row in found]


def _page(_: Request, answer: Answer, told: Told) -> BatchPage:
    data = _answers.object_of(answer)
    rows: Any = data.get("requests")
    if not isinstance(rows, list):
        raise _answers.Unusable("it has no list of requests")
    results = tuple(_result(row, told) for row in rows)  # pyright: ignore[reportUnknownVariableType]
    return BatchPage(results=results, has_more=bool(results) and data.get("hasMore") is not False)


def _result(row: Any, told: Told) -> BatchResult:
    if not isinstance(row, dict):
        raise _answers.Unusable("a request is not an object")
    data = cast("dict[str, Any]", row)
    found = Fields(data, told)
    request_id, status = found.text("id"), found.text("status")
    if request_id is None or status is None:
        raise _answers.Unusable("a request has no id and status")
    return BatchResult(
        id=request_id,
        status=JobStatus(status),
        output=data.get("output"),
        error=found.as_text("error"),
        started_at=found.text("startedAt"),
        completed_at=found.text("completedAt"),
        raw=data,
    )


def _moment(ms: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
