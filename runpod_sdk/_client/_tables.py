"""The HTML tables that notebooks show for handles and bulk runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpod_sdk._display._markup import table

if TYPE_CHECKING:
    from datetime import datetime

    from ._bulk._map_report import MapReport

# What a report shows only where there is some of it.
_RARE = ("failed", "mistyped", "timed_out", "cancelled", "unknown", "unsubmitted", "unfinished", "abandoned", "retries")


def job_html(endpoint_id: str, job_id: str, submitted_at: datetime | None) -> str:
    """Show a handle; makes no request."""
    at = None if submitted_at is None else f"{submitted_at:%Y-%m-%d %H:%M:%S} UTC"
    return table("Job", [("id", job_id), ("endpoint", endpoint_id), ("submitted", at)])


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
    rows.append(("estimated execution cost", None if cost is None else f"{cost:.4f} or more"))
    cost = report.estimated_worker_cost
    rows.append(("estimated cost of workers", None if cost is None else f"{cost:.4f}"))
    return table(title, rows)
