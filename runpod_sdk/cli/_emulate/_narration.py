"""The log lines of `emulate`, for ledger rows and worker events. Pure."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._workers import _events as events

if TYPE_CHECKING:
    from collections.abc import Callable

_FINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT", "ERROR"})
_REFUSED = 400


class Narration:
    """Turns what happens into lines.

    Args:
        state_of: returns what /status answers of a job; None: it is forgotten.
        is_quiet: only what workers print, and how they die.
    """

    def __init__(self, state_of: Callable[[str], dict[str, Any] | None], *, is_quiet: bool = False) -> None:
        self._state_of = state_of
        self._is_quiet = is_quiet
        self._since: dict[str, float] = {}  # when a job came into the queue, or was taken
        self._requests: dict[int, str] = {}  # those that are not answered, by their row

    def of_event(self, event: events.WorkerEvent) -> list[str]:
        """Return the lines for what happened to a worker."""
        match event:
            case events.WorkerPrinted():
                lines = [f"{event.worker_id} | {event.text}"]
            case events.WorkerEnded(was_asked=False):
                lines = _of_death(event)
            case events.EndpointUnhealthy():
                lines = [
                    f"endpoint {event.endpoint_id} is unhealthy: {event.deaths} workers died in a row: {event.why}"
                ]
            case _ if self._is_quiet:
                lines = []
            case events.JobNoted():
                lines = [f"job {event.job_id}: on worker {event.worker_id}: {event.text}"]
            case _:
                what = _of_life(event)
                lines = [f"worker {event.worker_id}: {what}"] if what else []
        return lines

    def of_row(self, row: dict[str, Any]) -> list[str]:
        """Return the lines for a row of the ledger."""
        if self._is_quiet:
            return []
        at = time.strftime("%H:%M:%S", time.localtime(row["time"]))
        match row["kind"]:
            case "job":
                lines = self._of_job(row)
            case "request":
                self._requests[row["n"]] = f"{row['method']} {row['path']}"
                lines = []
            case "answer":
                asked = self._requests.pop(row["cause"], "a request")
                lines = [f"refused {asked}: {_refusal(row)}"] if row.get("status", 0) >= _REFUSED else []
            case "fault":
                struck = self._requests.get(row.get("cause", 0), "a worker")
                lines = [f"fault {row['fault']} ({row['when']}) strikes {struck}"]
            case "webhook":
                lines = [f"job {row['job']}: webhook, try {row['attempt']}: {row['status']}"]
            case _:
                lines = []
        return [f"{at} {line}" if n == 0 else line for n, line in enumerate(lines)]

    def _of_job(self, row: dict[str, Any]) -> list[str]:
        job, now = row["job"], row["time"]
        before = self._since.pop(job, now)
        match row["to"]:
            case "IN_QUEUE":
                self._since[job] = now
                lost = row["event"] == "lose"
                return [f"job {job}: is queued again, as worker {row.get('worker')} lost it"] if lost else []
            case "IN_PROGRESS":
                self._since[job] = now
                return [f"job {job}: begins on worker {row.get('worker')}, after {now - before:.3f} s in the queue"]
            case status if status in _FINAL:
                where = f" on worker {row['worker']}" if row.get("worker") else ""
                return [f"job {job}: {status}{where} after {now - before:.3f} s", *self._why(job, status)]
            case _:
                return []

    def _why(self, job: str, status: str) -> list[str]:
        """Return why a job has failed: the traceback as it was raised, or what stands in its place."""
        error = None if status == "COMPLETED" else (self._state_of(job) or {}).get("error")
        if error is None:
            return []
        try:
            facts = json.loads(error)
            text = str(facts["error_traceback"])
        except (ValueError, TypeError, KeyError):
            text = str(error)
        return [f"  {line}" for line in text.splitlines()]


def _refusal(row: dict[str, Any]) -> str:
    status = f"HTTP {row['status']}"
    why = row.get("reason", status)
    return status if why == status else f"{status}: {why}"


def _of_death(ended: events.WorkerEnded) -> list[str]:
    """Return the lines for a worker that died."""
    death = f"worker {ended.worker_id}: {ended.how}"
    return [death, f"  all that it printed: {ended.log}"] if ended.log else [death]


def _of_life(event: events.WorkerEvent) -> str:
    match event:
        case events.WorkerStarted():
            return f"started for {event.endpoint_id}, process {event.pid}"
        case events.WorkerReady():
            return f"ready after {event.seconds:.2f} s"
        case events.WorkerEnded():
            return "ended, as it was asked to"
        case events.WorkerRestarting():
            return f"takes the place of one that died, {f'in {event.pause:g} s' if event.pause else 'now'}"
        case _:
            return ""
