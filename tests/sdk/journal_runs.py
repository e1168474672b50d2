"""Bulk runs that end themselves at a moment of their choice, by a signal that nobody can catch: a process of its own.

It reads orders from standard input, a line of JSON each, runs each in a fork of itself, and says how that ended.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from runpod_sdk import AsyncClient, Client, Endpoint, Journal, cli
from runpod_sdk.cli import _session
from runpod_sdk.cli._map._journal import OutputJournal

if TYPE_CHECKING:
    from collections.abc import Callable

# What a run needs is imported once, and not in each of its processes.
for _name in (
    "anyio._backends._asyncio",
    "runpod_queue_client.api.jobs.get_status",
    "runpod_queue_client.api.jobs.get_status_sync",
    "runpod_queue_client.api.jobs.run",
    "runpod_sdk._client._async_shield",
    "runpod_sdk._client._bulk._journaled",
    "runpod_sdk._client._bulk._map",
    "runpod_sdk.cli._map._inputs",
    "runpod_sdk.cli._map._sources",
):
    import_module(_name)
FINAL = (b'"COMPLETED"', b'"FAILED"')


class Fate:
    """Kills the process when something happens for the nth time."""

    def __init__(self, what: str | None, nth: int) -> None:
        self.what = what
        self.left = nth

    def meets(self, what: str) -> None:
        if what == self.what:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def on_submit(self, _: Any, job: Any) -> None:
        self.meets("before the intent" if job is None else "with the id")

    def on_result(self, _: Any) -> None:
        self.meets("before the hand-over")


def told(fate: Fate, request: httpx.Request, content: bytes) -> None:
    if request.url.path.endswith("/run"):
        fate.meets("with the answer")
    elif any(word in content for word in FINAL):
        fate.meets("before the end")


class Way(httpx.HTTPTransport):
    """The way to the service, for threads."""

    def __init__(self, fate: Fate) -> None:
        super().__init__(verify=False)
        self.fate = fate

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/run"):
            self.fate.meets("before the request")
        response = super().handle_request(request)
        told(self.fate, request, response.read())
        return response


class AsyncWay(httpx.AsyncHTTPTransport):
    """The same, for tasks."""

    def __init__(self, fate: Fate) -> None:
        super().__init__(verify=False)
        self.fate = fate

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/run"):
            self.fate.meets("before the request")
        response = await super().handle_async_request(request)
        told(self.fate, request, await response.aread())
        return response


def inputs(order: dict[str, Any]) -> Any:
    given = [{"n": n, "trial": order["trial"]} for n in range(order["count"])]
    return {f"k{n}": one for n, one in enumerate(given)} if order["keyed"] else given


def hand(order: dict[str, Any], fate: Fate) -> Callable[[Any], None]:
    out = os.open(order["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def take(result: Any) -> None:
        os.write(out, f"{result.key}\n".encode())
        fate.meets("with the result")

    return take


def run(order: dict[str, Any], fate: Fate) -> None:
    take = hand(order, fate)
    options: dict[str, Any] = {
        "concurrency": order["concurrency"],
        "on_submit": fate.on_submit,
        "on_result": fate.on_result,
    }
    with Client(order["key"], base_url=order["url"], transport=Way(fate)) as client:
        endpoint = client.endpoint("abc")
        for result in endpoint.map(inputs(order), journal=Journal(order["journal"]), **options):
            take(result)


async def run_async(order: dict[str, Any], fate: Fate) -> None:
    take = hand(order, fate)
    options: dict[str, Any] = {
        "concurrency": order["concurrency"],
        "on_submit": fate.on_submit,
        "on_result": fate.on_result,
    }
    async with AsyncClient(order["key"], base_url=order["url"], transport=AsyncWay(fate)) as client:
        endpoint = client.endpoint("abc")
        async for result in endpoint.map(inputs(order), journal=order["journal"], **options):
            take(result)


def run_command(order: dict[str, Any], fate: Fate) -> None:
    """Run the command `map`, in this process, with the same moments to end it."""
    made, recorded = Endpoint.map, OutputJournal.record

    def map_of(*inputs: Any, **options: Any) -> Any:
        return made(*inputs, **options, on_submit=fate.on_submit, on_result=fate.on_result)

    def record(journal: OutputJournal, result: Any) -> str:
        status = recorded(journal, result)
        fate.meets("with the result")
        return status

    def client(_: object) -> Client:
        return Client(order["key"], base_url=order["url"], transport=Way(fate))

    replaced: list[tuple[Any, str, Any]] = [
        (Endpoint, "map", map_of),
        (OutputJournal, "record", record),
        (_session, "_client", client),
    ]
    for where, name, what in replaced:
        setattr(where, name, what)
    lines = Path(order["out"] + ".inputs")
    given = [{"key": key, "input": one} for key, one in inputs(order).items()] if order["keyed"] else inputs(order)
    lines.write_text("".join(json.dumps(one) + "\n" for one in given))
    options = ["--output", order["out"], "--concurrency", str(order["concurrency"]), "--progress", "0"]
    code = cli.main(["map", "abc", str(lines), *options])
    if code == 130:
        raise KeyboardInterrupt
    if code not in (0, 3):
        raise RuntimeError("it is not done")


def interrupt(first: float, second: float) -> None:
    """Press Ctrl-C after so many seconds, and once more."""
    for seconds in (first, second):
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGINT)


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child:
            print(os.waitpid(child, 0)[1], flush=True)  # noqa: T201  the answer
            continue
        if order["seconds"] is not None:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process in the kernel, wherever it is
            signal.setitimer(signal.ITIMER_REAL, order["seconds"])
        if order["twice"] is not None:
            threading.Thread(target=interrupt, args=order["twice"], daemon=True).start()
        fate = Fate(order["at"], order["nth"])
        try:
            if order["flavour"] == "command":
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
                run_command(order, fate)
            elif order["flavour"] == "async":
                asyncio.run(run_async(order, fate))
            else:
                run(order, fate)
        except KeyboardInterrupt:
            os._exit(130)
        except BaseException as error:  # noqa: BLE001  a fork does not go on as its parent
            print(repr(error), file=sys.stderr)  # noqa: T201  for whoever looks into it
            os._exit(1)
        os._exit(0)


if __name__ == "__main__":
    main()
