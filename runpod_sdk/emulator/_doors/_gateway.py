"""What all entrances share: routes, hub, faults and rate limits."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpod_sdk.emulator._doors._chunk_log import ChunkLog

if TYPE_CHECKING:
    from runpod_sdk.emulator._doors._rates import RateLimits
    from runpod_sdk.emulator._hub import Hub
    from runpod_sdk.emulator._record._injection import Faults
    from runpod_sdk.emulator._routes._route import HttpAnswer
    from runpod_sdk.emulator._routes._router import Router


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request that an emulator has answered.

    Attributes:
        operation: run, runsync, status, …; "" where the request was turned away before that was known.
        method: the HTTP method.
        path: the path, from the root.
        status: the HTTP status; None where the caller left before the answer, or a fault took it.
        time: when it came, seconds since 1970 on the emulator's clock.
    """

    operation: str
    method: str
    path: str
    status: int | None
    time: float


class Gateway:
    """What the doors share.

    Attributes:
        rates: the rate limits that are kept; None: there are none.
        records: the requests that were answered, the last ones.
        chunks: what jobs have yielded.
        repeats: answers that the next request for the same gets, unasked, by operation, endpoint and job.
    """

    def __init__(self, hub: Hub, router: Router, faults: Faults, rates: RateLimits | None, record: int) -> None:
        self.hub = hub
        self.router = router
        self.faults = faults
        self.rates = rates
        self.chunks = ChunkLog(hub.clock.time, lambda: hub.ledger.last)
        hub.on_report = self.chunks.add
        self.records: deque[RequestRecord] = deque(maxlen=record)
        self.repeats: dict[tuple[str, str, str], HttpAnswer] = {}
