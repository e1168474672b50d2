"""What a route is: a row that says how it is called, what may be sent to it, what it asks of a queue, and its answer.

The rows of users are in `_client_routes.py`, those of workers in `_worker_routes.py`; `_router.py` finds the row of a
request. Whatever else has to know the routes (faults, rate limits, the contract tests) reads the rows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runpod_sdk.emulator._options import Options
    from runpod_sdk.emulator._queue._requests import Reply, Request


class InvalidRequestError(ValueError):
    """A request that is answered with 400; the message is for the caller."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; its body is JSON, unless `more` says otherwise."""

    status: int
    body: bytes
    allow: tuple[str, ...] = ()
    more: tuple[tuple[str, str], ...] = ()  # header fields; they replace those that every answer has
    job_status: str | None = None  # what the body says of a job

    def headers(self) -> list[tuple[str, str]]:
        """Return the header fields, in lower case."""
        if self.status in (204, 304):  # RFC 9110, 8.6: no content-length
            return [field for field in self.more if field[0] != "content-length"]
        length = ("content-length", str(len(self.body)))
        if self.more:
            return list(dict([("content-type", "application/json"), length, *self.more]).items())
        fields = [("content-type", "application/json"), length]
        if self.allow:
            fields.append(("allow", ", ".join(self.allow)))
        return fields


def json_answer(status: int, body: Any, allow: tuple[str, ...] = ()) -> Answer:
    """Return an answer whose body is this JSON."""
    return Answer(status, json.dumps(body).encode(), allow)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One row.

    Attributes:
        name: what stands in the path after the endpoint.
        operation: what faults, rate limits and the ledger call it; "": by its name.
        also: what else faults call a request to it, where it takes two kinds.
        methods: those that are let in.
        ids: what follows in the path: "job", "worker".
        body_mib: how large a body may be, in MiB; 0: it is ignored, and not even read.
        rate: how many in `RATES_WINDOW`, and how many at once; None: there is no limit.
        request: what is asked of the queue; raises `InvalidRequestError`.
        answer: what the caller sees of the reply.
        too_large: what the caller sees where the body is over the limit.
        gives_work: its answer carries jobs, which are lost with it.
        is_for_workers: workers call it, and not users.
    """

    name: str
    operation: str = ""
    also: str | None = None
    methods: tuple[str, ...]
    ids: tuple[str, ...] = ()
    body_mib: int = 0
    rate: tuple[float, float] | None = None
    request: Callable[[Call, bytes, Options], Request]
    answer: Callable[[Reply, Options], Answer]
    too_large: Callable[[Route], Answer]
    gives_work: bool = False
    is_for_workers: bool = False

    def __post_init__(self) -> None:
        if not self.operation:
            object.__setattr__(self, "operation", self.name)

    @property
    def operations(self) -> frozenset[str]:
        """By which names faults know it."""
        return frozenset(filter(None, (self.operation, self.also)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that has been let in: its row, and on what."""

    route: Route
    endpoint_id: str
    job_id: str = ""
    worker_id: str = ""
    query: Mapping[str, str]

    @property
    def body_limit(self) -> int:
        """Bytes that the body may have; 0: it is ignored."""
        return self.route.body_mib * MIB
