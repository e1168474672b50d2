"""The service, as far as one endpoint with one job goes."""

from __future__ import annotations

from typing import Any

CHUNKS = ("a", "b")
HEALTH = {
    "jobs": {"completed": 1, "failed": 0, "inProgress": 0, "inQueue": 2, "retried": 0},
    "workers": {"idle": 1, "initializing": 0, "ready": 1, "running": 0, "throttled": 0, "unhealthy": 0},
}


class OneJob:
    """Whatever it accepts counts, answered or not."""

    def __init__(self, status: str = "COMPLETED", *, looks: int = 0, job_id: str = "j1") -> None:
        self.job_id = job_id
        self.status = status
        self.looks = looks  # how many more find it IN_PROGRESS
        self.queued = 0
        self.purged = 0
        self.chunks = [*CHUNKS]
        self.output: Any = list(CHUNKS)

    def answer(self, operation: str) -> tuple[int, Any]:
        is_running = self.looks > 0 and self.status == "COMPLETED"
        self.looks -= operation in ("status", "status-sync")
        job = {"id": self.job_id, "status": "IN_PROGRESS" if is_running else self.status}
        match operation:
            case "run" | "runsync":
                self.queued += 1
                if operation == "run" or is_running:
                    job["status"] = "IN_QUEUE"
            case "retry":
                if self.status != "FAILED":
                    return 400, {"error": "only failed jobs"}
                self.status = job["status"] = "IN_QUEUE"
            case "cancel":
                if self.status == "CANCELLED":
                    return 400, {"error": "cancelled already"}
                self.status = job["status"] = "CANCELLED"
            case "stream":
                read, self.chunks = self.chunks[:1], self.chunks[1:]
                return 200, {
                    "status": "IN_PROGRESS" if read else "COMPLETED",
                    "stream": [{"output": it} for it in read],
                }
            case "purge-queue":
                self.purged += 1
                return 200, {"removed": 2, "status": "completed"}
            case "health":
                return 200, HEALTH
            case _:
                pass
        return 200, {**job, "output": self.output} if job["status"] == "COMPLETED" else job
