"""One body for both flavours: it awaits what is awaitable, and without a loop nothing is, so one step drives it all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from runpod_sdk import AsyncClient, Client, SystemClock
from tests.faults.server import KEY, FaultServer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

T = TypeVar("T")
Body = Callable[[Any], Coroutine[Any, Any, Any]]


async def settled(value: Any) -> Any:
    """Return the value, awaited where it has to be."""
    return await value if isawaitable(value) else value


async def closed(client: Any) -> None:
    """Close a client of either flavour, ours or httpx's."""
    await settled(client.aclose() if hasattr(client, "aclose") else client.close())


async def listed(stream: Any) -> list[Any]:
    """Return what a stream of either flavour hands out."""
    if hasattr(stream, "__anext__"):
        return [item async for item in stream]
    return list(stream)


def run_in_one_step(body: Coroutine[Any, Any, T]) -> T:
    try:
        body.send(None)
    except StopIteration as stop:
        value: T = stop.value
        return value
    raise AssertionError("a body of the sync flavour awaited something")


@dataclass(frozen=True)
class Flavour:
    """Client or AsyncClient, and what goes with it."""

    name: str
    client: Callable[..., Any]
    transport: Callable[..., Any]
    run: Callable[[Coroutine[Any, Any, Any]], Any]

    async def together(self, bodies: Iterable[Callable[[], Coroutine[Any, Any, T]]]) -> list[T]:
        """Run bodies at the same time, in threads or tasks."""
        if self.client is AsyncClient:
            return await asyncio.gather(*(body() for body in bodies))
        with ThreadPoolExecutor(16) as pool:
            running = [pool.submit(run_in_one_step, body()) for body in bodies]
        return [one.result() for one in running]

    async def blocking(self, call: Callable[[], T]) -> T:
        """Make a call that blocks, leaving an event loop free to notice what happens meanwhile."""
        return await asyncio.to_thread(call) if self.client is AsyncClient else call()

    @asynccontextmanager
    async def opened(self, server: FaultServer | None, **options: Any) -> AsyncGenerator[Any]:
        """Provide a client of the server, and close it."""
        base = {} if server is None else {"base_url": server.url}
        client = self.client(KEY, **{**base, **options})
        try:
            yield client
        finally:
            await closed(client)

    def play(self, server: FaultServer | None, body: Body, **options: Any) -> Any:
        """Run a body with a client of the server, and close it."""

        async def whole() -> Any:
            async with self.opened(server, **options) as client:
                return await body(client)

        return self.run(whole())


class MuteTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Sends as httpx does, and does not say what."""

    def __init__(self) -> None:
        self._sync, self._async = httpx.HTTPTransport(), httpx.AsyncHTTPTransport()

    @staticmethod
    def _silenced(request: httpx.Request) -> httpx.Request:
        request.extensions = {name: value for name, value in request.extensions.items() if name != "trace"}
        return request

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._sync.handle_request(self._silenced(request))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._async.handle_async_request(self._silenced(request))

    def close(self) -> None:
        self._sync.close()

    async def aclose(self) -> None:
        await self._async.aclose()


SYNC = Flavour("sync", Client, httpx.HTTPTransport, run_in_one_step)
ASYNC = Flavour("async", AsyncClient, httpx.AsyncHTTPTransport, asyncio.run)
FLAVOURS = (SYNC, ASYNC)

_slept: ContextVar[float] = ContextVar("slept", default=0.0)


def slept(*, forget: bool = False) -> float:
    """Return the seconds that this thread or task has slept on an ImpatientClock."""
    if forget:
        _slept.set(0.0)
    return _slept.get()


class ImpatientClock(SystemClock):
    """Real time, but sleep takes none of it; each thread and task has slept for itself."""

    def __init__(self, on_sleep: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self._on_sleep = on_sleep

    def monotonic(self) -> float:
        return time.monotonic() + _slept.get()

    def sleep(self, seconds: float) -> None:
        _slept.set(_slept.get() + seconds)
        self._on_sleep()

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)
        await asyncio.sleep(0)
