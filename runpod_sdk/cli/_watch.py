"""The status line on standard error while a job is waited for."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from runpod_sdk import JobState

# As much of an id as tells jobs apart, characters.
_ID_SHOWN = 8


@contextmanager
def watching(job_id: str, now: Callable[[], float]) -> Generator[Callable[[JobState], object] | None]:
    """Provide what shows a state, None for logs and pipes; `now` tells the time in seconds."""
    if not sys.stderr.isatty():
        yield None
        return
    from runpod_sdk._client._wait_line import WaitLine  # noqa: PLC0415  --help needs none of these
    from runpod_sdk._display._surfaces import surface_of  # noqa: PLC0415

    line = WaitLine(surface_of(now, stays=False), job_id.removeprefix("sync-")[:_ID_SHOWN])
    try:
        yield line
    finally:
        line.close()
