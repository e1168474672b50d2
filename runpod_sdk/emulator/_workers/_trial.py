"""Starts a worker once to see whether its file works, before running workers are replaced by it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._workers import _events as events
from runpod_sdk.emulator._workers._process import WorkerProcess

if TYPE_CHECKING:
    from runpod_sdk.emulator._workers._process_pool import ProcessPool


class Trial:
    """One process that is only to become ready."""

    def __init__(self, pool: ProcessPool) -> None:
        self._pool = pool
        self._worker_id = pool.new_worker_id()
        self._why = ""
        self.settled = threading.Event()
        self.failure: str | None = None

    def start(self) -> None:
        """Start it."""
        pool = self._pool
        try:
            WorkerProcess(self, pool.program, pool.environment_for(self._worker_id), pool.reactor, pool.guard)
        except OSError as error:
            self.failure = f"its process cannot be started: {error}"
            self.settled.set()

    def said(self, process: WorkerProcess, head: list[Any], _: bytes) -> None:
        """Note that it is ready, or why not."""
        if head[0] == "ready":
            self.settled.set()
            process.kill()
        elif head[0] == "failed":
            self._why = head[1]

    def printed(self, _: WorkerProcess, line: str) -> None:
        """Leave it: those print the same that follow, if any do."""

    def ended(self, process: WorkerProcess, exit_code: int) -> None:
        """Note that it was not ready, and pass on what it has printed."""
        pool = self._pool
        if not self.settled.is_set():
            for line in process.tail:
                pool.feed.tell(events.WorkerPrinted(endpoint_id=pool.endpoint_id, worker_id=self._worker_id, text=line))
            self.failure = events.WorkerEnded(
                endpoint_id=pool.endpoint_id,
                worker_id=self._worker_id,
                exit_code=exit_code,
                was_asked=False,
                was_ready=False,
                why=self._why,
                tail=tuple(process.tail),
            ).how
            self.settled.set()
