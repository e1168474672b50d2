"""Workers in this process: each takes a job, runs a Python callable on it, sends the result, and takes the next.

A worker talks to its queue in the same typed requests as a worker anywhere else. Async handlers run on one event loop
in a thread of the emulator, all others in a thread per worker, so that none blocks another. From the moment a job is
assigned until its result is sent, its run counts as a busy handler on the clock. What is sent is decided in
`_results.py`, which job comes next in `_jobs.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import queue
import threading
from contextvars import Context
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._workers import _results as results

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk.emulator._hub import Hub, HubEndpoint

    Handler = Callable[[dict[str, Any]], Any]

_LOG = logging.getLogger("runpod_sdk.emulator")
_CANCEL_GRACE = 1.0  # real seconds that a cancelled handler may take to end when the emulator closes


class HandedJob(dict[str, Any]):
    """The dict that a handler gets; it knows where its progress goes."""

    run: Run


def progress_update(job: dict[str, Any], progress: Any) -> None:
    """Show `progress` as the output of a running job, until its result replaces it.

    A handler calls it from any thread. After the end of the job it does nothing. What is not JSON is logged and
    dropped, as the official worker does.

    Args:
        job: the very dict that the handler was called with.
        progress: any JSON.

    Raises:
        TypeError: `job` did not come from an emulator.
    """
    if not isinstance(job, HandedJob):
        raise TypeError("progress_update: job is not a dict that an emulator handed to a handler")
    job.run.progress(progress)


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
                self._thread = threading.Thread(target=self._loop.run_forever, name="emulator-handlers", daemon=True)
                self._thread.start()
            return self._loop

    def close(self) -> None:
        """Cancel what runs, and end the thread."""
        with self._lock:
            loop, thread = self._loop, self._thread
        if loop is None or thread is None or loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(_cancel_others(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=_CANCEL_GRACE)


class Pool:
    """The workers of one endpoint.

    Args:
        hub: where requests go.
        endpoint: the endpoint.
        handler_for: returns the callable that runs a given job.
        size: how many jobs run at the same time.
        new_worker_id: returns a fresh worker id.
        loop_thread: where async handlers run.
        aggregate: claims that a generator's chunks are also its output.
    """

    def __init__(
        self,
        hub: Hub,
        endpoint: HubEndpoint,
        handler_for: Callable[[dict[str, Any]], Handler],
        *,
        size: int,
        new_worker_id: Callable[[], str],
        loop_thread: HandlerLoop,
        aggregate: Callable[[], bool],
    ) -> None:
        self.hub = hub
        self.endpoint = endpoint
        self.handler_for = handler_for
        self.new_worker_id = new_worker_id
        self.loop_thread = loop_thread
        self.aggregate = aggregate
        self._workers = [Worker(self) for _ in range(size)]
        endpoint.stop = self._stop
        endpoint.kill = self._kill

    def start(self) -> None:
        """Let every worker ask for its first job."""
        for worker in self._workers:
            worker.take()

    def close(self) -> None:
        """Take no more jobs; a generator ends at its next yield, any other sync handler runs on, and is ignored."""
        for worker in self._workers:
            worker.close()

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

    def send(self, request: ask.Finish | ask.ReportProgress | ask.Chunk | ask.Lose | ask.Leave) -> None:
        self.pool.hub.tell(self.pool.endpoint, request)

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


class Run:
    """One job on one worker."""

    def __init__(self, worker: Worker, body: dict[str, Any]) -> None:
        self.worker = worker
        self.worker_id = worker.id
        self.job = body
        self.stopped = False
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        # A context of its own: this may run inside the request of a caller, who is somebody else on the clock.
        self.context = Context()
        self._presence = self.context.run(worker.pool.hub.clock.participate, "handler")
        self.context.run(self._presence.__enter__)
        self._handler: Handler = worker.pool.handler_for(body) if "input" in body else _no_handler
        self._streams = inspect.isgeneratorfunction(self._handler) or inspect.isasyncgenfunction(self._handler)
        self.is_async = inspect.isasyncgenfunction(self._handler) or _is_coroutine_function(self._handler)
        self._collected: list[Any] = []

    # How it runs: in a thread, or on the loop.

    def in_thread(self) -> None:
        """Run a plain function or a generator, in this thread."""
        try:
            handed = self._hand()
            if handed is None:
                pass
            elif self._streams:
                for value in self._handler(handed):
                    if not self._yielded(value):
                        return
                self._ended()
            else:
                value = self._handler(handed)
                if inspect.isawaitable(value):
                    loop = self.worker.pool.loop_thread.loop()
                    value = asyncio.run_coroutine_threadsafe(_awaited(value), loop).result()
                self._returned(value)
        except BaseException as error:  # noqa: BLE001  whatever a handler does, its worker lives on
            self._raised(error)
        finally:
            self._over()

    def begin_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run a coroutine function or an async generator on `loop`."""
        self._loop = loop

        def begin() -> None:
            if self.stopped:
                self.context.run(self._over)
            else:
                self._task = loop.create_task(self._on_loop(), context=self.context)

        loop.call_soon_threadsafe(begin)

    async def _on_loop(self) -> None:
        try:
            handed = self._hand()
            if handed is None:
                pass
            elif self._streams:
                values = self._handler(handed)
                async with contextlib.aclosing(values):
                    async for value in values:
                        if not self._yielded(value):
                            return
                self._ended()
            else:
                self._returned(await self._handler(handed))
        except BaseException as error:  # noqa: BLE001  SystemExit would end the loop of all other handlers
            self._raised(error)
        finally:
            self._over()

    def stop(self) -> None:
        """Cancel the handler if it is async; the others end at their next yield, or run on.  # rp_scale.py:stop_job."""
        self.stopped = True
        loop = self._loop
        if loop is None:
            return
        # Busy until the cancellation has reached the handler: time must not pass in between.
        context = Context()
        presence = context.run(self.worker.pool.hub.clock.participate, "handler")
        context.run(presence.__enter__)

        def leave() -> None:
            context.run(presence.__exit__, None, None, None)

        def cancel() -> None:
            if self._task is not None:
                self._task.cancel()
            loop.call_soon(loop.call_soon, leave)

        loop.call_soon_threadsafe(cancel)

    # What it sends.

    def progress(self, progress: Any) -> None:
        """Send progress, or log why not."""
        try:
            output = results.as_json(progress)
        except results.NotJSONError as error:
            _LOG.warning("progress of job %s is not JSON, nothing is sent: %s", self.job["id"], error)
            return
        self.worker.send(ask.ReportProgress(worker_id=self.worker_id, job_id=self.job["id"], output=output))

    def _hand(self) -> HandedJob | None:
        """Return the job as the handler gets it: a copy, because handlers change what they get."""
        if "input" not in self.job:
            # live: the worker drops a job without input; the service gives it out once more, then gives up.
            # assumed: at once, where the service waits for a while.
            self.worker.send(ask.Lose(worker_id=self.worker_id, job_id=self.job["id"]))
            return None
        handed = HandedJob(results.as_json(self.job))
        handed.run = self
        return handed

    def _yielded(self, value: Any) -> bool:
        """Send a chunk; False ends the generator."""
        if self.stopped:
            return False
        failed = results.yielded_error(value)
        if failed is not None:
            self._finish(failed)
            return False
        if self.worker.pool.aggregate():
            self._collected.append(value)
        try:
            body = results.as_json({"output": value})
        except results.NotJSONError as error:
            _LOG.warning("a chunk of job %s is not JSON, nothing is sent: %s", self.job["id"], error)
        else:
            self.worker.send(ask.Chunk(worker_id=self.worker_id, job_id=self.job["id"], body=body))
        return True

    def _ended(self) -> None:
        self._finish({"output": self._collected})

    def _returned(self, value: Any) -> None:
        result, refresh = results.returned(value)
        self._finish(result)
        if refresh:
            self.worker.replace()

    def _raised(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            return  # a cancelled job sends nothing
        if not isinstance(error, Exception):
            _LOG.info("worker %s died in job %s: %r", self.worker_id, self.job["id"], error)
            self.worker.replace()
        elif self._streams:
            self._finish(results.generator_raised(error))
        else:
            self._finish(results.raised(error, self.worker_id))

    def _finish(self, result: dict[str, Any]) -> None:
        try:
            result = results.as_json(result)
        except results.NotJSONError as error:
            # rp_http.py: the official worker logs it and sends nothing; the job hangs until its executionTimeout.
            _LOG.warning("the result of job %s is not JSON, nothing is sent: %s", self.job["id"], error)
            return
        output, error_text = result.get("output", ask.ABSENT), result.get("error")
        self.worker.send(ask.Finish(worker_id=self.worker_id, job_id=self.job["id"], output=output, error=error_text))

    def _over(self) -> None:
        """Let the worker take its next job, then leave the clock: in this order, so that time stands still between."""
        self.worker.run = None
        if not self.worker.pool.hub.closed:
            self.worker.take()
        self._presence.__exit__(None, None, None)


def _no_handler(_: dict[str, Any]) -> None:
    """Stand in for the handler of a job that has no input."""


def _is_coroutine_function(handler: Handler) -> bool:
    # An instance counts by its method.
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None))  # noqa: B004


async def _awaited(value: Any) -> Any:
    return await value
