"""The event loop for async handlers in this process, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading

CANCEL_GRACE = 0.4  # real seconds that a cancelled handler may take to end when the emulator closes


class HandlerLoop:
    """An event loop in a thread, for async handlers; started when the first one runs."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def loop(self) -> asyncio.AbstractEventLoop:
        """Return the running loop."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_run_loop, args=[self._loop], name="emulator-handlers", daemon=True
                )
                self._thread.start()
            return self._loop

    def begin_close(self) -> threading.Thread | None:
        """Cancel what runs, and return the thread, which ends when that has ended."""
        with self._lock:
            if self._loop is not None and self._thread is not None and self._thread.is_alive():
                with contextlib.suppress(RuntimeError):  # it is closed already
                    asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop)
            return self._thread


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


async def _cancel_others() -> None:
    loop = asyncio.get_running_loop()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=CANCEL_GRACE)
    loop.stop()
