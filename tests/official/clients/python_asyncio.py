"""Play cases through the asyncio client of `runpod` from PyPI; see `python_sync.py`."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import aiohttp
import runpod

INPUT = {"prompt": "Hello, world!"}


async def call(case: dict[str, Any], chunks: list[Any]) -> Any:
    """Make the one call of a case, as the documentation makes it, on a session of its own."""
    async with aiohttp.ClientSession() as session:
        endpoint = runpod.AsyncioEndpoint(case["endpoint"], session, api_key=case["key"])
        job = runpod.AsyncioJob(case["endpoint"], case["job"], session, endpoint.headers)
        match case["operation"]:
            case "run":
                return (await endpoint.run(INPUT)).job_id
            case "status":
                return await job.status()
            case "output":
                return await job.output(timeout=60)
            case "stream":
                async for chunk in job.stream():
                    chunks.append(chunk)  # noqa: PERF401  those before an error count
                return "end"
            case "cancel":
                return await job.cancel()
            case "health":
                return await endpoint.health()
            case "purge-queue":
                return await endpoint.purge_queue()
    raise ValueError(case["operation"])


def error_of(error: BaseException) -> dict[str, Any]:
    """Tell an error by its type; its text only where it is Python's own."""
    kind = type(error)
    if kind.__module__ == "builtins":
        return {"raised": kind.__name__, "message": str(error)}
    return {"raised": f"{kind.__module__}.{kind.__name__}"}


async def play(case: dict[str, Any], budget: float) -> None:
    """Play one case, and say what was seen."""
    chunks: list[Any] = []
    try:
        async with asyncio.timeout(budget) as limit:
            seen = {"returned": await call(case, chunks)}
    except Exception as error:  # noqa: BLE001  whatever it raises is what is looked for
        seen = {"running": True} if limit.expired() else error_of(error)
    stream = {"chunks": chunks} if case["operation"] == "stream" else {}
    print(json.dumps({"name": case["name"], "seen": {**stream, **seen}}), flush=True)


async def main() -> None:
    """Play all cases at once."""
    plan = json.load(sys.stdin)
    await asyncio.gather(*(play(case, plan["budget"]) for case in plan["cases"]))


if __name__ == "__main__":
    asyncio.run(main())
