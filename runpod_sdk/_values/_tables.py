"""The HTML tables that notebooks show for a job state and an endpoint's health."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from runpod_sdk._display._markup import table

if TYPE_CHECKING:
    from ._states import Health, JobState


def state_html(state: JobState, output: object) -> str:
    """Show one look at a job, with its output as it came."""
    has_output = output is not None or state.is_success
    rows: list[tuple[str, object]] = [
        ("id", state.id),
        ("endpoint", state.endpoint_id or None),
        ("status", str(state.status)),
        ("waits for", None if state.queue_reason is None else str(state.queue_reason)),
        ("progress", None if state.progress is None else repr(state.progress)),
        ("output", repr(output) if has_output else None),
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
