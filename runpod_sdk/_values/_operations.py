"""One row per queue operation: everything the SDK needs to know, except how bodies are written and read.

To add one: a row here, its request in `_flows/_api.py`, what is read of its answer in `_flows/_answers.py`, its call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from ._outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

OperationName = Literal[
    "run",
    "runsync",
    "status",
    "status-sync",
    "stream",
    "cancel",
    "retry",
    "purge-queue",
    "health",
    "batch-create",
    "batch-list",
    "batch-get",
    "batch-update",
    "batch-add",
    "batch-requests",
    "batch-remove",
    "batch-finalize",
    "batch-cancel",
]


# Calls that submit a job; and those that are about how one ends, so that FAILED and TIMED_OUT are errors of theirs.
SUBMITTING_CALLS = frozenset({"run", "run_sync"})
WAITING_CALLS = frozenset({"run_sync", "wait", "stream"})


class Rate(NamedTuple):
    """A documented limit: requests per 10 seconds, and requests at once."""

    per_window: int
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation.

    Attributes:
        name: the service's name for it, and the part of its path that says so, unless `place` does.
        method: how it is called.
        of_job: whether a job's id ends its path.
        place: its path below an endpoint's, where that is not its name.
        repeats_unknown: whether a repeat may follow a request that may have arrived. After one that did not, it may.
        starts_job: whether it may start a job whose id nobody knows yet.
        is_held: whether the service answers when there is news, and so its requests have connections of their own.
        body_max: the most bytes of its body that the service takes; None where it reads none.
        rate: what the service documents, for one endpoint; None where it documents nothing.
        counted_as: the operation whose rate it shares; None where it has one of its own.
        unknown_note: what to say of a request whose outcome is unknown, beside that.
    """

    name: OperationName
    method: Literal["GET", "POST", "PUT", "DELETE"]
    of_job: bool = False
    place: str | None = None
    repeats_unknown: bool = False
    starts_job: bool = False
    is_held: bool = False
    body_max: int | None = None
    rate: Rate | None = None
    counted_as: OperationName | None = None
    unknown_note: str | None = None

    @property
    def path(self) -> str:
        """The path below an endpoint's, as the document writes it."""
        if self.place is not None:
            return self.place
        return f"/{self.name}/{{job_id}}" if self.of_job else f"/{self.name}"

    @property
    def repeatable(self) -> frozenset[Outcome]:
        """The outcomes that a repeat may follow."""
        return _ANY if self.repeats_unknown else SURE


# What proves that a request did nothing.
SURE = frozenset({Outcome.NEVER_SENT, Outcome.BUSY})
_ANY = SURE | {Outcome.UNKNOWN}
_MIB = 2**20

# docs: operation-reference says 10 MB and 20 MB; REPORTED: the service's own text says 10MiB. Between the two the
# service decides; above, it would refuse after the upload.
# docs: send-requests, rate limits. They grow with running workers, which nobody tells the client. runpod/docs c3c3b70d
# (2024-12) to 3c46e055 (2025-09): status, status-sync and stream share one limit.
RUN = Operation(name="run", method="POST", starts_job=True, body_max=10 * _MIB, rate=Rate(1000, 200))
RUN_SYNC = Operation(name="runsync", method="POST", starts_job=True, body_max=20 * _MIB, rate=Rate(2000, 400))
STATUS = Operation(name="status", method="GET", of_job=True, repeats_unknown=True, rate=Rate(2000, 400))
STATUS_SYNC = Operation(
    name="status-sync", method="GET", of_job=True, repeats_unknown=True, is_held=True, counted_as="status"
)
# A read drains the server, so a second one would lose what the first took.
STREAM = Operation(name="stream", method="GET", of_job=True, is_held=True, counted_as="status")
CANCEL = Operation(name="cancel", method="POST", of_job=True, repeats_unknown=True, rate=Rate(100, 20))
# The job may run a second time, but its id is known.
RETRY = Operation(name="retry", method="POST", of_job=True)
# A second one would also remove jobs that were queued since.
PURGE_QUEUE = Operation(
    name="purge-queue",
    method="POST",
    rate=Rate(2, 2),
    unknown_note="The outcome is unknown: the queue may have been purged all the same.",
)
HEALTH = Operation(name="health", method="GET", repeats_unknown=True)

# docs: batch-jobs, a beta. A draft runs nothing, so a second one does no harm; nor does it to finalize one twice, but
# whether its answer was lost is looked up, as with what is added: the counts of a batch tell. None of them has a rate.
_BATCH = "/batch/{batch_id}"
BATCH_CREATE = Operation(name="batch-create", method="POST", place="/batch", repeats_unknown=True, body_max=10 * _MIB)
BATCH_LIST = Operation(name="batch-list", method="GET", place="/batch", repeats_unknown=True)
BATCH_GET = Operation(name="batch-get", method="GET", place=_BATCH, repeats_unknown=True)
BATCH_UPDATE = Operation(name="batch-update", method="PUT", place=_BATCH, repeats_unknown=True, body_max=10 * _MIB)
BATCH_ADD = Operation(name="batch-add", method="POST", place=f"{_BATCH}/requests", body_max=10 * _MIB)
BATCH_REQUESTS = Operation(name="batch-requests", method="GET", place=f"{_BATCH}/requests", repeats_unknown=True)
BATCH_REMOVE = Operation(
    name="batch-remove",
    method="DELETE",
    place=f"{_BATCH}/requests/{{request_id}}",
    unknown_note="The outcome is unknown: the request may have been removed all the same.",
)
BATCH_FINALIZE = Operation(name="batch-finalize", method="POST", place=f"{_BATCH}/finalize")
BATCH_CANCEL = Operation(name="batch-cancel", method="POST", place=f"{_BATCH}/cancel", repeats_unknown=True)

OPERATIONS: Mapping[OperationName, Operation] = {
    operation.name: operation
    for operation in (
        *(RUN, RUN_SYNC, STATUS, STATUS_SYNC, STREAM, CANCEL, RETRY, PURGE_QUEUE, HEALTH),
        *(BATCH_CREATE, BATCH_LIST, BATCH_GET, BATCH_UPDATE, BATCH_ADD, BATCH_REQUESTS, BATCH_REMOVE),
        *(BATCH_FINALIZE, BATCH_CANCEL),
    )
}
