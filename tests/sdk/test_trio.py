"""Under trio an AsyncClient cannot work: it says so before anything is sent. A Client can, in threads."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import AsyncClient, Client, as_completed
from runpod_sdk.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

trio = pytest.importorskip("trio")


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        emulator.endpoint("abc", lambda job: job["input"])
        yield emulator


async def listed(items: Any) -> list[Any]:
    return [item async for item in items]


async def opened(stream: Any) -> None:
    async with stream:
        pass


CALLS: dict[str, Callable[[AsyncClient], Awaitable[object]]] = {
    "run": lambda client: client.endpoint("abc").run({"n": 1}),
    "run_sync": lambda client: client.endpoint("abc").run_sync({"n": 1}),
    "health": lambda client: client.endpoint("abc").health(),
    "purge_queue": lambda client: client.endpoint("abc").purge_queue(),
    "stream": lambda client: listed(client.endpoint("abc").stream({"n": 1})),
    "with stream": lambda client: opened(client.endpoint("abc").stream({"n": 1})),
    "map": lambda client: listed(client.endpoint("abc").map([{"n": 1}])),
    "as_completed": lambda client: listed(as_completed([client.endpoint("abc").job("j1")])),
    "wait": lambda client: client.endpoint("abc").job("j1").wait(),
    "status": lambda client: client.endpoint("abc").job("j1").status(),
    "cancel": lambda client: client.endpoint("abc").job("j1").cancel(),
    "retry": lambda client: client.endpoint("abc").job("j1").retry(),
}


@pytest.mark.parametrize("name", CALLS)
def test_under_trio_a_call_says_what_to_use_instead(emulator: Emulator, name: str) -> None:
    async def main() -> None:
        async with AsyncClient(**emulator.connection) as client:
            await CALLS[name](client)

    with pytest.raises(RuntimeError, match=r"asyncio, and this is trio: use Client in a thread .*Nothing was sent"):
        trio.run(main)
    assert list(emulator.requests) == []


def test_without_any_event_loop_a_call_says_that_there_is_none(emulator: Emulator) -> None:
    call = AsyncClient(**emulator.connection).endpoint("abc").health()
    with pytest.raises(RuntimeError, match="a running event loop of asyncio, and there is none here"):
        call.send(None)


def test_what_it_says_to_use_works(emulator: Emulator) -> None:
    async def main() -> Any:
        with Client(**emulator.connection) as client:
            return await trio.to_thread.run_sync(partial(client.endpoint("abc").run_sync, {"n": 1}))

    assert trio.run(main) == {"n": 1}


def test_a_client_that_was_tried_under_trio_works_under_asyncio(emulator: Emulator) -> None:
    client = AsyncClient(**emulator.connection)

    async def call() -> Any:
        return await client.endpoint("abc").run_sync({"n": 1})

    with pytest.raises(RuntimeError):
        trio.run(call)
    assert asyncio.run(call()) == {"n": 1}
    assert client.unknowns == ()
