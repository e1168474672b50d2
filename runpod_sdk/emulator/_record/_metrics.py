"""Metrics of an emulator in Prometheus' text format (version 0.0.4). Pure.

The names follow its conventions: seconds, `_total` for what only grows, one family a thing, labels for its kinds.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from runpod_sdk.emulator._queue._measures import BOUNDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runpod_sdk.emulator._queue._measures import Histogram, Measures

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX = "runpod_emulator_"

_Samples = list[tuple[dict[str, str], float]]


class _Family(NamedTuple):
    name: str
    kind: str
    help: str
    samples: Callable[[Measures], _Samples]


def _one(value: Callable[[Measures], float]) -> Callable[[Measures], _Samples]:
    return lambda each: [({}, value(each))]


def _by(label: str, counts: Callable[[Measures], Mapping[str, int]]) -> Callable[[Measures], _Samples]:
    return lambda each: [({label: kind}, count) for kind, count in counts(each).items()]


def _seconds(each: Measures) -> _Samples:
    return [] if each.usage is None else [({}, each.usage.seconds)]


def _starts(each: Measures) -> _Samples:
    used = each.usage
    return [] if used is None else [({"kind": "cold"}, used.cold), ({"kind": "warm"}, used.warm)]


# To measure more, add a row.
_FAMILIES = (
    _Family("jobs", "gauge", "Jobs that are known, by status.", _by("status", lambda each: each.jobs)),
    _Family("jobs_submitted_total", "counter", "Jobs that were submitted.", _one(lambda each: each.submitted)),
    _Family("jobs_completed_total", "counter", "Jobs that were completed.", _one(lambda each: each.completed)),
    _Family("jobs_failed_total", "counter", "Jobs that failed.", _one(lambda each: each.failed)),
    _Family("jobs_retried_total", "counter", "Times that a job was given back.", _one(lambda each: each.retried)),
    _Family("queue_length", "gauge", "Jobs in the queue.", _one(lambda each: each.jobs["IN_QUEUE"])),
    _Family("queue_oldest_seconds", "gauge", "Age of the first job in the queue.", _one(lambda each: each.oldest)),
    _Family(
        "workers",
        "gauge",
        "Workers by what they do; ready ones are idle, too.",
        _by("state", lambda each: each.workers),
    ),
    _Family(
        "worker_seconds_total",
        "counter",
        "Seconds of workers from their start to their stop, where the endpoint scales.",
        _seconds,
    ),
    _Family(
        "worker_starts_total",
        "counter",
        "Starts of workers, where the endpoint scales.",
        _starts,
    ),
)
_HISTOGRAMS: tuple[tuple[str, str, Callable[[Measures], Histogram]], ...] = (
    ("queue_delay_seconds", "Time in the queue, of each job that was taken.", lambda each: each.delays),
    ("execution_seconds", "Time on a worker, of each job that ended there.", lambda each: each.executions),
)


def exposition(endpoints: Sequence[Measures], holds: Mapping[tuple[str, str], int]) -> str:
    """Return the text.

    Args:
        endpoints: what was measured, of each.
        holds: how many requests are held, by endpoint and operation.
    """
    lines: list[str] = []
    for name, kind, words, samples in _FAMILIES:
        lines += _head(name, kind, words)
        lines += [
            _sample(name, {"endpoint": each.endpoint_id, **labels}, value)
            for each in endpoints
            for labels, value in samples(each)
        ]
    for name, words, histogram in _HISTOGRAMS:
        lines += _head(name, "histogram", words)
        for each in endpoints:
            lines += _buckets(name, each.endpoint_id, histogram(each))
    lines += _head("holds", "gauge", "Requests that are held.")
    lines += [
        _sample("holds", {"endpoint": endpoint_id, "operation": operation}, count)
        for (endpoint_id, operation), count in sorted(holds.items())
    ]
    return "\n".join([*lines, ""])


def _head(name: str, kind: str, words: str) -> list[str]:
    return [f"# HELP {_PREFIX}{name} {words}", f"# TYPE {_PREFIX}{name} {kind}"]


def _buckets(name: str, endpoint_id: str, histogram: Histogram) -> list[str]:
    bounds = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
    below = list(accumulate(histogram.counts))
    labels = {"endpoint": endpoint_id}
    lines = [
        _sample(f"{name}_bucket", {**labels, "le": bound}, count) for bound, count in zip(bounds, below, strict=True)
    ]
    return [*lines, _sample(f"{name}_sum", labels, histogram.total), _sample(f"{name}_count", labels, below[-1])]


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    """Return a line. No label holds a quote or a backslash: they are ids and our own words."""
    inside = ",".join(f'{label}="{text}"' for label, text in labels.items())
    return f"{_PREFIX}{name}{{{inside}}} {value!r}"
