"""All errors of the SDK, with the facts each one carries.

RunpodError
├── APIError                        a request to the service failed
│   ├── APIConnectionError          no answer: connection refused or broken, or …
│   │   └── APITimeoutError         … none in time (also a TimeoutError)
│   ├── APIStatusError              the service answered with an error status
│   │   ├── BadRequestError         400
│   │   │   └── PayloadTooLargeError  413, or the service's 400 for a body above its limit
│   │   ├── AuthenticationError     401
│   │   ├── PaymentRequiredError    402
│   │   ├── PermissionDeniedError   403
│   │   ├── NotFoundError           404
│   │   ├── RateLimitError          429
│   │   └── InternalServerError     5xx
│   ├── APIResponseValidationError  an answer that violates the spec
│   └── SubmissionUnknownError      a submit that may or may not have arrived
├── JobError                        the job itself did not succeed
│   ├── JobFailedError              FAILED
│   │   └── JobTimedOutError        TIMED_OUT, or FAILED with "executionTimeout exceeded"
│   ├── JobCancelledError           CANCELLED
│   └── JobExpiredError             the service no longer knows the job
├── JobsError                       an ExceptionGroup: one error per job whose end as_completed could not learn
├── WaitTimeoutError                the caller's own deadline passed (also a TimeoutError); the job goes on
├── BatchError                      a batch is in an unexpected state
│   ├── BatchResultError            no result of a batch can be matched to an input of a bulk run
│   └── BatchTimeoutError           the caller's own deadline passed (also a TimeoutError); the batch goes on
├── StreamInterruptedError          chunks of a stream were lost on the way
├── OutputTypeError                 the job completed, but its output does not match the `output_type`
├── MapStoppedError                 an input of a bulk run was not submitted: a `stop` condition was met
├── JournalError                    the journal of a bulk run cannot be used or written
└── ConfigurationError              an environment variable is invalid (also a ValueError); nothing was sent

Other exceptions that the SDK raises: ValueError and TypeError for bad arguments, and ImportError for a missing extra,
before any request; RuntimeError for a closed client or a foreign event loop; KeyboardInterrupt and cancellation; and
whatever the caller's own callbacks raise.

No message, attribute or pickle holds a key, a secret or an input. Where an answer quotes one, `***` takes its place;
a worker's own error text is shown unchanged. All of these errors can be pickled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ._values._batches import BatchResult, BatchState
    from ._values._states import JobState


class RunpodError(Exception):
    """The base class of all errors of the SDK."""

    @property
    def message(self) -> str:
        """What happened, without the notes; the official client calls it so."""
        return str(self.args[0]) if self.args and self.args[0] is not None else ""

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[RunpodError], args: tuple[object, ...], facts: dict[str, object]) -> RunpodError:
    """Make an error again from its pickle, whatever its constructor asks for."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class ConfigurationError(RunpodError, ValueError):
    """The environment names a proxy, certificates or a log level that cannot be used; raised when a client is made.

    Attributes:
        variable: the name of the environment variable.
    """

    def __init__(self, message: str, *, variable: str) -> None:
        super().__init__(message)
        self.variable = variable


class MapStoppedError(RunpodError):
    """An input of a bulk run was not submitted, because a `stop` condition was met; the message says which."""


class JournalError(RunpodError):
    """The journal of a bulk run is unusable, is in use by another run, or could not be written.

    Attributes:
        path: of the journal.
    """

    def __init__(self, message: str, *, path: str) -> None:
        super().__init__(message)
        self.path = path


class APIError(RunpodError):
    """A request failed.

    Attributes:
        operation: the service's name for it, such as "run" or "status-sync".
        endpoint_id: the endpoint that was called.
        job_id: the job concerned, if any.
    """

    def __init__(self, message: str, *, operation: str, endpoint_id: str, job_id: str | None = None) -> None:
        super().__init__(message)
        self.operation = operation
        self.endpoint_id = endpoint_id
        self.job_id = job_id


class APIConnectionError(APIError):
    """The service could not be reached, or the connection broke; `__cause__` is the transport's own error."""


class APITimeoutError(APIConnectionError, TimeoutError):
    """The service did not answer in time; see the `timeout` of the client."""


class AnsweredError(APIError):
    """An error with an answer.

    Attributes:
        status_code: the HTTP status.
        headers: the answer's headers, names in lower case.
        body: the first 500 characters of the answer. Quotes of the request are removed from both.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str,
        endpoint_id: str,
        job_id: str | None = None,
        status_code: int,
        headers: Mapping[str, str],
        body: str,
    ) -> None:
        super().__init__(message, operation=operation, endpoint_id=endpoint_id, job_id=job_id)
        self.status_code = status_code
        self.headers = dict(headers)
        self.body = body


class APIStatusError(AnsweredError):
    """The service answered with an error status; see `status_code`, `headers` and `body`."""


class BadRequestError(APIStatusError):
    """400: the service rejects the request."""


class PayloadTooLargeError(BadRequestError):
    """413, or 400 with "exceeded max body size": the input is too large (run 10 MiB, runsync 20 MiB)."""


class AuthenticationError(APIStatusError):
    """401: the API key is wrong, or not for this endpoint."""


class PaymentRequiredError(APIStatusError):
    """402: the account has no credit."""


class PermissionDeniedError(APIStatusError):
    """403: the key may not do this."""


class NotFoundError(APIStatusError):
    """404: no such endpoint or job, or the job has expired."""


class RateLimitError(APIStatusError):
    """429: too many requests, after all attempts of the retry policy."""


class InternalServerError(APIStatusError):
    """5xx: the service or an edge before it failed, after all attempts of the retry policy."""


class APIResponseValidationError(AnsweredError):
    """An answer that violates the spec: not JSON, a missing field, a wrong type, an unexpected redirect."""


class SubmissionUnknownError(APIError):
    """A submit was sent, but may not have arrived: the job may be running, and costing money, or may not exist.

    The API has no idempotency key, so the SDK does not send it again. To reconcile, look for the job by its effects or
    in the endpoint's request log; or submit again where running twice is harmless (`on_unknown="resubmit"`).

    Attributes:
        input_sha256: of the input alone, as JSON with sorted keys and no spaces, hexadecimal: the same as
            `sha256(json.dumps(input, sort_keys=True, separators=(",", ":")).encode()).hexdigest()`.
        submitted_at: when it was sent, UTC.
        status_code: of the answer, if one came.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str,
        endpoint_id: str,
        job_id: str | None = None,
        input_sha256: str,
        submitted_at: datetime,
        status_code: int | None = None,
    ) -> None:
        super().__init__(message, operation=operation, endpoint_id=endpoint_id, job_id=job_id)
        self.input_sha256 = input_sha256
        self.submitted_at = submitted_at
        self.status_code = status_code


class JobHandle(Protocol):
    """A Job or an AsyncJob, as seen by errors; the methods of an AsyncJob are awaited."""

    @property
    def endpoint_id(self) -> str:
        """The endpoint of the job."""
        ...

    @property
    def id(self) -> str:
        """Its id."""
        ...

    def state(self) -> Any:
        """Return the current state of the job."""
        ...

    def output(self, timeout: float | None = None) -> Any:
        """Wait for the job, and return its output."""
        ...

    def cancel(self) -> Any:
        """Cancel the job."""
        ...

    def retry(self) -> Any:
        """Run the job again."""
        ...


class JobBoundError(RunpodError):
    """An error about one job.

    Attributes:
        endpoint_id: the endpoint of the job.
        job_id: its id.
        job: a handle on it, Job or AsyncJob; set by the client.
        state: its last known state, if any.
    """

    def __init__(self, message: str, *, endpoint_id: str, job_id: str, state: JobState | None = None) -> None:
        super().__init__(message)
        self.endpoint_id = endpoint_id
        self.job_id = job_id
        self.state = state
        self.job: JobHandle | None = None

    def about(self, job: JobHandle) -> Self:
        """Attach the handle, and return the error."""
        self.job = job
        return self


class JobError(JobBoundError):
    """The job did not complete."""


class JobFailedError(JobError):
    """The job FAILED on its worker.

    Attributes:
        error_type: the class of the worker's exception, such as "ValueError"; None when the worker gave only a text.
        error_message: its message.
        worker_traceback: the worker's traceback, if it sent one.
        worker_logs: what the handler printed, if the worker sent it: runpod 2.0 with RUNPOD_LOG_CAPTURE=all does.
        worker_id: where it ran.
    """

    def __init__(
        self,
        message: str,
        *,
        endpoint_id: str,
        job_id: str,
        state: JobState | None = None,
        error_type: str | None = None,
        error_message: str = "",
        worker_traceback: str | None = None,
        worker_logs: str | None = None,
        worker_id: str | None = None,
    ) -> None:
        super().__init__(message, endpoint_id=endpoint_id, job_id=job_id, state=state)
        self.error_type = error_type
        self.error_message = error_message
        self.worker_traceback = worker_traceback
        self.worker_logs = worker_logs
        self.worker_id = worker_id


class JobTimedOutError(JobFailedError):
    """The job ran longer than its `execution_timeout`."""


class JobCancelledError(JobError):
    """The job was CANCELLED."""


class JobExpiredError(JobError):
    """The service no longer knows the job: its ttl passed, or its result (kept 30 minutes; run_sync: 1)."""


class JobsError(RunpodError, ExceptionGroup[RunpodError]):
    """`as_completed` could not learn how some jobs ended; all others were handed out before.

    An ExceptionGroup: `exceptions` has one error for each such job; `except* JobExpiredError` selects one class.
    """

    def derive(self, excs: Sequence[RunpodError]) -> Self:  # type: ignore[override]
        """Return a group of some of the errors; what `split`, `subgroup` and `except*` make."""
        return type(self)(self.message, excs)


class WaitTimeoutError(JobBoundError, TimeoutError):
    """The `timeout` of this call passed before the job ended; see the notes for what happened to the job."""


class BatchError(RunpodError):
    """A batch is in an unexpected state: it has another size, is not a draft, or lacks results.

    Attributes:
        batch: its last known state.
    """

    def __init__(self, message: str, *, batch: BatchState) -> None:
        super().__init__(message)
        self.batch = batch


class BatchResultError(BatchError):
    """A batch has ended, but none of its results can be matched to this input, which may have run.

    Attributes:
        results: the results that match no input; one of them may be this input's.
    """

    def __init__(self, message: str, *, batch: BatchState, results: Sequence[BatchResult] = ()) -> None:
        super().__init__(message, batch=batch)
        self.results = results


class BatchTimeoutError(BatchError, TimeoutError):
    """The `timeout` of this call passed before the batch ended; it goes on."""


class StreamInterruptedError(JobBoundError):
    """Chunks were lost for good, or do not match the job's output; `state.output` may have all of them.

    Attributes:
        received: how many chunks the iterator has handed out.
        gap_after: how many of those came before the first gap, or match the beginning of the output.
    """

    def __init__(
        self,
        message: str,
        *,
        endpoint_id: str,
        job_id: str,
        state: JobState | None = None,
        received: int,
        gap_after: int,
    ) -> None:
        super().__init__(message, endpoint_id=endpoint_id, job_id=job_id, state=state)
        self.received = received
        self.gap_after = gap_after


class OutputTypeError(JobBoundError):
    """The job completed, but its output does not match the `output_type`, or a chunk the `chunk_type`.

    The message says where and how, and never shows the output.

    Attributes:
        path: the first mismatch, in Python notation: "output.images[2].url", "chunk.url".
        raw: the whole output as received (`state` has the rest), or the chunk.
    """

    def __init__(
        self, message: str, *, endpoint_id: str, job_id: str, state: JobState | None = None, path: str, raw: Any
    ) -> None:
        super().__init__(message, endpoint_id=endpoint_id, job_id=job_id, state=state)
        self.path = path
        self.raw = raw
