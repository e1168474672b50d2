"""The door without a socket: an httpx transport, for `httpx.Client` and `httpx.AsyncClient` alike.

The time between a request and its answer passes on the emulator's clock, and so does the request's read timeout.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import httpx

from runpod_sdk.emulator._hub import Waiter

if TYPE_CHECKING:
    from runpod_sdk.emulator._client_api import Answer
    from runpod_sdk.emulator._desk import Desk, Visit

_Stream = TypeVar("_Stream", httpx.SyncByteStream, httpx.AsyncByteStream)


class Transport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Carries requests to an emulator in this process.

    Example:
        >>> from runpod_sdk.emulator import Emulator
        >>> emulator = Emulator()
        >>> _ = emulator.endpoint("echo", lambda job: job["input"])
        >>> with httpx.Client(transport=emulator.transport, headers={"authorization": "test"}) as client:
        ...     client.post("https://emulator.invalid/v2/echo/runsync", json={"input": {"a": 1}}).json()["output"]
        {'a': 1}
        >>> emulator.close()
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request, blocking the thread while it is held.

        Raises:
            httpx.ReadTimeout: the request's read timeout ended first.
            httpx.ConnectError: the emulator is closed.
        """
        clock = self._desk.hub.clock
        with clock.participate():
            visit, patience = self._visit(request)
            body = bytearray()
            if visit.body_limit:
                for part in _stream(request, httpx.SyncByteStream):
                    body += part
                    if len(body) > visit.body_limit:
                        return _response(visit.too_large(), request)
            result = visit.ask(bytes(body), patience)
            if isinstance(result, Waiter):
                try:
                    result.parking.wait()
                except BaseException:
                    visit.leave(result)
                    raise
                result = _concluded(visit, result, request)
            return _response(result, request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Like `handle_request`, suspending the task while the request is held."""
        clock = self._desk.hub.clock
        with clock.participate():
            visit, patience = self._visit(request)
            body = bytearray()
            if visit.body_limit:
                async for part in _stream(request, httpx.AsyncByteStream):
                    body += part
                    if len(body) > visit.body_limit:
                        return _response(visit.too_large(), request)
            result = visit.ask(bytes(body), patience)
            if isinstance(result, Waiter):
                try:
                    await result.parking.wait_async()
                except BaseException:
                    visit.leave(result)
                    raise
                result = _concluded(visit, result, request)
            return _response(result, request)

    def _visit(self, request: httpx.Request) -> tuple[Visit, float]:
        hub = self._desk.hub
        if hub.closed:
            raise httpx.ConnectError("the emulator is closed", request=request)
        url = request.url
        authorization = request.headers.get("authorization", "")
        visit = self._desk.visit(request.method, url.path, url.query.decode("ascii"), authorization)
        read_timeout = request.extensions.get("timeout", {}).get("read")
        return visit, math.inf if read_timeout is None else hub.clock.monotonic() + read_timeout


def _stream(request: httpx.Request, kind: type[_Stream]) -> _Stream:
    if not isinstance(request.stream, kind):
        raise TypeError(f"{request.method} {request.url}: its body is no {kind.__name__}")
    return request.stream


def _concluded(visit: Visit, waiter: Waiter, request: httpx.Request) -> Answer:
    answer = visit.conclude(waiter)
    if answer is None:
        raise httpx.ReadTimeout("the read timeout ended before the answer came", request=request)
    return answer


def _response(answer: Answer, request: httpx.Request) -> httpx.Response:
    return httpx.Response(answer.status, headers=answer.headers(), content=answer.body, request=request)
