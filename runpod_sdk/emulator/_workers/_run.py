"""One job on a worker in this process: runs the handler in a thread or on a loop, and sends its results.

From the moment a job is assigned until its result is sent, its run counts as a busy handler on the clock. What is sent
is decided in `_results.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from runpod_sdk.clock import Presence
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._workers import _results as results
from runpod_sdk.emulator._workers._host._capture import NOTHING, kept
from runpod_sdk.emulator._workers._host._package import forget_timers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from runpod_sdk.emulator._workers._callables import Worker

    Handler = Callable[[dict[str, Any]], Any]

_LOG = logging.getLogger("runpod_sdk.emulator")

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


def post(job: dict[str, Any], data: Any, *, is_chunk: bool) -> bool:
    """Send what a handler sends by hand: progress, a chunk, or a result; return whether its job runs."""
    run = _run_of(job, job["id"])
    if run is not None:
        run.post(data, is_chunk=is_chunk)
    return run is not None


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

    def post(self, data: Any, *, is_chunk: bool) -> None:
        """Send what the handler sends by hand."""
        if is_chunk:
            self._send_chunk(data)
        elif data.get("status") == "IN_PROGRESS":
            self.progress(data.get("output"))
        else:
            self._finish(data)

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
        self._send_chunk(sent)
        return True

    def _send_chunk(self, sent: Any) -> None:
        try:
            self._check_id()
            body = results.as_json(sent, as_official=self.worker.pool.as_official)
        except results.NotJSONError as error:
            if not error.is_caught:
                raise
            _LOG.warning("a chunk of job %s is not JSON, nothing is sent: %s", self.job["id"], error)
        else:
            self.worker.send(ask.Chunk(worker_id=self.worker_id, job_id=self.job["id"], body=body))

    def _check_id(self) -> None:
        if self.worker.pool.as_official:
            results.check_id(self.handed, self.job["id"])

    def _finish(self, result: dict[str, Any]) -> None:
        results.shown(result)  # rp_job.py: log.debug; what this raises, nobody catches there
        self._check_id()
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
