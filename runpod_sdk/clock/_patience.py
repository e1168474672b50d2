"""A timeout that allows for a stalled event loop: a stopped process, a sleeping machine, a slow callback.

A loop that goes on late runs its timers before the tasks for which something came meanwhile.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from ._base import LATE_MAX

if TYPE_CHECKING:
    from types import TracebackType


class PatientTimeout:
    """Ends after `seconds` as `asyncio.timeout` does; and where the loop comes late, after as much time again."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timeout = asyncio.timeout(None)
        self._loop: asyncio.AbstractEventLoop
        self._timer: asyncio.TimerHandle

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        await self._timeout.__aenter__()
        self._timer = self._loop.call_later(self._seconds, self._ring, self._loop.time() + self._seconds)
        return self

    def _ring(self, due: float) -> None:
        now = self._loop.time()
        self._timeout.reschedule(now + min(max(0.0, now - due), LATE_MAX))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        await self._timeout.__aexit__(kind, error, trace)
