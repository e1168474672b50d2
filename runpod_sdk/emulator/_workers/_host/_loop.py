"""The loop of a worker process: takes jobs, runs them, and shuts down cleanly when told to.

Source: runpod-python 1.12.0, serverless/modules/rp_scale.py, JobScaler. Handlers run in its event loop, in the main
thread; how many at once, the file's `concurrency_modifier` says, which is asked before each look for jobs. Three things
are different: a worker that is full looks for a job when one has ended, instead of each second; jobs come over a socket
that is there already; and a modifier whose first answer lets it take no job at all ends it, where it would wait for
ever.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from . import _results as results
from ._jobs import result_of
from ._package import note_begin, note_end
from ._signals import EndSignals

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._wire import Channel

_FULL = 1.0  # seconds between two looks of a worker that is full.  # rp_scale.py: get_jobs


class ModifierError(Exception):
    """A concurrency modifier that raised, or whose answer cannot be used; it ends the worker."""


class WorkerLoop:
    """Runs jobs until it is told to stop.

    Args:
        wire: the emulator.
        config: what the file handed to `start`.
        ready: what it says of itself when it takes its first job.
    """

    def __init__(self, wire: Channel, config: dict[str, Any], ready: dict[str, Any]) -> None:
        self._wire = wire
        self._config = config
        self._ready: dict[str, Any] | None = ready
        self._modifier: Callable[[Any], Any] = config.get("concurrency_modifier") or _unchanged
        self._concurrency: Any = 1
        self._capacity: Any = 1
        self._running: dict[str, asyncio.Task[None]] = {}
        self._asked: asyncio.Future[None] | None = None  # until jobs come, or the end
        self._aggregate: bool | None = None
        self._is_ending = False
        self._owes_word = False  # a job has ended, and nothing was said since of the next one
        self._loop: asyncio.AbstractEventLoop

    def run(self) -> None:
        """Run until the emulator or a signal ends it, and the jobs that it has taken are done.

        Raises:
            ModifierError: the concurrency modifier cannot be used.
            BaseException: what a handler raised that wants to end the process.
        """
        EndSignals(self._signalled).watch()
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._loop.add_reader(self._wire.fileno(), self._read)
        await self._take_jobs()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        self._wire.flush()
        self._loop.remove_reader(self._wire.fileno())

    # Messages to it.

    def _signalled(self) -> None:
        self._is_ending = True
        with suppress(AttributeError, RuntimeError):  # it has not begun, or is over
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        """Take no more jobs."""
        self._is_ending = True
        self._changed.set()
        if self._asked is not None and not self._asked.done():
            self._asked.set_result(None)

    def _read(self) -> None:
        frames, is_closed = self._wire.receive()
        for head, body in frames:
            if head[0] == "jobs" and self._asked is not None and not self._asked.done():
                self._aggregate = head[1]
                for job in json.loads(body):
                    self._begin(job)
                self._asked.set_result(None)
            elif head[0] == "stop" and head[1] in self._running:
                self._running[head[1]].cancel()
            elif head[0] == "end":
                self._end()
        if is_closed:
            _die()

    # How it takes jobs.

    async def _take_jobs(self) -> None:
        while not self._is_ending:
            await self._scale()
            wanted = self._concurrency - len(self._running)
            if self._asked is not None and not self._asked.done():
                await self._asked
            elif wanted > 0:
                await self._ask(wanted)
            else:
                if self._owes_word:
                    self._owes_word = False
                    self._wire.send(["full"])
                await self._change()

    async def _scale(self) -> None:
        """Ask the modifier; what it has changed holds when no job runs any more."""  # rp_scale.py: set_scale
        try:
            self._concurrency = self._modifier(self._concurrency)
            _check(self._concurrency, is_first=self._ready is not None)
        except Exception as error:  # it ends the official worker, too
            raise ModifierError(f"its concurrency_modifier cannot be used: {results.what(error)}") from error
        if self._ready is not None:
            self._ready["concurrency"] = self._concurrency if isinstance(self._concurrency, int) else None
            self._wire.send(["ready", self._ready])
            self._ready = None
        if self._concurrency != self._capacity:
            while self._running and not self._is_ending:
                await self._change()
            self._capacity = self._concurrency

    def _ask(self, wanted: float) -> asyncio.Future[None]:
        """Ask for jobs, and return what is done when they have begun."""
        self._owes_word = False
        self._asked = self._loop.create_future()
        # A float counts as the whole jobs that are in it, but one at least.  # rp_job.py: batch_size, if above 1
        self._wire.send(["take", max(1, int(wanted)) if math.isfinite(wanted) else 1])
        return self._asked

    async def _change(self) -> None:
        """Return when a job has ended; or after a while, as the modifier may have another answer then."""
        self._changed.clear()
        patience = None if self._modifier is _unchanged else self._loop.call_later(_FULL, self._changed.set)
        await self._changed.wait()
        if patience is not None:
            patience.cancel()

    # How it runs one.

    def _begin(self, job: dict[str, Any]) -> None:
        note_begin(job)
        task = self._loop.create_task(self._run(job))
        self._running[job["id"]] = task
        task.add_done_callback(self._done)

    async def _run(self, job: dict[str, Any]) -> None:
        """Run a job, and send what came of it: "done", or "lost" with the reason why nothing could be sent."""
        job_id: str = job["id"]

        def stream(sent: dict[str, Any]) -> None:
            try:
                results.check_id(job, job_id)
                self._wire.send(["chunk", job_id], results.encoded(sent))
            except results.NotJSONError as error:
                if not error.is_caught:
                    raise
                self._wire.send(["note", job_id, f"a chunk cannot be sent: {error}"])

        refreshes = bool(self._config.get("refresh_worker", False))
        try:
            result = await result_of(self._config, job, aggregate=self._aggregate, stream=stream)
            results.check_id(job, job_id)
            body = results.encoded(result)
        except (SystemExit, KeyboardInterrupt):
            raise  # asyncio ends the process
        except asyncio.CancelledError:
            self._wire.send(["stopped", job_id])
            raise
        except results.NotJSONError as error:
            self._wire.send(["lost", job_id, f"the result cannot be sent: {error}"])
            refreshes = refreshes and error.is_caught
        except BaseException as error:  # noqa: BLE001  whatever a handler does, the other jobs go on
            self._wire.send(["lost", job_id, f"nothing can be sent: {results.what(error)}"])
            refreshes = False
        else:
            self._deliver(job_id, body, asks_next=not refreshes and self._asks_next())
        if refreshes:
            self._end()

    def _deliver(self, job_id: str, body: bytes, *, asks_next: bool) -> None:
        self._wire.send(["done", job_id], body, more=asks_next)
        if asks_next:
            self._ask(1)

    def _asks_next(self) -> bool:
        """Whether the look for the next job follows at once: no other job runs, and nobody else decides it."""
        is_asking = self._asked is not None and not self._asked.done()
        return len(self._running) == 1 and not is_asking and not self._is_ending and self._modifier is _unchanged

    def _done(self, task: asyncio.Task[None]) -> None:
        for job_id in [job_id for job_id, running in self._running.items() if running is task]:
            del self._running[job_id]
            note_end(job_id)
        self._owes_word = self._asked is None or self._asked.done()
        self._changed.set()


def _unchanged(current: Any) -> Any:
    return current


def _check(concurrency: Any, *, is_first: bool) -> None:
    """Refuse an answer of a concurrency modifier that is no number, or the first one if it lets no job be taken."""
    if not concurrency - 0 > 0 and is_first:
        raise ValueError(f"it answers {concurrency!r}, and no job would ever be taken")


def _die() -> None:
    """End at once, with all that was started: the emulator is gone."""
    os.killpg(0, signal.SIGKILL)
