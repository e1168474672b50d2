"""The route for OpenAI clients: each path below /openai/ becomes a job.

Source: worker-vllm reads `openai_route` and `openai_input` of a job's input. assumed: the bodies of refusals, which
have the shape that OpenAI's clients read, and the limit of a body, which is that of /run. What a job yields is written
by `_doors/_feed.py`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator import _limits as limits
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._requests import ReplyKind
from runpod_sdk.emulator._routes._route import InvalidRequestError, Route, json_answer
from runpod_sdk.emulator._routes._submits import no_constant

if TYPE_CHECKING:
    from runpod_sdk.emulator._options import Options
    from runpod_sdk.emulator._routes._route import Call, HttpAnswer

_KINDS = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
_CODES = {401: "invalid_api_key"}


def openai_error(status: int, message: str, kind: str = "", allow: tuple[str, ...] = ()) -> HttpAnswer:
    """Return a refusal as OpenAI's clients read it."""
    kind = kind or _KINDS.get(status, "invalid_request_error")
    error = {"message": message, "type": kind, "param": None, "code": _CODES.get(status)}
    return json_answer(status, {"error": error}, allow=allow)


def streams(submit: ask.Submit) -> bool:
    """Whether the caller wants events."""
    sent: Any = submit.input["openai_input"]
    return bool(sent.get("stream"))


def _submit(call: Call, body: bytes, options: Options) -> ask.Request:
    try:
        sent: Any = json.loads(body.decode(), parse_constant=no_constant) if body else {}
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError("body is not JSON") from error
    if not isinstance(sent, dict):
        raise InvalidRequestError("body must be an object")
    return ask.Submit(
        input={"openai_route": call.rest, "openai_input": sent},
        execution_timeout=options.execution_timeout,
        ttl=options.ttl,
        retention=limits.RUNSYNC_RETENTION,
    )


def _answer(reply: ask.Reply) -> HttpAnswer:
    """Return what is answered where there is no job."""
    status = {ReplyKind.NOT_FOUND: 404, ReplyKind.TOO_MANY: 429}.get(reply.kind, 400)
    return openai_error(status, reply.message)


def _too_large(route: Route) -> HttpAnswer:
    return openai_error(400, f"body exceeds {route.body_mib} MiB")


OPENAI_ROUTE = Route(
    name="openai",
    request=_submit,
    methods=("GET", "POST"),
    takes_rest=True,
    body_mib=limits.RUN_BODY_MIB,
    answer=_answer,
    too_large=_too_large,
)
