"""The verdict of a ledger: what was submitted, how it ended, and what was lost or doubled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambiguous:
    """A submit after which the client cannot know whether its job was queued.

    Attributes:
        input_sha256: of the input, as in `SubmissionUnknownError`.
        endpoint_id: where it went.
        operation: "run" or "runsync".
        job_id: the job that it became; None: it was not accepted.
        fate: what happened to the answer.
        status: the HTTP status of the answer, if there was one.
    """

    input_sha256: str
    endpoint_id: str
    operation: str
    job_id: str | None
    fate: str
    status: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Where every job went; what `print` shows of it is a summary.

    Attributes:
        submitted: jobs that were accepted.
        known: those that the queues still know.
        expired: those whose ttl or retention is over.
        purged: those that a purge removed.
        executions: by job id, how often a worker began it; a job that was lost on its way to one was not begun.
        requeues: by job id, how often it was put back, by a lost worker or by /retry.
        retried: by job id, how often it was put back by /retry, which somebody asked for.
        delivered: by job id, how many whole answers carried its final status.
        doubled: by hash of the input, the ids of jobs with the same input, where an endpoint has several.
        ambiguous: submits whose answer the client did not get, or could not be sure of.
        faults: by kind, how often one struck.
        is_complete: False where the history was longer than what is kept (`Options.ledger`).
    """

    submitted: int
    known: int
    expired: int
    purged: int
    executions: Mapping[str, int]
    requeues: Mapping[str, int]
    retried: Mapping[str, int]
    delivered: Mapping[str, int]
    doubled: Mapping[str, tuple[str, ...]]
    ambiguous: tuple[Ambiguous, ...]
    faults: Mapping[str, int]
    is_complete: bool

    @property
    def is_conserved(self) -> bool:
        """Whether no job was lost: submitted = known + expired + purged."""
        return self.submitted == self.known + self.expired + self.purged

    @property
    def overexecuted(self) -> dict[str, int]:
        """Return the jobs that began more often than once and once for each /retry, as where a worker dies with one."""
        return {job_id: ran for job_id, ran in self.executions.items() if ran > 1 + self.retried.get(job_id, 0)}

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, doubled, or run too often, as far back as the history goes: all of it is needed."""
        return self.is_complete and self.is_conserved and not self.doubled and not self.overexecuted

    def to_json(self) -> dict[str, Any]:
        """Return the numbers, as JSON."""
        accepted = sum(each.job_id is not None for each in self.ambiguous)
        return {
            "submitted": self.submitted,
            "known": self.known,
            "expired": self.expired,
            "purged": self.purged,
            "conserved": self.is_conserved,
            "executions": sum(self.executions.values()),
            "requeues": sum(self.requeues.values()),
            "overexecuted": len(self.overexecuted),
            "doubled": sum(len(ids) - 1 for ids in self.doubled.values()),
            "results_delivered": len(self.delivered),
            "results_delivered_again": sum(self.delivered.values()) - len(self.delivered),
            "ambiguous": len(self.ambiguous),
            "ambiguous_accepted": accepted,
            "faults": dict(self.faults),
            "clean": self.is_clean,
            "complete": self.is_complete,
        }

    def __str__(self) -> str:
        """Return a line for each fact."""
        width = max(len(name) for name in self.to_json())
        return "\n".join(f"{name:{width}}  {value}" for name, value in self.to_json().items())
