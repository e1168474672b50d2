"""A deadline over a whole request of a thread, however slowly its bytes come.

httpx bounds each read, so a server that sends a byte now and then keeps a thread for as long as it likes. A task can be
cancelled; a thread cannot, so its reads are given what is left of the request's time.

It is also here, where the thread waits, that what a signal handler raises is kept from those who would take it for an
error of the socket.
"""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from runpod_sdk._http._signals import raised_by_handler

from ._errors import Passing

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Generator

    import httpx


class _Moment(threading.local):
    """When the request of this thread has to be over, in the system's monotonic seconds.

    `handled` is what `transports_own` wants to know.
    """

    at: float | None = None
    handled: BaseException | None = None


_MOMENT = _Moment()


@contextmanager
def within(timeout: float) -> Generator[None]:
    """Bound every read and write of this thread by what is left of `timeout` seconds."""
    before = _MOMENT.at, _MOMENT.handled
    _MOMENT.at, _MOMENT.handled = time.monotonic() + timeout, sys.exception()
    try:
        yield
    finally:
        _MOMENT.at, _MOMENT.handled = before


def _left(timeout: float | None) -> float | None:
    if _MOMENT.at is None:
        return timeout
    left = max(0.001, _MOMENT.at - time.monotonic())  # 0 would make the socket non-blocking
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


def bound_reads(client: httpx.Client) -> None:
    """Make the connections of a client of httpx's obey `within`.

    httpx has no argument for httpcore's network backend, so it is exchanged in the pool before the first connection.
    Where a later httpx keeps it elsewhere, each read is bounded as before, and a test says so.
    """
    for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001  see above
        pool = getattr(transport, "_pool", None)
        if pool is not None and hasattr(pool, "_network_backend"):
            pool._network_backend = Bounded(pool._network_backend)  # noqa: SLF001  see above


class Bounded:
    """A network backend of httpcore whose streams ask for the time that is left."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def connect_tcp(self, **kwargs: Any) -> _Stream:
        kwargs["timeout"] = _left(kwargs.get("timeout"))
        return _Stream(_called(self._backend.connect_tcp, **kwargs))

    def connect_unix_socket(self, **kwargs: Any) -> _Stream:
        kwargs["timeout"] = _left(kwargs.get("timeout"))
        return _Stream(_called(self._backend.connect_unix_socket, **kwargs))

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class _Stream:
    """One connection."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data: bytes = _called(self._stream.read, max_bytes, _left(timeout))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        _called(self._stream.write, buffer, _left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> _Stream:
        return _Stream(_called(self._stream.start_tls, ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
