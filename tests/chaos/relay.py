"""A way to an emulator on a socket that loses things: SYNs, TLS handshakes, and bytes in either direction.

It reads what it carries, so it can tell what the emulator's ledger cannot know: which submits left their client, and
which answers went out whole and never came. All chance comes from one seed; what it strikes depends on who comes first.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import ssl
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import pytest

from runpod_sdk.emulator._record._ledger import input_sha256
from tests.faults.obstacles import backlogged

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator, Mapping

PEM = Path(__file__).parents[1] / "sdk" / "localhost.pem"
# An address of this machine that is nobody's; a port of it that listens, and whose line is full, answers no SYN.
DEAD = "127.0.0.3"
# Shares of all lookups: no address answers; the first does not.
NO_SYN, FIRST_NO_SYN = 0.03, 0.05
# Shares of all connections.
CONNECTIONS: Mapping[str, float] = {"TLS stalls": 0.02, "TLS is refused": 0.03}
# Shares of all requests: what is lost, and from then on everything on that connection.
REQUESTS: Mapping[str, float] = {
    "request lost": 0.005,
    "half a request lost": 0.005,
    "answer lost": 0.005,
    "half an answer lost": 0.005,
}
_SUBMITS = (b"/run", b"/runsync")
_FINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"})
_UNSURE = 500  # from here on, an answer says nothing sure of a job, and the ledger counts it by itself


class Lost(NamedTuple):
    """A request or an answer that the relay has swallowed: the submit's input, the job, and what was said of it."""

    sha256: str | None
    job_id: str | None = None
    job_status: str | None = None


@dataclass(slots=True)
class Losses:
    """What the relay knows.

    Attributes:
        lost: what the ledger takes for answered, or has never heard of.
        left: the submits of which anything left their client, by their input.
        struck: how often each kind of loss struck.
    """

    lost: list[Lost] = field(default_factory=list[Lost])
    left: Counter[str] = field(default_factory=Counter[str])
    struck: Counter[str] = field(default_factory=Counter[str])

    @property
    def unknown(self) -> Counter[str]:
        """The submits whose outcome nobody can know because of it."""
        return Counter(each.sha256 for each in self.lost if each.sha256 is not None)

    @property
    def accepted(self) -> int:
        """How many of them have become a job."""
        return sum(each.sha256 is not None and each.job_id is not None for each in self.lost)

    @property
    def undelivered(self) -> Counter[str]:
        """How often the end of each job was told, and not heard."""
        return Counter(each.job_id for each in self.lost if each.job_id and each.job_status in _FINAL)


class Chance:
    """Draws for all threads."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  no secret
        self._lock = threading.Lock()

    def of(self, shares: Mapping[str, float]) -> str | None:
        """Return what strikes, if anything does."""
        with self._lock:
            drawn = self._random.random()
        for name, share in shares.items():
            if drawn < share:
                return name
            drawn -= share
        return None


class Message(NamedTuple):
    """A request or an answer: its head, up to the blank line, and its body."""

    head: bytes
    body: bytes

    @property
    def sha256(self) -> str | None:
        """The hash of its input, where it is a submit."""
        path = self.head.split(b" ", 2)[1].partition(b"?")[0]
        return input_sha256(json.loads(self.body)["input"]) if path.endswith(_SUBMITS) else None

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])

    @property
    def ends(self) -> bool:
        """Whether nothing follows it on its connection."""
        return b"\r\nconnection: close" in self.head.lower()

    def halved(self) -> bytes:
        return self.head + self.body[: len(self.body) // 2] if self.body else self.head[: len(self.head) // 2]


async def message(reader: asyncio.StreamReader) -> Message:
    """Read one; their parts are not longer than what is buffered.

    Raises:
        asyncio.IncompleteReadError, OSError: it broke off.
    """
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            length = int(value)
    try:
        return Message(head, await reader.readexactly(length))
    except asyncio.IncompleteReadError as error:
        raise asyncio.IncompleteReadError(head + error.partial, None) from error


class Line:
    """One connection of a client, and its own to the emulator."""

    def __init__(self, relay: Relay, near: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self._relay = relay
        self._reader, self._writer = near

    async def carry(self) -> None:
        """Carry requests and answers until either end closes, or something is lost."""
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._relay.target)
        try:
            while await self._exchange(far_reader, far_writer):
                pass
        finally:
            far_writer.transport.abort()
            self._writer.transport.abort()

    async def _exchange(self, far_reader: asyncio.StreamReader, far_writer: asyncio.StreamWriter) -> bool:
        """Carry one request and its answer; return whether another may follow."""
        request = await message(self._reader)
        losses, kind = self._relay.losses, self._relay.strike(REQUESTS)
        sha256 = request.sha256
        losses.left.update([sha256] if sha256 else [])
        if far_reader.at_eof() or kind in ("request lost", "half a request lost"):
            losses.lost.append(Lost(sha256))
            if kind == "half a request lost":
                far_writer.write(request.halved())
            await self._mute()
            return False
        far_writer.write(request.head + request.body)
        answer = await self._answer(far_reader)
        if answer is None:
            return False
        if kind is None:
            self._writer.write(answer.head + answer.body)
            return not answer.ends
        losses.lost += lost_with(answer, sha256)
        if kind == "half an answer lost":
            self._writer.write(answer.halved())
        await self._mute()
        return False

    async def _answer(self, far_reader: asyncio.StreamReader) -> Message | None:
        """Return a whole answer; hand on what came of another, and return None if the client has left before."""
        coming = asyncio.ensure_future(message(far_reader))
        leaving = asyncio.ensure_future(self._reader.read(1))
        try:
            await asyncio.wait({coming, leaving}, return_when=asyncio.FIRST_COMPLETED)
            return coming.result() if coming.done() else None
        except asyncio.IncompleteReadError as error:
            self._writer.write(error.partial)
            with suppress(OSError):
                await self._writer.drain()
            return None
        finally:
            for task in (coming, leaving):
                task.cancel()
            await asyncio.wait({coming, leaving})
            for task in (coming, leaving):
                if not task.cancelled():
                    task.exception()  # it has been looked at

    async def _mute(self) -> None:
        """Say nothing more, whatever comes, until the client leaves."""
        with suppress(OSError):
            while await self._reader.read(2**16):
                pass


def lost_with(answer: Message, sha256: str | None) -> list[Lost]:
    """Return what is lost with an answer, beyond what the ledger takes for unclear anyway."""
    if answer.status >= _UNSURE:
        return []
    try:
        said: dict[str, Any] = json.loads(answer.body)
    except ValueError:
        said = {}
    is_job = answer.status == 200 and isinstance(said.get("id"), str)
    return [Lost(sha256, said["id"], said.get("status")) if is_job else Lost(sha256)]


class Relay:
    """Listens at `port`, and carries to `target`, another port of this machine."""

    def __init__(self, target: int, seed: int) -> None:
        self.target = target
        self.losses = Losses()
        self._chance = Chance(seed)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(PEM)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._loop.call_soon_threadsafe(self._spawn, self._accept())
        return self

    def __exit__(self, *exc_info: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._listener.close()

    async def _end(self) -> None:
        """Drop every connection."""
        this = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not this]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def strike(self, shares: Mapping[str, float]) -> str | None:
        """Draw what strikes, and count it."""
        kind = self._chance.of(shares)
        self.losses.struck.update([kind] if kind else [])
        return kind

    def addresses(self) -> list[str]:
        """Return at which addresses it is found now; some answer no SYN."""
        kind = self.strike({"no SYN is answered": NO_SYN, "the first SYN is not": FIRST_NO_SYN})
        found = {"no SYN is answered": [DEAD], "the first SYN is not": [DEAD, "127.0.0.1"]}
        return found.get(kind or "", ["127.0.0.1"])

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self) -> None:
        while True:
            near, _ = await self._loop.sock_accept(self._listener)
            near.setblocking(False)
            self._spawn(self._serve(near))

    async def _serve(self, near: socket.socket) -> None:
        kind = self.strike(CONNECTIONS)
        try:
            if kind is not None:
                await self._refuse(near, stalls=kind == "TLS stalls")
            else:
                with suppress(OSError, asyncio.IncompleteReadError):
                    await Line(self, await self._secured(near)).carry()
        finally:
            near.close()

    async def _refuse(self, near: socket.socket, *, stalls: bool) -> None:
        """Read the beginning of a handshake, and hang up; or say nothing until the client does."""
        with suppress(OSError):
            while await self._loop.sock_recv(near, 2**16) and stalls:
                pass

    async def _secured(self, near: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader = asyncio.StreamReader(limit=2**20)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await self._loop.connect_accepted_socket(
            lambda: protocol, near, ssl=self._tls, ssl_handshake_timeout=600.0
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, self._loop)


@contextmanager
def lossy(url: str, seed: int) -> Generator[tuple[str, Losses]]:
    """Provide a URL at which a service is found by a relay that loses things, and what that knows of it.

    Clients have to be made inside the block: they take the relay's certificate from the environment.
    """
    target = int(url.rpartition(":")[2].partition("/")[0])
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in ("localhost", b"localhost") or port != relay.port:
            return real(host, port, *args, **kwargs)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in relay.addresses()]

    with Relay(target, seed) as relay, backlogged(DEAD, relay.port), pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", look_up)
        patch.setenv("SSL_CERT_FILE", str(PEM))
        yield f"https://localhost:{relay.port}/v2", relay.losses
