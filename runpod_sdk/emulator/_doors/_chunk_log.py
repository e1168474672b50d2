"""What recent jobs have sent beside their results, chunks and progress, for the console."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._queue._requests import Chunk

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk.emulator._queue._requests import ReportProgress

# Jobs, and reports of each, the first ones, that are kept; ours.
_JOBS, _REPORTS = 200, 2000


@dataclass(slots=True)
class _SentByJob:
    """What one job has sent: all reports that are kept, and how many it were; the worker that sent the last one."""

    reports: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    outputs: list[Any] = field(default_factory=list[Any])
    worker_id: str = ""
    count: int = 0


class ChunkLog:
    """What jobs have sent beside their results; the stream of one that another worker begins again begins anew.

    Args:
        now: returns seconds since 1970 on the emulator's clock.
        row: returns the number of the ledger's last row, behind which a report stands.
    """

    def __init__(self, now: Callable[[], float], row: Callable[[], int]) -> None:
        self._now = now
        self._row = row
        self._jobs: OrderedDict[str, _SentByJob] = OrderedDict()

    def add(self, report: Chunk | ReportProgress) -> None:
        """Take in a report; the hub calls it, under its lock."""
        log = self._jobs.get(report.job_id)
        if log is None:
            log = self._jobs[report.job_id] = _SentByJob()
            if len(self._jobs) > _JOBS:
                self._jobs.popitem(last=False)
        if log.worker_id != report.worker_id:
            log.worker_id, log.outputs = report.worker_id, []
            self._jobs.move_to_end(report.job_id)
        log.count += 1
        if len(log.reports) >= _REPORTS:
            return
        told = {"after": self._row(), "time": self._now(), "worker": report.worker_id}
        if isinstance(report, Chunk):
            output = report.body.get("output")
            log.outputs.append(output)
            log.reports.append({**told, "kind": "chunk", "output": output})
        else:
            log.reports.append({**told, "kind": "progress", "output": report.output})

    def of(self, job_id: str) -> list[Any]:
        """Return the outputs of the chunks that a job has yielded so far."""
        log = self._jobs.get(job_id)
        return [] if log is None else list(log.outputs)

    def reports(self, job_id: str) -> tuple[list[dict[str, Any]], int]:
        """Return what a job has sent so far, on whichever workers, in order, and how many more there were."""
        log = self._jobs.get(job_id)
        return ([], 0) if log is None else (list(log.reports), log.count - len(log.reports))
