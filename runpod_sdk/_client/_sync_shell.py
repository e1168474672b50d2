"""Drives flows in threads: sends, sleeps, returns what they emit. `_async_shell.py` does the same on asyncio."""

from __future__ import annotations

import sys
import threading
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from runpod_sdk._flows import _control, _submit
from runpod_sdk._flows._api import load
from runpod_sdk._flows._effects import Done, Emit, Flow, Send, Sleep
from runpod_sdk._http._signals import raised_by_handler
from runpod_sdk._telemetry import note_cancel, note_cancel_failed, note_running
from runpod_sdk._values._policies import GRACE
from runpod_sdk.errors import RunpodError

from ._shield import ShieldedSend
from ._submission import Left, Submission

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from runpod_sdk._flows._exchange import Settings
    from runpod_sdk._flows._jobs import JobRef
    from runpod_sdk._flows._wait import OnAbandon
    from runpod_sdk._http._wire import Wire
    from runpod_sdk._telemetry import Unknowns
    from runpod_sdk._values._states import JobState
    from runpod_sdk.errors import SubmissionUnknownError

    from ._wait_line import WaitLine

    OnUpdate = Callable[[JobState], object]

T = TypeVar("T")


class Shell:
    """Drives flows for threads, by one client's settings and connections."""

    def __init__(self, settings: Settings, wire: Wire, unknowns: Unknowns) -> None:
        self._settings = settings
        self._wire = wire
        self._unknowns = unknowns

    def _step(self, flow: Flow[T], submission: Submission[ShieldedSend] | None = None) -> Emit | Done[T]:
        """Run a flow until it emits something or ends."""
        result: object = None
        load()
        with self._settings.clock.participate():
            while True:
                try:
                    effect = flow.send(result)
                except StopIteration as stop:
                    return Done(stop.value)
                match effect:
                    case Send():
                        result = self._send(effect, submission)
                    case Sleep():
                        self._settings.clock.sleep(effect.seconds)
                        result = None
                    case Emit():
                        return effect

    def _send(self, send: Send, submission: Submission[ShieldedSend] | None) -> object:
        transfer = self._wire.transfer(send.request, send.until, send.begun_by)
        if submission is None:
            return self._wire.send(transfer)
        submission.sent_at = send.sent_at
        submission.in_flight = sending = ShieldedSend(self._wire.send, transfer, GRACE)
        return sending.run()

    def _drive(
        self,
        flow: Flow[T],
        on_emit: Callable[[Any], object] | None = None,
        submission: Submission[ShieldedSend] | None = None,
    ) -> T:
        """Run a flow to its end."""
        try:
            while True:
                step = self._step(flow, submission)
                if isinstance(step, Done):
                    value: T = step.value
                    return value
                if on_emit is not None:
                    on_emit(step.item)
        finally:
            flow.close()  # what it holds is given back at once, whoever keeps the traceback

    def _submit(self, submission: Submission[ShieldedSend]) -> JobState:
        """Submit a job. Whoever calls it settles whatever is raised, until the job is in the caller's hands."""

        def recorded(record: SubmissionUnknownError) -> None:
            self._unknowns.add(record, record.__cause__)
            submission.in_flight = None

        flow = _submit.submit(self._settings, submission.request, submission.deadline, submission.on_unknown)
        return self._drive(flow, recorded, submission)

    def _settle(self, submission: Submission[ShieldedSend], error: BaseException) -> None:
        """Deal with a submit that an exception ends: its job is abandoned, or a record is kept of it.

        One that is on its way may come home first. Another interruption is not held back: what is known then is told.
        """
        try:
            if submission.in_flight is not None:
                submission.in_flight.come_home()
            job = submission.left(self._settings, error).job
            if job is None or job.is_final:
                submission.tell(self._settings, self._unknowns, error)
            else:
                end = self._abandon(submission.ref(self._settings, job), submission.on_abandon, error)
                submission.outcome = Left(job=job, end=end)
        except BaseException as another:
            submission.tell(self._settings, self._unknowns, another)
            raise

    def _abandon(self, job: JobRef, on_abandon: OnAbandon, error: BaseException) -> JobState | None:
        """Deal with a job whose caller stops waiting; bounded in time, and said in a note on the exception.

        Returns what the job then is; None where it goes on.
        """
        try:
            if on_abandon == "detach":
                note_running(error, job.endpoint_id, job.job_id)
                return None
            state = self._drive(_control.cancel(self._settings, job, self._settings.deadline(GRACE, grace=0.0)))
        except BaseException as problem:
            is_ours = isinstance(problem, RunpodError | RuntimeError) and raised_by_handler(problem, error) is None
            note_cancel_failed(error if is_ours else problem, job.endpoint_id, job.job_id, problem)
            if not is_ours:
                raise
            return None
        note_cancel(error, state)
        return state


def new_lock() -> AbstractContextManager[object]:
    """Return what guards things that threads share."""
    return threading.Lock()


def watcher(on_update: OnUpdate | None, *, once: bool) -> AbstractContextManager[OnUpdate | None]:
    """Provide who is told of a wait: whoever the caller says, or in a notebook a line that is shown while it lasts."""
    line = None if on_update is not None or once else _line()
    return nullcontext(on_update) if line is None else closing(line)


def _line() -> WaitLine | None:
    """Return what shows a wait in a notebook; None anywhere else."""
    if "IPython" not in sys.modules:
        return None
    from ._wait_line import wait_line

    return wait_line()


def called(callback: Callable[[T], object], value: T) -> None:
    """Call a callback of the caller's."""
    callback(value)
