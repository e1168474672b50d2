"""A browser that leaves a page of Starlette or FastAPI takes its job with it: cancelled, or told; the app serves on.

What the pages do is what their users do: a stream is handed on as a StreamingResponse, and other calls are raced
against the news that nobody waits any more.
"""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import fastapi
import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from runpod_sdk import AsyncClient, Client
from tests.faults.server import KEY, Connection, FaultServer, answer
from tests.frameworks.calls import ASYNC_SUBMITS

if TYPE_CHECKING:
    from starlette.requests import Request

pytestmark = pytest.mark.slow

Page = Callable[["Request", Any, Any], Awaitable[Response]]


# Pages.


async def handed_on(_request: Request, client: AsyncClient, _threads: Client) -> Response:
    async def chunks() -> AsyncIterator[str]:
        async with client.endpoint("e").stream({"n": 1}) as stream:
            async for chunk in stream:
                yield chunk

    return StreamingResponse(chunks())


async def handed_on_without_with(_request: Request, client: AsyncClient, _threads: Client) -> Response:
    return StreamingResponse(client.endpoint("e").stream({"n": 1}))


async def handed_on_by_threads(_request: Request, _client: AsyncClient, threads: Client) -> Response:
    def chunks() -> Iterator[str]:
        with threads.endpoint("e").stream({"n": 1}) as stream:
            yield from stream

    return StreamingResponse(chunks())


def raced(name: str) -> Page:
    async def page(request: Request, client: AsyncClient, _threads: Client) -> Response:
        async with anyio.create_task_group() as group:

            async def leave() -> None:
                while (await request.receive())["type"] != "http.disconnect":
                    pass
                group.cancel_scope.cancel()

            group.start_soon(leave)
            await ASYNC_SUBMITS[name](client.endpoint("e"))
            group.cancel_scope.cancel()
        return JSONResponse({"is_done": True})

    return page


STREAMS: dict[str, Page] = {
    "stream": handed_on,
    "stream, without with": handed_on_without_with,
    "stream of threads": handed_on_by_threads,
}
RACES: dict[str, Page] = {name: raced(name) for name in ASYNC_SUBMITS}


# The app, at a URL.


class Service:
    """An app that has one page, and what it knows of its clients once it has ended."""

    def __init__(self, kind: str, page: Page, url: str) -> None:
        self.unknowns: list[Any] = []
        clients: list[Any] = []

        @asynccontextmanager
        async def lifespan(_app: object) -> AsyncGenerator[None]:
            async with AsyncClient(KEY, base_url=url) as client:
                with Client(KEY, base_url=url) as threads:
                    clients[:] = [client, threads]
                    yield
                self.unknowns += [*client.unknowns, *threads.unknowns]

        async def shown(request: Request) -> Response:
            return await page(request, *clients)

        async def alive(request: Request) -> Response:
            health = await clients[0].endpoint("other").health()
            return JSONResponse({"in_queue": health.jobs.in_queue})

        if kind == "starlette":
            self.app: Any = Starlette(lifespan=lifespan, routes=[Route("/page", shown), Route("/alive", alive)])
        else:
            self.app = fastapi.FastAPI(lifespan=lifespan)
            self.app.add_route("/page", shown)
            self.app.add_route("/alive", alive)

    @contextmanager
    def served(self) -> Generator[int]:
        """Listen on a port; wait at the end until all pages are done."""
        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(self.app, log_level="critical", lifespan="on", ws="none"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()
            listening.close()


@contextmanager
def browser(port: int) -> Generator[socket.socket]:
    """Ask for the page."""
    with socket.create_connection(("127.0.0.1", port)) as opened:
        opened.sendall(b"GET /page HTTP/1.1\r\nhost: here\r\n\r\n")
        yield opened


class Leaving:
    """An act that answers only when the browser has left."""

    def __init__(self) -> None:
        self.is_reached = threading.Event()
        self.has_left = threading.Event()

    def __call__(self, connection: Connection) -> None:
        self.is_reached.set()
        self.has_left.wait()
        answer(connection)


def left(kind: str, page: Page, at: int) -> tuple[FaultServer, Service]:
    """Let a browser leave while one of the requests to the service is on its way."""
    act = Leaving()
    with FaultServer() as server:
        server.script("e", *[answer] * at, act, looks=10**6)
        server.jobs["e"].chunks *= 10**4
        service = Service(kind, page, server.url)
        with service.served() as port:
            with browser(port):
                assert act.is_reached.wait(60)
            act.has_left.set()
            alive = httpx.get(f"http://127.0.0.1:{port}/alive", trust_env=False, timeout=60)
            assert alive.json() == {"in_queue": 2}
            for _ in range(3000):
                if "cancel" in server.operations("e"):
                    break
                gc.collect()  # a generator of threads ends when it is forgotten
                server.closed.acquire(timeout=0.01)
    return server, service


@pytest.mark.parametrize("page", STREAMS)
@pytest.mark.parametrize("kind", ["starlette", "fastapi"])
def test_who_leaves_a_stream_has_its_job_cancelled(kind: str, page: str) -> None:
    server, service = left(kind, STREAMS[page], at=2)
    assert server.jobs["e"].queued == 1
    assert server.jobs["e"].status == "CANCELLED"
    assert service.unknowns == []


@pytest.mark.parametrize("at", [0, 1], ids=["in the submit", "in the next request"])
@pytest.mark.parametrize("page", [name for name in RACES if name != "run"])
@pytest.mark.parametrize("kind", ["starlette", "fastapi"])
def test_who_leaves_a_page_has_its_job_cancelled(kind: str, page: str, at: int) -> None:
    server, service = left(kind, RACES[page], at)
    assert server.jobs["e"].queued == 1
    assert server.jobs["e"].status == "CANCELLED"
    assert service.unknowns == []


@pytest.mark.parametrize("kind", ["starlette", "fastapi"])
def test_who_leaves_while_a_job_is_submitted_has_it_cancelled(kind: str) -> None:
    server, service = left(kind, RACES["run"], 0)
    assert server.jobs["e"].status == "CANCELLED"
    assert service.unknowns == []
