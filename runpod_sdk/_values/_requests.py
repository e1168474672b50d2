"""Requests to the service, and parts read from a stream, as values."""

from __future__ import annotations

import json
from collections.abc import Mapping  # noqa: TC003  resolved by typing.get_type_hints
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict

from ._hidden import Hidden
from ._operations import OPERATIONS, SURE, Operation, OperationName
from ._states import S3Config  # noqa: TC001  resolved by typing.get_type_hints

if TYPE_CHECKING:
    from ._outcomes import Outcome
    from ._states import StreamChunk
    from ._status import JobStatus

OnUnknown = Literal["raise", "resubmit"]


def _no_headers() -> Hidden[Mapping[str, str]]:
    return Hidden({})


def _no_content() -> Hidden[bytes | None]:
    return Hidden(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, complete but for the service's address and key.

    `hold` is how long the service was asked to wait before it answers, seconds. `path` includes the query. What the
    caller passed in is hidden: a request stands in many frames.
    """

    operation: OperationName
    endpoint_id: str
    job_id: str | None = None
    batch_id: str | None = None
    method: str
    path: Hidden[str]
    headers: Hidden[Mapping[str, str]] = field(default_factory=_no_headers)
    content: Hidden[bytes | None] = field(default_factory=_no_content)
    hold: float = 0.0

    @property
    def about(self) -> str:
        """Say what is being done to what, as errors and logs begin."""
        of = f" of job {self.job_id}" if self.job_id else f" of {self.batch_id}" if self.batch_id else ""
        return f'{self.operation}{of} on endpoint "{self.endpoint_id}"'

    @property
    def rules(self) -> Operation:
        """What holds for its operation."""
        return OPERATIONS[self.operation]

    @property
    def repeatable(self) -> frozenset[Outcome]:
        """The outcomes that a repeat may follow. By another method it may be more than a look, so not after unknown."""
        return self.rules.repeatable if self.method == self.rules.method else SURE

    @property
    def is_held(self) -> bool:
        """Whether the service is asked to answer no sooner than there is news."""
        return self.hold > 0 and self.rules.is_held

    @property
    def input_sha256(self) -> str:
        """The SHA-256 of the input that this request submits, as compact JSON with sorted keys."""
        import hashlib  # noqa: PLC0415  2 ms for what is rarely asked

        return hashlib.sha256(_input_text(self.content.reveal())).hexdigest()


def _input_text(content: bytes | None) -> bytes:
    sent = json.loads(content or b"{}").get("input")
    return json.dumps(sent, sort_keys=True, separators=(",", ":")).encode()


class SubmitOptions(TypedDict, total=False):
    """What `run`, `run_sync` and `stream` take by name beside the input. Nothing that is left out is sent.

    Attributes:
        webhook: URL that the service POSTs the final state to.
        execution_timeout: most seconds on a worker, 5 … 604 800; the service's default is 600.
        ttl: seconds after which the service forgets the job, in whatever state, 10 … 604 800; its default is 86 400.
        low_priority: True does not make the endpoint scale up for this job.
        s3_config: a bucket for the worker to write to.
        on_unknown: "resubmit" sends a submit again that may have arrived, so the job may run twice; "raise" does not.
        extra_headers: headers to add.
        extra_query: query parameters to add.
        extra_body: top-level fields to add to the body.
    """

    webhook: str | None
    execution_timeout: float | None
    ttl: float | None
    low_priority: bool | None
    s3_config: S3Config | None
    on_unknown: OnUnknown
    extra_headers: Mapping[str, str] | None
    extra_query: Mapping[str, str] | None
    extra_body: Mapping[str, Any] | None


class HiddenOptions(Hidden[SubmitOptions]):
    """What a submit takes beside its input, hidden but for what decides after it."""

    __slots__ = ()

    @property
    def on_unknown(self) -> OnUnknown:
        """What happens to a submit that may have arrived."""
        return self.reveal().get("on_unknown", "raise")

    @property
    def ttl(self) -> float | None:
        """How long the service knows the job, seconds."""
        return self.reveal().get("ttl")


class StreamPart(NamedTuple):
    """One answer of /stream: its chunks, and the job's status unless the answer was a bare list."""

    chunks: tuple[StreamChunk, ...]
    status: JobStatus | None
