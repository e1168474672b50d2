"""What an operator sees of calls, in both flavours: spans, metrics and log records, by OpenTelemetry's own SDK."""

from __future__ import annotations

import gc
import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from runpod_sdk import (
    Client,
    ConfigurationError,
    JobFailedError,
    PollPolicy,
    RetryPolicy,
    Stop,
    SubmissionUnknownError,
    webhooks,
)
from runpod_sdk._telemetry._names import METRICS, Metric
from runpod_sdk.emulator import Fault
from tests.collector import collecting
from tests.sdk.flavours import World, both_flavours, caught

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from runpod_sdk import SubmitOptions

UNTOLD = "what-only-the-worker-may-see"


def facts_of(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def working(world: World, seconds: float = 3.0) -> None:
    def handler(job: dict[str, Any]) -> Any:
        world.emulator.clock.sleep(seconds)
        if "bad" in job["input"]:
            raise ValueError(f"cannot do {job['input']}")
        return job["input"]

    world.emulator.endpoint("abc", handler)


@both_flavours
async def test_a_call_is_a_span_with_what_became_of_its_job(world: World) -> None:
    working(world)
    with collecting() as seen:
        endpoint = world.client().endpoint("abc")
        job = await endpoint.run({"n": 1})
        state = await job.wait()
        await endpoint.run_sync({"n": 2})
    run, wait, both = seen.spans
    assert [span.name for span in seen.spans] == ["runpod run", "runpod wait", "runpod run_sync"]
    assert {span.kind for span in seen.spans} == {SpanKind.CLIENT}
    shared = {"runpod.endpoint_id": "abc", "server.address": "emulator.invalid", "server.port": 443}
    assert facts_of(run) == {
        **shared,
        "runpod.operation": "run",
        "runpod.job_id": job.id,
        "runpod.status": "IN_QUEUE",
        "runpod.retries": 0,
        "runpod.requests": 1,
        "runpod.unknowns": 0,
        "messaging.system": "runpod",
        "messaging.operation.name": "run",
        "messaging.operation.type": "send",
        "messaging.destination.name": "abc",
        "messaging.message.id": job.id,
    }
    ended = {"runpod.status": "COMPLETED", "runpod.execution_time_ms": 3000}
    assert (
        facts_of(wait).items()
        >= {**shared, **ended, "runpod.job_id": job.id, "runpod.worker_id": state.worker_id}.items()
    )
    assert facts_of(both).items() >= {**shared, **ended, "runpod.delay_time_ms": 0, "runpod.requests": 2}.items()
    assert {span.status.status_code for span in seen.spans} == {StatusCode.UNSET}


@both_flavours
async def test_a_job_that_fails_is_an_error_of_the_calls_that_wait_for_it_and_its_words_are_not_told(
    world: World,
) -> None:
    working(world)
    with collecting() as seen:
        endpoint = world.client().endpoint("abc")
        job = await endpoint.run({"bad": UNTOLD})
        await job.wait()
        await job.status()
        await caught(JobFailedError, lambda: endpoint.run_sync({"bad": UNTOLD}))
    _, wait, status, both = seen.spans
    assert [facts_of(span).get("error.type") for span in seen.spans] == [None, "FAILED", None, "JobFailedError"]
    assert wait.status.status_code is both.status.status_code is StatusCode.ERROR
    assert status.status.status_code is StatusCode.UNSET
    assert facts_of(both)["runpod.worker_error_type"] == "ValueError"
    assert [dict(event.attributes or {}) for event in both.events] == [{"exception.type": "JobFailedError"}]
    assert UNTOLD not in seen.everything()


@both_flavours
async def test_repeats_unknowns_and_resubmits_are_events_and_counts(world: World) -> None:
    working(world)
    world.emulator.inject(Fault.status(503, on="status-sync", times=2))
    world.emulator.inject(Fault.drop("after", on="run", times=2))
    with collecting() as seen:
        client = world.client(retry=RetryPolicy(attempts=2))
        endpoint = client.endpoint("abc")
        lost = await caught(SubmissionUnknownError, lambda: endpoint.run({"n": 1}))
        await (await endpoint.run({"n": 2}, on_unknown="resubmit")).wait()
        metrics = seen.metrics()
    refused, run, wait = seen.spans
    assert [event.name for event in refused.events] == ["runpod.unknown", "exception"]
    assert dict(refused.events[0].attributes or {})["runpod.input_sha256"] == lost.input_sha256
    assert facts_of(refused)["runpod.unknowns"] == 1
    assert [event.name for event in run.events] == ["runpod.unknown", "runpod.resubmitted", "runpod.repeated"]
    assert facts_of(run).items() >= {"runpod.unknowns": 1, "runpod.resubmits": 1, "runpod.requests": 2}.items()
    assert [event.name for event in wait.events] == ["runpod.repeated"] * facts_of(wait)["runpod.repeats"] != []
    of = {"runpod.endpoint_id": "abc"}
    submit = {**of, "runpod.operation": "run"}
    assert metrics["runpod.resubmits"] == [(submit, 1)]
    assert sum(value for _, value in metrics["runpod.unknowns"]) == 2
    assert metrics["runpod.submits"] == [({**submit, "error.type": "SubmissionUnknownError"}, 1), (submit, 1)]
    assert {facts["runpod.operation"] for facts, _ in metrics["runpod.repeats"]} == {"run", "status-sync"}
    assert metrics["runpod.jobs"] == [({**of, "runpod.status": "COMPLETED"}, 1)]


@both_flavours
async def test_the_end_of_a_job_is_counted_once_and_once_more_after_a_retry(world: World) -> None:
    working(world, 20.0)
    with collecting() as seen:
        endpoint = world.client().endpoint("abc")
        job = await endpoint.run({"bad": 1})
        for handle in (job, endpoint.job(job.id), job):
            await handle.wait()
        await (await job.retry()).wait()
        metrics = seen.metrics()
    of = {"runpod.endpoint_id": "abc", "runpod.status": "FAILED"}
    assert metrics["runpod.jobs"] == [(of, 2)]
    assert metrics["runpod.job.execution"] == [(of, 40.0)]
    assert [facts for facts, _ in metrics["runpod.job.delay"]] == [of]


@both_flavours
async def test_what_is_held_and_what_is_slowed_down_is_seen_when_metrics_are_collected(world: World) -> None:
    gc.collect()  # clients of other tests that nobody has any more
    told: list[dict[str, Any]] = []

    def handler(job: dict[str, Any]) -> None:
        world.emulator.clock.sleep(10)
        told.append(seen.metrics())

    world.emulator.endpoint("slowed", handler)
    world.emulator.inject(Fault.status(429, on="status", times=1))
    with collecting() as seen:
        client = world.client(poll=PollPolicy(hold=30.0))
        job = await client.endpoint("slowed").run({"n": 1})
        await job.status()
        told.append(seen.metrics())
        await job.wait()
        told.append(seen.metrics())
    before, during, after = [metrics["runpod.held_requests"][0][1] for metrics in told]
    assert (during, after) == (before + 1, before)
    slowed = [facts for facts, _ in told[-1]["runpod.pace"] if facts["runpod.endpoint_id"] == "slowed"]
    assert slowed == [{"runpod.endpoint_id": "slowed", "runpod.operation": "status"}]


@both_flavours
async def test_a_stream_is_a_span_of_its_own_beside_what_its_reader_does(world: World) -> None:
    def handler(_job: object) -> Any:
        yield from range(3)

    world.emulator.endpoint("abc", handler)
    with collecting() as seen:
        tracer = seen.tracers.get_tracer("mine")
        async with world.client().endpoint("abc").stream({}) as stream:
            async for _ in stream:
                tracer.start_span("between").end()
    assert [span.name for span in seen.spans] == ["runpod run", "between", "between", "between", "runpod stream"]
    assert {span.parent for span in seen.spans} == {None}
    assert facts_of(seen.spans[-1])["runpod.status"] == "COMPLETED"


@both_flavours
async def test_a_bulk_run_is_the_parent_of_its_jobs_with_counts_and_an_event_for_what_failed(world: World) -> None:
    working(world)
    world.emulator.inject(Fault.drop("after", on="run", nth=3))
    urls: list[str] = []

    def options(_key: object, _input: object) -> SubmitOptions:
        urls.append(webhooks.with_trace("https://me.example/hook?token=a%26b"))
        return {}

    with collecting() as seen:
        inputs: list[dict[str, Any]] = [{"n": 1}, {"bad": UNTOLD}, {"n": 3}]
        async with (
            world.client().endpoint("abc").map(inputs, concurrency=1, retries=1, input_options=options) as results
        ):
            errors = [type(result.error).__name__ async for result in results]
    assert errors == ["NoneType", "JobFailedError", "SubmissionUnknownError"]
    *jobs, run = seen.spans
    assert [span.name for span in jobs] == ["runpod run", "runpod wait"] * 2 + ["runpod run"]
    assert all(span.parent == run.get_span_context() for span in jobs)
    assert (run.name, run.kind, run.parent) == ("runpod map", SpanKind.INTERNAL, None)
    counts = {"results": 3, "succeeded": 1, "failed": 1, "unknown": 1, "unsubmitted": 0, "retries": 1, "inputs": 3}
    assert facts_of(run).items() >= {f"runpod.map.{name}": count for name, count in counts.items()}.items()
    events = [dict(event.attributes or {}) for event in run.events]
    assert [(event["runpod.map.index"], event["error.type"]) for event in events] == [*enumerate(errors)][1:]
    assert events[0].items() >= {"runpod.status": "FAILED", "runpod.worker_error_type": "ValueError"}.items()
    assert [event.name for span in jobs for event in span.events] == ["runpod.requeued", "runpod.unknown", "exception"]
    told = [trace.get_current_span(webhooks.trace_of(url)).get_span_context().span_id for url in urls]
    assert set(told) == {(run.get_span_context() or trace.INVALID_SPAN_CONTEXT).span_id}
    assert UNTOLD not in seen.everything()


@both_flavours
async def test_the_span_of_a_bulk_run_says_why_it_was_stopped(world: World) -> None:
    working(world)
    with collecting() as seen:
        inputs = ({"bad": n} for n in range(100))
        async with world.client().endpoint("abc").map(inputs, concurrency=1, stop=Stop(failures=1)) as results:
            assert [result.is_success async for result in results].count(True) == 0
    (run,) = seen.named("runpod map")
    assert facts_of(run)["runpod.map.stopped"] == "1 of 1 result without success"
    assert "runpod.map.inputs" not in facts_of(run)


@both_flavours
async def test_a_trace_that_is_not_sampled_stays_so(world: World) -> None:
    working(world)
    with collecting() as seen:
        seen.tracers.sampler = ALWAYS_OFF
        await world.client().endpoint("abc").run_sync({"n": 1})
    assert seen.spans == ()


@both_flavours
async def test_log_records_have_the_same_names_beside_their_words(world: World) -> None:
    records: list[logging.LogRecord] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logger, keeping = logging.getLogger("runpod_sdk"), Keeping()
    logger.addHandler(keeping)
    logger.setLevel(logging.DEBUG)
    try:
        working(world)
        world.emulator.inject(Fault.drop("after", on="run", times=1))
        endpoint = world.client().endpoint("abc")
        lost = await caught(SubmissionUnknownError, lambda: endpoint.run({"n": UNTOLD}))
        job = await endpoint.run({"n": 1})
        await job.wait()
    finally:
        logger.removeHandler(keeping)
        logger.setLevel(logging.NOTSET)
    facts = [{name: value for name, value in vars(record).items() if "." in name} for record in records]
    took = [fact.pop("runpod.duration") for fact in facts if "runpod.duration" in fact]
    assert len(took) == 3
    of, _found_by = {"runpod.endpoint_id": "abc"}, {"runpod.input_sha256": lost.input_sha256}
    cause = facts[0]["error.type"]
    assert facts == [
        {**of, "runpod.operation": "run", "error.type": cause},
        {
            **of,
            "runpod.operation": "run",
            "error.type": cause.rpartition(".")[2],
            "runpod.input_sha256": lost.input_sha256,
        },
        {**of, "runpod.operation": "run", "http.response.status_code": 200},
        {**of, "runpod.operation": "status-sync", "runpod.job_id": job.id, "http.response.status_code": 200},
    ]
    assert {record.module for record in records} == {"_meter", "_unknowns"}
    assert UNTOLD not in str([vars(record) for record in records])


@pytest.mark.parametrize("said", ["debug", " INFO ", "off", "", "foo", "1"])
def test_a_level_that_there_is_not_is_refused_when_a_client_is_made(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("runpod_sdk")
    before = list(logger.handlers), logger.level
    monkeypatch.setenv("RUNPOD_SDK_LOG", said)
    try:
        if said not in ("foo", "1"):
            Client("key").close()
        else:
            with pytest.raises(ConfigurationError, match=f"RUNPOD_SDK_LOG='{said}': one of \"debug\", ") as error:
                Client("key")
            assert error.value.variable == "RUNPOD_SDK_LOG"
    finally:
        logger.handlers[:], level = before
        logger.setLevel(level)


def test_nothing_of_opentelemetry_is_imported_where_the_program_has_not() -> None:
    program = (
        "import sys\n"
        "from runpod_sdk import Client\n"
        "from runpod_sdk.emulator import Emulator\n"
        "emulator = Emulator()\n"
        "emulator.endpoint('abc', lambda job: 1)\n"
        "with Client(**emulator.connection) as client:\n"
        "    client.endpoint('abc').run_sync({'n': 1})\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60)  # noqa: S603
    assert done.stdout == "[]\n"


HOOK = "https://me.example/hook?token=a%26b&key=%C3%A9#part"


def test_the_url_of_a_webhook_carries_the_span_that_is_current_and_nothing_else_changes() -> None:
    with collecting() as seen, seen.tracers.get_tracer("mine").start_as_current_span("mine") as span:
        url = webhooks.with_trace(HOOK)
        assert webhooks.with_trace(url) == url
        before, after = HOOK.split("#")
        assert url.startswith(f"{before}&traceparent=00-")
        assert url.endswith(f"#{after}")
        found = trace.get_current_span(webhooks.trace_of(url.removeprefix("https://me.example"))).get_span_context()
        assert (found.trace_id, found.span_id) == (span.get_span_context().trace_id, span.get_span_context().span_id)


@pytest.mark.parametrize("url", [HOOK, f"{HOOK[:-5]}&traceparent=00-1-2-3", "/hook?traceparent=", "/hook"])
def test_a_url_without_a_context_stays_as_it_is_and_gives_none(url: str) -> None:
    with collecting():
        assert webhooks.trace_of(url) is None
        assert webhooks.with_trace(HOOK) == HOOK


def test_the_alert_rules_name_metrics_and_labels_that_there_are() -> None:
    page = (Path(__file__).parents[2] / "docs" / "telemetry.md").read_text(encoding="utf-8")
    (rules,) = re.findall(r"^```yaml title=\"runpod.rules.yml\"\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    named = set(re.findall(r"\b(?:runpod|error)_\w+", rules))
    assert named <= {
        *map(in_prometheus, METRICS),
        "runpod_endpoint_id",
        "runpod_operation",
        "runpod_status",
        "error_type",
    }


def in_prometheus(metric: Metric) -> str:
    """Return a metric's name as opentelemetry-exporter-prometheus 0.66b2 writes it, buckets of a histogram."""
    unit = {"s": "_seconds", "{request}/s": "_per_second"}.get(metric.unit, "")
    kind = {"counter": "_total", "histogram": "_bucket"}.get(metric.kind, "")
    return metric.name.replace(".", "_") + unit + kind
