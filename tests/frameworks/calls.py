"""Every call that waits, of both flavours, on the one job of an endpoint.

Also read by the programs that these tests start, which have no pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runpod_sdk import as_completed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runpod_sdk import AsyncEndpoint, Endpoint

LOOKS: dict[str, Callable[[Endpoint[Any]], object]] = {
    "status": lambda endpoint: endpoint.job("j1").status(),
    "wait": lambda endpoint: endpoint.job("j1").wait(),
    "output": lambda endpoint: endpoint.job("j1").output(timeout=60),
    "watched": lambda endpoint: endpoint.job("j1").output(on_update=lambda _: None),
    "stream": lambda endpoint: list(endpoint.job("j1").stream()),
    "cancel": lambda endpoint: endpoint.job("j1").cancel(),
    "retry": lambda endpoint: endpoint.job("j1").retry(),
    "health": lambda endpoint: endpoint.health(),
    "purge_queue": lambda endpoint: endpoint.purge_queue(),
    "as_completed": lambda endpoint: list(as_completed([endpoint.job("j1")])),
}
SUBMITS: dict[str, Callable[[Endpoint[Any]], object]] = {
    "run": lambda endpoint: endpoint.run({"n": 1}),
    "run_sync": lambda endpoint: endpoint.run_sync({"n": 1}),
    "new stream": lambda endpoint: list(endpoint.stream({"n": 1})),
    "map": lambda endpoint: list(endpoint.map([{"n": 1}])),
}
CALLS = {**LOOKS, **SUBMITS}


async def _stream(endpoint: AsyncEndpoint[Any]) -> list[Any]:
    return [chunk async for chunk in endpoint.job("j1").stream()]


async def _new_stream(endpoint: AsyncEndpoint[Any]) -> list[Any]:
    return [chunk async for chunk in endpoint.stream({"n": 1})]


async def _map(endpoint: AsyncEndpoint[Any]) -> list[Any]:
    return [result async for result in endpoint.map([{"n": 1}])]


async def _as_completed(endpoint: AsyncEndpoint[Any]) -> list[Any]:
    return [pair async for pair in as_completed([endpoint.job("j1")])]


ASYNC_LOOKS: dict[str, Callable[[AsyncEndpoint[Any]], Awaitable[object]]] = {
    "status": lambda endpoint: endpoint.job("j1").status(),
    "wait": lambda endpoint: endpoint.job("j1").wait(),
    "output": lambda endpoint: endpoint.job("j1").output(timeout=60),
    "watched": lambda endpoint: endpoint.job("j1").output(on_update=lambda _: None),
    "stream": _stream,
    "cancel": lambda endpoint: endpoint.job("j1").cancel(),
    "retry": lambda endpoint: endpoint.job("j1").retry(),
    "health": lambda endpoint: endpoint.health(),
    "purge_queue": lambda endpoint: endpoint.purge_queue(),
    "as_completed": _as_completed,
}
ASYNC_SUBMITS: dict[str, Callable[[AsyncEndpoint[Any]], Awaitable[object]]] = {
    "run": lambda endpoint: endpoint.run({"n": 1}),
    "run_sync": lambda endpoint: endpoint.run_sync({"n": 1}),
    "new stream": _new_stream,
    "map": _map,
}
ASYNC_CALLS = {**ASYNC_LOOKS, **ASYNC_SUBMITS}


def notes(error: BaseException) -> list[str]:
    """Return what is noted on an exception."""
    return list(getattr(error, "__notes__", ()))
