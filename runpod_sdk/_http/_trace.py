"""Follows httpcore's trace events to learn whether any byte of a request was sent.

httpcore, which is under httpx's own transports, calls the `trace` extension of a request before each step. A transport
of the caller's may call it, too, or hand the request on to one that does; one that never does cannot tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from runpod_sdk._values._outcomes import SENT

from ._stale import is_followed

if TYPE_CHECKING:
    from ._message import Stage, Transfer

# The steps in which the first bytes of a request are written. Whatever else is written before belongs to the
# connection: TLS, a proxy's CONNECT, HTTP/2's preface.
_SENDING = (".send_request_headers.started", ".send_request_body.started")

_STAGES: dict[str, Stage] = {
    ".connect_tcp.": "while connecting",
    ".start_tls.": "while connecting",
    ".send_request_": "while sending",
    ".receive_response_": "waiting for the answer",
}

# What httpx raises before the first byte of a request: of a transport that cannot tell, only where its owner vouches
# for it. Exact classes, since a subclass may mean something else.
_BEFORE_SENDING = frozenset(
    {
        httpx.ConnectError,
        httpx.ConnectTimeout,
        httpx.PoolTimeout,
        httpx.ProxyError,
        httpx.UnsupportedProtocol,
        httpx.InvalidURL,
    }
)


class Trace:
    """Counts for one request.

    Args:
        transfer: the request.
        tells: whether its transport is known to say all that it does.

    Attributes:
        is_heard: whether its connection reports its progress.
    """

    def __init__(self, transfer: Transfer, *, tells: bool) -> None:
        self._transfer = transfer
        self.is_heard = tells
        self._began = False
        self._opening: Any = None
        self._response: httpx.Response | None = None
        if tells:
            transfer.sent = 0

    def watch(self, response: httpx.Response | None) -> None:
        """Look after the connection of this answer; of None when it is done with, as an answer knows its trace."""
        self._response = response

    def note(self, step: str, info: dict[str, Any]) -> None:
        """Be told of a step, before it is done."""
        self._count(step, info)
        if self._is_last_of_connection(step):
            self.drop()

    def _is_last_of_connection(self, step: str) -> bool:
        is_over = step.endswith(".response_closed.started")
        return is_over and self._response is not None and is_followed(self._response)

    def drop(self) -> None:
        """Close the connection of the answer, so that it carries nothing more: httpx finds it closed."""
        stream = self._stream()
        if stream is not None:
            stream.close()

    async def drop_async(self) -> None:
        """Close the connection of the answer, so that it carries nothing more: httpx finds it closed."""
        stream = self._stream()
        if stream is not None:
            await stream.aclose()

    def _stream(self) -> Any:
        return None if self._response is None else self._response.extensions.get("network_stream")

    def _count(self, step: str, info: dict[str, Any]) -> None:
        self.is_heard = True
        for part, stage in _STAGES.items():
            if part in step:
                self._transfer.stage = stage
        if step.endswith(_SENDING) and getattr(info.get("request"), "method", None) != b"CONNECT":
            if not self._began:
                self._transfer.check_time()
            self._began = True
        self._transfer.sent = SENT if self._began else 0

    async def note_async(self, step: str, info: dict[str, Any]) -> None:
        """Be told of a step, before it is done."""
        self._count(step, info)
        if self._is_last_of_connection(step):
            await self.drop_async()
        if step.endswith(".connect_tcp.complete"):
            self._opening = info.get("return_value")
        elif step.endswith((".start_tls.complete", *_SENDING)):
            self._opening = None

    async def close_half_open(self) -> None:
        """Close a connection that was interrupted in its TLS handshake: httpcore 1.0.9 leaves it open."""
        if self._opening is not None:
            opening, self._opening = self._opening, None
            await opening.aclose()

    def failed(self, error: BaseException, *, trust: bool) -> None:
        """Take note of the error that a request ended with; `trust`: the transport's owner vouches for its word."""
        if trust and not self.is_heard and type(error) in _BEFORE_SENDING:
            self._transfer.sent = 0


def tells(client: httpx.Client | httpx.AsyncClient, url: str) -> bool:
    """Whether a client sends by a transport that is httpx's own, and so says what it sends before it does.

    httpx has no public way to ask. Where a later httpx keeps its transports elsewhere, nobody is believed before the
    first step is heard, and a test says so.
    """
    if type(client) not in (httpx.Client, httpx.AsyncClient) or not hasattr(client, "_transport_for_url"):
        return False
    transport: object = client._transport_for_url(httpx.URL(url))  # noqa: SLF001  see above
    if type(transport) not in (httpx.HTTPTransport, httpx.AsyncHTTPTransport):
        return False
    return type(getattr(transport, "_pool", None)).__module__.partition(".")[0] == "httpcore"
