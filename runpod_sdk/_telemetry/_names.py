"""The names used in spans, events, metrics and log records alike.

A name is `runpod.` and what the SDK's own values call it, such as `JobState.worker_id`. Where OpenTelemetry has a
convention, its name is taken: https://opentelemetry.io/docs/specs/semconv/ (general, messaging).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from runpod_sdk.errors import (
    AnsweredError,
    APIError,
    JobExpiredError,
    JobFailedError,
    RunpodError,
    WaitTimeoutError,
)

if TYPE_CHECKING:
    from runpod_sdk._values._requests import Request
    from runpod_sdk._values._states import JobState

Fact = str | int | float
Facts = dict[str, Fact]

OPERATION: Final = "runpod.operation"
ENDPOINT_ID: Final = "runpod.endpoint_id"
JOB_ID: Final = "runpod.job_id"
STATUS: Final = "runpod.status"
WORKER_ID: Final = "runpod.worker_id"
WORKER_ERROR: Final = "runpod.worker_error_type"
RETRIES: Final = "runpod.retries"
DELAY: Final = "runpod.delay_time_ms"
EXECUTION: Final = "runpod.execution_time_ms"
REQUESTS: Final = "runpod.requests"
REPEATS: Final = "runpod.repeats"
RESUBMITS: Final = "runpod.resubmits"
UNKNOWNS: Final = "runpod.unknowns"
ATTEMPT: Final = "runpod.attempt"
WAIT: Final = "runpod.wait"
DURATION: Final = "runpod.duration"
INPUT_SHA256: Final = "runpod.input_sha256"

# Semantic conventions.
ERROR_TYPE: Final = "error.type"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
HTTP_STATUS: Final = "http.response.status_code"
SERVER: Final = "server.address"
PORT: Final = "server.port"
SYSTEM: Final = "messaging.system"
DESTINATION: Final = "messaging.destination.name"
MESSAGE_ID: Final = "messaging.message.id"
SEND: Final = "messaging.operation.type"
SEND_NAME: Final = "messaging.operation.name"

# The counts of a call, by their names in `OperationStats`; a submit always has the second.
COUNTED: Final = {"requests": REQUESTS, "retries": REPEATS, "unknowns": UNKNOWNS, "resubmits": RESUBMITS}
SUBMIT_COUNTS: Final = ("unknowns",)

# Events of a span.
REPEATED: Final = "runpod.repeated"
RESUBMITTED: Final = "runpod.resubmitted"
UNKNOWN: Final = "runpod.unknown"
REQUEUED: Final = "runpod.requeued"
RESULT: Final = "runpod.result"
EXCEPTION: Final = "exception"

# Of a bulk run: the fields of its `MapReport` that are counts.
MAP: Final = "runpod.map."
MAP_INPUTS: Final = "runpod.map.inputs"
MAP_CONCURRENCY: Final = "runpod.map.concurrency"
MAP_INDEX: Final = "runpod.map.index"
MAP_STOPPED: Final = "runpod.map.stopped"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name, its kind and unit, what it says; of histograms also the bounds of their buckets."""

    name: str
    kind: Literal["counter", "histogram", "sum", "gauge"]
    unit: str
    about: str
    bounds: tuple[float, ...] = ()


_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)

M_REQUESTS = Metric("runpod.requests", "counter", "{request}", "Requests that were made, repeats included.")
M_REPEATS = Metric("runpod.repeats", "counter", "{request}", "Requests that were made again.")
M_SUBMITS = Metric("runpod.submits", "counter", "{job}", "Submits that ended, well or not.")
M_UNKNOWNS = Metric("runpod.unknowns", "counter", "{job}", "Submits of which nobody can say whether they arrived.")
M_RESUBMITS = Metric("runpod.resubmits", "counter", "{job}", "Submits that were sent again after that, as was allowed.")
M_JOBS = Metric("runpod.jobs", "counter", "{job}", "Jobs whose end was seen, by status.")
M_DELAY = Metric("runpod.job.delay", "histogram", "s", "Time of a job in the queue.", _SECONDS)
M_EXECUTION = Metric("runpod.job.execution", "histogram", "s", "Time of a job on a worker.", _SECONDS)
M_HELD = Metric("runpod.held_requests", "sum", "{request}", "Requests that the service holds now.")
M_PACE = Metric("runpod.pace", "gauge", "{request}/s", "Rate to which an operation is slowed down after a 429.")

METRICS = (M_REQUESTS, M_REPEATS, M_SUBMITS, M_UNKNOWNS, M_RESUBMITS, M_JOBS, M_DELAY, M_EXECUTION, M_HELD, M_PACE)

# What a word of the service's or of a worker's looks like that is told: no sentence, which may quote anything.
_WORD = re.compile(r"[\w.:@/-]{1,128}")


def request_facts(request: Request) -> Facts:
    """Return the attributes of a request: what it is about, nothing of its content."""
    facts: Facts = {OPERATION: request.operation, ENDPOINT_ID: request.endpoint_id}
    if request.job_id is not None:
        facts[JOB_ID] = request.job_id
    return facts


def state_facts(state: JobState) -> Facts:
    """Return the attributes of a job's state: nothing of its input, output, progress or error text."""
    facts: Facts = {JOB_ID: state.id, STATUS: _word(state.status) or "?", RETRIES: state.retries}
    worker_id = _word(state.worker_id)
    if worker_id is not None:
        facts[WORKER_ID] = worker_id
    if state.delay_time_ms is not None:
        facts[DELAY] = state.delay_time_ms
    if state.execution_time_ms is not None:
        facts[EXECUTION] = state.execution_time_ms
    return facts


def error_facts(error: BaseException) -> Facts:
    """Return the attributes of an error: its class, with numbers and words."""
    facts: Facts = {ERROR_TYPE: class_of(error)}
    if isinstance(error, AnsweredError):
        facts[HTTP_STATUS] = error.status_code
    elif isinstance(error, JobFailedError):
        worker_error = _word(error.error_type)
        if worker_error is not None:
            facts[WORKER_ERROR] = worker_error
    return facts


def message_of(error: BaseException) -> str | None:
    """Return the words of an error, where nothing of a job can be in them: what a worker says may quote the input.

    In those of an APIError, what an answer quotes of the request is cut out.
    """
    return str(error) if isinstance(error, APIError | JobExpiredError | WaitTimeoutError) else None


def class_of(error: BaseException) -> str:
    """Return the name of a class; of ours as users write it."""
    kind = type(error)
    if isinstance(error, RunpodError) or kind.__module__ == "builtins":
        return kind.__name__
    return f"{kind.__module__}.{kind.__qualname__}"


def _word(text: str | None) -> str | None:
    return str(text) if text is not None and _WORD.fullmatch(text) else None
