"""A collector of OpenTelemetry in memory, for one test: its own SDK, as a program sets it up."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import opentelemetry.metrics._internal
import opentelemetry.trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util._once import Once

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.sdk.trace import ReadableSpan

Facts = dict[str, Any]


class Collector:
    """What a program's exporters were given."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meters = MeterProvider([self._reader])

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """The spans that have ended, in that order."""
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        """Return the spans of a name."""
        return [span for span in self.spans if span.name == name]

    def metrics(self) -> dict[str, list[tuple[Facts, float]]]:
        """Return each metric's facts and values; of a histogram, its sum."""
        data: Any = self._reader.get_metrics_data()
        return {
            metric.name: [
                (dict(point.attributes), point.sum if hasattr(point, "sum") else point.value)
                for point in metric.data.data_points
            ]
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def everything(self) -> str:
        """Return all that was exported, as text."""
        return "\n".join([*(span.to_json() for span in self.spans), str(self.metrics())])


@contextmanager
def unset() -> Generator[None]:
    """Let a program set its providers, which it can do once, and its log; and forget both afterwards."""
    logger = logging.getLogger("runpod_sdk")
    handlers, level = [*logger.handlers], logger.level
    with (
        patch.object(opentelemetry.trace, "_TRACER_PROVIDER", None),
        patch.object(opentelemetry.trace, "_TRACER_PROVIDER_SET_ONCE", Once()),
        patch.object(opentelemetry.metrics._internal, "_METER_PROVIDER", None),
        patch.object(opentelemetry.metrics._internal, "_METER_PROVIDER_SET_ONCE", Once()),
    ):
        yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


@contextmanager
def collecting() -> Generator[Collector]:
    """Collect what is told meanwhile."""
    collector = Collector()
    with (
        patch.object(opentelemetry.trace, "_TRACER_PROVIDER", collector.tracers),
        patch.object(opentelemetry.metrics._internal, "_METER_PROVIDER", collector.meters),
    ):
        yield collector
    collector.meters.shutdown()
