"""`Fault`: what goes wrong on purpose, and for which requests. Values, and their JSON.

`_injection.py` decides which injected fault strikes a request, and what that does to it.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, Self, cast, get_args

from runpod_sdk.emulator._routes._client_routes import CLIENT_ROUTES
from runpod_sdk.emulator._routes._openai_routes import OPENAI_ROUTE
from runpod_sdk.emulator._routes._worker_routes import WORKER_ROUTES

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal[
    "status",
    "delay",
    "stall",
    "drop",
    "reset",
    "truncate",
    "refuse",
    "repeat",
    "misfit",
    "lose",
    "duplicate",
    "late",
    "reject",
    "kill",
]
When = Literal["before", "after"]
At = Literal["take", "progress", "chunk", "done"]

SUBMITS = frozenset({"run", "runsync"})
# What users ask, by the names of its routes; then what workers ask.
USER_OPERATIONS = frozenset[str]().union(*(route.operations for route in (*CLIENT_ROUTES, OPENAI_ROUTE)))
WORKER_OPERATIONS = frozenset[str]().union(*(route.operations for route in WORKER_ROUTES))
_OF_WORKERS: Mapping[Kind, frozenset[str]] = {
    "lose": frozenset({"job-take", "job-done", "job-stream"}),
    "duplicate": frozenset({"job-done", "job-stream"}),
    "late": frozenset({"job-done"}),
    "reject": frozenset({"job-done"}),
    "kill": frozenset({"job-take", "job-progress", "job-stream", "job-done"}),
}
# The kinds that strike an exchange at a door, and those that strike what a worker does, through whatever door.
OF_WORKERS: frozenset[Kind] = frozenset(_OF_WORKERS)
OF_DOORS: frozenset[Kind] = frozenset(get_args(Kind)) - OF_WORKERS
_KILLED_AT: Mapping[At, str] = {
    "take": "job-take",
    "progress": "job-progress",
    "chunk": "job-stream",
    "done": "job-done",
}
_HTML = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"
# Answers that have no body. RFC 9110, 15.3.5, 15.3.6, 15.4.5.
BODILESS = frozenset({204, 205, 304})
_TEXTS = {429: "rate limit exceeded"}  # assumed: the wording


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong, and where. Made by the class methods, which all select requests in the same way.

    Attributes:
        kind: what happens.
        on: the operations it strikes, by the names of their routes: "run", "status-sync", … and for workers "job-take",
            "job-stop", "job-done", "job-progress" (which takes the route of job-done), "job-stream", "ping". Empty:
            every operation of users.
        endpoint: the only endpoint that it strikes; None: every one.
        nth: only the nth matching request, counted from 1; None: every one.
        rate: the share of matching requests that it strikes, 0 to 1, drawn from the emulator's seed.
        times: how often it strikes in all; None: without limit.
        when: "before": nothing is processed; "after": the request is processed, and its answer suffers.
        code: the HTTP status, if the fault has one.
        headers: header fields of the answer.
        body: the answer; a str is sent as it is (as HTML where it begins with "<"), anything else as JSON.
        seconds: how long, for delays and late results.

    Examples:
        >>> Fault.status(503, times=2, on="run").to_json()
        {'kind': 'status', 'on': ['run'], 'times': 2, 'code': 503}
    """

    kind: Kind
    on: tuple[str, ...] = ()
    endpoint: str | None = None
    nth: int | None = None
    rate: float = 1.0
    times: int | None = None
    when: When = "before"
    code: int = 0
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Any = None
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind={self.kind!r}: one of {', '.join(get_args(Kind))} expected")
        allowed = _OF_WORKERS.get(self.kind, USER_OPERATIONS | WORKER_OPERATIONS)
        if not allowed.issuperset(self.on):
            raise ValueError(f"on={self.on!r}: {self.kind} strikes {', '.join(sorted(allowed))}")
        if not 0 <= self.rate <= 1:
            raise ValueError(f"rate={self.rate!r}: a share from 0 to 1 expected")
        if self.nth is not None and self.nth < 1:
            raise ValueError(f"nth={self.nth!r}: at least 1 expected")
        if self.when not in get_args(When):
            raise ValueError(f'when={self.when!r}: "before" or "after" expected')
        if self.kind == "status" and not 200 <= self.code <= 599:
            raise ValueError(f"code={self.code!r}: an HTTP status from 200 to 599 expected")
        if self.code in BODILESS and self.body not in (None, ""):
            raise ValueError(f"code={self.code}: such an answer has no body")
        if not (math.isfinite(self.seconds) and self.seconds >= 0):
            raise ValueError(f"seconds={self.seconds!r}: seconds (0 or more) expected")

    # What goes wrong for users.

    @classmethod
    def status(
        cls,
        code: int,
        *,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        when: When = "before",
        **where: Any,
    ) -> Self:
        """Answer with this status; the default body names it. `when="after"`: the request is processed first.

        Answers with 204, 205 and 304 have no body.
        """
        return cls._made("status", where, code=code, headers=headers or {}, body=body, when=when)

    @classmethod
    def rate_limited(cls, retry_after: float | str | None = None, **where: Any) -> Self:
        """Answer 429, with Retry-After if it is given: seconds, or a date as text."""
        headers = {} if retry_after is None else {"retry-after": f"{retry_after}"}
        return cls._made("status", where, code=429, headers=headers)

    @classmethod
    def html(cls, code: int = 502, *, when: When = "before", **where: Any) -> Self:
        """Answer with an HTML page, as an edge server does."""
        return cls._made("status", where, code=code, body=_HTML.format(f"{code} Bad Gateway"), when=when)

    @classmethod
    def delay(cls, seconds: float, **where: Any) -> Self:
        """Process the request at once, and answer this many seconds later."""
        return cls._made("delay", where, seconds=seconds, when="after")

    @classmethod
    def stall(cls, when: When = "before", **where: Any) -> Self:
        """Never answer, until the caller gives up."""
        return cls._made("stall", where, when=when)

    @classmethod
    def drop(cls, when: When = "before", **where: Any) -> Self:
        """Read the request, and close the connection without an answer."""
        return cls._made("drop", where, when=when)

    @classmethod
    def reset(cls, when: When = "before", **where: Any) -> Self:
        """Read the request, and reset the connection."""
        return cls._made("reset", where, when=when)

    @classmethod
    def truncate(cls, **where: Any) -> Self:
        """Send half of the answer's body, and close the connection."""
        return cls._made("truncate", where, when="after")

    @classmethod
    def repeat(cls, **where: Any) -> Self:
        """Answer the next request for the same job with this answer again, as a broken proxy might."""
        return cls._made("repeat", {"on": "stream", **where})

    @classmethod
    def misfit(cls, **where: Any) -> Self:
        """Answer with fields of wrong types, except those that decide: a job's id, and its status once it exists."""
        return cls._made("misfit", where)

    @classmethod
    def refuse(cls, **where: Any) -> Self:
        """Refuse the connection, so that nothing is sent. A socket is open by then: drop it unread."""
        return cls._made("refuse", where)

    # What goes wrong for workers.

    @classmethod
    def lose_take(cls, **where: Any) -> Self:
        """Lose a job on its way to the worker: it is taken, and nobody has it."""
        return cls._made("lose", {"on": "job-take", **where})

    @classmethod
    def lose_result(cls, **where: Any) -> Self:
        """Lose a result on its way from the worker: its job runs into its executionTimeout."""
        return cls._made("lose", {"on": "job-done", **where})

    @classmethod
    def lose_chunk(cls, **where: Any) -> Self:
        """Lose a chunk on its way to the reader: it has left the service, and cannot be read again."""
        return cls._made("drop", {"on": "stream", **where}, when="after")

    @classmethod
    def lose_yield(cls, **where: Any) -> Self:
        """Lose a chunk on its way from the worker: an aggregated output has it, a stream does not."""
        return cls._made("lose", {"on": "job-stream", **where})

    @classmethod
    def duplicate_yield(cls, **where: Any) -> Self:
        """Deliver a chunk twice, as a worker that resends does."""
        return cls._made("duplicate", {"on": "job-stream", **where})

    @classmethod
    def duplicate_result(cls, **where: Any) -> Self:
        """Deliver a result twice."""
        return cls._made("duplicate", {"on": "job-done", **where})

    @classmethod
    def late_result(cls, seconds: float, **where: Any) -> Self:
        """Deliver a result this many seconds late; its worker takes the next job meanwhile."""
        return cls._made("late", {"on": "job-done", **where}, seconds=seconds)

    @classmethod
    def refuse_result(cls, **where: Any) -> Self:
        """Refuse a result as too large: its job is COMPLETED without output, as users of the service report."""
        return cls._made("reject", {"on": "job-done", **where})

    @classmethod
    def kill_worker(cls, at: At = "take", **where: Any) -> Self:
        """Kill the worker: after it took a job, or before it sends progress, its next chunk or its result."""
        if at not in _KILLED_AT:
            raise ValueError(f"at={at!r}: one of {', '.join(_KILLED_AT)} expected")
        return cls._made("kill", {"on": _KILLED_AT[at], **where})

    @classmethod
    def _made(cls, kind: Kind, where: dict[str, Any], **what: Any) -> Self:
        """Take `on` as one name, too."""
        unknown = where.keys() - {"on", "endpoint", "nth", "rate", "times"}
        if unknown:
            raise TypeError(f"Fault.{kind}: unknown argument {', '.join(sorted(unknown))}")
        on: Any = where.pop("on", ())
        return cls(kind=kind, on=(on,) if isinstance(on, str) else tuple(on or ()), **where, **what)

    # As JSON, for files and over HTTP.

    def to_json(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults."""
        plain = {**asdict(self), "on": list(self.on), "headers": dict(self.headers)}
        bare: dict[str, Any] = {**asdict(Fault(kind="drop")), "on": [], "headers": {}, "kind": None}
        return {name: value for name, value in plain.items() if value != bare[name]}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the fault that `to_json` describes.

        Raises:
            ValueError: it describes none.
        """
        if not isinstance(value, dict) or "kind" not in value:
            raise ValueError('a fault is an object with "kind", such as {"kind": "status", "code": 503, "on": ["run"]}')
        sent: dict[str, Any] = dict(cast("dict[str, Any]", value))
        unknown = sent.keys() - {each.name for each in fields(cls)}
        if unknown:
            raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
        on: Any = sent.get("on", ())
        # What can only happen to an answer is "after" without saying so.
        sent.setdefault("when", "after" if sent["kind"] in ("delay", "truncate") else "before")
        try:
            sent["on"] = (on,) if isinstance(on, str) else tuple(on)
            return cls(**sent)
        except TypeError as error:
            raise ValueError(f"a fault that makes no sense: {error}") from error

    def page(self) -> tuple[bytes | None, str]:
        """Return the body that it sends and its content type; None: JSON that names the status."""
        if self.code in BODILESS:
            return b"", ""
        if isinstance(self.body, str):
            return self.body.encode(), "text/html" if self.body.startswith("<") else "text/plain"
        return None, "application/json"

    def facts(self) -> Any:
        """Return the JSON that it sends."""
        return {"error": _TEXTS.get(self.code, f"HTTP {self.code}")} if self.body is None else self.body

    def matches(self, operation: str, endpoint_id: str) -> bool:
        """Whether it is meant for this operation on this endpoint."""
        if self.endpoint is not None and self.endpoint != endpoint_id:
            return False
        return operation in (self.on or _OF_WORKERS.get(self.kind, USER_OPERATIONS))


def faults_from_json(value: Any) -> list[Fault]:
    """Return the faults of a file or of a request: one object, a list of them, or `{"faults": [...]}`.

    Raises:
        ValueError: something in it is no fault.
    """
    if isinstance(value, dict) and "faults" in value:
        value = cast("dict[str, Any]", value)["faults"]
    given: list[Any] = value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType]
    return [Fault.from_json(each) for each in given]
