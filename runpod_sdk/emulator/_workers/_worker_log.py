"""The latest output and events of workers, as lines."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._workers import _events as events

if TYPE_CHECKING:
    from collections.abc import Callable

LINES = 5000  # that are kept; ours
_LENGTH = 2000  # characters of a line; ours


class WorkerLog:
    """The lines of all workers of an emulator, numbered from 1.

    Attributes:
        now: returns seconds since 1970 on the emulator's clock; None: it does not run yet.
    """

    def __init__(self) -> None:
        self.now: Callable[[], float | None] = lambda: None
        self._lines: deque[dict[str, Any]] = deque(maxlen=LINES)
        self._count = 0

    def add(self, event: events.WorkerEvent) -> None:
        """Take in what happened to a worker; the feed calls it, in one thread at a time."""
        kind, text = _told(event)
        if not kind:
            return
        number = self._count + 1
        now = self.now()
        line = {"n": number, "kind": kind, "endpoint": event.endpoint_id, "worker": event.worker_id}
        self._lines.append({**line, "time": None if now is None else round(now, 3), "text": text[:_LENGTH]})
        self._count = number

    def since(self, number: int, limit: int) -> list[dict[str, Any]]:
        """Return up to `limit` of the lines that are kept and come after the one with this number."""
        while True:
            try:
                first = self._lines[0]["n"] - 1 if self._lines else 0
                begin = max(0, number - first)
                return list(islice(self._lines, begin, begin + limit))
            except RuntimeError:  # one came meanwhile
                continue


def _told(event: events.WorkerEvent) -> tuple[str, str]:
    """Return of what kind a line is, and the line; "": there is nothing to say."""
    match event:
        case events.WorkerPrinted():
            told = "printed", event.text
        case events.WorkerStarted():
            told = "started", f"process {event.pid}"
        case events.WorkerReady():
            told = "ready", f"after {event.seconds:.2f} s"
        case events.WorkerEnded():
            told = "ended", "as it was asked to" if event.was_asked else event.how
        case events.WorkerRestarting():
            told = "restarting", f"in {event.pause:g} s" if event.pause else "now"
        case events.EndpointUnhealthy():
            told = "unhealthy", f"{event.deaths} workers died in a row: {event.why}"
        case events.JobNoted():
            told = "noted", f"job {event.job_id}: {event.text}"
        case _:
            told = "", ""
    return told
