"""A thread with an event loop of its own, in which bulk runs of the sync client work.

One thread drives any number of jobs. It ends with `close`, and is never seen again after a fork.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from runpod_sdk._client._async_shell import AsyncShell
from runpod_sdk._client._shield import out_of_reach
from runpod_sdk._http._signals import let_pass
from runpod_sdk.errors import RunpodError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractAsyncContextManager

    from runpod_sdk._client._sync_shell import Shell
    from runpod_sdk._http._message import Transfer
    from runpod_sdk._http._wire import Wire
    from runpod_sdk._values._outcomes import Result as Answered
    from runpod_sdk._values._requests import Request

    from ._line import Line
    from ._task_pool import Indexed, Outbox

T = TypeVar("T")
Result = TypeVar("Result", bound="Indexed")

# A wait of a thread is looked after this often, seconds: Windows delivers Ctrl-C only between two waits.
_SLICE = 1.0
# Where each request takes a thread (see `twin_of`): how many at once, and how long one is held at most, seconds, as a
# thread cannot be cancelled; ours.
THREADS_MAX, THREAD_HOLD = 64, 5.0


class LoopThread(Generic[Result]):
    """A line in a thread of its own. Results come out one by one, and each costs little: nobody waits for a loop.

    Args:
        opened: opened in the thread's loop, in the context that the caller has when it begins; provides the line,
            which is closed at the end.
        outbox: where the line puts its results.
    """

    def __init__(
        self, opened: Callable[[], AbstractAsyncContextManager[Line[Any, Result]]], outbox: Outbox[Result]
    ) -> None:
        self._opened = opened
        self._outbox = outbox
        self._news = threading.Event()
        self._started = threading.Event()
        self._released = self._let_go = 0
        self._announced = False
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._line: Line[Any, Result] | None = None
        self._pid = os.getpid()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; does nothing the second time. All work is done in the context that the caller has now.

        Raises:
            RunpodError: there is no thread left for it.
        """
        if self._thread is None:
            context = copy_context()
            self._thread = threading.Thread(target=context.run, args=[self._run], name="runpod-sdk-map", daemon=True)
            handled = sys.exception()
            try:
                self._thread.start()
            except RuntimeError as error:
                let_pass(error, handled)
                self._thread = None
                raise RunpodError(f"nothing was sent: {error}") from error
            self._started.wait()

    def check(self) -> None:
        """See that this is the process that the run belongs to."""
        if os.getpid() != self._pid:
            raise RuntimeError("a bulk run cannot continue in a forked process: start a new one there")

    def get(self) -> Result | None:
        """Return a result, as soon as there is one; None when there will be none any more.

        Raises:
            BaseException: what ends the run, or the thread's own end.
        """
        while True:
            is_over = self._line is not None and self._line.is_over  # before looking: the last result comes first
            result = self._outbox.get()
            if result is not None:
                return result
            failure = self._failure or (None if self._line is None else self._line.failure)
            if failure is not None:
                raise failure
            if is_over:
                return None
            self._news.wait(_SLICE)
            self._news.clear()

    def release(self) -> None:
        """Note that a result has been handed out: another input may be taken."""
        self._released += 1
        if not self._announced and self._loop is not None:
            self._announced = True
            _tell(self._loop, self._release)  # where it is closed, `get` says why

    @property
    def line(self) -> Line[Any, Result] | None:
        """The pipeline; None before it starts."""
        return self._line

    @property
    def inputs_error(self) -> Exception | None:
        """What the inputs raised, if they did."""
        return None if self._line is None else self._line.inputs_error

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the thread's loop, and return what it returns."""
        loop = self._loop
        if loop is None:
            raise RuntimeError("the thread has not begun")
        return out_of_reach(lambda: asyncio.run_coroutine_threadsafe(coroutine, loop)).result()

    def close(self) -> None:
        """Cancel what is under way, and wait for the thread's end; may be called twice, and from anywhere."""
        if self._thread is None or self._thread.ident is None or os.getpid() != self._pid:
            return
        if self._loop is not None and self._stopping is not None:
            _tell(self._loop, self._stopping.set)
        if threading.current_thread() is not self._thread:  # a garbage collection may call this there
            self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001  raised in the thread that asks for results
            if self._loop is None and isinstance(error, OSError):  # it takes three descriptors
                reason, error = error, RunpodError(f"nothing was sent: no event loop can be made: {error}")
                error.__cause__ = reason
            self._failure = self._failure or error
        finally:
            self._failure = self._failure or RuntimeError("the bulk run is closed")
            self._started.set()
            self._news.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        async with self._opened() as line:
            self._line = line
            line.told = self._news.set
            self._started.set()
            try:
                await self._stopping.wait()
            finally:
                await line.close()

    def _release(self) -> None:
        self._announced = False  # before looking: what is released from now on is announced anew
        released, before = self._released, self._let_go
        self._let_go = released
        if self._line is not None:
            self._line.release(released - before)


def _tell(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    """Have the loop call back, unless it is closed."""
    try:
        out_of_reach(lambda: loop.call_soon_threadsafe(callback))
    except RuntimeError:
        if not loop.is_closed():  # then it is a signal handler's, not the loop's
            raise


class PooledWire:
    """Sends for asyncio through a sync wire, where there is no async one."""

    def __init__(self, wire: Wire, most: int) -> None:
        self._wire = wire
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="runpod-sdk-map")

    def transfer(self, request: Request, until: float, begun_by: float) -> Transfer:
        """Return a request to be sent now."""
        return self._wire.transfer(request, until, begun_by)

    async def send(self, transfer: Transfer) -> Answered:
        """Make one request."""
        loop = asyncio.get_running_loop()
        # In the task's own context: a virtual clock knows by it who is waiting.
        context = copy_context()
        return await loop.run_in_executor(self._pool, lambda: context.run(self._wire.send, transfer))

    async def close(self) -> None:
        """Let the threads end, each with the request that it is making."""
        self._pool.shutdown(wait=False)


def twin_of(shell: Shell) -> AsyncShell:
    """Return an async shell with the settings and records of a sync client's, and connections like its own.

    A client or transport of the caller's own that knows no tasks is used from `THREADS_MAX` threads instead.
    """
    wire = shell._wire.twin()
    if wire is not None:
        return AsyncShell(shell._settings, wire, shell._unknowns)
    poll = replace(shell._settings.poll, hold=min(shell._settings.poll.hold, THREAD_HOLD))
    # Twice as many, so that what is held does not keep a cancel waiting.
    return AsyncShell(replace(shell._settings, poll=poll), PooledWire(shell._wire, 2 * THREADS_MAX), shell._unknowns)


def places(shell: Shell, wanted: int) -> int:
    """Return how many jobs may be under way at once with the shell's twin."""
    return min(wanted, THREADS_MAX) if shell._wire.twin() is None else wanted
