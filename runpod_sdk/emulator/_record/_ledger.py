"""The ledger: every request and answer, job event, fault and delivery, in order. Pure.

Rows are only ever added; each names its cause, the number of another row where there is one. Beside the rows, which
are bounded, the ledger keeps an account of each job, from which `verdict()` says what was lost or doubled.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict, deque
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from runpod_sdk.emulator._queue._machine import Event
from runpod_sdk.emulator._record._unsaved import Unsaved, unanswered
from runpod_sdk.emulator._record._verdict import Ambiguous, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from runpod_sdk.emulator._queue._effects import Effects, JobChange

# How an answer went out: whole, in part, or not at all.
Fate = Literal["whole", "truncated", "dropped", "reset", "stalled", "refused", "left"]

# The fields of each kind of row, after number, time and kind. Those that are None are left out of the export.
_FIELDS: dict[str, tuple[str, ...]] = {
    "request": ("operation", "method", "path", "endpoint", "job", "input_sha256"),
    "answer": ("cause", "fate", "status", "job", "job_status", "reason"),
    "job": ("cause", "event", "endpoint", "job", "from", "to", "worker", "retries"),
    "ignored": ("cause", "event", "endpoint", "job", "worker"),
    "fault": ("cause", "fault", "number", "when", "endpoint"),
    "webhook": ("cause", "job", "attempt", "status"),
}
# A whole answer with one of these leaves no doubt; assumed for the codes by which an edge says that it never reached
# the origin (521, 523, 525, 526, 530). 2xx and 4xx do so too, but 408, by which something gave up on the service.
_EDGE_REFUSALS = frozenset({521, 523, 525, 526, 530})
_DIGITS = 6  # of a second; finer than any clock here is read


def input_sha256(value: Any) -> str:
    """Return the hash of a job's input: SHA-256 of its JSON with sorted keys and no spaces, in hexadecimal."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(slots=True, eq=False)
class _Account:
    """What the verdict has to know of one job."""

    sha256: str
    endpoint_id: str
    executions: int = 0
    requeues: int = 0
    asked: int = 0  # how many of those by /retry
    delivered: int = 0
    taker: str | None = None  # the worker on its way to which it may still be lost
    number: int = 0  # the how manieth that was submitted


@dataclass(slots=True, eq=False)
class LoggedRequest:
    """One request in the ledger, from its arrival to its answer.

    Attributes:
        number: its row; 0 while nothing is kept.
        operation: by the name of its route.
        endpoint_id: the endpoint.
        sha256: of the input, for a submit.
        job_id: the job that it was about; for a submit, the job that it became.
        history: how often the ledger had begun anew before it.
    """

    number: int
    operation: str
    endpoint_id: str
    sha256: str | None
    job_id: str | None
    history: int


class Ledger:
    """The history of an emulator.

    Args:
        now: returns seconds since 1970 on the emulator's clock.
        lock: guards it where several threads write.
        known: returns how many jobs the queues know, purged ones included.
        limit: rows, and accounts of jobs, that are kept; 0: nothing is.
    """

    def __init__(
        self, now: Callable[[], float], lock: AbstractContextManager[object], known: Callable[[], int], limit: int
    ) -> None:
        self._now = now
        self._lock = lock
        self._known = known
        self._limit = limit
        self.is_on = limit > 0
        self._listeners: list[Callable[[tuple[Any, ...]], None]] = []
        self._history = 0
        self._changed: dict[str, None] | None = None  # jobs whose accounts are to be kept; None: nothing is
        self._begin()

    def _begin(self) -> None:
        self._rows: deque[tuple[Any, ...]] = deque(maxlen=self._limit or 1)
        self._count = 0
        self._accounts: OrderedDict[str, _Account] = OrderedDict()
        self._ambiguous: deque[Ambiguous] = deque(maxlen=self._limit or 1)
        self._struck: dict[str, int] = {}
        self._purged_known: set[str] = set()  # purged jobs that their queue has not forgotten yet
        self._submitted = self._expired = self._purged = self._folded = self._unclear = 0
        self._has_new_lists = True
        self._saved = self._cut = 0  # up to which row, and which account, they are kept, and no longer kept

    # What is read.

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self._rows) if self.is_on else 0

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows that are kept, the oldest first, as dicts."""
        with self._lock:
            rows = list(self._rows)
        return [as_dict(row) for row in rows] if self.is_on else []

    @property
    def last(self) -> int:
        """The number of the last row."""
        return self._count

    @property
    def history(self) -> int:
        """How often it has begun anew."""
        return self._history

    def since(self, number: int, limit: int) -> list[dict[str, Any]]:
        """Return up to `limit` of the rows that are kept and come after the row with this number, the oldest first."""
        with self._lock:
            first = self._count - len(self._rows)
            begin = max(0, number - first)
            rows = list(islice(self._rows, begin, begin + limit))
        return [as_dict(row) for row in rows] if self.is_on else []

    def lines(self) -> Iterator[str]:
        """Return the rows as JSON Lines: one object a line, keys in order."""
        return (json.dumps(row, separators=(",", ":")) + "\n" for row in self.rows())

    def to_jsonl(self) -> str:
        """Return all rows as one text."""
        return "".join(self.lines())

    def verdict(self) -> Verdict:
        """Say whether anything was lost or doubled."""
        known = self._known()
        with self._lock:
            accounts = list(self._accounts.items())
            alike: dict[tuple[str, str], list[str]] = {}
            for job_id, account in accounts:
                alike.setdefault((account.sha256, account.endpoint_id), []).append(job_id)
            doubled: dict[str, tuple[str, ...]] = {}
            for (sha256, _), ids in alike.items():
                if len(ids) > 1:
                    doubled[sha256] = (*doubled.get(sha256, ()), *ids)
            return Verdict(
                submitted=self._submitted,
                known=known - len(self._purged_known),
                expired=self._expired,
                purged=self._purged,
                executions={job_id: account.executions for job_id, account in accounts},
                requeues={job_id: account.requeues for job_id, account in accounts if account.requeues},
                retried={job_id: account.asked for job_id, account in accounts if account.asked},
                delivered={job_id: account.delivered for job_id, account in accounts if account.delivered},
                doubled=doubled,
                ambiguous=tuple(self._ambiguous),
                faults=dict(sorted(self._struck.items())),
                is_complete=not self._folded and self._unclear == len(self._ambiguous),
            )

    def listen(self, listener: Callable[[tuple[Any, ...]], None]) -> None:
        """Call `listener` with each row from now on, as `as_dict` takes it; it must neither wait nor raise."""
        with self._lock:
            self._listeners.append(listener)

    # What outlives it.

    def resume(
        self, rows: list[tuple[Any, ...]], accounts: list[tuple[str, dict[str, Any]]], totals: dict[str, Any] | None
    ) -> None:
        """Go on where a ledger of before ended, and say what is new from now on; totals: None if there was none.

        A submit that was not answered when it ended is one after which nobody can know.
        """
        with self._lock:
            self._changed = {}
            if totals is None:
                return
            ambiguous = totals.pop("ambiguous")
            self._purged_known = set(totals.pop("purged_known"))
            for name, value in totals.items():
                setattr(self, f"_{name}", value)
            self._saved = self._count
            self._rows.extend(rows)
            self._ambiguous.extend(Ambiguous(**each) for each in ambiguous)
            self._accounts.update((job_id, _Account(**facts)) for job_id, facts in accounts)
        for request in unanswered(rows):
            self.answer(LoggedRequest(*request, self._history), None, "left", None)

    def unsaved(self) -> Unsaved | None:
        """Return what is new since the last call; None: nothing is."""
        with self._lock:
            new = self._count - self._saved
            if self._changed is None or not self.is_on or not (new or self._changed):
                return None
            rows = list(islice(reversed(self._rows), new))[::-1]
            accounts = [(job_id, self._accounts[job_id]) for job_id in self._changed if job_id in self._accounts]
            self._changed = {}
            self._saved = self._count
            has_new_lists, self._has_new_lists = self._has_new_lists, False
            return Unsaved(
                rows=rows,
                accounts=[(job_id, account.number, _facts(account)) for job_id, account in accounts],
                totals={name: getattr(self, f"_{name}") for name in _TOTALS},
                lists=self._lists() if has_new_lists else None,
                cut={"ledger": self._count - self._limit, "account": self._cut},
            )

    def _lists(self) -> dict[str, Any]:
        return {"purged_known": sorted(self._purged_known), "ambiguous": [asdict(each) for each in self._ambiguous]}

    # What is written.

    def request(
        self, operation: str, method: str, path: str, endpoint_id: str, job_id: str | None, sha256: str | None
    ) -> LoggedRequest:
        """Note a request."""
        number = self._add("request", operation, method, path, endpoint_id or None, job_id or None, sha256)
        return LoggedRequest(number, operation, endpoint_id, sha256, job_id or None, self._history)

    def answer(
        self,
        exchange: LoggedRequest,
        status: int | None,
        fate: Fate,
        job_status: str | None,
        reason: str | None = None,
    ) -> None:
        """Note how a request ended: `job_status` is what a whole answer says of the job, `reason` why it is refused."""
        if exchange.history != self._history:
            return  # it began before a reset
        if fate == "whole" and job_status in _FINAL_WORDS:
            account = self._accounts.get(exchange.job_id or "")
            if account is not None and status == 200:
                account.delivered += 1
                self._mark(exchange.job_id or "")
        if exchange.sha256 is not None and not _is_certain(status, fate):
            self._unclear += 1
            self._has_new_lists = True
            self._ambiguous.append(
                Ambiguous(
                    input_sha256=exchange.sha256,
                    endpoint_id=exchange.endpoint_id,
                    operation=exchange.operation,
                    job_id=exchange.job_id,
                    fate=fate,
                    status=status,
                )
            )
        self._add("answer", exchange.number, fate, status, exchange.job_id, job_status, reason)

    def not_begun(self, worker_id: str, job_ids: Iterable[str]) -> None:
        """Note that jobs were lost on their way to the worker that took them: what never began is no execution."""
        with self._lock:
            for job_id in job_ids:
                account = self._accounts.get(job_id)
                if account is not None and account.taker == worker_id:
                    account.executions -= 1
                    account.taker = None
                    self._mark(job_id)

    def fault(self, cause: LoggedRequest | str | None, kind: str, number: int, when: str, endpoint_id: str) -> None:
        """Note that a fault struck."""
        self._struck[kind] = self._struck.get(kind, 0) + 1
        self._add("fault", _named(cause), kind, number, when, endpoint_id)

    def webhook(self, job_id: str, attempt: int, status: int | str) -> None:
        """Note an attempt to deliver a webhook: the HTTP status, or what failed."""
        self._add("webhook", None, job_id, attempt, status)

    def reset(self) -> None:
        """Begin a new history."""
        with self._lock:
            self._history += 1
            self._begin()

    def jobs(self, endpoint_id: str, effects: Effects, cause: LoggedRequest | str | None) -> None:
        """Note what has happened to jobs: because of a request, a worker, or because time has passed."""
        named = cause.number if isinstance(cause, LoggedRequest) else cause
        sha256 = cause.sha256 if isinstance(cause, LoggedRequest) else None
        with self._lock:
            now = self._now()
            for number, change in enumerate(effects.changes):
                by_time = number < effects.by_time or change.event in _BY_TIME
                self._job(now, endpoint_id, change, "deadline" if by_time else named, sha256)

    def _job(
        self, now: float, endpoint_id: str, change: JobChange, cause: int | str | None, sha256: str | None
    ) -> None:
        """Note one step of a job, under the lock."""
        job_id, event, before, after, worker_id, retries, job_input = change
        row: tuple[Any, ...]
        if event is None:
            self._submitted += 1
            account = _Account(sha256 or input_sha256(job_input), endpoint_id, number=self._submitted)
            self._accounts[job_id] = account
            if len(self._accounts) > self._limit:
                self._cut = self._accounts.popitem(last=False)[1].number
                self._folded += 1
            row = ("job", cause, "submit", endpoint_id, job_id, None, after.value, None, None)
        elif before is None:
            row = ("ignored", cause, event.value, endpoint_id, job_id, worker_id)
        elif event is Event.REPORT:
            return
        else:
            moved = (before.value, after.value, worker_id, retries or None)
            row = ("job", cause, event.value, endpoint_id, job_id, *moved)
            self._account_for(job_id, event, worker_id)
        self._count += 1
        self._rows.append((self._count, now, *row))
        if self._changed is not None:
            self._changed[job_id] = None
        if self._listeners:
            self._tell()

    def _account_for(self, job_id: str, event: Event, worker_id: str | None) -> None:
        """Note an event in the account of its job."""
        if event is Event.EXPIRE:
            was_purged = job_id in self._purged_known
            self._expired += not was_purged
            self._purged_known.discard(job_id)
            self._has_new_lists |= was_purged
        elif event is Event.PURGE:
            self._purged += 1
            self._purged_known.add(job_id)
            self._has_new_lists = True
        account = self._accounts.get(job_id)
        if account is not None:
            account.executions += event is Event.TAKE
            account.requeues += event in (Event.LOSE, Event.RETRY)
            account.asked += event is Event.RETRY
            account.taker = worker_id if event is Event.TAKE else None

    def _mark(self, job_id: str) -> None:
        if self._changed is not None:
            self._changed[job_id] = None

    def _add(self, kind: str, *values: Any) -> int:
        with self._lock:
            self._count += 1
            self._rows.append((self._count, self._now(), kind, *values))
            if self._listeners:
                self._tell()
            return self._count

    def _tell(self) -> None:
        for listener in self._listeners:
            listener(self._rows[-1])


def _named(cause: LoggedRequest | str | None) -> int | str | None:
    return cause.number if isinstance(cause, LoggedRequest) else cause


def _facts(account: _Account) -> dict[str, Any]:
    return {name: getattr(account, name) for name in _Account.__slots__}


# What is counted, beside rows and accounts.
_TOTALS = ("count", "history", "submitted", "expired", "purged", "folded", "unclear", "struck", "cut")
_BY_TIME = frozenset({Event.OVERRUN, Event.TIME_OUT, Event.EXPIRE})
_FINAL_WORDS = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT", "ERROR"})


def _is_certain(status: int | None, fate: Fate) -> bool:
    """Whether a client that sees this can tell whether its job was queued."""
    if fate == "refused":
        return True
    if fate != "whole" or status is None:
        return False
    return (200 <= status < 500 and status != 408) or status in _EDGE_REFUSALS


def as_dict(row: tuple[Any, ...]) -> dict[str, Any]:
    """Return a row as a dict: its number, time and kind, and the fields of that kind which have a value."""
    number, time, kind, *values = row
    named = {name: value for name, value in zip(_FIELDS[kind], values, strict=True) if value is not None}
    return {"n": number, "time": round(time, _DIGITS), "kind": kind, **named}
