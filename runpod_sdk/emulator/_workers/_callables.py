"""Workers in this process: take a job, call a Python callable, send the result, repeat.

A worker talks to its queue in the same typed requests as a worker anywhere else. Async handlers run on one event loop
in a thread of the emulator, all others in a thread per worker, so that none blocks another. How one job runs is
decided in `_run.py`, which job comes next in `_jobs.py`.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._workers._handler_loop import CANCEL_GRACE, HandlerLoop
from runpod_sdk.emulator._workers._run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runpod_sdk.emulator._hub import Hub
    from runpod_sdk.emulator._hub_endpoint import HubEndpoint
    from runpod_sdk.emulator._workers._run import Handler


class Declared(Protocol):
    """What runs the jobs of an endpoint, and how."""

    @property
    def handler(self) -> Handler | None:
        """The callable; None: the built-in one."""
        ...

    @property
    def aggregate(self) -> bool:
        """Whether a generator's chunks are also its output."""
        ...

    @property
    def refreshes(self) -> bool:
        """Whether a worker is replaced after each job."""
        ...


class Pool:
    """The workers of one endpoint.

    Args:
        hub: where requests go.
        endpoint: the endpoint.
        declared: what runs the jobs, and how.
        mock: returns the callable that runs a given job where no other is declared.
        size: how many jobs run at the same time.
        new_worker_id: returns a fresh worker id.
        as_official: what the official library cannot send is not sent.
        captures: the error of a handler that raises says what it has printed.
    """

    def __init__(
        self,
        hub: Hub,
        endpoint: HubEndpoint,
        declared: Declared,
        mock: Callable[[dict[str, Any]], Handler],
        *,
        size: int,
        new_worker_id: Callable[[], str],
        as_official: bool,
        captures: bool,
    ) -> None:
        self.hub = hub
        self.endpoint = endpoint
        self.declared = declared
        self.mock = mock
        self.new_worker_id = new_worker_id
        self.loop_thread = HandlerLoop()
        self.as_official = as_official
        self.captures = captures
        self._workers = [Worker(self) for _ in range(size)]
        endpoint.stop = self._stop
        endpoint.kill = self._kill

    def start(self) -> None:
        """Let every worker ask for its first job."""
        for worker in self._workers:
            worker.take()

    def begin_close(self) -> threading.Thread | None:
        """Take no more jobs; a generator ends at its next yield, any other sync handler runs on, and is ignored.

        Returns the thread of the async handlers.
        """
        for worker in self._workers:
            worker.close()
        return self.loop_thread.begin_close()

    def _stop(self, worker_id: str, job_id: str) -> None:
        """Stop a run, if it can be stopped; called under the hub's lock."""
        for worker in self._workers:
            run = worker.run
            if run is not None and run.worker_id == worker_id and run.job["id"] == job_id:
                run.stop()

    def _kill(self, worker_id: str) -> bool:
        """Stop what this worker runs; a new one stands in its place, and under its name, as nobody else has it."""
        for worker in self._workers:
            if worker.id == worker_id and worker.run is not None:
                worker.run.stop()
        return True


def close(pools: Iterable[Pool]) -> None:
    """Let pools take no more jobs, and wait a moment for async handlers to end; one that blocks its loop runs on."""
    threads = [pool.begin_close() for pool in pools]
    deadline = time.monotonic() + 2 * CANCEL_GRACE
    for thread in threads:
        if thread is not None:
            thread.join(max(0.0, deadline - time.monotonic()))


class Worker:
    """One place where jobs run, one after the other; a worker that dies is followed by a new one in its place."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.id = pool.new_worker_id()
        self.run: Run | None = None
        self._inbox: queue.SimpleQueue[Run | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def take(self) -> None:
        self.pool.hub.take(self.pool.endpoint, ask.Take(worker_id=self.id), self._assign)

    def replace(self) -> None:
        """Leave, and let a new worker take this place."""
        self.send(ask.Leave(worker_id=self.id))
        self.id = self.pool.new_worker_id()

    def send(self, request: ask.Finish | ask.ReportProgress | ask.Chunk | ask.Lose | ask.Leave) -> str:
        """Tell the hub something; return why that is refused, or ""."""
        return self.pool.hub.tell(self.pool.endpoint, request)

    def close(self) -> None:
        run = self.run
        if run is not None and not run.is_async:
            run.stop()  # a generator may have no end of its own
        self._inbox.put(None)

    def _assign(self, reply: ask.Reply) -> None:
        """Begin a run; called under the hub's lock."""
        if not reply.body or self.pool.hub.closed:
            return
        run = self.run = Run(self, reply.body)
        if run.is_async:
            run.begin_on(self.pool.loop_thread.loop())
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=f"emulator-worker-{self.id}", daemon=True)
            self._thread.start()
        self._inbox.put(run)

    def _work(self) -> None:
        while (run := self._inbox.get()) is not None:
            run.context.run(run.in_thread)
