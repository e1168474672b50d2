"""What 10 MB of input and of output cost over what JSON itself does: CPU, and memory at its peak, as a multiple.

python benchmarks/large.py
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import tracemalloc
from statistics import median
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 10_000_000
TEXT = "x" * (SIZE - 1000)
REPEAT = 9
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


def cpu(call: Callable[[], object]) -> float:
    """Return milliseconds of CPU."""
    found: list[float] = []
    for _ in range(REPEAT):
        began = time.process_time()
        call()
        found.append(time.process_time() - began)
    return median(found) * 1e3


def peak(call: Callable[[], object]) -> float:
    """Return by how many bodies the traced memory grows at most."""
    call()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    call()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return (most - before) / SIZE


def measure(url: str) -> None:
    """Print the table."""
    from runpod_sdk import AsyncClient, Client
    from runpod_sdk._http import _transports

    given, body = {"text": TEXT}, json.dumps({"output": TEXT})
    floor_in = cpu(lambda: json.dumps({"input": given}).encode())
    floor_out = cpu(lambda: json.loads(body.encode()))
    print(f"JSON alone: {floor_in:.1f} ms in, {floor_out:.1f} ms out\n")
    print("| client | input, ms over JSON | peak | output, ms over JSON | peak |\n" + "|---" * 5 + "|")

    def row(name: str, run: Callable[[], object], look: Callable[[], object]) -> None:
        figures = cpu(run) - floor_in, peak(run), cpu(look) - floor_out, peak(look)
        print(f"| {name} | {figures[0]:.1f} | {figures[1]:.2f} x | {figures[2]:.1f} | {figures[3]:.2f} x |")

    with Client("key", base_url=url) as client:
        endpoint = client.endpoint("abc")
        row("Client", lambda: endpoint.run(given), endpoint.job(JOB).state)
    for is_fast in (False, True) if _transports.has_aiohttp() else (False,):
        _transports.has_aiohttp = lambda chosen=is_fast: chosen
        with asyncio.Runner() as runner:
            tasks = AsyncClient("key", base_url=url).endpoint("abc")
            row(
                "AsyncClient, fast" if is_fast else "AsyncClient",
                lambda: runner.run(tasks.run(given)),  # noqa: B023  called before the loop goes on
                lambda: runner.run(tasks.job(JOB).state()),  # noqa: B023  as above
            )
            runner.run(tasks._client.aclose())


def main() -> None:
    """Do what the command line says."""
    if sys.argv[1:] == ["--serve"]:
        asyncio.run(serve())
        return
    server = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        measure(f"http://127.0.0.1:{int(cast('IO[str]', process.stdout).readline())}/v2")
        cast("IO[str]", process.stdin).close()


if __name__ == "__main__":
    main()
