"""The routes of batches, in beta at the service. `_queue/_batches.py` decides what they do."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from runpod_sdk.emulator import _limits as limits
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._routes._queries import number_of
from runpod_sdk.emulator._routes._route import InvalidRequestError, Route, too_large
from runpod_sdk.emulator._routes._submits import no_constant, submission

if TYPE_CHECKING:
    from runpod_sdk.emulator._options import Options
    from runpod_sdk.emulator._queue._requests import Submit
    from runpod_sdk.emulator._routes._route import Call

_INT32_MAX = 2**31 - 1


def _create(_: Call, body: bytes, options: Options) -> ask.Request:
    return ask.CreateBatch(submissions=_submissions(_json(body), options))


def _list(_: Call, __: bytes, ___: Options) -> ask.Request:
    return ask.ListBatches()


def _read(call: Call, _: bytes, __: Options) -> ask.Request:
    return ask.ReadBatch(batch_id=call.batch_id)


def _update(call: Call, body: bytes, _: Options) -> ask.Request:
    attributes = _object(body)
    if not isinstance(attributes.get("name", ""), str):  # assumed: the attribute
        raise InvalidRequestError("name must be a string")
    return ask.UpdateBatch(batch_id=call.batch_id)


def _add(call: Call, body: bytes, options: Options) -> ask.Request:
    return ask.AddToBatch(batch_id=call.batch_id, submissions=_submissions(_object(body).get("requests"), options))


def _page(call: Call, _: bytes, __: Options) -> ask.Request:
    offset = number_of(call.query, "offset", 0, 0, _INT32_MAX)
    limit = number_of(call.query, "limit", limits.BATCH_PAGE, 1, _INT32_MAX)
    return ask.ReadBatchRequests(batch_id=call.batch_id, offset=offset, limit=limit)


def _remove(call: Call, _: bytes, __: Options) -> ask.Request:
    return ask.RemoveFromBatch(batch_id=call.batch_id, request_id=call.request_id)


def _finalize(call: Call, _: bytes, __: Options) -> ask.Request:
    return ask.FinalizeBatch(batch_id=call.batch_id)


def _cancel(call: Call, _: bytes, __: Options) -> ask.Request:
    return ask.CancelBatch(batch_id=call.batch_id)


def _submissions(requests: Any, options: Options) -> tuple[Submit, ...]:
    """Return the requests in a body; how long one is kept does not depend on its policy (assumed)."""
    if not isinstance(requests, list):
        raise InvalidRequestError("requests must be an array")
    found: list[Submit] = []
    for fields in requests:  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(fields, dict):
            raise InvalidRequestError("a request must be an object")
        request = submission(cast("dict[str, Any]", fields), options, wait=None, retention=math.inf)
        found.append(replace(request, ttl=math.inf))
    return tuple(found)


def _object(body: bytes) -> dict[str, Any]:
    fields = _json(body)
    if not isinstance(fields, dict):
        raise InvalidRequestError("body must be an object")
    return cast("dict[str, Any]", fields)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body.decode(), parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError("body is not JSON") from error


_row = partial(Route, too_large=too_large)
_BATCH, _REQUESTS = "batch/{batch}", "batch/{batch}/requests"
_with_body = partial(_row, body_mib=limits.BATCH_BODY_MIB)
BATCH_ROUTES = (
    _with_body(name="batch-create", path="batch", request=_create, methods=("POST",)),
    _row(name="batch-list", path="batch", request=_list, methods=("GET",)),
    _row(name="batch-get", path=_BATCH, request=_read, methods=("GET",)),
    _with_body(name="batch-update", path=_BATCH, request=_update, methods=("PUT",)),
    _with_body(name="batch-add", path=_REQUESTS, request=_add, methods=("POST",)),
    _row(name="batch-requests", path=_REQUESTS, request=_page, methods=("GET",)),
    _row(name="batch-remove", path=f"{_REQUESTS}/{{request}}", request=_remove, methods=("DELETE",)),
    _row(name="batch-finalize", path=f"{_BATCH}/finalize", request=_finalize, methods=("POST",)),
    _row(name="batch-cancel", path=f"{_BATCH}/cancel", request=_cancel, methods=("POST",)),
)
