"""The entrance for sockets: an ASGI application. The rows in `_routes` give requests their meaning.

A plain callable: the routes are the same as those of `_transport.py`, and twice as many requests per second go
through it as through a web framework.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from runpod_sdk.emulator._doors._callers import Admission, Area, Caller
from runpod_sdk.emulator._doors._console import CONTROL_GUARDS, EVENTS_HEAD, PAGE_PREFIX, Watch, asset
from runpod_sdk.emulator._doors._control_api import BODY_LIMIT, PREFIX, Forward
from runpod_sdk.emulator._doors._exchange import Damaged, Exchange, headers_of
from runpod_sdk.emulator._doors._feed import JobFeed
from runpod_sdk.emulator._doors._timing import Advance
from runpod_sdk.emulator._routes._route import HttpAnswer, json_answer
from runpod_sdk.emulator._routes._router import RESOURCE_HEADER
from runpod_sdk.emulator._waiter import Waiter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from runpod_sdk.clock import Parking
    from runpod_sdk.emulator._doors._callers import Callers
    from runpod_sdk.emulator._doors._control_api import ControlApi
    from runpod_sdk.emulator._doors._gateway import Gateway

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

# What is read and thrown away of a body over the limit, as a multiple of it: a client that is still writing when the
# connection closes never sees the answer.
_DRAIN = 4
# Seconds between two looks at what a console has not heard, while one is open; ours.
_LOOK_EVERY = 0.15
_TELLING = frozenset({b"host", b"origin", b"sec-fetch-site"})
# The connection ends with it: what comes next may be part of that body, or a request that was smuggled in it.
_TWO_ENDS = HttpAnswer(
    400,
    b'{"error": "the head of the request says twice where its body ends"}',
    headers=(("content-type", "application/json"), ("connection", "close")),
)


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class _Asked(Protocol[T_co]):
    """Something that waits for an answer."""

    def conclude(self, waiter: Waiter) -> T_co | None: ...
    def leave(self, waiter: Waiter) -> None: ...


class App:
    """The emulator as an ASGI application."""

    def __init__(self, gateway: Gateway, control: ControlApi, callers: Callers) -> None:
        self._gateway = gateway
        self._control = control
        self._callers = callers
        self._held: set[Waiter] = set()
        self._pauses: set[Parking] = set()
        self._released = False

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        authorization = _header(scope, b"authorization")
        caller = _caller(scope)
        if scope["path"].startswith(PREFIX) and not scope["path"].startswith(PAGE_PREFIX) and not _has_two_ends(scope):
            answer = await self._controlled(scope, caller, authorization, receive)
            if isinstance(answer, Watch):
                await self._tell(answer, receive, send)
            else:
                await respond(_with(answer, CONTROL_GUARDS), send)
            return
        early = self._early(scope, caller)
        if early is not None:
            await respond(early, send)
            return
        exchange = Exchange(
            self._gateway,
            scope["method"],
            scope["path"],
            scope["query_string"].decode("latin-1"),
            authorization,
            resource=_header(scope, RESOURCE_HEADER.encode()),
            connected=True,
        )
        result = await self._answer(exchange, receive)
        fields = self._callers.cors(caller.origin) if caller.is_page else ()
        if isinstance(result, Damaged):
            await _break(replace(result, answer=_with(result.answer, fields)), receive, send)
        elif isinstance(result, JobFeed):
            await self._stream(result, fields, receive, send)
        elif result is not None:
            if exchange.has_work and await _has_gone(receive):
                exchange.take_back_work()
                return
            await respond(_with(result, fields), send)

    def _early(self, scope: MutableMapping[str, Any], caller: Caller) -> HttpAnswer | None:
        """Return what is answered without a look at the body; None: it goes on to the service."""
        if _has_two_ends(scope):
            return _TWO_ENDS
        if scope["path"] == "/" or scope["path"].startswith(PAGE_PREFIX):
            return self._page(scope, caller)
        return self._for_page(scope, caller) if caller.is_page else None

    def _for_page(self, scope: MutableMapping[str, Any], caller: Caller) -> HttpAnswer | None:
        """Return the answer to a page that is turned away, or asks what it may; None: it goes on like any other."""
        if self._callers.access(Area.QUEUE, caller) is Admission.REFUSED:
            return self._callers.refusal(Area.QUEUE, caller)
        wanted = _header(scope, b"access-control-request-headers")
        return self._callers.preflight(scope["method"], caller.origin, wanted)

    async def _controlled(
        self, scope: MutableMapping[str, Any], caller: Caller, authorization: str, receive: Receive
    ) -> HttpAnswer | Watch:
        body = await _read(receive, BODY_LIMIT)
        if body is None or len(body) > BODY_LIMIT:
            return HttpAnswer(413, b'{"error": "body is too large"}')
        result = self._control.handle(scope["method"], scope["path"], caller, authorization, body)
        if isinstance(result, Advance):
            await result.clock.advance_async(result.seconds)
            return self._control.clock()
        if isinstance(result, Forward):
            return await self._forwarded(result, body, receive)
        return result

    def _page(self, scope: MutableMapping[str, Any], caller: Caller) -> HttpAnswer:
        """Return the console's page, or one of its modules."""
        if self._callers.access(Area.PAGE, caller) is Admission.REFUSED:
            return self._callers.refusal(Area.PAGE, caller)
        if scope["method"] != "GET":
            return json_answer(405, {"error": f"method {scope['method']} not allowed"}, allow=("GET",))
        return asset(scope["path"]) or json_answer(404, {"error": "path not found"})

    async def _forwarded(self, forward: Forward, body: bytes, receive: Receive) -> HttpAnswer:
        """Ask what the console asks of the service, as anybody would; faults strike it, too."""
        exchange = Exchange(self._gateway, "POST", forward.path, "", forward.api_key, connected=True)
        asked = exchange.ask(body if forward.body is None else forward.body)
        if isinstance(asked, Damaged) and asked.until:
            answer = await self._pause(exchange, asked, receive)
        else:
            answer = asked if isinstance(asked, HttpAnswer) else None
        if isinstance(answer, HttpAnswer):
            return answer
        return json_answer(502, {"error": "a fault has taken the answer; it may have been done"})

    async def _tell(self, watch: Watch, receive: Receive, send: Send) -> None:
        """Tell a console what happens, until it or the emulator ends."""
        gone = asyncio.Event()

        async def listen() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            gone.set()

        listener = asyncio.create_task(listen())
        try:
            await _start_open(EVENTS_HEAD, send)
            while not gone.is_set() and not self._released:
                news = watch.news()
                if news:
                    await send({"type": "http.response.body", "body": news, "more_body": True})
                with suppress(TimeoutError):
                    await asyncio.wait_for(gone.wait(), 0 if news else _LOOK_EVERY)
            if not gone.is_set():
                await send({"type": "http.response.body", "body": b""})
        finally:
            listener.cancel()

    def release(self) -> None:
        """Hold nothing from now on, and answer what is held; may be called from any thread."""
        self._released = True
        for waiter in list(self._held):
            waiter.cut_short()
        for parking in list(self._pauses):
            parking.wake()

    async def _answer(self, exchange: Exchange, receive: Receive) -> HttpAnswer | Damaged | JobFeed | None:
        """Return the answer, or None when the client has gone."""
        body = b""
        if exchange.body_limit:
            read = await _read(receive, exchange.body_limit)
            if read is None:
                return None
            if len(read) > exchange.body_limit:
                return exchange.too_large()
            body = read
        with self._gateway.hub.clock.participate():
            asked = exchange.ask(body)
            result: HttpAnswer | Damaged | JobFeed | None
            result = await self._wait(exchange, asked, receive) if isinstance(asked, Waiter) else asked
            if isinstance(result, Damaged) and result.until:
                return await self._pause(exchange, result, receive)
            return result

    async def _pause(self, exchange: Exchange, damaged: Damaged, receive: Receive) -> HttpAnswer | Damaged | None:
        """Return the answer once it is due; for one that never is, what ends the connection."""
        parking = exchange.pause(damaged)
        self._pauses.add(parking)
        if self._released:
            parking.wake()
        watcher = asyncio.create_task(_watch(receive, parking))
        try:
            await parking.wait_async()
        finally:
            self._pauses.discard(parking)
            watcher.cancel()
            answer = exchange.resume(parking, damaged)
        return Damaged("dropped", damaged.answer) if answer is None else answer

    async def _stream(self, feed: JobFeed, fields: tuple[tuple[str, str], ...], receive: Receive, send: Send) -> None:
        """Send an answer piece by piece, for as long as its caller is there."""
        with self._gateway.hub.clock.participate():
            is_begun = False
            while not feed.is_over:
                asked = feed.ask()
                piece = await self._wait(feed, asked, receive) if isinstance(asked, Waiter) else asked
                if piece is None or (self._released and not feed.is_over):
                    feed.abandon()
                    break
                if not feed.is_open:
                    continue  # the answer comes as a whole
                if not is_begun:
                    await _start_open(_with(feed.opening(), fields), send)
                    is_begun = True
                if piece:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        if is_begun:
            await send({"type": "http.response.body", "body": b""})
        else:
            await respond(_with(feed.opening(), fields), send)

    async def _wait(self, exchange: _Asked[T], waiter: Waiter, receive: Receive) -> T | None:
        gone = False

        async def watch() -> None:
            nonlocal gone
            while (await receive())["type"] != "http.disconnect":
                pass
            gone = True
            waiter.parking.wake()

        watcher = asyncio.create_task(watch())
        self._held.add(waiter)
        if self._released:
            waiter.cut_short()
        try:
            await waiter.parking.wait_async()
        except BaseException:
            exchange.leave(waiter)
            raise
        finally:
            self._held.discard(waiter)
            watcher.cancel()
        if gone:
            exchange.leave(waiter)
            return None
        return exchange.conclude(waiter)


def _caller(scope: MutableMapping[str, Any]) -> Caller:
    """Return what the head says of its sender."""
    found: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        if name in _TELLING:
            text = value.decode("latin-1")
            found[name] = f"{found[name]}, {text}" if name in found else text
    return Caller(
        scheme=scope.get("scheme", "http"),
        host=found.get(b"host", ""),
        origin=found.get(b"origin", ""),
        site=found.get(b"sec-fetch-site", ""),
    )


def _has_two_ends(scope: MutableMapping[str, Any]) -> bool:
    """Whether who stands before this server may see another end of the body than it does. RFC 9112, 6.1 and 6.3."""
    names = [name for name, _ in scope["headers"]]
    if b"transfer-encoding" not in names:
        return False
    return b"content-length" in names or scope.get("http_version") == "1.0" or names.count(b"transfer-encoding") > 1


def _header(scope: MutableMapping[str, Any], name: bytes) -> str:
    found: bytes = next((value for known, value in scope["headers"] if known == name), b"")
    return found.decode("latin-1")


async def _watch(receive: Receive, parking: Parking) -> None:
    """End a wait when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    parking.wake()


async def _has_gone(receive: Receive) -> bool:
    """Whether the client has closed the connection already."""

    async def disconnected() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    reading = asyncio.create_task(disconnected())
    for _ in range(3):  # turns of the loop: to begin, to read what is there, to end
        await asyncio.sleep(0)
    gone = reading.done()
    reading.cancel()
    return gone


def _with(answer: HttpAnswer, fields: tuple[tuple[str, str], ...]) -> HttpAnswer:
    return replace(answer, headers=(*answer.headers, *fields)) if fields else answer


async def respond(answer: HttpAnswer, send: Send) -> None:
    """Send a whole answer."""
    await _start(answer, send)
    await send({"type": "http.response.body", "body": answer.body})


async def _start_open(answer: HttpAnswer, send: Send) -> None:
    """Send the head of an answer whose length nobody knows."""
    headers = [(name.encode(), value.encode()) for name, value in answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})


async def _start(answer: HttpAnswer, send: Send) -> None:
    headers = [(name.encode(), value.encode()) for name, value in headers_of(answer)]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})


async def _break(damaged: Damaged, receive: Receive, send: Send) -> None:
    """Send what is to be sent of an answer, and end the connection.

    ASGI has no word for that. Under uvicorn, `send` belongs to an object that knows its connection; under a server
    where it does not, this raises, and what the client sees is up to that server.
    """
    connection: Any = getattr(getattr(send, "__self__", None), "transport", None)
    if connection is None:
        raise RuntimeError(f"this server has no way to let an answer be {damaged.fate}; use Emulator.serve()")
    if damaged.fate == "truncated":
        body = damaged.answer.body
        await _start(damaged.answer, send)
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    if damaged.fate == "reset":
        # With nothing left to linger for, the kernel sends a reset. Source: socket(7), SO_LINGER.
        # By way of a copy of the descriptor: what uvloop gives out as a socket is none.
        with socket.socket(fileno=os.dup(connection.get_extra_info("socket").fileno())) as handle:
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.abort()
    else:
        connection.close()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _read(receive: Receive, limit: int) -> bytes | None:
    """Return the body; any `limit + 1` bytes if it is too large; None if it broke off."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part: bytes = message.get("body", b"")
        size += len(part)
        if size <= limit:
            parts.append(part)
        if not message.get("more_body", False):
            break
        if size > limit * _DRAIN:
            break
    return b"".join(parts) if size <= limit else bytes(limit + 1)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
