"""A relay that loses connections without a word, as a NAT, a load balancer or a change of networks does."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


class Relay:
    """Carries bytes both ways, until it drops a connection: then neither end hears of the other any more.

    Attributes:
        url: where it listens, as a base URL.
        passed: set once a request for `drop_at` has gone through.
        dropped: how many connections were dropped.
    """

    def __init__(self, target: str, *, drop_at: bytes, times: int, all_of_them: bool = False) -> None:
        host, _, port = target.partition("//")[2].partition("/")[0].partition(":")
        self._target = (host, int(port))
        self._drop_at = drop_at
        self._left = times
        self._drops_all = all_of_them
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._silent: set[socket.socket] = set()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v2"
        self.passed = threading.Event()
        self.dropped = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for one in (self._listener, *(end for pair in self._pairs for end in pair)):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            self._pairs.append((near, far))
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self._drop_at in data and self._left > 0:
                    self._left -= 1
                    self._drop(source, sink)
                    sink.sendall(data)  # it has arrived; the answer will not
                    self.passed.set()
                elif source not in self._silent:
                    sink.sendall(data)
                    if self._drop_at in data:
                        self.passed.set()
        if source not in self._silent:
            with suppress(OSError):
                sink.shutdown(socket.SHUT_WR)

    def _drop(self, *ends: socket.socket) -> None:
        self._silent.update(*self._pairs if self._drops_all else (ends,))
        self.dropped += 1


@contextmanager
def relay(
    target: str, *, drop_at: bytes = b"/status-sync/", times: int = 1, all_of_them: bool = False
) -> Generator[Relay]:
    """Provide a relay that drops a connection so many times; `all_of_them`: every open one at once."""
    made = Relay(target, drop_at=drop_at, times=times, all_of_them=all_of_them)
    try:
        yield made
    finally:
        made.close()
