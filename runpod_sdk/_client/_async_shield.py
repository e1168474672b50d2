"""Shields a submit from cancellation (asyncio): until its answer arrives, nobody knows the job's id.

For asyncio. A task may be cancelled in each of its awaits, and again while it tidies up: scopes of anyio cancel what is
in them over and over. So what has to be done is done in a task of its own, which nobody else knows of.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, TypeVar, cast

from runpod_sdk._values._outcomes import Failure, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from runpod_sdk._http._message import Transfer

T = TypeVar("T")

# What a task that was told to end is given for it, seconds; ours.
_END = 1.0


class AsyncShieldedSend:
    """One exchange, made out of reach of what cancels the task that waits for it.

    Args:
        send: makes it.
        grace: how long it may take from an interruption on, seconds.
    """

    def __init__(
        self, send: Callable[[Transfer], Coroutine[Any, Any, Result]], transfer: Transfer, grace: float
    ) -> None:
        self._send = send
        self._transfer = transfer
        self._grace = grace
        self._began = False
        self._task: asyncio.Task[Result] | None = None

    @property
    def is_out(self) -> bool:
        """Whether it is on its way."""
        return self._task is not None and not self._task.done()

    def left(self, error: BaseException) -> Result | None:
        """Return what came of it, if `error` ends it now; None if it had not begun."""
        if not self._began:
            return None
        task = self._task
        if task is not None and task.done() and not task.cancelled() and task.exception() is None:
            return task.result()
        is_over = (task is not None and task.done()) or self._transfer.withdraw()
        return self._transfer.failure(error) if is_over else Failure(error)

    async def run(self) -> Result:
        """Make the exchange, and return what came of it.

        Raises:
            BaseException: what the transport raised that is not its own, or what interrupted the wait.
        """
        self._began = True
        self._task = asyncio.ensure_future(self._send(self._transfer))
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def end(_: object) -> None:
            if not over.done():  # whoever waits may have been cancelled
                over.set_result(None)

        self._task.add_done_callback(end)
        await over
        return self._task.result()

    async def come_home(self) -> None:
        """Give it the time to end, after an interruption; then break it off."""
        if self._task is not None and self.is_out:
            await held_back(self._task, self._grace)
            self._task.cancel()
            await held_back(self._task, _END)


async def held_back(task: asyncio.Future[Any], seconds: float | None = None) -> asyncio.CancelledError | None:
    """Wait for a task, so long at most; return the first cancellation that came meanwhile, which is to be raised."""
    loop = asyncio.get_running_loop()
    until = None if seconds is None else loop.time() + seconds
    first: asyncio.CancelledError | None = None
    with _unscoped():
        while not task.done():
            left = None if until is None else until - loop.time()
            if left is not None and left <= 0:
                break
            try:
                await asyncio.wait({task}, timeout=left)
            except asyncio.CancelledError as error:
                first = first or error
    return first


async def out_of_reach(
    work: Coroutine[Any, Any, T], known: set[asyncio.Future[Any]]
) -> tuple[T, asyncio.CancelledError | None]:
    """Do some work that no cancellation breaks off; return what it returns, and the first that came meanwhile.

    A task that waits for it can still be thrown away. The work then goes on, and is among the `known`.
    """
    task = asyncio.ensure_future(work)
    known.add(task)
    task.add_done_callback(known.discard)
    cancelled = await held_back(task)
    return task.result(), cancelled


def _unscoped() -> AbstractContextManager[object]:
    """Keep scopes of anyio, where there are any, from cancelling again in each turn of the loop."""
    anyio = sys.modules.get("anyio")
    if anyio is None:
        return nullcontext()
    return cast("AbstractContextManager[object]", anyio.CancelScope(shield=True))
