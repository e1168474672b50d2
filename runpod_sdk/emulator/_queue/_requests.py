"""The requests a queue takes and the answers it gives: typed values, free of HTTP.

Users' routes, in-process workers and whatever else reaches a queue build these; only `_queue.py` answers them.
All spans are in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final


class Absent(Enum):
    """The type of ABSENT: a field that was not sent, as opposed to null."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """Queue a job.

    Attributes:
        input: what the handler gets.
        extras: what else the worker gets, by its wire name; never echoed to users.
        execution_timeout: how long it may run.
        ttl: how long it may exist, from now.
        retention: how long it is kept after its end.
        webhook: where its end is to be reported.
        low_priority: it shall not start more workers.
        wait: how long to hold the answer for the job's end; None answers at once.
    """

    input: dict[str, Any]
    extras: dict[str, Any] = field(default_factory=dict[str, Any])
    execution_timeout: float
    ttl: float
    retention: float
    webhook: str | None = None
    low_priority: bool = False
    wait: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Read a job, held for `wait` until it is final; `ttl` sets its time to live, counted from its submission."""

    job_id: str
    wait: float = 0.0
    ttl: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadStream:
    """Take the chunks of a job, held for `wait` while there are none."""

    job_id: str
    wait: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Cancel a job."""

    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryJob:
    """Queue a failed job again."""

    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """Remove all queued jobs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadHealth:
    """Count jobs and workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateBatch:
    """Make a draft of a batch, with its first requests."""

    submissions: tuple[Submit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListBatches:
    """Show all batches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBatch:
    """Count the requests of a batch."""

    batch_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateBatch:
    """Change attributes of a batch that nothing here depends on."""

    batch_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddToBatch:
    """Add requests to a draft."""

    batch_id: str
    submissions: tuple[Submit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBatchRequests:
    """Show a page of the requests of a batch."""

    batch_id: str
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveFromBatch:
    """Take a request out of a draft."""

    batch_id: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalizeBatch:
    """Lock a draft, and queue its requests."""

    batch_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelBatch:
    """Cancel what is queued of a batch."""

    batch_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailBatch:
    """Let a batch fail by itself, as the service may."""

    batch_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """A worker asks for a job, and waits for it.

    Attributes:
        wait: how long; None: for as long as it takes. The body is empty when no job came.
        batch: how many it takes at once; the body is then `{"jobs": […]}`.
        lease: how long it is believed without a sign of the job; None: it is in this process, and never doubted.
    """

    worker_id: str
    wait: float | None = None
    batch: int | None = None
    lease: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchStops:
    """A worker over HTTP asks which of its jobs to stop: `{"jobsToStop": […]}`, or nothing after `wait`."""

    worker_id: str
    wait: float
    lease: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """Something says for a worker that it is running these jobs."""

    worker_id: str
    job_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """A worker sends the result of its job.

    Attributes:
        output: the output, if there is one.
        error: why the job has failed; None: it has not.
        stop_pod: the worker is to be replaced.
        size: bytes of what was sent.
        is_refused: it is refused as if it were too large.
    """

    worker_id: str
    job_id: str
    output: Any = ABSENT
    error: Any = None
    stop_pod: bool = False
    size: int = 0
    is_refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportProgress:
    """A worker reports its job's progress; its size in bytes."""

    worker_id: str
    job_id: str
    output: Any
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A worker sends one thing that its generator yielded: `{"output": …}`, perhaps with more keys beside it."""

    worker_id: str
    job_id: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lose:
    """A worker will not finish this job, and lives on."""

    worker_id: str
    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """A worker is gone, with whatever it had taken."""

    worker_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """A worker process is starting, or, not `healthy`, died before it was ready and will be started again."""

    worker_id: str
    healthy: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """A worker process is about to be stopped: answer what it is held for, and give it nothing."""

    worker_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Halted:
    """A worker process has ended as it was told to when its endpoint scaled; it may be started again."""

    worker_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BarWorkers:
    """Set how many workers of a scaling endpoint are throttled and unhealthy; None: as many as before."""

    throttled: int | None = None
    unhealthy: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateWorkers:
    """Replace all workers of an endpoint that scales, as a release does."""


Request = (
    Submit
    | Status
    | ReadStream
    | Cancel
    | RetryJob
    | Purge
    | ReadHealth
    | CreateBatch
    | ListBatches
    | ReadBatch
    | UpdateBatch
    | AddToBatch
    | ReadBatchRequests
    | RemoveFromBatch
    | FinalizeBatch
    | CancelBatch
    | FailBatch
    | Take
    | WatchStops
    | Ping
    | Finish
    | ReportProgress
    | Chunk
    | Lose
    | Leave
    | Expect
    | Drain
    | Halted
    | BarWorkers
    | UpdateWorkers
)


class ReplyKind(Enum):
    """How a request was answered."""

    DONE = "done"
    NOT_FOUND = "not found"
    REFUSED = "refused"
    TOO_MANY = "too many"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: a body under the service's own names, or why there is none."""

    kind: ReplyKind
    body: dict[str, Any] = field(default_factory=dict[str, Any])
    message: str = ""


@dataclass(slots=True, eq=False)
class Hold:
    """An answer that is still to come.

    Attributes:
        request: what was asked.
        until: the monotonic time at which it is answered at the latest.
        job_id: the job that it is about; None: it waits for work.
        reply: the answer, once there is one.
    """

    request: Submit | Status | ReadStream | Take | WatchStops
    until: float
    job_id: str | None = None
    reply: Reply | None = None
