"""The console's data: its page and modules, recent events, and one job in detail, with secrets masked. Pure.

The console shows the ledger: it is told of rows as they are written, and makes jobs and their steps of them itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Protocol

from runpod_sdk.emulator._queue._requests import ReadHealth, Reply
from runpod_sdk.emulator._routes._route import HttpAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runpod_sdk.emulator._doors._chunk_log import ChunkLog
    from runpod_sdk.emulator._doors._secrets import Secrets
    from runpod_sdk.emulator._hub import Hub
    from runpod_sdk.emulator._queue._job import JobRecord

PAGE_PREFIX = "/_emulator/console/"
# The page and its modules, with their types; nothing else of the folder is served.
_ASSETS = {
    "index.html": "text/html; charset=utf-8",
    "console.css": "text/css; charset=utf-8",
    **dict.fromkeys(
        ("console.js", "controls.js", "detail.js", "elements.js", "model.js", "rows.js", "run.js", "service.js"),
        "text/javascript; charset=utf-8",
    ),
}
# No script, style or answer from elsewhere, and in no frame.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_GUARDS = (
    ("cache-control", "no-cache"),
    ("content-security-policy", _POLICY),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
)
# An old browser that does not say where a page is from gives it nothing of these all the same.
CONTROL_GUARDS = (("cross-origin-resource-policy", "same-origin"), ("x-content-type-options", "nosniff"))
EVENTS_HEAD = HttpAnswer(
    200,
    b"",
    headers=(("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-store"), *CONTROL_GUARDS),
)
# Rows, and lines, of one event: what a browser takes in without a stutter; ours.
_ROWS = 1000
_LINES = 500
_REPORT = 80  # characters of what a job has sent that stand in its timeline; ours
_UNJUDGED = 10  # so often rows are told without a verdict; ours


def asset(path: str) -> HttpAnswer | None:
    """Return the page, at the root, or one of its modules; None: there is no such file."""
    name = "index.html" if path == "/" else path.removeprefix(PAGE_PREFIX)
    if name not in _ASSETS:
        return None
    body = files("runpod_sdk.emulator._doors").joinpath("console", name).read_bytes()
    return HttpAnswer(200, body, headers=(("content-type", _ASSETS[name]), *_GUARDS))


class PrintedLines(Protocol):
    """What workers have printed."""

    def since(self, number: int, limit: int) -> list[dict[str, Any]]:
        """Return lines that come after the one with this number, the oldest first."""
        ...


class Sample(Protocol):
    """An input that a worker's repository is tested with."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def input(self) -> dict[str, Any]:
        """The job's input."""
        ...

    @property
    def execution_timeout(self) -> float | None:
        """Seconds that the job may take."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the console shows beside jobs and rows.

    Attributes:
        lines: what workers have printed.
        tests: returns the inputs that the file of an endpoint is tested with; ValueError: there are none.
    """

    lines: PrintedLines
    tests: Callable[[str], Sequence[Sample]]


def note_secrets(secrets: Secrets, hub: Hub, endpoint_id: str, job_id: str) -> None:
    """Take in the secrets that a job was submitted with, if it is still known."""
    endpoint = hub.endpoints.get(endpoint_id)
    job = None if endpoint is None else endpoint.queue.job(job_id)
    if job is not None:
        secrets.note(job.submission.input, job.submission.extras)


def job_of(record: JobRecord, log: ChunkLog, secrets: Secrets) -> dict[str, Any]:
    """Return what the console shows of one job."""
    reports, more = log.reports(record.id)
    return {
        "endpoint": record.endpoint_id,
        "input": secrets.hidden(record.input),
        "state": secrets.hidden(record.state),
        "chunks": secrets.hidden(log.of(record.id)),
        "reports": [{**each, "output": _short(secrets.hidden(each["output"]))} for each in reports],
        "more_reports": more,
        "unread": record.chunks,
        "low_priority": record.low_priority,
    }


def _short(value: Any) -> str:
    """Return the beginning of what a job has sent, for a line of its own."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _REPORT else f"{text[:_REPORT]}…"


class Watch:
    """What one console has heard, and what is new to it."""

    def __init__(self, hub: Hub, lines: PrintedLines, secrets: Secrets) -> None:
        self._hub = hub
        self._secrets = secrets
        self._lines = lines
        self._line = 0  # the number of the last line that it has
        self._after = 0  # the number of the last row that it has
        self._history = hub.ledger.history
        self._last: dict[str, str] = {}  # of each kind, what was told
        self._unjudged = 0  # how often it has told of rows since the last verdict

    def news(self) -> bytes:
        """Return the events that are due; nothing where nothing has happened."""
        ledger = self._hub.ledger
        told = b""
        history = ledger.history
        if history != self._history:
            self._history, self._after = history, 0
            self._last.clear()
            told += _event("reset", "{}")
        rows = ledger.since(self._after, _ROWS)
        if rows:
            self._after = rows[-1]["n"]
            told += _event("rows", json.dumps(rows))
        for row in rows:
            if row.get("event") == "submit":
                note_secrets(self._secrets, self._hub, row["endpoint"], row["job"])
        # What was submitted comes first, so that it is known what is secret in what is printed.
        lines = self._lines.since(self._line, _LINES) if len(rows) < _ROWS else []
        if lines:
            self._line = lines[-1]["n"]
            hidden = [{**line, "text": self._secrets.hidden(line["text"])} for line in lines]
            told += _event("lines", json.dumps(hidden))
        told += self._changed("health", self._health())
        # All jobs are looked at for it, so not with all that happens.
        self._unjudged = self._unjudged + 1 if rows or self._unjudged else 0
        if "verdict" not in self._last or (self._unjudged and (not rows or self._unjudged > _UNJUDGED)):
            self._unjudged = 0
            told += self._changed("verdict", ledger.verdict().to_json())
        return told

    def _health(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, endpoint in sorted(self._hub.endpoints.items()):
            reply = self._hub.ask(endpoint, ReadHealth())
            found[name] = reply.body if isinstance(reply, Reply) else {}
        return found

    def _changed(self, kind: str, value: dict[str, Any]) -> bytes:
        text = json.dumps(value)
        if self._last.get(kind) == text:
            return b""
        self._last[kind] = text
        return _event(kind, text)


def _event(kind: str, data: str) -> bytes:
    return f"event: {kind}\ndata: {data}\n\n".encode()
