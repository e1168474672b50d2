"""The table of clients by operation by outcome: which cells it has, and what each of them needs from the emulator.

What a client does in a cell is not decided here: it was seen, and stands in golden.json.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from runpod_sdk.emulator import Fault

GOLDEN_FILE = Path(__file__).with_name("golden.json")

# By client, its operations under the names of the routes; `output` is what the Python clients make of /status.
CLIENTS = {
    "python": ("run", "runsync", "status", "output", "stream", "cancel", "health", "purge-queue"),
    "asyncio": ("run", "status", "output", "stream", "cancel", "health", "purge-queue"),
    "javascript": ("run", "runsync", "status", "status-sync", "stream", "cancel", "health", "purge-queue"),
    "curl": ("run", "runsync", "status", "stream", "cancel", "retry", "purge-queue", "health"),
}

ROUTES = {"output": "status"}

# What becomes of the job, or of the request.
JOB_ENDS = ("ok", "failed", "cancelled")
REFUSALS = ("401", "404", "404 problem", "429", "500", "text", "dropped before", "dropped after")

PROBLEM = {"status": 404, "title": "Not Found", "detail": "job not found"}

Seen = dict[str, Any]
State = Literal["COMPLETED", "FAILED", "CANCELLED", "IN_QUEUE", "none"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One client, one operation, one outcome; each has an endpoint of its own."""

    client: str
    operation: str
    outcome: str

    @property
    def route(self) -> str:
        """Return the route that the operation asks."""
        return ROUTES.get(self.operation, self.operation)

    @property
    def endpoint_id(self) -> str:
        """Return the id of its endpoint."""
        return f"{self.client}-{self.operation}-{self.outcome}".replace(" ", "-")

    @property
    def submits(self) -> bool:
        """Claim that the operation makes a job."""
        return self.route in ("run", "runsync")

    @property
    def has_job(self) -> bool:
        """Claim that the operation is about a job that exists before."""
        return self.route in ("status", "status-sync", "stream", "cancel", "retry")

    @property
    def key(self) -> str:
        """Return the key that the client has."""
        return "wrong" if self.outcome == "401" else "test"

    @property
    def job_state(self) -> State:
        """Return the state of the job that is there before the call, or "none"."""
        if not self.has_job:
            return "none"
        ends: dict[str, State] = {"failed": "FAILED", "cancelled": "CANCELLED"}
        usual: dict[str, State] = {"cancel": "IN_QUEUE", "retry": "FAILED"}
        return ends.get(self.outcome) or usual.get(self.route, "COMPLETED")

    @property
    def fault(self) -> Fault | None:
        """Return what strikes the operation on its endpoint."""
        where: dict[str, Any] = {"on": self.route, "endpoint": self.endpoint_id}
        faults = {
            "404 problem": Fault.status(404, body=PROBLEM, **where),
            # Retry-After, as without it the sync client waits 30 seconds before it gives up.
            "429": Fault.rate_limited(1, **where),
            "500": Fault.status(500, **where),
            "text": Fault.status(200, body="upstream connect error", **where),
            "dropped before": Fault.drop("before", times=1, **where),
            "dropped after": Fault.drop("after", times=1, **where),
        }
        return faults.get(self.outcome)


def cells() -> list[Cell]:
    """Return every cell that makes sense."""
    return [
        Cell(client, operation, outcome)
        for client, operations in CLIENTS.items()
        for operation in operations
        for outcome in (*JOB_ENDS, *REFUSALS)
        if _makes_sense(operation, outcome)
    ]


def _makes_sense(operation: str, outcome: str) -> bool:
    if operation in ("run", "health", "purge-queue"):
        return outcome not in ("failed", "cancelled")  # they tell nothing of how a job ends
    return (operation, outcome) != ("retry", "failed")  # that is its ok


def golden() -> dict[str, dict[str, dict[str, Seen]]]:
    """Return what was seen, by client, operation and outcome."""
    found: dict[str, dict[str, dict[str, Seen]]] = json.loads(GOLDEN_FILE.read_text(encoding="utf-8"))
    return found
