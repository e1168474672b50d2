"""The latest chunks of recent jobs, whether read or not, for the console."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# Jobs, and chunks of each, the first ones, that are kept; ours.
_JOBS, _CHUNKS = 200, 2000


class ChunkLog:
    """The outputs of chunks, by job; a job that another worker begins again begins anew."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, tuple[str, list[Any]]] = OrderedDict()

    def add(self, job_id: str, worker_id: str, body: Mapping[str, Any]) -> None:
        """Take in a chunk; the hub calls it, under its lock."""
        known = self._jobs.get(job_id)
        if known is None or known[0] != worker_id:
            known = self._jobs[job_id] = (worker_id, [])
            self._jobs.move_to_end(job_id)
            if len(self._jobs) > _JOBS:
                self._jobs.popitem(last=False)
        if len(known[1]) < _CHUNKS:
            known[1].append(body.get("output"))

    def of(self, job_id: str) -> list[Any]:
        """Return what a job has yielded so far."""
        known = self._jobs.get(job_id)
        return [] if known is None else list(known[1])
