"""Every call that waits, of both flavours, on the one job of the endpoint "e"; and who plays the service.

Also read by the programs that these tests start, which have no pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runpod_sdk import AsyncClient, Client, as_completed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LOOKS: dict[str, Callable[[Client], object]] = {
    "status": lambda client: client.endpoint("e").job("j1").status(),
    "wait": lambda client: client.endpoint("e").job("j1").wait(),
    "output": lambda client: client.endpoint("e").job("j1").output(timeout=60),
    "watched": lambda client: client.endpoint("e").job("j1").output(on_update=lambda _: None),
    "stream": lambda client: list(client.endpoint("e").job("j1").stream()),
    "cancel": lambda client: client.endpoint("e").job("j1").cancel(),
    "retry": lambda client: client.endpoint("e").job("j1").retry(),
    "health": lambda client: client.endpoint("e").health(),
    "purge_queue": lambda client: client.endpoint("e").purge_queue(),
    "as_completed": lambda client: list(as_completed([client.endpoint("e").job("j1")])),
}
SUBMITS: dict[str, Callable[[Client], object]] = {
    "run": lambda client: client.endpoint("e").run({"n": 1}),
    "run_sync": lambda client: client.endpoint("e").run_sync({"n": 1}),
    "new stream": lambda client: list(client.endpoint("e").stream({"n": 1})),
    "map": lambda client: list(client.endpoint("e").map([{"n": 1}])),
}
CALLS = {**LOOKS, **SUBMITS}


async def _stream(client: AsyncClient) -> list[Any]:
    return [chunk async for chunk in client.endpoint("e").job("j1").stream()]


async def _new_stream(client: AsyncClient) -> list[Any]:
    return [chunk async for chunk in client.endpoint("e").stream({"n": 1})]


async def _map(client: AsyncClient) -> list[Any]:
    return [result async for result in client.endpoint("e").map([{"n": 1}])]


async def _as_completed(client: AsyncClient) -> list[Any]:
    return [pair async for pair in as_completed([client.endpoint("e").job("j1")])]


ASYNC_LOOKS: dict[str, Callable[[AsyncClient], Awaitable[object]]] = {
    "status": lambda client: client.endpoint("e").job("j1").status(),
    "wait": lambda client: client.endpoint("e").job("j1").wait(),
    "output": lambda client: client.endpoint("e").job("j1").output(timeout=60),
    "watched": lambda client: client.endpoint("e").job("j1").output(on_update=lambda _: None),
    "stream": _stream,
    "cancel": lambda client: client.endpoint("e").job("j1").cancel(),
    "retry": lambda client: client.endpoint("e").job("j1").retry(),
    "health": lambda client: client.endpoint("e").health(),
    "purge_queue": lambda client: client.endpoint("e").purge_queue(),
    "as_completed": _as_completed,
}
ASYNC_SUBMITS: dict[str, Callable[[AsyncClient], Awaitable[object]]] = {
    "run": lambda client: client.endpoint("e").run({"n": 1}),
    "run_sync": lambda client: client.endpoint("e").run_sync({"n": 1}),
    "new stream": _new_stream,
    "map": _map,
}
ASYNC_CALLS = {**ASYNC_LOOKS, **ASYNC_SUBMITS}


def notes(error: BaseException) -> list[str]:
    """Return what is noted on an exception."""
    return list(getattr(error, "__notes__", ()))
