"""Load for a server: an HTTP/1.1 client of a few dozen lines, so that what is measured is the server."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Self
from urllib.parse import urlsplit

_READ = b"content-length:"


class Connection(asyncio.Protocol):
    """One connection; one request at a time, answered with a content length or with 204."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._prefix = self._fields = ""

    @classmethod
    async def open(cls, url: str, authorization: str) -> Self:
        """Connect; `url` is what stands before the path of each request."""
        parts = urlsplit(url)
        _, connection = await asyncio.get_running_loop().create_connection(cls, parts.hostname, parts.port)
        connection._prefix = parts.path
        connection._fields = f"host: {parts.netloc}\r\nauthorization: {authorization}\r\n"
        return connection

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send a request; return the status and the JSON of the answer."""
        status, answer = await self.send(method, path, body)
        return status, json.loads(answer) if answer else None

    def send(self, method: str, path: str, body: Any = None) -> asyncio.Future[tuple[int, bytes]]:
        """Send a request at once; the future has the status and the bytes of the answer."""
        content = b"" if body is None else json.dumps(body).encode()
        fields = self._fields
        if content or method == "POST":
            fields += f"content-type: application/json\r\ncontent-length: {len(content)}\r\n"
        self._answer = asyncio.get_running_loop().create_future()
        if self._transport is None:
            raise ConnectionError("not connected")
        self._transport.write(f"{method} {self._prefix}{path} HTTP/1.1\r\n{fields}\r\n".encode() + content)
        return self._answer

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, whichever loop made it."""
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Answer the request once its answer is whole."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        status = int(head[9:12])
        at = head.find(_READ)
        size = int(head[at + len(_READ) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < end + 4 + size:
            return
        body, self._buffer = self._buffer[end + 4 : end + 4 + size], self._buffer[end + 4 + size :]
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((status, body))

    def connection_lost(self, error: Exception | None) -> None:
        """Fail what is still unanswered."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionError("closed without an answer"))


async def open_many(url: str, authorization: str, number: int, *, at_once: int = 100) -> list[Connection]:
    """Return so many connections."""
    made: list[Connection] = []
    while len(made) < number:
        some = min(at_once, number - len(made))
        made += await asyncio.gather(*(Connection.open(url, authorization) for _ in range(some)))
    return made
