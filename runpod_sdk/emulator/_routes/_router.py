"""Finds the row of a request, or the answer that turns it away: by its path, its method, its key and its endpoint."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from runpod_sdk.emulator._queue._requests import ReplyKind
from runpod_sdk.emulator._routes._client_routes import CLIENT_ROUTES
from runpod_sdk.emulator._routes._route import Call, HttpAnswer, InvalidRequestError, json_answer
from runpod_sdk.emulator._routes._worker_routes import WORKER_ROUTES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from runpod_sdk.emulator._options import Options
    from runpod_sdk.emulator._queue._requests import Reply, Request
    from runpod_sdk.emulator._routes._route import Route

# runpod-python 2.0.0rc2, apps/targets.py: its calls go to this id, and a header says which resource is meant.
_RESOLVED_BY_HEADER = "flash"
RESOURCE_HEADER = "x-flash-endpoint"
ROUTES = {route.name: route for route in (*CLIENT_ROUTES, *WORKER_ROUTES)}


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
        parts = path.split("/")  # "", "v2", endpoint, name, ids
        route = ROUTES.get(parts[3]) if len(parts) > 3 and parts[1] == "v2" else None
        if route is not None and route.is_for_workers:
            # The official worker appends "&…" to whatever its environment says, be there a "?" or not.
            path, _, glued = path.partition("&")
            parts = path.split("/")
            query = f"{query}&{glued}" if glued else query
        if route is None or len(parts) != 4 + len(route.ids) or not (all(parts[4:]) or not route.is_for_workers):
            return self._not_found("path not found", route)
        if method not in route.methods:
            return json_answer(405, {"error": f"method {method} not allowed"}, allow=route.methods)
        ids = dict(zip(route.ids, parts[4:], strict=True))
        worker_id = ids.get("worker", "")
        if authorization.strip() not in self._keys and not (worker_id and self._is_supervised(worker_id)):
            return json_answer(401, {"error": "invalid api key"})  # assumed: the body
        endpoint_id = parts[2]
        if endpoint_id == _RESOLVED_BY_HEADER and endpoint_id not in endpoints:
            endpoint_id = resource
        if endpoint_id not in endpoints:
            return self._not_found("endpoint not found", route)  # assumed: the body
        return Call(
            route=route,
            endpoint_id=endpoint_id,
            job_id=ids.get("job", ""),
            worker_id=worker_id,
            query=dict(parse_qsl(query, keep_blank_values=True)) if query else {},
        )

    def request(self, call: Call, body: bytes) -> Request | HttpAnswer:
        """Return what to ask the queue, or a 400."""
        try:
            return call.route.request(call, body, self._options)
        except InvalidRequestError as error:
            return json_answer(400, {"error": str(error)})

    def answer(self, call: Call, reply: Reply) -> HttpAnswer:
        """Return what the caller sees of a reply; a success is 200 and nothing else: JS and Go take no other."""
        if call.route.answer is not None:
            return call.route.answer(reply)
        match reply.kind:
            case ReplyKind.DONE:
                return HttpAnswer(200, json.dumps(reply.body).encode(), job_status=reply.body.get("status"))
            case ReplyKind.NOT_FOUND:
                return self._not_found(reply.message, call.route)
            case ReplyKind.REFUSED:
                return json_answer(400, {"error": reply.message})  # assumed
            case ReplyKind.TOO_MANY:
                return json_answer(429, {"error": reply.message})  # assumed: the body

    def too_large(self, call: Call) -> HttpAnswer:
        """Return the answer to a body over the limit."""
        return call.route.too_large(call.route)

    def _not_found(self, detail: str, route: Route | None) -> HttpAnswer:
        """Return a 404, for users in the shape that Options say."""
        if self._options.not_found == "problem" and not (route is not None and route.is_for_workers):
            return json_answer(404, {"status": 404, "title": "Not Found", "detail": detail})
        return json_answer(404, {"error": detail})
