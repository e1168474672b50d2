"""A worker file that writes down what it does: which process ran which job, and that it began at all."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from typing import Any

import runpod

FOLDER = sys.argv.pop()


def note(name: str, word: Any, *, only_once: bool = False) -> None:
    """Add a line; one write to a file opened for appending is whole, whoever else writes.

    Raises:
        FileExistsError: it may be there only once.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | (os.O_EXCL if only_once else 0)
    descriptor = os.open(os.path.join(FOLDER, name), flags)  # noqa: PTH118  one call
    try:
        os.write(descriptor, f"{word}\n".encode())
    finally:
        os.close(descriptor)


async def handler(job: dict[str, Any]) -> dict[str, Any]:
    """Take a while, echo, and now and then ask to be replaced; the first of all kills its worker."""
    note("begun", job["id"])
    with suppress(FileExistsError):
        note("died", job["id"], only_once=True)
        os.kill(os.getpid(), signal.SIGKILL)
    await asyncio.sleep(job["input"]["seconds"])
    result = {"number": job["input"]["number"]}
    return result | {"refresh_worker": True} if job["input"]["refresh"] else result


if __name__ == "__main__":
    note("processes", os.getpid())
    runpod.serverless.start({"handler": handler, "concurrency_modifier": lambda _: 4})
