"""What a client for tasks does for the flows: send, sleep, hand out. Its twin for threads is `_sync_shell.py`."""

from __future__ import annotations

from contextlib import suppress
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from runpod_sdk._flows._effects import Done, Emit, Flow, Interruption, Send, Sleep
from runpod_sdk._values._policies import GRACE
from runpod_sdk.errors import RunpodError, SubmissionUnknownError

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable

    from runpod_sdk._flows._exchange import Settings
    from runpod_sdk._flows._jobs import JobRef
    from runpod_sdk._flows._wait import OnAbandon
    from runpod_sdk._http._message import Transfer
    from runpod_sdk._telemetry import Unknowns
    from runpod_sdk._values._outcomes import Result
    from runpod_sdk._values._policies import Deadline
    from runpod_sdk._values._requests import Request, SubmitOptions
    from runpod_sdk._values._states import JobState

T = TypeVar("T")


class TaskWire(Protocol):
    """What sends for tasks; see `AsyncWire`."""

    def transfer(self, request: Request, timeout: float) -> Transfer:
        """Return a request to be sent now."""
        ...

    async def send(self, transfer: Transfer) -> Result:
        """Make one request."""
        ...

    async def close(self) -> None:
        """Close what this object opened."""
        ...


class AsyncShell:
    """Drives flows for tasks, by one client's settings and connections."""

    def __init__(self, settings: Settings, wire: TaskWire, unknowns: Unknowns) -> None:
        self._settings = settings
        self._wire = wire
        self._unknowns = unknowns
        self._abandoned: set[Future[JobState | None]] = set()

    async def _step(self, flow: Flow[T]) -> Emit | Done[T]:
        """Run a flow until it emits something or ends."""
        result: object = None
        with self._settings.clock.participate():
            while True:
                try:
                    effect = flow.send(result)
                except StopIteration as stop:
                    return Done(stop.value)
                match effect:
                    case Send():
                        result = await self._send(effect)
                    case Sleep():
                        await self._settings.clock.sleep_async(effect.seconds)
                        result = None
                    case Emit():
                        return effect

    async def _send(self, send: Send) -> object:
        if not send.request.rules.starts_job:
            return await self._wire.send(self._wire.transfer(send.request, send.timeout))
        import asyncio

        transfer = self._wire.transfer(send.request, send.timeout)
        task = asyncio.ensure_future(self._wire.send(transfer))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError as interruption:
            with suppress(asyncio.CancelledError):  # a second one is not held back
                await asyncio.wait({task}, timeout=GRACE)
            is_home = task.done() and not task.cancelled()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task})
            return Interruption(interruption, task.result() if is_home else transfer.failure(interruption))
        except Exception as interruption:  # noqa: BLE001  what is not the transport's own; raised at the end
            return Interruption(interruption, transfer.failure(interruption))

    async def _drive(self, flow: Flow[T], on_emit: Callable[[Any], object] | None = None) -> T:
        """Run a flow to its end."""
        while True:
            step = await self._step(flow)
            if isinstance(step, Done):
                value: T = step.value
                return value
            if on_emit is not None:
                await called(on_emit, step.item)

    async def _submit(
        self, request: Request, deadline: Deadline, options: SubmitOptions, on_abandon: OnAbandon
    ) -> JobState:
        from runpod_sdk._flows import _submit
        from runpod_sdk._flows._jobs import submitted
        from runpod_sdk._telemetry import note_interrupted

        flow = _submit.submit(self._settings, request, deadline, options.get("on_unknown", "raise"))
        try:
            return await self._drive(flow, lambda error: self._unknowns.add(error, error.__cause__))
        except SubmissionUnknownError as error:
            self._unknowns.add(error, error.__cause__)
            raise
        except _submit.Stopped as stop:
            if stop.state is not None:
                await self._abandon(submitted(self._settings, stop.state, options), on_abandon, stop.error)
            elif stop.record is not None:
                self._unknowns.add(stop.record, stop.error)
                note_interrupted(stop.error, stop.record)
            raise stop.error from None

    async def _abandon(self, job: JobRef, on_abandon: OnAbandon, error: BaseException) -> JobState | None:
        """Do what becomes of a job whose caller stops waiting; bounded, and told in a note on the exception.

        Returns what the job then is; None where it goes on.
        """
        import asyncio

        from runpod_sdk._telemetry import note_running

        if on_abandon == "detach":
            note_running(error, job.endpoint_id, job.job_id)
            return None
        if isinstance(error, GeneratorExit):
            # A coroutine that was closed while it waited may not wait any more, and nobody hears of it.
            note_running(error, job.endpoint_id, job.job_id)
            return None
        # A task of its own, so that the cancellation of this one, or a second one, does not break it off.
        task = asyncio.ensure_future(self._cancel_abandoned(job, error))
        self._abandoned.add(task)
        task.add_done_callback(self._abandoned.discard)
        await asyncio.wait({task})
        return task.result()

    async def _cancel_abandoned(self, job: JobRef, error: BaseException) -> JobState | None:
        from runpod_sdk._flows import _control
        from runpod_sdk._telemetry import note_cancel, note_cancel_failed

        try:
            state = await self._drive(_control.cancel(self._settings, job, self._settings.deadline(GRACE, grace=0.0)))
        except (RunpodError, RuntimeError) as problem:
            note_cancel_failed(error, job.endpoint_id, job.job_id, problem)
            return None
        note_cancel(error, state)
        return state


async def called(callback: Callable[[T], object], value: T) -> None:
    """Call a callback of the caller's, which may be a coroutine function."""
    result = callback(value)
    if isawaitable(result):
        await result
