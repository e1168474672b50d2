"""The status of a job. A module of its own, because it is imported alone."""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class JobStatus(StrEnum):
    """The status of a job, in the service's words. A plain string too: `job.status() == "COMPLETED"`.

    A word that this version does not know becomes a member of its own and is not final; compare with `==`, not `is`.

    Examples:
        >>> JobStatus("COMPLETED").is_final
        True
        >>> JobStatus("ON_HOLD") == "ON_HOLD"
        True
    """

    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    RUNNING = "RUNNING"  # docs name it; never seen
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"
    ERROR = "ERROR"  # docs: operation-reference#cancel, a sample gives up at it as at FAILED; never seen

    @classmethod
    def _missing_(cls, value: object) -> JobStatus | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member

    @property
    def is_final(self) -> bool:
        """Whether the job has ended; only `retry` can then change it."""
        return self in _FINAL

    def __reduce_ex__(self, _protocol: object) -> tuple[Any, ...]:
        return type(self), (str(self),)


_FINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.TIMED_OUT, JobStatus.ERROR})
