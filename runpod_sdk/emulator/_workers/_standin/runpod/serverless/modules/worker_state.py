"""`runpod.serverless.modules.worker_state`: who this worker is, and which jobs it runs, as its loop notes them."""

from __future__ import annotations

import os
import time
import uuid
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from typing import Self

REF_COUNT_ZERO = time.perf_counter()
WORKER_ID = os.environ.get("RUNPOD_POD_ID", str(uuid.uuid4()))
IS_LOCAL_TEST = os.environ.get("RUNPOD_WEBHOOK_GET_JOB") is None


class Job:
    """A job; two of the same id are equal."""

    def __init__(
        self,
        id: str,  # noqa: A002  the official signature
        input: dict[str, Any] | None = None,  # noqa: A002  the same
        webhook: str | None = None,
        **more: Any,
    ) -> None:
        self.id = id
        self.input = input
        self.webhook = webhook
        vars(self).update(more)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __str__(self) -> str:
        return self.id


class JobsProgress(set[Job]):
    """The jobs that run; there is one of these, and it takes jobs, dicts and ids."""

    _one: ClassVar[JobsProgress | None] = None

    def __new__(cls) -> Self:
        """Return the one there is."""
        if JobsProgress._one is None:
            JobsProgress._one = set.__new__(cls)
        return JobsProgress._one  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

    def __init__(self) -> None:
        """Leave what is in it."""

    def add(self, element: Any) -> None:
        """Note that a job runs."""
        super().add(_job(element))

    def remove(self, element: Any) -> None:
        """Note that it runs no more."""
        self.discard(_job(element))

    def get(self, element: Any) -> Job | None:
        """Return the job with an id, if it runs."""
        wanted = _job(element)
        return next((job for job in self if job == wanted), None)

    def get_job_list(self) -> str | None:
        """Return the ids, with commas between them."""
        return ",".join(map(str, self)) or None

    def get_job_count(self) -> int:
        """Return how many run."""
        return len(self)


def _job(element: Any) -> Job:
    if isinstance(element, Job):
        return element
    if isinstance(element, str):
        return Job(element)
    if isinstance(element, dict):
        fields: dict[str, Any] = element  # pyright: ignore[reportUnknownVariableType]
        return Job(**fields)
    raise TypeError("Only Job objects can be added to JobsProgress.")
