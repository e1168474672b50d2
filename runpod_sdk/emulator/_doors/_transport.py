"""The entrance without a socket: an httpx transport for sync and async clients.

The time between a request and its answer passes on the emulator's clock, and so does the request's read timeout.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import httpx

from runpod_sdk.emulator._doors._callers import Caller
from runpod_sdk.emulator._doors._control_api import PREFIX
from runpod_sdk.emulator._doors._exchange import Damaged, Exchange, headers_of
from runpod_sdk.emulator._doors._feed import JobFeed
from runpod_sdk.emulator._doors._timing import Advance
from runpod_sdk.emulator._routes._route import HttpAnswer, json_answer
from runpod_sdk.emulator._routes._router import RESOURCE_HEADER
from runpod_sdk.emulator._waiter import Waiter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from runpod_sdk.clock import ParkingClock
    from runpod_sdk.emulator._doors._control_api import ControlAnswer, ControlApi
    from runpod_sdk.emulator._doors._gateway import Gateway

_Stream = TypeVar("_Stream", httpx.SyncByteStream, httpx.AsyncByteStream)


class Transport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Carries requests to an emulator in this process.

    Examples:
        >>> from runpod_sdk.emulator import Emulator
        >>> emulator = Emulator()
        >>> _ = emulator.endpoint("echo", lambda job: job["input"])
        >>> with httpx.Client(transport=emulator.transport, headers={"authorization": "test"}) as client:
        ...     client.post("https://emulator.invalid/v2/echo/runsync", json={"input": {"a": 1}}).json()["output"]
        {'a': 1}
        >>> emulator.close()
    """

    def __init__(self, gateway: Gateway, control: ControlApi) -> None:
        self._gateway = gateway
        self._control = control

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request, blocking the thread while it is held.

        Raises:
            httpx.ReadTimeout: the request's read timeout ended first.
            httpx.ConnectError: the emulator is closed, or a fault refused the connection.
            httpx.RemoteProtocolError, httpx.ReadError: a fault broke the connection.
        """
        if request.url.path.startswith(PREFIX):
            control = self._controlled(request, request.read())
            if isinstance(control, Advance):
                control.clock.advance(control.seconds)
                control = self._control.clock()
            return _response(_sendable(control), request)
        clock = self._gateway.hub.clock
        with clock.participate():
            exchange, patience = self._exchange(request)
            body = bytearray()
            if exchange.body_limit:
                for part in _stream(request, httpx.SyncByteStream):
                    body += part
                    if len(body) > exchange.body_limit:
                        return _response(exchange.too_large(), request)
            result = exchange.ask(bytes(body), patience)
            if isinstance(result, Waiter):
                try:
                    result.parking.wait()
                except BaseException:
                    exchange.leave(result)
                    raise
                result = _concluded(exchange, result, request)
            if isinstance(result, JobFeed):
                return _opened(Pieces(result, clock, patience), request)
            if isinstance(result, Damaged) and result.until:
                pause = exchange.pause(result, patience)
                try:
                    pause.wait()
                finally:
                    answer = exchange.resume(pause, result)
                result = _resumed(answer, patience <= self._gateway.hub.clock.monotonic(), request)
            return _response(result, request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Like `handle_request`, suspending the task while the request is held."""
        if request.url.path.startswith(PREFIX):
            control = self._controlled(request, await request.aread())
            if isinstance(control, Advance):
                await control.clock.advance_async(control.seconds)
                control = self._control.clock()
            return _response(_sendable(control), request)
        clock = self._gateway.hub.clock
        with clock.participate():
            exchange, patience = self._exchange(request)
            body = bytearray()
            if exchange.body_limit:
                async for part in _stream(request, httpx.AsyncByteStream):
                    body += part
                    if len(body) > exchange.body_limit:
                        return _response(exchange.too_large(), request)
            result = exchange.ask(bytes(body), patience)
            if isinstance(result, Waiter):
                try:
                    await result.parking.wait_async()
                except BaseException:
                    exchange.leave(result)
                    raise
                result = _concluded(exchange, result, request)
            if isinstance(result, JobFeed):
                return await _opened_async(Pieces(result, clock, patience), request)
            if isinstance(result, Damaged) and result.until:
                pause = exchange.pause(result, patience)
                try:
                    await pause.wait_async()
                finally:
                    answer = exchange.resume(pause, result)
                result = _resumed(answer, patience <= self._gateway.hub.clock.monotonic(), request)
            return _response(result, request)

    def _controlled(self, request: httpx.Request, body: bytes) -> ControlAnswer:
        url, headers = request.url, request.headers
        caller = Caller(
            scheme=url.scheme,
            host=headers.get("host", url.netloc.decode("ascii")),
            origin=headers.get("origin", ""),
            site=headers.get("sec-fetch-site", ""),
        )
        return self._control.handle(request.method, url.path, caller, headers.get("authorization", ""), body)

    def _exchange(self, request: httpx.Request) -> tuple[Exchange, float]:
        hub = self._gateway.hub
        if hub.closed:
            raise httpx.ConnectError("the emulator is closed", request=request)
        url = request.url
        authorization = request.headers.get("authorization", "")
        resource = request.headers.get(RESOURCE_HEADER, "")
        query = url.query.decode("ascii")
        exchange = Exchange(self._gateway, request.method, url.path, query, authorization, resource=resource)
        read_timeout = request.extensions.get("timeout", {}).get("read")
        return exchange, math.inf if read_timeout is None else hub.clock.monotonic() + read_timeout


def _sendable(answer: ControlAnswer) -> HttpAnswer:
    """Return an answer; what only the console asks needs a socket."""
    if isinstance(answer, HttpAnswer):
        return answer
    return json_answer(501, {"error": "this is for the console, which is there on a socket: Emulator.serve()"})


def _stream(request: httpx.Request, kind: type[_Stream]) -> _Stream:
    if not isinstance(request.stream, kind):
        raise TypeError(f"{request.method} {request.url}: its body is no {kind.__name__}")
    return request.stream


def _concluded(exchange: Exchange, waiter: Waiter, request: httpx.Request) -> HttpAnswer | Damaged:
    answer = exchange.conclude(waiter)
    if answer is None:
        raise httpx.ReadTimeout("the read timeout ended before the answer came", request=request)
    return answer


def _resumed(answer: HttpAnswer | None, timed_out: bool, request: httpx.Request) -> HttpAnswer:  # noqa: FBT001  private
    if answer is not None:
        return answer
    if timed_out:
        raise httpx.ReadTimeout("the read timeout ended before the answer came", request=request)
    raise httpx.RemoteProtocolError("the emulator is closed", request=request)


class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The pieces of an answer, each when it is asked for; closed before its end, it cancels the job."""

    def __init__(self, feed: JobFeed, clock: ParkingClock, patience: float) -> None:
        self.feed = feed
        self.first = b""
        self._clock = clock
        self._patience = patience

    def next(self) -> bytes:
        """Return the next piece, blocking the thread."""
        with self._clock.participate():
            asked = self.feed.ask(self._patience)
            if not isinstance(asked, Waiter):
                return asked
            try:
                asked.parking.wait()
            except BaseException:
                self.feed.leave(asked)
                raise
            return self._concluded(asked)

    async def next_async(self) -> bytes:
        """Like `next`, suspending the task."""
        with self._clock.participate():
            asked = self.feed.ask(self._patience)
            if not isinstance(asked, Waiter):
                return asked
            try:
                await asked.parking.wait_async()
            except BaseException:
                self.feed.leave(asked)
                raise
            return self._concluded(asked)

    def _concluded(self, waiter: Waiter) -> bytes:
        piece = self.feed.conclude(waiter)
        if piece is None:
            raise httpx.ReadTimeout("the read timeout ended before the answer came")
        return piece

    def __iter__(self) -> Iterator[bytes]:
        yield self.first
        while not self.feed.is_over:
            yield self.next()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.first
        while not self.feed.is_over:
            yield await self.next_async()

    def close(self) -> None:
        self.feed.abandon()

    async def aclose(self) -> None:
        self.feed.abandon()


def _opened(pieces: Pieces, request: httpx.Request) -> httpx.Response:
    """Return the answer as soon as its status is known."""
    pieces.first = pieces.next()
    while not (pieces.feed.is_over or pieces.feed.is_open):
        pieces.next()
    return _begun(pieces, request)


async def _opened_async(pieces: Pieces, request: httpx.Request) -> httpx.Response:
    pieces.first = await pieces.next_async()
    while not (pieces.feed.is_over or pieces.feed.is_open):
        await pieces.next_async()
    return _begun(pieces, request)


def _begun(pieces: Pieces, request: httpx.Request) -> httpx.Response:
    answer = pieces.feed.opening()
    if not pieces.feed.is_open:
        return _response(answer, request)
    return httpx.Response(answer.status, headers=list(answer.headers), stream=pieces, request=request)


class _Half(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The first half of a body, and then the end of the connection."""

    def __init__(self, body: bytes, request: httpx.Request) -> None:
        self._body = body
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        yield self._body[: len(self._body) // 2]
        raise self._broken()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body[: len(self._body) // 2]
        raise self._broken()

    def _broken(self) -> httpx.RemoteProtocolError:
        # As httpcore says it.
        received, expected = len(self._body) // 2, len(self._body)
        return httpx.RemoteProtocolError(
            "peer closed connection without sending complete message body "
            f"(received {received} bytes, expected {expected})",
            request=self._request,
        )


def _response(answer: HttpAnswer | Damaged, request: httpx.Request) -> httpx.Response:
    """Return the response, or raise what the real transport raises; the texts are those of httpcore."""
    if isinstance(answer, Damaged):
        match answer.fate:
            case "refused":
                raise httpx.ConnectError("[Errno 111] Connection refused", request=request)
            case "reset":
                raise httpx.ReadError("[Errno 104] Connection reset by peer", request=request)
            case "truncated":
                whole = answer.answer
                stream = _Half(whole.body, request)
                return httpx.Response(whole.status, headers=headers_of(whole), stream=stream, request=request)
            case _:
                raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)
    return httpx.Response(answer.status, headers=headers_of(answer), content=answer.body, request=request)
