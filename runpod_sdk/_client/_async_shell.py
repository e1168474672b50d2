"""Drives flows on asyncio: sends, sleeps, returns what they emit. `_sync_shell.py` does the same with threads."""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from runpod_sdk._flows import _control, _submit
from runpod_sdk._flows._api import load
from runpod_sdk._flows._effects import Done, Emit, Flow, Send, Sleep
from runpod_sdk._flows._loading import loading
from runpod_sdk._http._signals import raised_by_handler
from runpod_sdk._telemetry import note_cancel, note_cancel_failed, note_running
from runpod_sdk._values._policies import GRACE
from runpod_sdk.errors import RunpodError

from ._event_loop import running_loop
from ._submission import Left, Submission

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Awaitable, Callable, Coroutine
    from contextlib import AbstractContextManager

    from runpod_sdk._flows._exchange import Settings
    from runpod_sdk._flows._jobs import JobRef
    from runpod_sdk._flows._wait import OnAbandon
    from runpod_sdk._http._message import Transfer
    from runpod_sdk._telemetry import Unknowns
    from runpod_sdk._values._outcomes import Result
    from runpod_sdk._values._requests import Request
    from runpod_sdk._values._states import JobState
    from runpod_sdk.errors import SubmissionUnknownError

    from ._async_shield import AsyncShieldedSend

    OnKnown = Callable[[JobState], Awaitable[object]]

T = TypeVar("T")


@cache
def load_shield() -> type[AsyncShieldedSend]:
    """Load what keeps a submit from being cancelled."""
    with loading("what shields a submit"):
        from ._async_shield import AsyncShieldedSend

        return AsyncShieldedSend


class TaskWire(Protocol):
    """Sends requests on asyncio; see `AsyncWire`."""

    def transfer(self, request: Request, until: float, begun_by: float) -> Transfer:
        """Return a request to be sent now."""
        ...

    async def send(self, transfer: Transfer) -> Result:
        """Make one request."""
        ...

    async def close(self) -> None:
        """Close what this object opened."""
        ...


class AsyncShell:
    """Drives flows on asyncio, with one client's settings and connections."""

    def __init__(self, settings: Settings, wire: TaskWire, unknowns: Unknowns) -> None:
        self._settings = settings
        self._wire = wire
        self._unknowns = unknowns
        self._abandoned: set[Future[Any]] = set()

    async def _step(self, flow: Flow[T], submission: Submission[AsyncShieldedSend] | None = None) -> Emit | Done[T]:
        """Run a flow until it emits something or ends."""
        result: object = None
        running_loop()
        load()
        load_shield()
        with self._settings.clock.participate():
            while True:
                try:
                    effect = flow.send(result)
                except StopIteration as stop:
                    return Done(stop.value)
                match effect:
                    case Send():
                        result = await self._send(effect, submission)
                    case Sleep():
                        await self._settings.clock.sleep_async(effect.seconds)
                        result = None
                    case Emit():
                        return effect

    async def _send(self, send: Send, submission: Submission[AsyncShieldedSend] | None) -> object:
        transfer = self._wire.transfer(send.request, send.until, send.begun_by)
        if submission is None:
            return await self._wire.send(transfer)
        submission.sent_at = send.sent_at
        submission.in_flight = sending = load_shield()(self._wire.send, transfer, GRACE)
        return await sending.run()

    async def _drive(
        self,
        flow: Flow[T],
        on_emit: Callable[[Any], object] | None = None,
        submission: Submission[AsyncShieldedSend] | None = None,
    ) -> T:
        """Run a flow to its end."""
        try:
            while True:
                step = await self._step(flow, submission)
                if isinstance(step, Done):
                    value: T = step.value
                    return value
                if on_emit is not None:
                    await called(on_emit, step.item)
        finally:
            flow.close()  # what it holds is given back at once, whoever keeps the traceback

    async def _submit(
        self, submission: Submission[AsyncShieldedSend], announce: Callable[[], Awaitable[object]] | None = None
    ) -> JobState:
        """Submit a job. Whoever calls it settles whatever is raised, until the job is in the caller's hands.

        `announce` is called right before the first request.
        """

        async def emitted(record: SubmissionUnknownError | None) -> None:
            if record is not None:
                self._unknowns.add(record, record.__cause__)
                submission.in_flight = None
            elif announce is not None:
                await announce()

        flow = _submit.submit(self._settings, submission.request, submission.deadline, submission.on_unknown)
        return await self._drive(flow if announce is None else _submit.announced(flow), emitted, submission)

    async def _settle(
        self, submission: Submission[AsyncShieldedSend], error: BaseException, on_known: OnKnown | None = None
    ) -> None:
        """Deal with a submit that an exception ends: its job is abandoned, or a record is kept of it.

        One that is on its way may come home first. Cancelling again changes nothing: all of it is bounded. `on_known`
        is called with a job that is known, before it is abandoned.
        """
        is_out = submission.in_flight is not None and submission.in_flight.is_out
        try:
            # A coroutine that is thrown away may not wait any more, and nobody hears of it.
            if not isinstance(error, GeneratorExit) and (is_out or submission.left(self._settings, error).job):
                await self._out_of_reach(self._settled(submission, error, on_known), error)
        finally:
            submission.tell(self._settings, self._unknowns, error)

    async def _settled(
        self, submission: Submission[AsyncShieldedSend], error: BaseException, on_known: OnKnown | None
    ) -> None:
        if submission.in_flight is not None:
            await submission.in_flight.come_home()
        job = submission.left(self._settings, error).job
        if job is not None and not job.is_final:
            ref = submission.ref(self._settings, job)
            try:
                if on_known is not None:
                    await on_known(job)
            finally:
                end = await self._abandon(ref, submission.on_abandon, error)
                submission.outcome = Left(job=job, end=end)

    async def _abandon(self, job: JobRef, on_abandon: OnAbandon, error: BaseException) -> JobState | None:
        """Deal with a job whose caller stops waiting; bounded in time, and said in a note on the exception.

        Returns what the job then is; None where it goes on.
        """
        if on_abandon == "detach" or isinstance(error, GeneratorExit):
            note_running(error, job.endpoint_id, job.job_id)
            return None
        return await self._out_of_reach(self._cancelled(job, error), error)

    async def _cancelled(self, job: JobRef, error: BaseException) -> JobState | None:
        try:
            state = await self._drive(_control.cancel(self._settings, job, self._settings.deadline(GRACE, grace=0.0)))
        except BaseException as problem:
            is_ours = isinstance(problem, RunpodError | RuntimeError) and raised_by_handler(problem, error) is None
            note_cancel_failed(error, job.endpoint_id, job.job_id, problem)
            if not is_ours:
                raise
            return None
        note_cancel(error, state)
        return state

    async def _out_of_reach(self, work: Coroutine[Any, Any, T], error: BaseException | None) -> T:
        """Do what has to be done after an exception, however often the task is cancelled meanwhile."""
        import asyncio

        from ._async_shield import out_of_reach

        try:
            running_loop()
        except RuntimeError:
            work.close()
            raise
        value, cancelled = await out_of_reach(work, self._abandoned)
        if cancelled is not None and not isinstance(error, asyncio.CancelledError):
            for note in getattr(error, "__notes__", ()):
                cancelled.add_note(note)
            raise cancelled
        return value


def new_lock() -> AbstractContextManager[object]:
    """Return what guards things that the tasks of one loop share: nothing."""
    return nullcontext()


def watcher(
    on_update: Callable[[T], object] | None, *, once: bool
) -> AbstractContextManager[Callable[[T], object] | None]:
    """Provide the callback of a wait; the sync client may show a status line, too."""
    del once
    return nullcontext(on_update)


async def called(callback: Callable[[T], object], value: T) -> None:
    """Call a callback of the caller's, which may be a coroutine function."""
    result = callback(value)
    if isawaitable(result):
        await result
