"""How far one submit has got, so that an interruption can always say what it leaves behind.

For threads and for asyncio. How a submit is kept from interruptions stands in `_shield.py` and `_async_shield.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

from runpod_sdk._flows import _submit
from runpod_sdk._flows._jobs import submitted
from runpod_sdk._telemetry import note_cancel, note_interrupted, note_running
from runpod_sdk.errors import JobError, NotFoundError, OutputTypeError, SubmissionUnknownError

if TYPE_CHECKING:
    from runpod_sdk._flows._exchange import Settings
    from runpod_sdk._flows._jobs import JobRef
    from runpod_sdk._flows._wait import OnAbandon
    from runpod_sdk._telemetry import Unknowns
    from runpod_sdk._values._outcomes import Result
    from runpod_sdk._values._policies import Deadline
    from runpod_sdk._values._requests import HiddenOptions, OnUnknown, Request
    from runpod_sdk._values._states import JobState

# After these there is no job that goes on.
OVER = (JobError, NotFoundError, OutputTypeError)


class SubmitInFlight(Protocol):
    """One exchange, made where no interruption of its caller reaches it."""

    def left(self, error: BaseException) -> Result | None:
        """Return what came of it, if `error` ends it now; None if it had not begun, and never will."""
        ...


class Left(NamedTuple):
    """What a submit left behind: a job, or the record of one that nobody knows; or neither.

    Attributes:
        job: as the answer to the submit had it.
        record: tells of a submit that may have arrived.
        end: what the job then is; None where it goes on.
    """

    job: JobState | None = None
    record: SubmissionUnknownError | None = None
    end: JobState | None = None


E = TypeVar("E", bound=SubmitInFlight)


@dataclass(slots=True, kw_only=True)
class Submission(Generic[E]):
    """One submit, from before it is sent until its job is in its caller's hands.

    Attributes:
        in_flight: the last exchange that was made for it; None before, and once its outcome has been recorded.
        sent_at: when that was, seconds since 1970; 0 before.
        outcome: what it left behind, once that has been told; None before, and for one that ended well.
    """

    request: Request
    deadline: Deadline
    options: HiddenOptions
    on_abandon: OnAbandon
    in_flight: E | None = None
    sent_at: float = 0.0
    outcome: Left | None = None
    _ref: JobRef | None = None

    @property
    def on_unknown(self) -> OnUnknown:
        """What follows an outcome that is unknown."""
        return self.options.on_unknown

    @property
    def submitted_at(self) -> datetime:
        """When the request was sent that its job came of, UTC."""
        return datetime.fromtimestamp(self.sent_at, UTC)

    def ref(self, settings: Settings, state: JobState) -> JobRef:
        """Return its job, of which this is the state that the submit was answered with."""
        if self._ref is None:
            self._ref = submitted(settings, state, self.options)
        return self._ref

    def left(self, settings: Settings, error: BaseException) -> Left:
        """Return what it leaves behind, now that `error` ends it."""
        in_flight = self.in_flight
        result = None if in_flight is None else in_flight.left(error)
        if in_flight is None or result is None:
            return Left()
        found = _submit.left_behind(settings, self.request, result, self.sent_at, error)
        if isinstance(found, SubmissionUnknownError):
            return Left(record=error if isinstance(error, SubmissionUnknownError) else found)
        is_over = found is not None and isinstance(error, OVER) and error.job_id == found.id
        return Left() if is_over else Left(job=found)

    def tell(self, settings: Settings, unknowns: Unknowns, error: BaseException) -> None:
        """Keep a record of what it leaves behind, and say so on the exception; once."""
        if self.outcome is not None:
            return
        left = self.left(settings, error)
        if left.record is not None and left.record is error:
            unknowns.add(left.record, error.__cause__)
        elif left.record is not None:
            settings.meter.unknown(self.request, error)
            unknowns.add(left.record, error)
            note_interrupted(error, left.record)
        elif left.job is not None and left.job.is_final:
            note_cancel(error, left.job)
            left = left._replace(end=left.job)
        elif left.job is not None and not any(left.job.id in note for note in getattr(error, "__notes__", ())):
            note_running(error, self.request.endpoint_id, left.job.id)
        self.outcome = left
