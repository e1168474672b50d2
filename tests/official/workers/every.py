"""Worker files as users write them, chosen by a word on the command line; the official package runs them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import runpod


def plain(job: dict[str, Any]) -> Any:
    """Do what the input says."""
    wanted = job["input"]
    match wanted["do"]:
        case "return":
            return wanted["value"]
        case "raise":
            raise ValueError("boom")
        case "refresh":
            return {"refresh_worker": True, "pid": os.getpid()}
        case "progress":
            for step in ("one", "two", "three"):
                runpod.serverless.progress_update(job, step)
            Path(wanted["fifo"]).read_bytes()
            return "done"
        case "no JSON":
            return {1, 2}
        case "big":
            return "x" * wanted["size"]
        case "hang once":
            marker = Path(wanted["marker"])
            if not marker.exists():
                marker.write_text(str(os.getpid()))
                signal.pause()
            return "second run"
        case _:
            return job


def stream(job: dict[str, Any]) -> Any:
    """Yield, and raise in the middle if that is wanted."""
    for number in range(job["input"]["chunks"]):
        if number == job["input"].get("raise_at"):
            raise ValueError("boom")
        yield {"chunk": number}


async def aggregate(job: dict[str, Any]) -> Any:
    """Yield from an async generator."""
    for number in range(job["input"]["chunks"]):
        await asyncio.sleep(0)
        yield number


ARRIVED: list[asyncio.Event] = []


async def together(job: dict[str, Any]) -> Any:
    """End only when as many jobs as wanted are here at the same time; or wait for ever, and tell of the end."""
    if "cancelled" in job["input"]:
        try:
            Path(job["input"]["cancelled"] + ".begun").touch()  # noqa: ASYNC240  a test's mark
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            Path(job["input"]["cancelled"]).touch()  # noqa: ASYNC240  the same
            raise
    mine = asyncio.Event()
    ARRIVED.append(mine)
    if len(ARRIVED) == job["input"]["wanted"]:
        for event in ARRIVED:
            event.set()
        ARRIVED.clear()
    await mine.wait()
    return os.getpid()


CONFIGS: dict[str, dict[str, Any]] = {
    "plain": {"handler": plain},
    "stream": {"handler": stream},
    "aggregate": {"handler": aggregate, "return_aggregate_stream": True},
    "together": {"handler": together, "concurrency_modifier": lambda _: 4},
    "unfit": {"handler": plain},
}

if __name__ == "__main__":
    kind = sys.argv.pop()
    if kind == "unfit":

        @runpod.serverless.register_fitness_check
        def check() -> None:
            raise RuntimeError("this machine will not do")

    runpod.serverless.start(CONFIGS[kind])
