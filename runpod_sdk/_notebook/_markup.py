"""What notebooks show of our values: small HTML tables. Everything is escaped; no key and no input, outputs are cut."""

from __future__ import annotations

from dataclasses import fields
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from runpod_sdk._client._bulk._map_report import MapReport
    from runpod_sdk._values._states import Health, JobState

# The longest text in a cell, characters.
CELL_MAX = 200
# What a report shows only where there is some of it.
_RARE = ("failed", "mistyped", "timed_out", "cancelled", "unknown", "unsubmitted", "unfinished", "abandoned", "retries")


def table(title: str, rows: Iterable[tuple[str, object]]) -> str:
    """Return a table of names and values; a value that is None has no row."""
    cells = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left">{_cell(value)}</td></tr>'
        for name, value in rows
        if value is not None
    )
    return f'<table><caption style="text-align:left">{escape(title)}</caption>{cells}</table>'


def _cell(value: object) -> str:
    shown = cut(value if isinstance(value, str) else repr(value))
    # A lone surrogate, half of a character that a worker has cut in two, is no UTF-8: the whole cell would fail.
    return escape(shown.encode("utf-8", "backslashreplace").decode())


def cut(text: str) -> str:
    """Return as much of a text as a cell shows."""
    return text if len(text) <= CELL_MAX else text[:CELL_MAX] + "…"


def job_html(endpoint_id: str, job_id: str, submitted_at: datetime | None) -> str:
    """Show a handle; makes no request."""
    at = None if submitted_at is None else f"{submitted_at:%Y-%m-%d %H:%M:%S} UTC"
    return table("Job", [("id", job_id), ("endpoint", endpoint_id), ("submitted", at)])


def state_html(state: JobState) -> str:
    """Show one look at a job."""
    has_output = state.output is not None or state.is_success
    rows: list[tuple[str, object]] = [
        ("id", state.id),
        ("endpoint", state.endpoint_id or None),
        ("status", str(state.status)),
        ("waits for", None if state.queue_reason is None else str(state.queue_reason)),
        ("progress", None if state.progress is None else repr(state.progress)),
        ("output", repr(state.output) if has_output else None),
        ("error", state.error),
        ("worker", state.worker_id),
        ("in the queue", _seconds(state.delay_time_ms)),
        ("on the worker", _seconds(state.execution_time_ms)),
        ("retries", state.retries or None),
    ]
    return table("Job", rows)


def _seconds(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else f"{milliseconds / 1000:.1f} s"


def health_html(health: Health) -> str:
    """Show an endpoint at a glance: what is there, and zeros only where all is zero."""
    return table("Health", [("jobs", _counts(health.jobs)), ("workers", _counts(health.workers))])


def _counts(counts: Any) -> str:
    found = [(field.name.replace("_", " "), getattr(counts, field.name)) for field in fields(counts)]
    return ", ".join(f"{number} {name}" for name, number in found if number) or "none"


def report_html(title: str, report: MapReport) -> str:
    """Show how far a bulk run is, or what came of it."""
    rows: list[tuple[str, object]] = [("results", report.results), ("succeeded", report.succeeded)]
    rows += [(name.replace("_", " "), getattr(report, name) or None) for name in _RARE]
    for name, times in (("delay", report.delay), ("execution", report.execution)):
        if times is not None:
            rows.append((name, f"p50 {times.p50:.3g} s, p95 {times.p95:.3g} s, p99 {times.p99:.3g} s"))
    cost = report.estimated_execution_cost
    rows.append(("on workers", f"{report.execution_seconds:.1f} s on {report.workers}"))
    rows.append(("time", f"{report.seconds:.1f} s"))
    rows.append(("estimated execution cost", None if cost is None else f"{cost:.4f}"))
    return table(title, rows)


def progress_html(title: str, done: int, total: int | None, failed: int) -> str:
    """Show a bar for a bulk run; without an end where nobody knows the number of inputs."""
    bar = "" if total is None else f'<progress value="{done}" max="{max(total, 1)}"></progress> '
    of = "" if total is None else f"/{total}"
    return f"<div>{escape(title)} {bar}{done}{of} done, {failed} failed</div>"


def line_html(text: str) -> str:
    """Show one line, cut like a cell."""
    return f"<div><small>{_cell(text)}</small></div>"
