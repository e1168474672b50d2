"""A server that answers a GET with a job that has 10 MB of output, and anything else with a queued one.

python benchmarks/large_server.py      prints its port, and serves until its standard input is closed
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any, cast

SIZE = 10_000_000
TEXT = "x" * (SIZE - 1000)
JOB = "60902e6c-08a1-426e-9cb9-9eaec90f5e2b-u1"


def answer(facts: dict[str, Any]) -> bytes:
    """Return an answer in bytes."""
    body = json.dumps({"id": JOB, **facts}).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


class Large(asyncio.Protocol):
    """Answers a GET with a large output, and anything else, once it is read whole, with a queued job."""

    def __init__(self, get: bytes, post: bytes) -> None:
        self._answers = {True: get, False: post}
        self._got = bytearray()
        self._size = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer a whole request."""
        self._got += data
        if not self._size and (end := self._got.find(b"\r\n\r\n")) >= 0:
            _, _, length = bytes(self._got[:end]).lower().partition(b"content-length:")
            self._size = end + 4 + int(length.split(b"\r\n", 1)[0] or 0)
        if self._size and len(self._got) >= self._size and self._transport is not None:
            self._transport.write(self._answers[self._got.startswith(b"GET")])
            self._got.clear()
            self._size = 0


async def serve() -> None:
    """Serve until standard input ends."""
    get, post = answer({"status": "COMPLETED", "output": TEXT}), answer({"status": "IN_QUEUE"})
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Large(get, post), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
