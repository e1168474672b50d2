"""The span of a bulk run: its totals, and an event for each result that is not a success."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runpod_sdk._telemetry import NO_SPAN, begun
from runpod_sdk._telemetry import _names as names

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from runpod_sdk._telemetry import CallSpan

    from ._map_inputs import Item
    from ._map_plan import Plan
    from ._map_report import MapReport
    from ._map_result import R

# What of a report is told beside why the run was stopped.
_COUNTS = (
    *("results", "succeeded", "mistyped", "failed", "timed_out", "cancelled", "unknown", "unsubmitted", "unfinished"),
    *("abandoned", "skipped", "retries", "requeues", "workers", "execution_seconds"),
)


def map_span(plan: Plan[Any]) -> CallSpan:
    """Return the span of a run that begins now."""
    span = begun("map", plan.endpoint_id, at=plan.endpoint_url, is_remote=False)
    if span is not NO_SPAN:
        span.facts({names.MAP_CONCURRENCY: plan.concurrency})
        if plan.total is not None:
            span.facts({names.MAP_INPUTS: plan.total})
    return span


def told(
    work: Callable[[Item], Coroutine[Any, Any, R | None]], span: CallSpan
) -> Callable[[Item], Coroutine[Any, Any, R | None]]:
    """Let what is done with an input be told of the run, whichever task or thread does it."""
    if span is NO_SPAN:
        return work

    async def worked(item: Item) -> R | None:
        with span.attached():
            result = await work(item)
        if result is not None and result.error is not None:
            job = {} if result.job is None else {names.JOB_ID: result.job.id}
            state = {} if result.state is None else names.state_facts(result.state)
            span.event(names.RESULT, {names.MAP_INDEX: result.index, **job, **state, **names.error_facts(result.error)})
        return result

    return worked


def end_of_map(span: CallSpan, report: Callable[[], MapReport]) -> None:
    """End the span of a run that is over."""
    if span is NO_SPAN:
        return
    found = report()
    span.facts({names.MAP + name: getattr(found, name) for name in _COUNTS})
    if found.stopped is not None:
        span.facts({names.MAP_STOPPED: found.stopped})
    span.end()
