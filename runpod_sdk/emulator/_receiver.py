"""Sends one POST to a user's server, and ends in time whatever that server does.

No redirect is followed and no proxy used: a webhook under test is nearby. Of the answer, only the status is read,
and nothing of the body.
"""

from __future__ import annotations

import io
import socket
import time
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

    from typing_extensions import Buffer  # of collections.abc from Python 3.12 on

_PORTS: Mapping[str, int] = {"http": 80, "https": 443}
# What stands in a target as it is: all that RFC 3986 lets stand there, and what is escaped already.
_PLAIN = "%/:?=&@!$'()*+,;~[]#"


def post(url: str, body: bytes, limit: float) -> int:
    """POST JSON to a URL, and return the HTTP status.

    Args:
        url: where; blanks and the like in it are escaped.
        body: what.
        limit: real seconds for all of it; only the look-up of the name has limits of its own.

    Raises:
        OSError: there is no way to it, or it is over too early; TimeoutError after the limit.
        ValueError: the URL cannot be used.
        http.client.HTTPException: what answers talks no HTTP.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("a URL with http:// or https:// and a host expected")
    deadline = time.monotonic() + limit
    host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode()
    with closing(
        _ReceiverConnection(_connected(host, parts.port or _PORTS[parts.scheme], deadline), deadline)
    ) as connection:
        if parts.scheme == "https":
            connection.secure(host)
        return _exchanged(connection, parts, host, body)


def _exchanged(connection: _ReceiverConnection, parts: SplitResult, host: str, body: bytes) -> int:
    """Send the request, and return the status of the answer."""
    from http.client import HTTPConnection  # noqa: PLC0415  10 ms to import

    client = HTTPConnection(host)
    client.sock = connection  # pyright: ignore[reportAttributeAccessIssue]  as far as it asks
    name = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port not in (None, _PORTS[parts.scheme]) else ""
    target = quote(parts._replace(scheme="", netloc="", path=parts.path or "/", fragment="").geturl(), _PLAIN)
    headers = {"host": f"{name}{port}", "content-type": "application/json", "connection": "close"}
    client.request("POST", target, body, headers)
    with closing(client.getresponse()) as answer:
        return answer.status


def _connected(host: str, port: int, deadline: float) -> socket.socket:
    """Return a connection to the first address of a host that takes one."""
    failure = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        end = socket.socket(family, kind, protocol)
        try:
            end.settimeout(max(0.001, deadline - time.monotonic()))
            end.connect(address)
        except OSError as error:
            end.close()
            failure = error
        else:
            return end
    raise failure


class _ReceiverConnection:
    """A socket as `http.client` uses one, whose reads and writes all end at one deadline."""

    def __init__(self, end: socket.socket, deadline: float) -> None:
        self._end = end
        self._deadline = deadline

    def secure(self, host: str) -> None:
        """Talk TLS from here on."""
        import ssl  # noqa: PLC0415  25 ms to import

        context = ssl.create_default_context()
        self._end = context.wrap_socket(self._end, server_hostname=host, do_handshake_on_connect=False)
        self._in_time().do_handshake()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  as just made

    def sendall(self, data: bytes) -> None:
        """Write all of it."""
        left = memoryview(data)
        while left:
            left = left[self._in_time().send(left) :]

    def receive(self, into: Buffer) -> int:
        """Read some; 0 at the end."""
        return self._in_time().recv_into(into)

    def makefile(self, _: str) -> io.BufferedReader:
        """Return what reads from it."""
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Hang up."""
        self._end.close()

    def _in_time(self) -> socket.socket:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        self._end.settimeout(left)
        return self._end


class _Reader(io.RawIOBase):
    def __init__(self, connection: _ReceiverConnection) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, into: Buffer, /) -> int:
        return self._connection.receive(into)
