"""A server of raw sockets that fails on command, and counts what reached it.

Each endpoint has one job and a script of acts; each request that arrives takes the next act, and once the script is
over everything is answered well. An act sees the connection itself: it may break off at any byte. The endpoint of a
request is known from a look at its first bytes, so that a request can also be dropped unread.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from tests.faults.one_job import OneJob

KEY = "key-that-no-log-may-show"


@dataclass(frozen=True)
class Arrival:
    """A request of which at least the first line arrived; `nth` on its connection."""

    endpoint_id: str
    operation: str
    method: str
    path: str
    nth: int
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


class Connection:
    """One accepted connection, in the thread that serves it."""

    def __init__(self, server: FaultServer, opened: socket.socket) -> None:
        self.server = server
        self.socket = opened
        self.is_open = True
        self.served = 0
        self._got = b""

    def peek(self) -> bytes:
        """Return what is there without taking it; nothing once the client has hung up."""
        try:
            return self._got or self.socket.recv(65536, socket.MSG_PEEK)
        except OSError:
            return b""

    def read(self) -> Arrival | None:
        """Read one whole request; None if the client hangs up before its end."""
        while b"\r\n\r\n" not in self._got:
            if not self._more():
                return None
        head, _, self._got = self._got.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", 0))
        while len(self._got) < length:
            if not self._more():
                return None
        body, self._got = self._got[:length], self._got[length:]
        endpoint_id, operation, method, path = parsed(first)
        return Arrival(endpoint_id, operation, method, path, self.served, headers, body)

    def _more(self) -> bool:
        with suppress(OSError):
            data = self.socket.recv(65536)
            self._got += data
            return bool(data)
        return False

    def send(self, data: bytes) -> None:
        with suppress(OSError):  # the client hung up
            self.socket.sendall(data)

    def close(self) -> None:
        """Hang up; with a reset, as the system does it, where something was left unread."""
        self.is_open = False
        self.socket.close()

    def reset(self) -> None:
        """Hang up with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def stall(self) -> None:
        """Say nothing more until the client hangs up."""
        self.server.stalled.release()
        while self._more():
            pass
        self.close()

    def trickle(self, data: bytes = b" ") -> None:
        """Send the same again and again, a little at a time, until the client hangs up; or for 5 seconds or so."""
        with suppress(OSError):
            for _ in range(250):
                if select.select([self.socket], [], [], 0.02)[0]:
                    break
                self.socket.sendall(data)
        self.close()


Act = Callable[[Connection], None]


def parsed(line: str) -> tuple[str, str, str, str]:
    """Return endpoint id, operation, method and path of a request line; empty for what is none."""
    method, _, rest = line.partition(" ")
    path = rest.partition(" ")[0]
    parts = path.partition("?")[0].split("/")
    return (parts[2], parts[3], method, path) if len(parts) > 3 else ("", "", method, path)


def response(status: int, body: bytes, *headers: str, length: int | None = None) -> bytes:
    """Return an answer in bytes; `length` is what it says of itself instead of the truth."""
    lines = [f"HTTP/1.1 {status} Whatever", f"content-length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def answer(connection: Connection) -> None:
    """Answer as the service does."""
    whole = connection.server.take(connection)
    if whole is not None:
        connection.send(whole)


class FaultServer:
    """Listens from the start, or once `listen` is called; `with` closes it and waits for its threads.

    Attributes:
        greetings: what it says, unasked, on each of the next connections.
        released: for acts that hold a connection until the test lets it go, or is over.
    """

    def __init__(self, *, listening: bool = True, default: Act = answer) -> None:
        self.acts: dict[str, list[Act]] = {}
        self.jobs: dict[str, OneJob] = {}
        self.arrivals: list[Arrival] = []  # as their first bytes came
        self.requests: list[Arrival] = []  # those that were read whole
        self.greetings: list[bytes] = []
        self.released = threading.Event()
        self.stalled = threading.Semaphore(0)
        self.closed = threading.Semaphore(0)
        self._default = default
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._open: set[Connection] = set()
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v2"
        self._listening = False
        if listening:
            self.listen()

    def listen(self) -> None:
        """Accept connections from now on; may be called twice."""
        with self._lock:
            if not self._listening:
                self._listening = True
                self._socket.listen(256)
                self._spawn(self._accept)

    def script(
        self, endpoint_id: str, *acts: Act, status: str = "COMPLETED", looks: int = 0, job_id: str = "j1"
    ) -> OneJob:
        """Give an endpoint its job, and say what happens to its next requests."""
        self.acts[endpoint_id] = [*acts]
        self.jobs[endpoint_id] = OneJob(status, looks=looks, job_id=job_id)
        return self.jobs[endpoint_id]

    def take(self, connection: Connection) -> bytes | None:
        """Read a request, do what it asks for, and return the answer; None if it broke off."""
        request = connection.read()
        if request is None:
            connection.close()
            return None
        with self._lock:
            self.requests.append(request)
            status, body = self.jobs.setdefault(request.endpoint_id, OneJob()).answer(request.operation)
        return response(status, json.dumps(body).encode(), "content-type: application/json")

    def operations(self, endpoint_id: str) -> list[str]:
        """Return what arrived for an endpoint, in order."""
        return [arrival.operation for arrival in self.arrivals if arrival.endpoint_id == endpoint_id]

    def counts(self) -> dict[str, int]:
        """Return how many requests of each operation arrived."""
        return dict(Counter(arrival.operation for arrival in self.arrivals))

    @property
    def connections(self) -> int:
        """How many connections are open, seen from here."""
        return len(self._open)

    def close(self) -> None:
        """Hang up on everybody."""
        self.released.set()
        with self._lock:
            listening, self._listening = self._listening, False
        if listening:
            with suppress(OSError):  # wakes the thread that accepts
                socket.create_connection(("127.0.0.1", self.port)).close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _spawn(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, name="fault-server", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            opened, _ = self._socket.accept()
            if not self._listening:
                opened.close()
                return
            if self.greetings:
                opened.sendall(self.greetings.pop(0))
            connection = Connection(self, opened)
            self._open.add(connection)
            self._spawn(self._serve, connection)

    def _serve(self, connection: Connection) -> None:
        try:
            while connection.is_open and (seen := connection.peek()):
                line = seen.partition(b"\r\n")[0].decode("latin-1")
                endpoint_id, operation, method, path = parsed(line)
                connection.served += 1
                with self._lock:
                    self.arrivals.append(Arrival(endpoint_id, operation, method, path, connection.served))
                    acts = self.acts.get(endpoint_id)
                    act = acts.pop(0) if acts else self._default
                act(connection)
        finally:
            connection.close()
            self._open.discard(connection)
            self.closed.release()
