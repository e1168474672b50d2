"""The service's batches as frozen values. Batches are in beta and were never compared with the real service.

Source: docs: batch-jobs. A batch that is done has no status of its own: the counts say so.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003  resolved by typing.get_type_hints
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003  as above
from typing import Any

from ._states import shorten, shown
from ._status import JobStatus

BATCHES_MAX, BATCH_REQUESTS_MAX = 10, 5_000  # docs: batch-jobs; of an endpoint, and of a batch
PAGE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchState:
    """One look at a batch.

    Attributes:
        id: the batch's id.
        endpoint_id: its endpoint.
        status: "DRAFT", "FINALIZED", "FAILED" (the batch itself, not its requests) or "CANCELLED"; one that this
            version does not know is not final.
        total: how many requests it has; `in_progress`, `completed` and `failed`: how many of these are there.
        created_at: when it was made, if that was said.
        raw: the answer as it came.
    """

    id: str
    endpoint_id: str
    status: str
    total: int | None = None
    in_progress: int = 0
    completed: int = 0
    failed: int = 0
    created_at: datetime | None = None
    raw: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)

    @property
    def is_draft(self) -> bool:
        """Whether it runs nothing yet, and can be changed."""
        return self.status == "DRAFT"

    @property
    def is_final(self) -> bool:
        """Whether it has ended: failed, cancelled, or all of its requests have."""
        if self.status == "FINALIZED":
            return self.total is not None and self.completed + self.failed >= self.total
        return self.status in ("FAILED", "CANCELLED")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """One request of a batch, and what has become of it. Nothing tells which input it belongs to.

    Attributes:
        id: the request's id.
        status: COMPLETED, FAILED, or where else it is.
        output: what the worker returned.
        error: why it failed.
        started_at: when a worker took it, as the service writes it; `completed_at`: when it ended.
        raw: the service's own words.
    """

    id: str
    status: JobStatus
    output: Any = None
    error: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.status.is_final

    @property
    def is_success(self) -> bool:
        """Whether it has ended well."""
        return self.status == JobStatus.COMPLETED

    def __repr__(self) -> str:
        facts = [f"id={self.id!r}", f"status={str(self.status)!r}"]
        facts += [f"{name}={shorten(shown(value))}" for name in ("output", "error") if (value := getattr(self, name))]
        return f"BatchResult({', '.join(facts)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPage:
    """A page of the requests of a batch.

    Attributes:
        results: the requests, those that have not ended, too.
        has_more: another page may follow.
    """

    results: tuple[BatchResult, ...]
    has_more: bool
