"""One job in a worker process: calls the handler as the official worker does, and sends the result.

Source: runpod-python 1.12.0, serverless/modules/rp_job.py, handle_job, run_job and run_job_generator. A sync handler
blocks the loop; a sync generator lets it go on between two chunks.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from contextlib import aclosing, nullcontext
from typing import TYPE_CHECKING, Any

from . import _results as results
from ._capture import NOTHING, Printed, is_wanted, kept
from ._package import DEBUGGER, STATE, forget_timers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    Handler = Callable[[dict[str, Any]], Any]


async def result_of(
    config: dict[str, Any], job: dict[str, Any], *, aggregate: bool | None, stream: Callable[[Any], None]
) -> dict[str, Any]:
    """Run a job, and return what is to be sent for it.

    Args:
        config: what the file handed to `start`.
        job: what the handler gets.
        aggregate: the chunks of a generator are also its output; None: as `config` says.
        stream: sends what a generator yields.
    """
    handler: Handler = config["handler"]
    with kept() if is_wanted() else nullcontext(NOTHING) as printed:
        if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
            collects = config.get("return_aggregate_stream", False) if aggregate is None else aggregate
            result = await _streamed(_chunks(handler, job, printed), stream, collects=bool(collects))
        else:
            result = await _returned(handler, job, printed)
    if config.get("refresh_worker", False):
        result["stopPod"] = True
    _debug(config, result)
    return result


async def _returned(handler: Handler, job: dict[str, Any], printed: Printed) -> dict[str, Any]:
    try:
        value = handler(job)
        if inspect.isawaitable(value):
            value = await value
        result = results.returned(value)
    except Exception as error:  # noqa: BLE001  a handler may raise anything
        hostname = os.environ.get("RUNPOD_POD_HOSTNAME", "unknown")
        result = results.raised(error, worker_id(), hostname, printed.text)
    results.shown(result)  # log.debug(f"run_job return: {run_result}"), in a `finally`
    return result


async def _streamed(
    sent_by: AsyncGenerator[dict[str, Any]], stream: Callable[[Any], None], *, collects: bool
) -> dict[str, Any]:
    collected: list[Any] = []
    async with aclosing(sent_by) as chunks:
        async for sent in chunks:
            end = results.ending(sent)
            if end is not None:
                return end
            if collects:
                collected.append(sent["output"])
            stream(sent)
            await asyncio.sleep(0)  # where the official worker waits for the answer, and may be told to stop
    return {"output": collected}


async def _chunks(handler: Handler, job: dict[str, Any], printed: Printed) -> AsyncGenerator[dict[str, Any]]:
    try:
        values = handler(job)
        if inspect.isasyncgenfunction(handler):
            async for value in values:
                yield results.chunk(value)
        else:
            for value in values:
                yield results.chunk(value)
    except Exception as error:  # noqa: BLE001  a handler may raise anything
        yield results.generator_raised(error, printed.text)


def _debug(config: dict[str, Any], result: dict[str, Any]) -> None:
    """Add what the official debugger has measured, where an argument asks for it, or forget it."""
    if config.get("rp_args", {}).get("rp_debugger", False) and DEBUGGER in sys.modules:
        delay = config["reference_counter_start"] - sys.modules[STATE].REF_COUNT_ZERO
        measured = sys.modules[DEBUGGER].get_debugger_output()
        result["output"]["rp_debugger"] = {**measured, "ready_delay_ms": delay * 1000}
    else:
        forget_timers()


def worker_id() -> str:
    """Return what this worker is called."""
    return os.environ.get("RUNPOD_POD_ID", "unknown")
