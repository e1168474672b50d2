"""Job and endpoint states as reported by the service, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003  resolved by typing.get_type_hints
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, cast

from ._generics import C_co
from ._status import JobStatus

# The type of an endpoint's outputs: any, unless `output_type` says which. Python knows defaults from 3.13 on, type
# checkers always do.
if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import TypeVar

    from runpod_sdk._display._images import OutputImages

    T_co = TypeVar("T_co", covariant=True, default=Any)
else:
    from typing import TypeVar

    T_co = TypeVar("T_co", covariant=True)

# What a job has before its end, whatever the type.
_NO_OUTPUT: Any = None
# Longest piece of an output, or of a worker's text, that a repr or a message shows; characters.
SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState(Generic[T_co]):
    """The state of a job at one moment.

    Attributes:
        id: the job's id.
        endpoint_id: the endpoint it was submitted to.
        status: its status.
        output: what the worker returned; None until the status is final (see `progress`). In states returned by
            `job.state()`, `job.wait()` and `as_completed` it has the endpoint's `output_type`, and is converted on
            first access: OutputTypeError if it does not match. Elsewhere, and in `raw`, it is as received.
        progress: the worker's last report while the job runs (`progress_update`); never a result.
        error: the worker's error, as sent by the service.
        worker_id: where it runs or ran.
        retries: how often the service itself moved it to another worker.
        delay_time_ms: time in the queue, milliseconds.
        execution_time_ms: time on the worker, milliseconds.
        queue_reason: why it is still IN_QUEUE; set only during long waits, for `on_update` and WaitTimeoutError.
        raw: the complete answer. A field that differs from the documentation, such as a number sent as text, appears
            only here: it is treated as missing, and logged once per client.
    """

    id: str
    endpoint_id: str
    status: JobStatus
    output: T_co = _NO_OUTPUT
    progress: Any = None
    error: str | None = None
    worker_id: str | None = None
    retries: int = 0
    delay_time_ms: int | None = None
    execution_time_ms: int | None = None
    queue_reason: QueueReason | None = None
    raw: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self.status.is_final

    @property
    def is_success(self) -> bool:
        """Whether the job completed successfully."""
        return self.status == JobStatus.COMPLETED

    def images(self) -> OutputImages:
        """Return the images in the output, or in the progress while the job runs: PNG, JPEG and WebP, at any depth.

        They may be base64 text, data URLs or URLs. Notebooks show them. Nothing is downloaded, and files are written
        only on request.
        """
        from runpod_sdk._display._images import images_in  # noqa: PLC0415  few want them

        return images_in(untouched(self).output if self.is_final else self.progress)

    def _repr_html_(self) -> str:
        from ._tables import state_html  # noqa: PLC0415  for notebooks

        return state_html(self, untouched(self).output)

    def __repr__(self) -> str:
        facts = [f"id={self.id!r}", f"endpoint_id={self.endpoint_id!r}", f"status={str(self.status)!r}"]
        for name, value in (("output", untouched(self).output), ("progress", self.progress), ("error", self.error)):
            if value is not None:
                facts.append(f"{name}={shorten(shown(value))}")
        for name in ("worker_id", "delay_time_ms", "execution_time_ms"):
            value = getattr(self, name)
            if value is not None:
                facts.append(f"{name}={value!r}")
        if self.queue_reason is not None:
            facts.append(f"queue_reason={self.queue_reason.cause!r}")
        return f"JobState({', '.join(facts)})"


class Unread:
    """An output that is read as its type when it is asked for, once."""

    __slots__ = ("_read", "_value", "state")

    def __init__(self, state: JobState, read: Callable[[JobState], Any]) -> None:
        self.state = state
        self._read: Callable[[JobState], Any] | None = read
        self._value: Any = None

    def value(self) -> Any:
        """Return the output as its type."""
        if self._read is not None:
            self._value, self._read = self._read(self.state), None
        return self._value


class _OutputField:
    """What stands for `JobState.output`: reads one that is unread."""

    def __init__(self, slot: Any) -> None:
        self._slot = slot

    def __get__(self, state: object, kind: type[Any] | None = None) -> Any:
        if state is None:
            return self
        found = self._slot.__get__(state, kind)
        return found.value() if type(found) is Unread else found

    def __set__(self, state: object, value: object) -> None:
        self._slot.__set__(state, value)

    def untouched(self, state: JobState[Any]) -> JobState:
        """Return the state with its output as it came."""
        found = self._slot.__get__(state)
        return found.state if type(found) is Unread else state


_output = _OutputField(vars(JobState)["output"])
setattr(JobState, "output", _output)  # noqa: B010  type checkers know it as the field


def untouched(state: JobState[Any]) -> JobState:
    """Return a state with its output as it came, whatever its type."""
    return _output.untouched(state)


def typed(state: JobState, read: Callable[[JobState], T_co]) -> JobState[T_co]:
    """Return a state whose output is read as a type when it is asked for; one without an output as it is."""
    return replace(state, output=cast("Any", Unread(state, read))) if state.is_success else state


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCounts:
    """The number of jobs of an endpoint by state. Only `in_queue` and `in_progress` describe the present.

    A gauge that is missing, or not a number, is 0; `Health.raw` has the original.
    """

    completed: int = 0
    failed: int = 0
    in_progress: int = 0
    in_queue: int = 0
    retried: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCounts:
    """The number of workers of an endpoint by condition; `ready` overlaps `idle`.

    A gauge that is missing, or not a number, is 0; `Health.raw` has the original.
    """

    idle: int = 0
    initializing: int = 0
    ready: int = 0
    running: int = 0
    throttled: int = 0
    unhealthy: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The health of an endpoint; `raw` is the complete answer."""

    jobs: JobCounts
    workers: WorkerCounts
    raw: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)

    def _repr_html_(self) -> str:
        from ._tables import health_html  # noqa: PLC0415  for notebooks

        return health_html(self)


QueueCause = Literal["no_workers", "throttled", "unhealthy", "initializing", "queue_ahead"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueReason:
    """Why a job is queued, as far as the endpoint's health shows. `str()` puts it in words.

    Attributes:
        cause: "no_workers": there are none (scaled to zero, or a maximum of 0). "throttled": no machine is available.
            "unhealthy": none of them works. "initializing": a cold start. "queue_ahead": all of them are busy.
        in_queue: how many jobs are queued, including this one.
        workers: the number of workers by condition.
    """

    cause: QueueCause
    in_queue: int
    workers: WorkerCounts

    @classmethod
    def of(cls, health: Health) -> QueueReason | None:
        """Return what keeps a job in the queue; None while a worker is idle, as it is about to take a job."""
        workers = health.workers
        cause: QueueCause
        if workers.idle or (workers.ready and not workers.running):
            return None
        if workers.running:
            cause = "queue_ahead"
        elif workers.initializing:
            cause = "initializing"
        elif workers.throttled:
            cause = "throttled"
        elif workers.unhealthy:
            cause = "unhealthy"
        else:
            cause = "no_workers"
        return cls(cause=cause, in_queue=health.jobs.in_queue, workers=workers)

    def __str__(self) -> str:
        workers = self.workers
        match self.cause:
            case "queue_ahead":
                return f"all running workers are busy ({workers.running}); jobs in the queue: {self.in_queue}"
            case "initializing":
                return f"a cold start: workers are initializing ({workers.initializing})"
            case "throttled":
                return f"all workers are throttled ({workers.throttled}): there is no machine for them now"
            case "unhealthy":
                return f"all workers are unhealthy ({workers.unhealthy})"
            case "no_workers":
                # docs: endpoint-configurations, the maximum of workers becomes 0 after 7 days without a request
                return (
                    "the endpoint has no workers: none was started yet, or its maximum of workers is 0 (the service "
                    "sets it so after 7 days without a request)"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeResult:
    """The result of `purge_queue`: how many queued jobs it removed, and the service's status ("completed").

    A field the service did not send is None.
    """

    removed: int | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamChunk(Generic[C_co]):
    """One chunk of a stream: what the worker yielded, as the `chunk_type`, and its metrics, if any."""

    output: C_co
    metrics: Mapping[str, Any] | None = None
    raw: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Config:
    """A bucket that the worker may write its results to. Passed to the worker; never echoed by the service."""

    access_id: str
    access_secret: str = field(repr=False)
    bucket_name: str
    endpoint_url: str
    object_path: str | None = None

    def __reduce__(self) -> NoReturn:
        raise TypeError("an S3Config holds a secret, which cannot be pickled: create it where it is used")


def shown(value: object) -> str:
    """Return the repr of what came as JSON, however deeply it is nested."""
    try:
        return repr(value)
    except RecursionError:
        return f"<a {type(value).__name__}, nested deeply>"


def shorten(text: str, limit: int = SHOWN) -> str:
    """Return the text, or its first `limit` characters and an ellipsis."""
    return text if len(text) <= limit else text[:limit] + "…"
