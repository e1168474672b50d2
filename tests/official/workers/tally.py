"""A worker file that writes down what it does: which process ran which job, and that it began at all."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import runpod

FOLDER = sys.argv.pop()


def note(name: str, word: Any) -> None:
    """Add a line; one write to a file opened for appending is whole, whoever else writes."""
    descriptor = os.open(os.path.join(FOLDER, name), os.O_WRONLY | os.O_APPEND | os.O_CREAT)  # noqa: PTH118  one call
    try:
        os.write(descriptor, f"{word}\n".encode())
    finally:
        os.close(descriptor)


async def handler(job: dict[str, Any]) -> dict[str, Any]:
    """Take a while, echo, and now and then ask to be replaced."""
    note("begun", job["id"])
    await asyncio.sleep(job["input"]["seconds"])
    result = {"number": job["input"]["number"]}
    return result | {"refresh_worker": True} if job["input"]["refresh"] else result


if __name__ == "__main__":
    note("processes", os.getpid())
    runpod.serverless.start({"handler": handler, "concurrency_modifier": lambda _: 4})
