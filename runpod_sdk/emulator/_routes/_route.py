"""One route: how it is called, what it accepts, the request it makes of a queue, and its answer.

The rows of users are in `_client_routes.py`, those of workers in `_worker_routes.py`; `_router.py` finds the row of a
request. Whatever else has to know the routes (faults, rate limits, the contract tests) reads the rows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runpod_sdk.emulator._options import Options
    from runpod_sdk.emulator._queue._requests import Reply, Request


class InvalidRequestError(ValueError):
    """A request that is answered with 400; the message is for the caller."""


JSON = (("content-type", "application/json"),)
REFUSALS = 400  # the first status of them
_REASONS = ("detail", "error", "message", "title")  # where the kinds of bodies say why
_REASON_MAX = 300  # characters


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An HTTP answer.

    Attributes:
        status: the HTTP status.
        body: its body.
        headers: header fields, in lower case; the door adds the length of the body.
        job_status: what the body says of a job.
    """

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = JSON
    job_status: str | None = None

    @property
    def reason(self) -> str | None:
        """Why it refuses, in the words of its body, if it has any."""
        try:
            facts: Any = json.loads(self.body)
        except (ValueError, RecursionError):  # what a fault has put there
            return None
        for _ in range(2):  # OpenAI's clients find it one step further in
            if isinstance(facts, dict):
                known: dict[str, Any] = facts  # pyright: ignore[reportUnknownVariableType]
                facts = next((known[name] for name in _REASONS if known.get(name)), None)
        return facts[:_REASON_MAX] if isinstance(facts, str) else None


def json_answer(status: int, body: Any, allow: tuple[str, ...] = ()) -> HttpAnswer:
    """Return an answer whose body is this JSON; `allow`: the methods that there are."""
    headers = (*JSON, ("allow", ", ".join(allow))) if allow else JSON
    return HttpAnswer(status, json.dumps(body).encode(), headers)


def too_large(route: Route) -> HttpAnswer:
    """Return the answer to a user's body over the limit."""
    detail = f"bad request: body: exceeded max body size of {route.body_mib}MiB"  # reported x6
    return json_answer(400, {"status": 400, "title": "Bad Request", "detail": detail})


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One row.

    Attributes:
        name: what it is called; no two rows share one.
        path: what stands in the path after the endpoint, with ids in braces; "": the name, and then the ids.
        operation: what faults, rate limits and the ledger call it; "": by its name.
        also: what else faults call a request to it, where it takes two kinds.
        methods: those that are let in.
        ids: those in its path: "job", "worker", "batch", "request".
        segments: its path, in pieces.
        words: what has to stand where in these, beside the first.
        places: where which id stands in these.
        takes_rest: whatever follows in the path belongs to it, too, as `Call.rest`.
        body_mib: how large a body may be, in MiB; 0: it is ignored, and not even read.
        body_limit: the same in bytes.
        rate: how many in `RATES_WINDOW`, and how many at once; None: there is no limit.
        counts_as: the operation whose limit requests to this one share; "": it has its own.
        request: what is asked of the queue; raises `InvalidRequestError`.
        answer: what the caller sees of the reply; None: what users see of any.
        too_large: what the caller sees where the body is over the limit.
        gives_work: its answer carries jobs, which are lost with it.
        is_for_workers: workers call it, and not users.
    """

    name: str
    path: str = ""
    operation: str = ""
    also: str | None = None
    methods: tuple[str, ...]
    ids: tuple[str, ...] = ()
    segments: tuple[str, ...] = field(init=False)
    words: tuple[tuple[int, str], ...] = field(init=False)
    places: tuple[tuple[int, str], ...] = field(init=False)
    takes_rest: bool = False
    body_mib: int = 0
    body_limit: int = field(init=False)
    rate: tuple[float, float] | None = None
    counts_as: str = ""
    request: Callable[[Call, bytes, Options], Request]
    answer: Callable[[Reply], HttpAnswer] | None = None
    too_large: Callable[[Route], HttpAnswer]
    gives_work: bool = False
    is_for_workers: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "body_limit", self.body_mib * MIB)
        if not self.operation:
            object.__setattr__(self, "operation", self.name)
        if not self.path:
            object.__setattr__(self, "path", "/".join([self.name, *(f"{{{each}}}" for each in self.ids)]))
        pieces = tuple(self.path.split("/"))
        object.__setattr__(self, "segments", pieces)
        ids = tuple((at, piece[1:-1]) for at, piece in enumerate(pieces) if piece.startswith("{"))
        object.__setattr__(self, "places", ids)
        object.__setattr__(self, "ids", tuple(name for _, name in ids))
        words = tuple((at, piece) for at, piece in enumerate(pieces) if at and not piece.startswith("{"))
        object.__setattr__(self, "words", words)

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
    batch_id: str = ""
    request_id: str = ""
    rest: str = ""
    query: Mapping[str, str]
