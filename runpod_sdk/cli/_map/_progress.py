"""Progress of a bulk run: one updated line in a terminal, else a line every few seconds."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from runpod_sdk._client._journal._rows import COMPLETED, UNKNOWN
from runpod_sdk._display._surfaces import Caption, surface_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk import MapResult


class Progress:
    """Counts results, and says now and then how far the run is.

    Args:
        title: what it is about.
        total: how many results there will be; None where nobody knows.
        price: of a second of a worker, for the cost so far.
        every: seconds between two lines where there is no terminal; 0 says nothing there.
        before: returns how many were done before.
        now: tells the time, in seconds.
    """

    def __init__(
        self,
        title: str,
        total: int | None,
        price: float | None,
        every: float,
        now: Callable[[], float],
        before: Callable[[], int],
    ) -> None:
        self._title = title
        self._total = total
        self._price = price
        self._now = now
        self._before = before
        self._began = now()
        self._done = self._failed = self._unknown = self._milliseconds = 0
        self._notice = ""
        self._surface = surface_of(now, every=1.0, stays=True) if sys.stderr.isatty() else None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        if self._surface is None and every:
            self._thread = threading.Thread(target=self._tell, args=(every,), name="runpod-sdk-progress", daemon=True)
            self._thread.start()

    @property
    def is_shown(self) -> bool:
        """Whether anybody is told anything."""
        return self._surface is not None or self._thread is not None

    def notice(self, text: str) -> None:
        """Show a remark of the run: in a terminal from now on, elsewhere in a line."""
        text = text.replace('concurrency="auto"', "--concurrency auto")
        self._notice = f"; {text}"
        if self._surface is None:
            print(f"{self._title}  {text}", file=sys.stderr, flush=True)

    def add(self, result: MapResult[Any], status: str) -> None:
        """Count a result."""
        self._done += 1
        self._unknown += status == UNKNOWN
        self._failed += status not in (COMPLETED, UNKNOWN)
        if result.state is not None:
            self._milliseconds += result.state.execution_time_ms or 0
        if self._surface is not None:
            self._surface.show(Caption(self._title, self._text(), self._done, self._total))

    def close(self) -> None:
        """Say nothing more; may be called twice."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        if self._surface is not None:
            self._surface.close()

    def _tell(self, every: float) -> None:
        while not self._over.wait(every):
            before = self._before()
            line = self._text() + (f", {before} done before" if before else "")
            print(f"{self._title}  {self._now() - self._began:.0f} s  {line}", file=sys.stderr, flush=True)

    def _text(self) -> str:
        seconds = self._now() - self._began
        cost = None if self._price is None else self._milliseconds / 1000 * self._price
        is_short = self._surface is not None
        text = text_of(self._done, self._total, self._failed, self._unknown, seconds, cost, is_short=is_short)
        return text + self._notice * is_short


def text_of(
    done: int,
    total: int | None,
    failed: int,
    unknown: int,
    seconds: float,
    cost: float | None,
    *,
    is_short: bool = False,
) -> str:
    """Return in words how far a run is after so many seconds; a short text says nothing of what is 0."""
    parts = [f"{done} done" if total is None else f"{done}/{total} done"]
    parts += [f"{count} {what}" for count, what in ((failed, "failed"), (unknown, "unknown")) if count or not is_short]
    if done and seconds > 0:
        rate = done / seconds
        parts.append(f"{rate:.3g}/s")
        if total is not None and total > done:
            parts.append(f"{_duration((total - done) / rate)} left")
    if cost is not None:
        parts.append(f"cost {cost:.4g} so far, of execution alone")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    """Return a duration in the unit that suits it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
