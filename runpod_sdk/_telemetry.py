"""What the SDK tells beside its results: log lines, counts, spans, records of unknown submits, notes on exceptions.

Nothing here holds a key or an input.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import deque
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ._values._arguments import kind_of
from ._values._states import shorten
from ._values._version import __version__

if TYPE_CHECKING:
    from datetime import datetime

    from ._values._states import JobState
    from .errors import SubmissionUnknownError

LOG_VARIABLE = "RUNPOD_SDK_LOG"  # "debug" or "info" writes the log to standard error; else it is silent by default

logger = logging.getLogger("runpod_sdk")
logger.addHandler(logging.NullHandler())


def _log_as_told(level: str | None) -> None:
    """Write the log to standard error, if the environment says so."""
    if level:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG if level.strip().lower() == "debug" else logging.INFO)


_log_as_told(os.environ.get(LOG_VARIABLE))


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationStats:
    """What one client did for one operation: requests made, how many of them were repeats, and what it waited for them.

    `unknowns` are submits whose outcome is unknown, `resubmits` those that were sent again because the caller allowed
    it, `waited` the seconds of pause before repeats.
    """

    requests: int = 0
    retries: int = 0
    unknowns: int = 0
    resubmits: int = 0
    waited: float = 0.0


class Meter:
    """Counts for one client; `lock` guards it where threads share the client."""

    def __init__(self, lock: AbstractContextManager[object]) -> None:
        self._lock = lock
        self._counts: dict[str, OperationStats] = {}
        self._misfits: set[str] = set()

    def count(self, operation: str, **more: float) -> None:
        """Add to the counts of an operation."""
        with self._lock:
            now = self._counts.get(operation, OperationStats())
            changed: dict[str, Any] = {name: getattr(now, name) + number for name, number in more.items()}
            self._counts[operation] = replace(now, **changed)

    def misfit(self, name: str, value: object) -> None:
        """Log that a field of an answer was not what it should be: each field once."""
        with self._lock:
            is_new = name not in self._misfits
            self._misfits.add(name)
        if is_new:
            log_misfit(name, value)

    def stats(self) -> dict[str, OperationStats]:
        """Return the counts by operation."""
        with self._lock:
            return dict(self._counts)


def log_misfit(name: str, value: object) -> None:
    """Log that a field of an answer was not what it should be; what stood there may be anybody's data."""
    logger.warning("%s of an answer is %s: taken as not sent; `raw` has it", name, kind_of(value))


def span(
    name: str, endpoint_id: str, job_id: str | None = None, *, is_current: bool = True
) -> AbstractContextManager[object]:
    """Return an OpenTelemetry span over one call of the SDK, with all its requests; nothing where it is not in use.

    It counts as in use where the program has imported `opentelemetry.trace`. A span that is not current is no parent to
    what the caller does between two chunks of a stream.
    """
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return _NOTHING
    facts = {"runpod.operation": name, "runpod.endpoint_id": endpoint_id}
    if job_id is not None:
        facts["runpod.job_id"] = job_id
    tracer = trace.get_tracer("runpod_sdk", __version__)
    start = tracer.start_as_current_span if is_current else tracer.start_span
    started: AbstractContextManager[object] = start(f"runpod {name}", attributes=facts)
    return started


_NOTHING = nullcontext()

# How many records of unknown submits a client keeps; ours.
_KEPT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownSubmission:
    """A submit of which nobody can say whether it arrived: what there is to find it by.

    `input_sha256` is of the input alone, as in `SubmissionUnknownError`; `cause` says what happened, such as
    "ReadTimeout" or "HTTP 502".
    """

    endpoint_id: str
    operation: str
    input_sha256: str
    submitted_at: datetime
    status_code: int | None
    cause: str


class Unknowns:
    """The records of one client, the newest last."""

    def __init__(self) -> None:
        self._records: deque[UnknownSubmission] = deque(maxlen=_KEPT)

    def add(self, error: SubmissionUnknownError, cause: BaseException | None) -> None:
        """Keep and log one."""
        record = UnknownSubmission(
            endpoint_id=error.endpoint_id,
            operation=error.operation,
            input_sha256=error.input_sha256,
            submitted_at=error.submitted_at,
            status_code=error.status_code,
            cause=f"HTTP {error.status_code}" if error.status_code else type(cause).__name__,
        )
        self._records.append(record)
        logger.warning(
            '%s on endpoint "%s": outcome unknown (%s), input sha256 %s',
            record.operation,
            record.endpoint_id,
            record.cause,
            record.input_sha256,
        )

    def all(self) -> tuple[UnknownSubmission, ...]:
        """Return the records."""
        return tuple(self._records)


def way_back(endpoint_id: str, job_id: str) -> str:
    """Return the words of Python that make the handle of a job again."""
    return f'{_endpoint(endpoint_id)}.job("{job_id}")'


def way_back_to_batch(endpoint_id: str, batch_id: str) -> str:
    """Return the words of Python that make the handle of a batch again."""
    return f'{_endpoint(endpoint_id)}.batches.batch("{batch_id}")'


def _endpoint(endpoint_id: str) -> str:
    place = f'url="{endpoint_id}"' if "://" in endpoint_id else f'"{endpoint_id}"'
    return f"client.endpoint({place})"


def note_running(error: BaseException, endpoint_id: str, job_id: str, why: str = "") -> None:
    """Say on an exception, and in the log, that the job goes on, and how to get back to it."""
    note = f"{why}The job goes on. Re-attach: {way_back(endpoint_id, job_id)}"
    error.add_note(note)
    logger.info("%s", note)


def note_cancel(error: BaseException, state: JobState) -> None:
    """Say on an exception, and in the log, who won: the cancel, or the job."""
    what = "was cancelled" if state.status == "CANCELLED" else f"had already ended: {state.status}"
    note = f"The job {what} ({state.id})"
    error.add_note(note)
    logger.info("%s", note)


def note_cancel_failed(error: BaseException, endpoint_id: str, job_id: str, problem: BaseException) -> None:
    """Say on an exception that the job could not be cancelled."""
    why = f"It could not be cancelled ({type(problem).__name__}: {shorten(str(problem))}). "
    note_running(error, endpoint_id, job_id, why)


def note_interrupted(error: BaseException, record: SubmissionUnknownError) -> None:
    """Say on an interruption that a submit was on its way."""
    error.add_note(f"Interrupted while a submit was on its way. {record}")


def note_retry(error: BaseException, endpoint_id: str, job_id: str) -> None:
    """Say on an interruption that a retry was on its way."""
    where = way_back(endpoint_id, job_id)
    error.add_note(f"Interrupted while a retry was on its way: the job may run again. Look at {where}")
