"""Raw requests, as the official `RunPodClient.get` and `.post` make them.

What a path asks for is sent as the native client sends it: submits are never repeated when they may have arrived.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from runpod_sdk._flows import _answers, _api
from runpod_sdk._flows._exchange import ask
from runpod_sdk._values import _operations as ops
from runpod_sdk._values._arguments import checked_id
from runpod_sdk.errors import WaitTimeoutError

from ._body import parts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runpod_sdk._client._async import AsyncClient
    from runpod_sdk._client._sync import Client
    from runpod_sdk._flows._effects import Flow
    from runpod_sdk._values._fields import Told
    from runpod_sdk._values._outcomes import Answer
    from runpod_sdk._values._requests import Request

# Seconds that /runsync and /stream are held without ?wait, as the official client calls them; docs and runpod-mcp.
_RUN_SYNC_HOLD, _STREAM_HOLD = 90.0, 5.0
_OF_JOBS: dict[str, Callable[[str, str], Request]] = {
    "status": _api.status,
    "stream": partial(_api.stream, hold=_STREAM_HOLD),
    "cancel": _api.cancel,
    "retry": _api.retry,
}
_OF_ENDPOINTS: dict[str, Callable[[str], Request]] = {
    row.name: request for row, request in ((ops.HEALTH, _api.health), (ops.PURGE_QUEUE, _api.purge_queue))
}


def called(client: Client, path: str, data: Mapping[str, Any] | None, timeout: float) -> Any:
    """Do what a path below the address asks for, and return the JSON of the answer.

    Raises:
        ValueError: it is no path of an endpoint's operations; nothing was sent.
    """
    endpoint_id, _, rest = path.strip("/").partition("/")
    operation, _, job_id = rest.partition("/")
    if operation in ("run", "runsync") and not job_id:
        return _submitted(client, checked_id("endpoint_id", endpoint_id), operation, data or {}, timeout)
    if operation in _OF_JOBS and job_id:
        request = _OF_JOBS[operation](checked_id("endpoint_id", endpoint_id), checked_id("job_id", job_id))
    elif operation in _OF_ENDPOINTS and not job_id:
        request = _OF_ENDPOINTS[operation](checked_id("endpoint_id", endpoint_id))
    else:
        raise ValueError(
            f"endpoint={path[:200]!r}: the path of an endpoint's operation expected, such as abc/status/ID"
        )
    return asked(client, request)


def asked(client: Client, request: Request) -> Any:
    """Make a request, and return the JSON of the answer, whatever its shape."""
    return client._drive(_asking(client, request))


async def asked_async(client: AsyncClient, request: Request) -> Any:
    """Do the same for tasks."""
    return await client._drive(_asking(client, request))


def _asking(client: Client | AsyncClient, request: Request) -> Flow[Any]:
    settings = client._settings
    return ask(settings, request, settings.deadline(None), _json)


def _json(request: Request, answer: Answer, told: Told) -> Any:
    return _answers.read(lambda _, found, __: _answers.json_of(found), request, answer, told)


def _submitted(client: Client, endpoint_id: str, operation: str, data: Mapping[str, Any], timeout: float) -> Any:
    job_input, options = parts(data, stacklevel=5)
    job = client.endpoint(endpoint_id).run(job_input, **options)
    if operation == "run":
        return {"id": job.id, "status": "IN_QUEUE"}
    try:
        return dict(job.wait(min(timeout, _RUN_SYNC_HOLD), on_abandon="detach").raw)
    except WaitTimeoutError:
        return dict(job.state().raw)
