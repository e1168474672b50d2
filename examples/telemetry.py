"""What an operator sees of a bulk run: 200 jobs, 2 % of which fail, their spans and metrics printed. No account needed.

    pip install 'runpod-sdk[emulator,otel]' opentelemetry-sdk
    python examples/telemetry.py

Instead of the exporters in memory, give an OTLP exporter to the providers, and RUNPOD_API_KEY to the client.
"""

import sys
from collections import Counter

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from runpod_sdk import Client
from runpod_sdk.emulator import Emulator, Fault

spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
tracers = TracerProvider()
tracers.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(tracers)
metrics.set_meter_provider(MeterProvider([reader]))

emulator = Emulator()


def handler(job: dict) -> str:
    emulator.clock.sleep(2.0)  # virtual seconds
    if job["input"]["n"] % 50 == 7:
        raise ValueError("no such picture")
    return f"picture {job['input']['n']}"


def shown(facts: object) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(dict(facts or {}).items()))


def show(span: ReadableSpan) -> None:
    print(f"{span.name}  {span.kind.name}  {span.status.status_code.name}")
    print(f"    {shown(span.attributes)}")
    for event in span.events:
        print(f"    event {event.name}: {shown(event.attributes)}")


def main(jobs: int) -> None:
    emulator.endpoint("pictures", handler, workers=8)
    emulator.inject(Fault.status(502, on="status-sync", rate=0.02))  # a bad day at the edge
    emulator.inject(Fault.drop("after", on="run", nth=100))  # an answer that never arrives
    with Client(**emulator.connection) as client:
        for result in client.endpoint("pictures").map(({"n": n} for n in range(jobs)), concurrency=32):
            if not result.is_success:
                print(f"input {result.index}: {type(result.error).__name__}")
        seen = spans.get_finished_spans()
        data = reader.get_metrics_data()
    (run,) = (span for span in seen if span.name == "runpod map")
    of_run = [span for span in seen if span.parent and span.parent.span_id == run.context.span_id]
    print("\nspans:", dict(Counter(span.name for span in seen)), f"of the run: {len(of_run)}\n")
    show(run)
    print("\nthe first job that failed:\n")
    failed = next(span for span in of_run if (span.attributes or {}).get("runpod.status") == "FAILED")
    for span in of_run:
        if (span.attributes or {}).get("runpod.job_id") == failed.attributes["runpod.job_id"]:
            show(span)
    print("\nmetrics:\n")
    for metric in data.resource_metrics[0].scope_metrics[0].metrics:
        for point in metric.data.data_points:
            if isinstance(point, HistogramDataPoint):
                value = f"{point.count} values, {point.min:.1f} to {point.max:.1f}, mean {point.sum / point.count:.1f}"
            else:
                value = f"{point.value}"
            print(f"{metric.name} [{metric.unit}]  {shown(point.attributes)}  {value}")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
