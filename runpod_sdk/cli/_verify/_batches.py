"""Claims about batches, checked on a draft that is never finalized, so that nothing runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ._claims import claim
from ._raw_endpoint import UnclearError, shown

if TYPE_CHECKING:
    from ._raw_endpoint import RawAnswer, RawEndpoint

    Result = tuple[bool, RawAnswer | str]

_INPUT = {"input": {"mock_return": "never"}}
_COUNTS = {"requestTotal", "requestInProgress", "requestCompleted", "requestFailed", "createdAt"}
_PAGE = {"requests", "total", "offset", "limit", "hasMore"}
_MILLISECONDS = 10**12  # of 2001, since 1970; seconds are far less


@claim("batch-create", "/batch makes a DRAFT of a bare array, and answers with id and status", "documented")
def _create(endpoint: RawEndpoint) -> Result:
    answer = endpoint.draft([])
    return answer.fields.keys() == {"id", "status"} and answer.job_status == "DRAFT", answer


@claim("batch-counts", "a batch has four counts, and createdAt in milliseconds", "documented")
def _counts(endpoint: RawEndpoint) -> Result:
    answer = endpoint.ask("GET", f"/batch/{endpoint.draft([_INPUT]).fields['id']}")
    numbers = [answer.fields.get(name) for name in _COUNTS]
    holds = all(type(number) is int for number in numbers) and answer.fields["createdAt"] > _MILLISECONDS
    return holds and answer.fields["requestTotal"] == 1, answer


@claim("batch-add", "requests are added to a draft, which stays one", "documented")
def _add(endpoint: RawEndpoint) -> Result:
    batch_id = endpoint.draft([_INPUT]).fields["id"]
    added = endpoint.ask("POST", f"/batch/{batch_id}/requests", body={"requests": [_INPUT, _INPUT]})
    if added.status != 200:
        return False, added
    state = endpoint.ask("GET", f"/batch/{batch_id}")
    return state.fields.get("requestTotal") == 3 and state.job_status == "DRAFT", state


@claim("batch-page", "a page has its requests, total, offset, limit and hasMore", "documented")
def _page(endpoint: RawEndpoint) -> Result:
    batch_id = endpoint.draft([_INPUT] * 3).fields["id"]
    answer = endpoint.ask("GET", f"/batch/{batch_id}/requests", query={"offset": "1", "limit": "1"})
    holds = answer.fields.keys() >= _PAGE and len(_requests(answer)) == 1
    return holds and answer.fields["total"] == 3 and answer.fields["hasMore"] is True, answer


@claim("batch-request", "a request of a draft has id and status, and nothing of its input", "assumed")
def _request(endpoint: RawEndpoint) -> Result:
    (request,) = _drafted(endpoint)
    return request.keys() == {"id", "status"}, shown(request)


@claim("batch-status", "/status does not know the requests of a draft", "assumed")
def _status(endpoint: RawEndpoint) -> Result:
    (request,) = _drafted(endpoint)
    answer = endpoint.ask("GET", f"/status/{request['id']}")
    return answer.status == 404, answer


@claim("batch-list", "/batch lists the batches of the endpoint as an object with one list", "assumed")
def _list(endpoint: RawEndpoint) -> Result:
    batch_id = endpoint.draft([]).fields["id"]
    answer = endpoint.ask("GET", "/batch")
    lists: list[list[Any]] = [value for value in answer.fields.values() if isinstance(value, list)]
    rows: list[Any] = [row for rows in lists for row in rows]
    found = any(isinstance(row, dict) and cast("dict[str, Any]", row).get("id") == batch_id for row in rows)
    kind = f"fields {', '.join(sorted(answer.fields))}" if answer.fields else type(answer.body).__name__
    return len(lists) == 1 and found, f"HTTP {answer.status}, {kind}, the draft is {'' if found else 'not '}in it"


@claim("batch-remove", "a request is taken out of a draft by DELETE", "documented")
def _remove(endpoint: RawEndpoint) -> Result:
    batch_id = endpoint.draft([_INPUT] * 2).fields["id"]
    first = _requests(endpoint.ask("GET", f"/batch/{batch_id}/requests"))[0]
    removed = endpoint.ask("DELETE", f"/batch/{batch_id}/requests/{first['id']}")
    if removed.status != 200:
        return False, removed
    state = endpoint.ask("GET", f"/batch/{batch_id}")
    return state.fields.get("requestTotal") == 1, state


@claim("batch-name", "PUT of a name changes a batch", "assumed")
def _name(endpoint: RawEndpoint) -> Result:
    answer = endpoint.ask("PUT", f"/batch/{endpoint.draft([]).fields['id']}", body={"name": "verify"})
    return answer.status == 200, answer


@claim("batch-cancel", "a draft can be cancelled, and is CANCELLED at once", "assumed")
def _cancel(endpoint: RawEndpoint) -> Result:
    batch_id = endpoint.draft([_INPUT]).fields["id"]
    cancelled = endpoint.ask("POST", f"/batch/{batch_id}/cancel")
    if cancelled.status != 200:
        return False, cancelled
    state = endpoint.ask("GET", f"/batch/{batch_id}")
    return state.job_status == "CANCELLED", state


def _drafted(endpoint: RawEndpoint) -> list[dict[str, Any]]:
    """Return the requests of a draft that has one."""
    batch_id = endpoint.draft([_INPUT]).fields["id"]
    found = _requests(endpoint.ask("GET", f"/batch/{batch_id}/requests"))
    if len(found) != 1 or not isinstance(found[0].get("id"), str):
        raise UnclearError(f"the page has not the one request: {shown(found)}")
    return found


def _requests(answer: RawAnswer) -> list[dict[str, Any]]:
    found = answer.fields.get("requests")
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):  # pyright: ignore[reportUnknownVariableType]
        raise UnclearError(f"the page has no requests: {answer}")
    return cast("list[dict[str, Any]]", found)


CHECKS = (_create, _counts, _add, _page, _request, _status, _list, _remove, _name, _cancel)
