"""Requests to the emulator's ASGI application in this process, whose connections a test closes when it wants to.

One event loop, one thread, and a clock that is moved by hand: between two calls nothing happens.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from runpod_sdk.clock import VirtualClock
from runpod_sdk.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from runpod_sdk.emulator import Options

    Message = MutableMapping[str, Any]

# Turns of the loop in which every request that can go on has gone on; each takes about eight.
_TURNS = 12


class Exchange:
    """One request and what came back on its connection, which is also what a server would call its transport.

    Attributes:
        status: the HTTP status; None until an answer begins.
        headers: of the answer.
        is_whole: the answer has come to its end.
        is_closed: the connection has ended, by either side.
    """

    def __init__(self, body: bytes) -> None:
        self._sent: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        self._closed = asyncio.Event()
        self._body = b""
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.is_whole = False
        self.task: asyncio.Task[None] | None = None

    async def receive(self) -> Message:
        if self._sent:
            return self._sent.pop()
        await self._closed.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        assert not self._closed.is_set(), "nobody is there to read it"
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self._body += message["body"]
            self.is_whole = not message.get("more_body", False)

    @property
    def transport(self) -> Exchange:
        """What the application looks for where it is to break the connection."""
        return self

    def close(self) -> None:
        """End the connection."""
        self._closed.set()

    @property
    def is_closed(self) -> bool:
        return self._closed.is_set()

    def json(self) -> Any:
        """Return the body; None if there is none."""
        return json.loads(self._body) if self._body else None


class Wire:
    """An emulator with one endpoint, "e", whose workers are all elsewhere; and the way to it."""

    def __init__(self, options: Options | None = None) -> None:
        self.clock = VirtualClock(auto_jump=False)
        self.emulator = Emulator(clock=self.clock, options=options)
        self.emulator.endpoint("e", workers=0)
        self._app = self.emulator.app
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, method: str, path: str, body: Any = None) -> Exchange:
        """Send a request to the endpoint; its answer has come, unless it is held."""
        exchange = self.begin(method, path, body)
        self.settle()
        return exchange

    def begin(self, method: str, path: str, body: Any = None) -> Exchange:
        """Send a request that the application has not read yet."""
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": f"/v2/e{path}",
            "query_string": query.encode(),
            "headers": [(b"authorization", b"test"), (b"host", b"127.0.0.1")],
        }
        exchange = Exchange(b"" if body is None else json.dumps(body).encode())
        exchange.task = self._loop.create_task(self._app(scope, exchange.receive, exchange.send))
        self._tasks.add(exchange.task)
        exchange.task.add_done_callback(self._tasks.discard)
        return exchange

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return the JSON of an answer that must come at once."""
        exchange = self.open(method, path, body)
        assert exchange.is_whole, f"{method} {path} is held"
        return exchange.json()

    def drop(self, exchange: Exchange) -> None:
        """Close a connection, and let that be seen."""
        exchange.close()
        self.settle()

    def settle(self) -> None:
        """Let everything happen that can."""
        self._loop.run_until_complete(_turns())

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._loop.run_until_complete(self.clock.advance_async(seconds))
        self.settle()

    def close(self) -> None:
        """Close the emulator, which answers whatever it holds."""
        self.emulator.close()
        self.settle()
        self._loop.close()
        assert not self._tasks, "a request has not ended"


async def _turns() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)
