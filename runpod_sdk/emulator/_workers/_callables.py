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
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._workers import _results as results
from runpod_sdk.emulator._workers._host._capture import NOTHING, kept
from runpod_sdk.emulator._workers._host._package import forget_timers
from runpod_sdk.emulator._workers._presence import Presence

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterable

    from runpod_sdk.emulator._hub import Hub, HubEndpoint

    Handler = Callable[[dict[str, Any]], Any]

_LOG = logging.getLogger("runpod_sdk.emulator")
_CANCEL_GRACE = 0.4  # real seconds that a cancelled handler may take to end when the emulator closes


_NOTHING_KEPT = contextlib.nullcontext(NOTHING)

# The runs under way, by job id: two emulators with one seed have jobs of the same ids.
_RUNNING: dict[str, list[Run]] = {}
_RUNNING_LOCK = threading.Lock()
_CURRENT: ContextVar[Run | None] = ContextVar("runpod_sdk_run", default=None)


def progress_update(job: dict[str, Any], progress: Any) -> None:
    """Show `progress` as the output of a running job, until its result replaces it.

    A handler calls it from any thread. For a job that does not run, or runs no more, it does nothing. What is not JSON
    is logged and dropped, as the official worker does.

    Args:
        job: what the handler was called with, or any dict with the same `id`.
        progress: any JSON.

    Raises:
        TypeError: `job` is no dict with an id.
    """
    job_id: Any = job.get("id") if isinstance(job, dict) else None  # pyright: ignore[reportUnnecessaryIsInstance]
    if not isinstance(job_id, str):
        raise TypeError("progress_update: job is no dict with an id")
    run = _run_of(job, job_id)
    if run is None:
        _LOG.debug("progress of job %s, which does not run, is not sent", job_id)
    else:
        run.progress(progress)


def is_running(job: Any) -> bool:
    """Whether a handler of this process runs this job."""
    return isinstance(job, dict) and job.get("id") in _RUNNING  # pyright: ignore[reportUnknownMemberType]


def _run_of(job: dict[str, Any], job_id: str) -> Run | None:
    """Return the run that a handler means: its own, else the one that was given this dict, else one of this id."""
    with _RUNNING_LOCK:
        runs = list(_RUNNING.get(job_id, ()))
    current = _CURRENT.get()
    if current in runs:
        return current
    given = [run for run in runs if run.handed is job]
    meant = given or runs
    return meant[-1] if meant else None


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
        await asyncio.wait(others, timeout=_CANCEL_GRACE)
    loop.stop()


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
    deadline = time.monotonic() + 2 * _CANCEL_GRACE
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


class Run:
    """One job on one worker.

    Attributes:
        handed: what the handler was given.
    """

    def __init__(self, worker: Worker, body: dict[str, Any]) -> None:
        self.worker = worker
        self.worker_id = worker.id
        self.job = body
        self.handed: dict[str, Any] = {}
        self.stopped = False
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._presence = Presence(worker.pool.hub.clock)
        self.context = self._presence.context
        self.context.run(_CURRENT.set, self)
        pool = worker.pool
        self._handler: Handler = (pool.declared.handler or pool.mock(body)) if "input" in body else _no_handler
        self._streams = inspect.isgeneratorfunction(self._handler) or inspect.isasyncgenfunction(self._handler)
        self.is_async = inspect.isasyncgenfunction(self._handler) or _is_coroutine_function(self._handler)
        self._collected: list[Any] = []
        self._printed = NOTHING

    # How it runs: in a thread, or on the loop.

    def in_thread(self) -> None:
        """Run a plain function or a generator, in this thread."""
        try:
            if not self._hand():
                return
            with kept() if self.worker.pool.captures else _NOTHING_KEPT as self._printed:
                if not self._streams:
                    self._finish(self._result())
                    return
                with contextlib.closing(self._sent()) as chunks:
                    for sent in chunks:
                        if not self._yielded(sent):
                            return
                self._finish({"output": self._collected})
        except BaseException as error:  # noqa: BLE001  whatever a handler does, its worker lives on
            self._failed(error)
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

        try:
            loop.call_soon_threadsafe(begin)
        except RuntimeError:  # the emulator is closed, and the loop with it
            self._presence.leave()

    async def _on_loop(self) -> None:
        try:
            if not self._hand():
                return
            with kept() if self.worker.pool.captures else _NOTHING_KEPT as self._printed:
                if not self._streams:
                    self._finish(await self._result_async())
                    return
                async with contextlib.aclosing(self._sent_async()) as chunks:
                    async for sent in chunks:
                        if not self._yielded(sent):
                            return
                self._finish({"output": self._collected})
        except BaseException as error:  # noqa: BLE001  SystemExit would end the loop of all other handlers
            self._failed(error)
        finally:
            self._over()

    def _result(self) -> dict[str, Any]:
        try:
            value = self._handler(self.handed)
            if inspect.isawaitable(value):
                loop = self.worker.pool.loop_thread.loop()
                value = asyncio.run_coroutine_threadsafe(_awaited(value), loop).result()
            return results.returned(value)
        except Exception as error:  # noqa: BLE001  a handler may raise anything
            return self._raised(error)

    async def _result_async(self) -> dict[str, Any]:
        try:
            return results.returned(await self._handler(self.handed))
        except Exception as error:  # noqa: BLE001  a handler may raise anything
            return self._raised(error)

    def _raised(self, error: Exception) -> dict[str, Any]:
        return results.raised(error, self.worker_id, f"{self.worker_id}-emulator", self._printed.text)

    def _sent(self) -> Generator[dict[str, Any]]:
        try:
            for value in self._handler(self.handed):
                yield results.chunk(value)
        except Exception as error:  # noqa: BLE001  a handler may raise anything
            yield results.generator_raised(error, self._printed.text)

    async def _sent_async(self) -> AsyncGenerator[dict[str, Any]]:
        try:
            async with contextlib.aclosing(self._handler(self.handed)) as values:
                async for value in values:
                    yield results.chunk(value)
        except Exception as error:  # noqa: BLE001  a handler may raise anything
            yield results.generator_raised(error, self._printed.text)

    def stop(self) -> None:
        """Cancel the handler if it is async; the others end at their next yield, or run on.  # rp_scale.py:stop_job."""
        self.stopped = True
        loop = self._loop
        if loop is None:
            return
        # Busy until the cancellation has reached the handler: time must not pass in between.
        presence = Presence(self.worker.pool.hub.clock)

        def cancel() -> None:
            if self._task is not None:
                self._task.cancel()
            loop.call_soon(loop.call_soon, presence.leave)

        try:
            loop.call_soon_threadsafe(cancel)
        except RuntimeError:  # as above
            presence.leave()

    # What it sends.

    def progress(self, progress: Any) -> None:
        """Send progress, or log why not."""
        try:
            output, size = results.sent(progress, as_official=self.worker.pool.as_official)
        except results.NotJSONError as error:
            _LOG.warning("progress of job %s is not JSON, nothing is sent: %s", self.job["id"], error)
            return
        refusal = self.worker.send(
            ask.ReportProgress(worker_id=self.worker_id, job_id=self.job["id"], output=output, size=size)
        )
        if refusal:
            _LOG.warning("%s", refusal)

    def _hand(self) -> bool:
        """Make the handler's own copy of the job, as handlers change what they get; False if it shall not run."""
        if "input" not in self.job:
            # live: the worker drops a job without input; the service gives it out once more, then gives up.
            # assumed: at once, where the service waits for a while.
            self.worker.send(ask.Lose(worker_id=self.worker_id, job_id=self.job["id"]))
            return False
        self.handed = results.as_json(self.job, as_official=False)
        with _RUNNING_LOCK:
            _RUNNING.setdefault(self.job["id"], []).append(self)
        return True

    def _yielded(self, sent: dict[str, Any]) -> bool:
        """Send a chunk; False ends the generator."""
        if self.stopped:
            return False
        end = results.ending(sent)
        if end is not None:
            self._finish(end)
            return False
        if self.worker.pool.declared.aggregate:
            self._collected.append(sent["output"])
        try:
            body = results.as_json(sent, as_official=self.worker.pool.as_official)
        except results.NotJSONError as error:
            if not error.is_caught:
                raise
            _LOG.warning("a chunk of job %s is not JSON, nothing is sent: %s", self.job["id"], error)
        else:
            self.worker.send(ask.Chunk(worker_id=self.worker_id, job_id=self.job["id"], body=body))
        return True

    def _finish(self, result: dict[str, Any]) -> None:
        results.shown(result)  # rp_job.py: log.debug; what this raises, nobody catches there
        body, size = results.sent(result, as_official=self.worker.pool.as_official)
        refusal = self.worker.send(
            ask.Finish(
                worker_id=self.worker_id,
                job_id=self.job["id"],
                output=body.get("output", ask.ABSENT),
                error=body.get("error"),
                size=size,
            )
        )
        if refusal:
            _LOG.warning("%s", refusal)
        if result.get("stopPod") or self.worker.pool.declared.refreshes:
            self.worker.replace()

    def _failed(self, error: BaseException) -> None:
        """Send nothing: the job was stopped, the worker is to die, or the official library would have failed."""
        job_id = self.job["id"]
        if isinstance(error, SystemExit | KeyboardInterrupt):
            _LOG.info("worker %s died in job %s: %s", self.worker_id, job_id, results.what(error))
            self.worker.replace()
        elif not isinstance(error, asyncio.CancelledError):
            # rp_http.py: the official worker logs it and sends nothing; the job hangs until its executionTimeout.
            _LOG.warning("nothing is sent of the result of job %s: %s", job_id, results.what(error))

    def _over(self) -> None:
        """Let the worker take its next job, then leave the clock: in this order, so that time stands still between."""
        self.worker.run = None
        forget_timers()
        with _RUNNING_LOCK:
            runs = _RUNNING.get(self.job["id"], [])
            if self in runs:
                runs.remove(self)
            if not runs:
                _RUNNING.pop(self.job["id"], None)
        if not self.worker.pool.hub.closed:
            self.worker.take()
        self._presence.leave()


def _no_handler(_: dict[str, Any]) -> None:
    """Stand in for the handler of a job that has no input."""


def _is_coroutine_function(handler: Handler) -> bool:
    # An instance counts by its method.
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None))  # noqa: B004


async def _awaited(value: Any) -> Any:
    return await value
