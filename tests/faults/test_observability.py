"""What is told beside results: counts, log lines, spans."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from runpod_sdk import OperationStats, RetryPolicy
from runpod_sdk.errors import APIError, SubmissionUnknownError
from tests.faults.acts import cut, nothing, status
from tests.faults.flavours import FLAVOURS, Flavour, ImpatientClock, settled
from tests.faults.server import KEY, Connection, FaultServer, answer, response

flavours = pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)


@flavours
def test_stats_count_requests_repeats_and_unknowns(flavour: Flavour) -> None:
    waits: list[float] = []

    async def body(client: Any) -> Any:
        same = client.with_options(timeout=30.0)
        await settled(client.endpoint("a").health())
        await settled(same.endpoint("a").health())
        with pytest.raises(SubmissionUnknownError):
            await settled(client.endpoint("b").run({"n": 1}))
        assert (await settled(client.endpoint("c").run({"n": 1}, on_unknown="resubmit"))).id == "j1"
        return client.stats

    with FaultServer() as server:
        server.script("a", status(502), status(429))
        server.script("b", cut(nothing))
        server.script("c", cut(nothing))
        retry = RetryPolicy(on_retry=lambda retry: waits.append(retry.wait))
        stats = flavour.play(server, body, clock=ImpatientClock(), retry=retry, limits="off")
    assert stats == {
        "health": OperationStats(requests=4, retries=2, waited=waits[0] + waits[1]),
        "run": OperationStats(requests=3, retries=1, unknowns=2, resubmits=1, waited=waits[2]),
    }
    assert server.counts() == {"health": 4, "run": 3}


@flavours
def test_the_log_tells_each_request_each_repeat_and_each_unknown(
    flavour: Flavour, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(client: Any) -> None:
        await settled(client.endpoint("e").health())
        with pytest.raises(SubmissionUnknownError):
            await settled(client.endpoint("e").run({"n": 1}))

    with caplog.at_level(logging.DEBUG, "runpod_sdk"), FaultServer() as server:
        server.script("e", status(502), answer, cut(nothing))
        flavour.play(server, body, clock=ImpatientClock())
    lines = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "runpod_sdk"]
    expected = [
        ("DEBUG", 'health on endpoint "e": HTTP 502 in '),
        ("INFO", 'health on endpoint "e": HTTP 502; again in '),
        ("DEBUG", 'health on endpoint "e": HTTP 200 in '),
        ("DEBUG", 'run on endpoint "e": RemoteProtocolError in '),
        ("WARNING", 'run on endpoint "e": outcome unknown (RemoteProtocolError), input sha256 '),
    ]
    assert [(level, line[: len(start)]) for (level, line), (_, start) in zip(lines, expected, strict=True)] == expected


@flavours
def test_what_on_retry_raises_ends_the_call(flavour: Flavour) -> None:
    class Enough(Exception):  # noqa: N818  as a user might name it
        pass

    def give_up(_retry: object) -> None:
        raise Enough

    async def body(client: Any) -> None:
        with pytest.raises(Enough):
            await settled(client.endpoint("e").health())

    with FaultServer(default=status(502)) as server:
        flavour.play(server, body, retry=RetryPolicy(on_retry=give_up))
    assert len(server.arrivals) == 1


@flavours
def test_a_base_url_that_answers_html_says_what_came(flavour: Flavour) -> None:
    """As a newcomer meets it: the address of a website instead of the API's."""

    async def body(client: Any) -> None:
        with pytest.raises(APIError, match=r'health on endpoint "e": HTTP 200 .* not JSON') as caught:
            await settled(client.endpoint("e").health())
        assert "<title>A website" in vars(caught.value)["body"]

    def page(connection: Connection) -> None:
        if connection.read() is not None:
            connection.send(response(200, b"<title>A website</title>"))

    with FaultServer(default=page) as server:
        flavour.play(server, body)


PROGRAM = """
import asyncio, json, sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from runpod_sdk import AsyncClient, Client
from runpod_sdk.errors import RunpodError

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
mine = trace.get_tracer("mine")

def in_threads(key, url):
    endpoint = Client(key, base_url=url).endpoint("e")
    endpoint.run_sync({"n": 1})
    with endpoint.job("j1").stream() as stream:
        for _ in stream:
            mine.start_span("between").end()
    try:
        endpoint.run({"n": 1})
    except RunpodError:
        pass

async def in_tasks(key, url):
    async with AsyncClient(key, base_url=url) as client:
        endpoint = client.endpoint("e")
        await endpoint.run_sync({"n": 1})
        async with endpoint.job("j1").stream() as stream:
            async for _ in stream:
                mine.start_span("between").end()
        try:
            await endpoint.run({"n": 1})
        except RunpodError:
            pass

flavour, key, url = sys.argv[1:]
in_threads(key, url) if flavour == "sync" else asyncio.run(in_tasks(key, url))
print(json.dumps([
    [span.name, span.attributes.get("runpod.endpoint_id"), span.attributes.get("runpod.job_id"),
     span.status.status_code.name, [event.name for event in span.events], span.parent is not None]
    for span in exporter.get_finished_spans()
]))
"""


@pytest.mark.slow
@flavours
def test_a_span_is_open_over_each_call_where_the_program_uses_opentelemetry(flavour: Flavour) -> None:
    with FaultServer() as server:
        # A submit held for its result, three reads of the stream and a last look; then one that is dropped.
        server.script("e", *[answer] * 5, cut(nothing))
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", PROGRAM, flavour.name, KEY, server.url],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert KEY not in done.stdout
    assert json.loads(done.stdout) == [
        ["runpod run_sync", "e", "j1", "UNSET", [], False],
        ["between", None, None, "UNSET", [], False],
        ["between", None, None, "UNSET", [], False],
        ["runpod stream", "e", "j1", "UNSET", [], False],
        ["runpod run", "e", None, "ERROR", ["runpod.unknown", "exception"], False],
    ]
