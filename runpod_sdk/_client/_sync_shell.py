"""What a client for threads does for the flows: send, sleep, hand out. Its twin for tasks is `_async_shell.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from runpod_sdk._flows._effects import Done, Emit, Flow, Interruption, Send, Sleep
from runpod_sdk._values._policies import GRACE
from runpod_sdk.errors import RunpodError, SubmissionUnknownError

from ._shield import Shield

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk._flows._exchange import Settings
    from runpod_sdk._flows._jobs import JobRef
    from runpod_sdk._flows._wait import OnAbandon
    from runpod_sdk._http._wire import Wire
    from runpod_sdk._telemetry import Unknowns
    from runpod_sdk._values._policies import Deadline
    from runpod_sdk._values._requests import Request, SubmitOptions
    from runpod_sdk._values._states import JobState

T = TypeVar("T")


class Shell:
    """Drives flows for threads, by one client's settings and connections."""

    def __init__(self, settings: Settings, wire: Wire, unknowns: Unknowns) -> None:
        self._settings = settings
        self._wire = wire
        self._unknowns = unknowns

    def _step(self, flow: Flow[T]) -> Emit | Done[T]:
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
                        result = self._send(effect)
                    case Sleep():
                        self._settings.clock.sleep(effect.seconds)
                        result = None
                    case Emit():
                        return effect

    def _send(self, send: Send) -> object:
        if not send.request.rules.starts_job:
            return self._wire.send(self._wire.transfer(send.request, send.timeout))
        transfer = self._wire.transfer(send.request, send.timeout)
        with Shield() as shield:
            try:
                result = self._wire.send(transfer)
            except BaseException as interruption:  # noqa: BLE001  what is not the transport's own; raised at the end
                return Interruption(interruption, transfer.failure(interruption))
        return Interruption(KeyboardInterrupt(), result) if shield.interrupted else result

    def _drive(self, flow: Flow[T], on_emit: Callable[[Any], object] | None = None) -> T:
        """Run a flow to its end."""
        while True:
            step = self._step(flow)
            if isinstance(step, Done):
                value: T = step.value
                return value
            if on_emit is not None:
                on_emit(step.item)

    def _submit(self, request: Request, deadline: Deadline, options: SubmitOptions, on_abandon: OnAbandon) -> JobState:
        from runpod_sdk._flows import _submit
        from runpod_sdk._flows._jobs import submitted
        from runpod_sdk._telemetry import note_interrupted

        flow = _submit.submit(self._settings, request, deadline, options.get("on_unknown", "raise"))
        try:
            return self._drive(flow, lambda error: self._unknowns.add(error, error.__cause__))
        except SubmissionUnknownError as error:
            self._unknowns.add(error, error.__cause__)
            raise
        except _submit.Stopped as stop:
            if stop.state is not None:
                self._abandon(submitted(self._settings, stop.state, options), on_abandon, stop.error)
            elif stop.record is not None:
                self._unknowns.add(stop.record, stop.error)
                note_interrupted(stop.error, stop.record)
            raise stop.error from None

    def _abandon(self, job: JobRef, on_abandon: OnAbandon, error: BaseException) -> JobState | None:
        """Do what becomes of a job whose caller stops waiting; bounded, and told in a note on the exception.

        Returns what the job then is; None where it goes on.
        """
        from runpod_sdk._flows import _control
        from runpod_sdk._telemetry import note_cancel, note_cancel_failed, note_running

        if on_abandon == "detach":
            note_running(error, job.endpoint_id, job.job_id)
            return None
        try:
            state = self._drive(_control.cancel(self._settings, job, self._settings.deadline(GRACE, grace=0.0)))
        except (RunpodError, RuntimeError) as problem:
            note_cancel_failed(error, job.endpoint_id, job.job_id, problem)
            return None
        note_cancel(error, state)
        return state
