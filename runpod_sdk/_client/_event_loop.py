"""Finds the running event loop: asyncio's, or a drop-in such as uvloop."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop that runs here.

    Raises:
        RuntimeError: there is none; under trio it says what to do.
    """
    from asyncio import get_running_loop  # 30 ms, which a program that imports AsyncClient may not need

    try:
        return get_running_loop()
    except RuntimeError:
        pass
    if _is_in_trio():
        raise RuntimeError(
            "an AsyncClient works in an event loop of asyncio, and this is trio: use Client in a thread "
            "(trio.to_thread.run_sync), or AsyncClient under trio-asyncio. Nothing was sent"
        )
    raise RuntimeError("an AsyncClient works in a running event loop of asyncio, and there is none here")


def _is_in_trio() -> bool:
    trio = sys.modules.get("trio")
    if trio is None:
        return False
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        return False
    return True
