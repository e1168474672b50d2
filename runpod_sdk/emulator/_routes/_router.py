"""Finds the route of a request, or the answer that rejects it: by path, method, key and endpoint."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from runpod_sdk.emulator._queue._requests import ReplyKind
from runpod_sdk.emulator._routes._client_routes import CLIENT_ROUTES
from runpod_sdk.emulator._routes._openai_routes import OPENAI_ROUTE, openai_error
from runpod_sdk.emulator._routes._route import Call, HttpAnswer, InvalidRequestError, json_answer
from runpod_sdk.emulator._routes._worker_routes import WORKER_ROUTES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from runpod_sdk.emulator._options import Options
    from runpod_sdk.emulator._queue._requests import Reply, Request
    from runpod_sdk.emulator._routes._route import Route

# runpod-python 2.0.0rc2, apps/targets.py: its calls go to this id, and a header says which resource is meant.
_RESOLVED_BY_HEADER = "flash"
_NOT_FOUND = 404
RESOURCE_HEADER = "x-flash-endpoint"
ROUTES = {route.name: route for route in (*CLIENT_ROUTES, OPENAI_ROUTE, *WORKER_ROUTES)}
_ROWS: defaultdict[str, list[Route]] = defaultdict(list)  # by the first segment
for _route in ROUTES.values():
    _ROWS[_route.segments[0]].append(_route)


class Router:
    """The routes of an emulator.

    Args:
        api_key: the only key that is let in.
        options: the emulator's choices.
        is_supervised: whether this emulator has started a worker. Such a worker needs no key: the official library
            sends the key of the user's own ~/.runpod/config.toml, where there is one, before that of its environment.
    """

    def __init__(self, api_key: str, options: Options, is_supervised: Callable[[str], bool]) -> None:
        self._keys = {api_key, f"Bearer {api_key}"}  # docs: with Bearer; every curl sample: the raw key
        self._options = options
        self._is_supervised = is_supervised

    def call(
        self, method: str, path: str, query: str, authorization: str, endpoints: Collection[str], resource: str = ""
    ) -> Call | HttpAnswer:
        """Return what a request asks for, or the answer that turns it away.

        Args:
            method: in upper case.
            path: decoded, from the root.
            query: still encoded.
            authorization: the header, or "".
            endpoints: the ids that exist.
            resource: the header that names an endpoint beside the path, or "".
        """
        parts = path.split("/")  # "", "v2", endpoint, what the rows say
        rows = _ROWS.get(parts[3], []) if len(parts) > 3 and parts[1] == "v2" else []
        is_for_workers = bool(rows) and rows[0].is_for_workers
        if is_for_workers:
            # The official worker appends "&…" to whatever its environment says, be there a "?" or not.
            path, _, glued = path.partition("&")
            parts = path.split("/")
            query = f"{query}&{glued}" if glued else query
        pieces = parts[3:]
        route = rows[0] if len(rows) == 1 else _row_of(rows, pieces, method)
        has_rest = route is not None and route.takes_rest
        if route is None or len(pieces) != len(route.segments) + has_rest * (len(pieces) - 1):
            return self._not_found("path not found", is_for_workers=is_for_workers)
        if is_for_workers and not all(pieces):
            return self._not_found("path not found", is_for_workers=True)
        if method not in route.methods:
            allowed = tuple(method for row in rows if row.path == route.path for method in row.methods)
            return self._refusal(405, f"method {method} not allowed", route, allow=allowed)
        ids: dict[str, str] = {}
        for at, name in route.places:
            ids[name] = pieces[at]
        worker_id = ids.get("worker", "")
        if authorization.strip() not in self._keys and not (worker_id and self._is_supervised(worker_id)):
            return self._refusal(401, "invalid api key", route)  # assumed: the body
        endpoint_id = parts[2]
        if endpoint_id == _RESOLVED_BY_HEADER and endpoint_id not in endpoints:
            endpoint_id = resource
        if endpoint_id not in endpoints:
            return self._refusal(404, "endpoint not found", route)  # assumed: the body
        return Call(
            route=route,
            endpoint_id=endpoint_id,
            job_id=ids.get("job", ""),
            worker_id=worker_id,
            batch_id=ids.get("batch", ""),
            request_id=ids.get("request", ""),
            rest="/" + "/".join(pieces[1:]) if has_rest else "",
            query=dict(parse_qsl(query, keep_blank_values=True)) if query else {},
        )

    def request(self, call: Call, body: bytes) -> Request | HttpAnswer:
        """Return what to ask the queue, or a 400."""
        try:
            return call.route.request(call, body, self._options)
        except InvalidRequestError as error:
            return self._refusal(400, str(error), call.route)

    def answer(self, call: Call, reply: Reply) -> HttpAnswer:
        """Return what the caller sees of a reply; a success is 200 and nothing else: JS and Go take no other."""
        if call.route.answer is not None:
            return call.route.answer(reply)
        match reply.kind:
            case ReplyKind.DONE:
                return HttpAnswer(200, json.dumps(reply.body).encode(), job_status=reply.body.get("status"))
            case ReplyKind.NOT_FOUND:
                return self._not_found(reply.message, is_for_workers=call.route.is_for_workers)
            case ReplyKind.REFUSED:
                return json_answer(400, {"error": reply.message})  # assumed
            case ReplyKind.TOO_MANY:
                return json_answer(429, {"error": reply.message})  # assumed: the body

    def too_large(self, call: Call) -> HttpAnswer:
        """Return the answer to a body over the limit."""
        return call.route.too_large(call.route)

    def _refusal(self, status: int, message: str, route: Route, allow: tuple[str, ...] = ()) -> HttpAnswer:
        if route.takes_rest:
            return openai_error(status, message, allow=allow)
        if status == _NOT_FOUND:
            return self._not_found(message, is_for_workers=route.is_for_workers)
        return json_answer(status, {"error": message}, allow=allow)

    def _not_found(self, detail: str, *, is_for_workers: bool) -> HttpAnswer:
        """Return a 404, for users in the shape that Options say."""
        if self._options.not_found == "problem" and not is_for_workers:
            return json_answer(404, {"status": 404, "title": "Not Found", "detail": detail})
        return json_answer(404, {"error": detail})


def _row_of(rows: list[Route], pieces: list[str], method: str) -> Route | None:
    """Return the row of this path, of this method if there is one."""
    found = [row for row in rows if len(row.segments) == len(pieces)]
    found = [row for row in found if all(pieces[at] == word for at, word in row.words)]
    return next((row for row in found if method in row.methods), found[0] if found else None)
