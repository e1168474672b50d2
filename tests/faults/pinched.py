"""A process that runs out of descriptors, or of threads, and calls everything then.

`python -m tests.faults.pinched descriptors|threads sync|async URL FOLDER` prints each call and the error that it
ends with: first as the client's first calls, then after one that had all it needed.
"""

from __future__ import annotations

import _thread
import asyncio
import os
import resource
import sys
import threading
from contextlib import contextmanager, suppress
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from runpod_sdk import AsyncClient, Client, as_completed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@contextmanager
def no_descriptors() -> Generator[None]:
    """Use all descriptors up."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, limits[1]))
    opened: list[int] = []
    try:
        while True:
            opened.append(os.dup(0))
    except OSError:
        yield
    finally:
        for descriptor in opened:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@contextmanager
def no_threads() -> Generator[None]:
    """Let no thread be started: a real limit counts those of all processes of a user, and not for root."""

    def refuse(*_: object, **__: object) -> int:
        raise RuntimeError("can't start new thread")

    before = _thread.start_new_thread
    _thread.start_new_thread = threading._start_new_thread = refuse  # type: ignore[attr-defined]
    try:
        yield
    finally:
        _thread.start_new_thread = threading._start_new_thread = before  # type: ignore[attr-defined]


async def taken(items: Any) -> None:
    """Take all that an iterator of either flavour has; of a bulk run, raise the first error."""
    found = [item async for item in items] if hasattr(items, "__anext__") else list(items)
    for item in found:
        if getattr(item, "error", None) is not None:
            raise item.error


CALLS: dict[str, Callable[[Any], Any]] = {
    "run": lambda endpoint: endpoint.run({}),
    "run_sync": lambda endpoint: endpoint.run_sync({}),
    "new stream": lambda endpoint: taken(endpoint.stream({})),
    "map": lambda endpoint: taken(endpoint.map([{}])),
    "status": lambda endpoint: endpoint.job("j1").status(),
    "output": lambda endpoint: endpoint.job("j1").output(timeout=0.1),
    "stream": lambda endpoint: taken(endpoint.job("j1").stream(timeout=0.1)),
    "as_completed": lambda endpoint: taken(as_completed([endpoint.job("j1")], timeout=0.1)),
    "map with a journal": lambda endpoint: taken(endpoint.map([{}], journal=f"{sys.argv[4]}/journal.sqlite")),
    "batch": lambda endpoint: endpoint.batches.submit([{}]),
    "cancel": lambda endpoint: endpoint.job("j1").cancel(),
    "retry": lambda endpoint: endpoint.job("j1").retry(),
    "purge": lambda endpoint: endpoint.purge_queue(),
    "health": lambda endpoint: endpoint.health(),
}


async def outcome(call: Callable[[Any], Any], client: Any) -> str:
    """Return what a call ends with: the place of its error in our tree, or the class of any other."""
    try:
        value = call(client.endpoint("e"))
        if isawaitable(value):
            await value
    except Exception as error:  # noqa: BLE001  whatever it is
        names = [kind.__name__ for kind in type(error).__mro__]
        return "RunpodError" if "RunpodError" in names else f"{error!r}"
    return "nothing"


async def main(pinch: str, flavour: str, url: str, _folder: str) -> None:
    """Print what came of each call."""
    kind: Any = Client if flavour == "sync" else AsyncClient
    client = kind("key", base_url=url, timeout=1.0, retry=None)
    for _ in range(2):
        with no_descriptors() if pinch == "descriptors" else no_threads():
            found = {name: await outcome(call, client) for name, call in CALLS.items()}
        print(found, len(client.unknowns))  # noqa: T201  its result
        for call in CALLS.values():
            await outcome(call, client)


if __name__ == "__main__":
    if sys.argv[2] == "sync":  # without a loop, nothing of it waits
        with suppress(StopIteration):
            main(*sys.argv[1:]).send(None)
    else:
        asyncio.run(main(*sys.argv[1:]))
