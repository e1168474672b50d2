"""A deadline over a whole request of a thread, however slowly its bytes come.

httpx bounds each read, so a server that sends a byte now and then keeps a thread for as long as it likes. A task can be
cancelled; a thread cannot, so its reads are given what is left of the request's time.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator

    import httpx


class _Moment(threading.local):
    """When the request of this thread has to be over, in the system's monotonic seconds."""

    at: float | None = None


_MOMENT = _Moment()


@contextmanager
def within(timeout: float) -> Generator[None]:
    """Bound every read and write of this thread by what is left of `timeout` seconds."""
    before, _MOMENT.at = _MOMENT.at, time.monotonic() + timeout
    try:
        yield
    finally:
        _MOMENT.at = before


def _left(timeout: float | None) -> float | None:
    if _MOMENT.at is None:
        return timeout
    left = max(0.001, _MOMENT.at - time.monotonic())  # 0 would make the socket non-blocking
    return left if timeout is None else min(timeout, left)


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
        return _Stream(self._backend.connect_tcp(**kwargs))

    def connect_unix_socket(self, **kwargs: Any) -> _Stream:
        kwargs["timeout"] = _left(kwargs.get("timeout"))
        return _Stream(self._backend.connect_unix_socket(**kwargs))

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class _Stream:
    """One connection."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data: bytes = self._stream.read(max_bytes, _left(timeout))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> _Stream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
