"""A deadline for a whole sync request, however slowly its bytes arrive.

httpx bounds each read, so a server that sends a byte now and then keeps a thread for as long as it likes. A task can be
cancelled; a thread cannot, so its reads are given what is left of the request's time.

It is also here, where the thread waits, that what a signal handler raises is kept from those who would take it for an
error of the socket.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpcore

from runpod_sdk._http._signals import raised_by_handler

from ._addresses import Resolver, socket_options
from ._errors import Passing
from ._sockets import Limit, looked_up

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Generator

    import httpx


# How much is written at once, bytes: what a socket takes in one go once it takes anything; ours.
_PIECE = 2**14


class _Moment(threading.local):
    """When the request of this thread has to be over.

    `handled` is what `transports_own` wants to know.
    """

    limit: Limit | None = None
    handled: BaseException | None = None


_MOMENT = _Moment()


@contextmanager
def within(timeout: float) -> Generator[Limit]:
    """Bound every read and write of this thread by what is left of `timeout` seconds."""
    before = _MOMENT.limit, _MOMENT.handled
    limit = Limit(timeout)
    _MOMENT.limit, _MOMENT.handled = limit, sys.exception()
    try:
        yield limit
    finally:
        _MOMENT.limit, _MOMENT.handled = before


def _left(timeout: float | None) -> float | None:
    if _MOMENT.limit is None:
        return timeout
    left = max(0.001, _MOMENT.limit.left)  # 0 would make the socket non-blocking
    return left if timeout is None else min(timeout, left)


def _called(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call what waits. What a signal handler raises meanwhile passes all that know only errors of sockets.

    httpcore goes on after an OSError in a write, as the answer may have come before it.
    """
    try:
        return call(*args, **kwargs)
    except Exception as error:
        foreign = raised_by_handler(error, _MOMENT.handled)
        if foreign is None:
            raise
        raise Passing(foreign) from None


def improve(client: httpx.Client | httpx.AsyncClient) -> None:
    """Make the connections of a sync httpx client obey `within`, with TCP keepalive on all of them.

    httpx has no argument for httpcore's network backend, so it is exchanged in the pool before the first connection.
    Where a later httpx keeps it elsewhere, each read is bounded as before, and a test says so.
    """
    made = Bounded if hasattr(client, "close") else KeptAlive
    for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001  see above
        pool = getattr(transport, "_pool", None)
        if pool is not None and hasattr(pool, "_network_backend"):
            pool._network_backend = made(pool._network_backend)  # noqa: SLF001  see above


class KeptAlive:
    """An async network backend of httpcore, with TCP keepalive on its connections."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    async def connect_tcp(self, **kwargs: Any) -> Any:
        return await self._backend.connect_tcp(**_with_options(kwargs))

    async def connect_unix_socket(self, **kwargs: Any) -> Any:
        return await self._backend.connect_unix_socket(**kwargs)

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


def _with_options(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {**kwargs, "socket_options": [*socket_options(), *(kwargs.get("socket_options") or ())]}


class Bounded:
    """A network backend of httpcore whose streams ask for the time that is left.

    Names are looked up as for our own connections, and each address gets its share of the time.
    """

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **kwargs: Any) -> _PacedStream:
        addresses = _called(looked_up, Resolver(host, port), _left(timeout))
        problems: list[Exception] = []
        for place, address in enumerate(addresses):
            left = _left(timeout)
            share = None if left is None else left / (len(addresses) - place)
            named: dict[str, Any] = {"host": address.where[0], "port": port, "timeout": share}
            try:
                return _PacedStream(_called(self._backend.connect_tcp, **named, **_with_options(kwargs)))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problems.append(error)
        raise problems[-1] if problems else httpcore.ConnectError("it has no address")

    def connect_unix_socket(self, **kwargs: Any) -> _PacedStream:
        kwargs["timeout"] = _left(kwargs.get("timeout"))
        return _PacedStream(_called(self._backend.connect_unix_socket, **kwargs))

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class _PacedStream:
    """One connection."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data: bytes = _called(self._stream.read, max_bytes, _left(timeout))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _PIECE):  # httpcore gives each send of a write the whole time
            _called(self._stream.write, buffer[start : start + _PIECE], _left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> _PacedStream:
        return _PacedStream(_called(self._stream.start_tls, ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
