"""One body for both flavours: it is written for AsyncClient, and a sync Client is dressed up as one.

The dress adds `await` and nothing else: a call does its work at once, and what it returns can be awaited. So a body
never really waits in the sync flavour, and one step runs it to its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

import pytest

from runpod_sdk import AsyncClient, Batch, Batches, Client, Endpoint, Job, Map, Stream
from runpod_sdk.emulator import Emulator, Options

if TYPE_CHECKING:
    from types import TracebackType

T = TypeVar("T")
RENAMED = {"aclose": "close", "__aenter__": "__enter__", "__aexit__": "__exit__"}
# What AsyncClient and its kin answer without await.
PLAIN = {"batch", "endpoint", "job", "map", "output_of", "report", "results", "stream", "with_options", "chunks"}


class Ready(Generic[T]):
    """An awaitable that is there already."""

    def __init__(self, value: T) -> None:
        self.value = value

    def __await__(self) -> Generator[None, None, T]:
        yield from ()
        return self.value


class Dressed:
    """A sync object that looks like its async twin."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.inner, RENAMED.get(name, name))
        if not callable(value):
            return dressed(value)

        def call(*args: Any, **kwargs: Any) -> Any:
            result = value(*(bare(arg) for arg in args), **kwargs)
            return dressed(result) if name in PLAIN else Ready(dressed(result))

        return call

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "inner":
            super().__setattr__(name, value)
        else:
            setattr(self.inner, name, value)

    async def __aenter__(self) -> Self:
        self.inner.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.inner.__exit__(kind, error, trace)

    def __aiter__(self) -> Dressed:
        return self

    async def __anext__(self) -> Any:
        try:
            return next(self.inner)
        except StopIteration:
            raise StopAsyncIteration from None

    def __repr__(self) -> str:
        return repr(self.inner)

    def __eq__(self, other: object) -> bool:
        return bool(self.inner == bare(other))

    def __hash__(self) -> int:
        return hash(self.inner)


def dressed(value: Any) -> Any:
    if isinstance(value, Batch | Batches | Client | Endpoint | Job | Map | Stream):
        return Dressed(value)
    return iterated(cast("Iterator[Any]", value)) if isinstance(value, Generator) else value


def bare(value: Any) -> Any:
    return value.inner if isinstance(value, Dressed) else value


async def iterated(items: Iterator[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


class World:
    """An emulator on virtual time, and clients of it."""

    def __init__(self, kind: type[Client | AsyncClient], emulator: Emulator) -> None:
        self.emulator = emulator
        self.kind = kind
        self._clients: list[AsyncClient] = []

    def client(self, **options: Any) -> AsyncClient:
        """Return a client that is closed at the end."""
        client = self.dress(self.kind(**{**self.emulator.connection, **options}))
        self._clients.append(client)
        return client

    @staticmethod
    def dress(value: Client | AsyncClient) -> AsyncClient:
        """Return a client that looks like an AsyncClient."""
        return value if isinstance(value, AsyncClient) else cast("AsyncClient", Dressed(value))

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()

    @property
    def now(self) -> float:
        """Virtual seconds since the emulator was made."""
        return self.emulator.clock.monotonic()

    @property
    def operations(self) -> list[str]:
        """What the emulator was asked for, in order."""
        return [record.operation for record in self.emulator.requests]


Body = Callable[[World], Coroutine[Any, Any, None]]


def in_one_step(body: Coroutine[Any, Any, None]) -> None:
    with pytest.raises(StopIteration):
        body.send(None)


async def whole(body: Body, world: World) -> None:
    try:
        await body(world)
    finally:
        await world.close()


def both_flavours(body: Body) -> Callable[[type[Client | AsyncClient]], None]:
    """Make two tests of a body."""

    @pytest.mark.parametrize("kind", [Client, AsyncClient])
    def test(kind: type[Client | AsyncClient]) -> None:
        with Emulator(options=Options(empty_input="delivered")) as emulator:
            run = asyncio.run if kind is AsyncClient else in_one_step
            run(whole(body, World(kind, emulator)))

    test.__name__ = test.__qualname__ = body.__name__
    test.__module__ = body.__module__
    test.__doc__ = body.__doc__
    return test


async def caught(kind: type[T], call: Awaitable[object] | Callable[[], Awaitable[object]]) -> T:
    """Return the error that a call raises, of exactly this class."""
    try:
        await (call() if callable(call) else call)
    except BaseException as error:
        if type(error) is not kind:
            raise
        return error
    raise AssertionError(f"no {kind.__name__}")
