"""What keeps a request from ever leaving: each is in the way of every request, and none of them gets a byte of one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Any

import pytest

from tests.faults.acts import cut, nothing
from tests.faults.server import Connection, FaultServer, response

Obstacle = Callable[[], AbstractContextManager[str]]


@contextmanager
def backlogged(host: str, port: int = 0) -> Generator[int]:
    """Provide a port that answers no further SYN: a socket that listens, and accepts nobody, with its line full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((host, port))
        listener.listen(0)
        is_full = False
        while not is_full:
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0.2)
            try:
                waiting.connect(listener.getsockname())
            except TimeoutError:
                is_full = True
        yield listener.getsockname()[1]


@contextmanager
def no_answer_to_syn() -> Generator[str]:
    with backlogged("127.0.0.1") as port:
        yield f"http://127.0.0.1:{port}/v2"


@contextmanager
def nobody_listens() -> Generator[str]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/v2"


def _stalled(connection: Connection) -> None:
    connection.stall()


@contextmanager
def tls_stalls() -> Generator[str]:
    with FaultServer(default=_stalled) as server:
        yield server.url.replace("http:", "https:")


@contextmanager
def tls_breaks_off() -> Generator[str]:
    with FaultServer(default=Connection.reset) as server:
        yield server.url.replace("http:", "https:")


@contextmanager
def no_such_host() -> Generator[str]:
    def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", unknown)
        yield "https://no-such-host.invalid/v2"


@contextmanager
def slow_name() -> Generator[str]:
    over = threading.Event()
    real = socket.getaddrinfo

    def slowly(host: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if host not in ("slow.localhost", b"slow.localhost"):
            return real(host, *args, **kwargs)
        over.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", slowly)
        try:
            yield "http://slow.localhost:9/v2"
        finally:
            over.set()


OBSTACLES: dict[str, Obstacle] = {
    "nobody listens": nobody_listens,
    "no answer to SYN": no_answer_to_syn,
    "TLS stalls": tls_stalls,
    "TLS breaks off": tls_breaks_off,
    "no such host": no_such_host,
    "its name is not found in time": slow_name,
}


def connect_refused(connection: Connection) -> None:
    """Be a proxy that refuses to open a tunnel."""
    with suppress(ValueError):
        connection.read()
    connection.send(response(502, b"", "connection: close"))
    connection.close()


PROXIES = {
    "a proxy refuses CONNECT": connect_refused,
    "a proxy stalls": cut(nothing, Connection.stall),
    "a proxy hangs up": Connection.close,
}
