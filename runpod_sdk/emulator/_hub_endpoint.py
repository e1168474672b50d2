"""One endpoint as the hub knows it."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from runpod_sdk.emulator._queue import _requests as ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runpod_sdk.clock import Timer
    from runpod_sdk.emulator._queue._queue import Queue
    from runpod_sdk.emulator._queue._requests import Hold, Request

# What workers ask, as faults and the ledger call it.
NAMES: dict[type[Request], str] = {
    ask.Take: "job-take",
    ask.Finish: "job-done",
    ask.ReportProgress: "job-progress",
    ask.Chunk: "job-stream",
    ask.Lose: "lost",
    ask.Leave: "left",
}
# What is held, as the routes call it.
_HELD: dict[type[Request], str] = {
    ask.Submit: "runsync",
    ask.Status: "status-sync",
    ask.ReadStream: "stream",
    ask.Take: "job-take",
    ask.WatchStops: "job-stop",
}


class HubEndpoint:
    """One endpoint in the hub: its queue, and those who run its jobs, who are called under the hub's lock.

    Attributes:
        stop: told (worker id, job id) of a job that is to be stopped.
        replace: told the id of a worker that asked to be replaced.
        power: told (worker id, whether) a process of an endpoint that scales is to run from now on.
        kill: told the id of a worker that is to die where it stands. Returns False where its death will be seen; else
            the hub says that it has left. None: workers whose processes nobody here knows.
    """

    __slots__ = ("armed", "kill", "power", "queue", "replace", "stop", "timer")

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.stop: Callable[[str, str], None] = lambda _worker_id, _job_id: None
        self.replace: Callable[[str], None] = lambda _worker_id: None
        self.power: Callable[[str, bool], None] = lambda _worker_id, _is_up: None
        self.kill: Callable[[str], bool] | None = None
        self.armed = math.inf
        self.timer: Timer | None = None


def held_by(held: Iterable[tuple[HubEndpoint, Hold]]) -> Counter[tuple[str, str]]:
    """Count held requests, by endpoint and operation."""
    return Counter((endpoint.queue.endpoint_id, _HELD[type(hold.request)]) for endpoint, hold in held)
