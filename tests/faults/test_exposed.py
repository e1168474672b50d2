"""No secret is in anything that comes of a fault, a wrong argument or an interruption.

Looked through are words, logs, spans, pickles, and locals of every frame.
"""

from __future__ import annotations

import asyncio
import base64
import html
import json
import logging
import signal
import threading
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from runpod_sdk import PollPolicy, RetryPolicy, S3Config
from tests.faults.acts import always, cut, in_the_body, not_tls, nothing, status
from tests.faults.exposed import exposed
from tests.faults.flavours import FLAVOURS, Flavour, ImpatientClock, listed, settled
from tests.faults.server import KEY, Act, Arrival, Connection, FaultServer, response
from tests.faults.table import TELLING, WIRES, choose, hold_briefly

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

INPUT = "input-that-nobody-may-see"
S3_SECRET, S3_ID = "secret-of-the-bucket", "id-of-the-bucket"
HEADER, HOOK, QUERY = "header-that-nobody-may-see", "token-of-the-webhook", "query-that-nobody-may-see"
MARKS = (KEY, INPUT, S3_SECRET, S3_ID, HEADER, HOOK, QUERY)
BUCKET = S3Config(access_id=S3_ID, access_secret=S3_SECRET, bucket_name="b", endpoint_url="https://s3.invalid")
GIVEN: dict[str, Any] = {
    "s3_config": BUCKET,
    "webhook": f"https://me.invalid/hook?token={HOOK}",
    "extra_headers": {"x-token": HEADER},
    "extra_query": {"sig": QUERY},
}


def given() -> dict[str, Any]:
    return {"prompt": INPUT, "parts": [{"deep": INPUT}]}


# httpx's own connections, behind a proxy, are those of a transport of httpx's too.
wires = pytest.mark.parametrize(
    "wire", [pytest.param(name, marks=[pytest.mark.slow] if name.endswith("httpx") else []) for name in TELLING]
)


# What is called.


async def _run(endpoint: Any, given: object, options: dict[str, Any]) -> None:
    await settled(endpoint.run(given, **options))


async def _run_sync(endpoint: Any, given: object, options: dict[str, Any]) -> None:
    await settled(endpoint.run_sync(given, 20, **options))


async def _stream(endpoint: Any, given: object, options: dict[str, Any]) -> None:
    await listed(endpoint.stream(given, 20, **options))


async def _map(endpoint: Any, given: object, options: dict[str, Any]) -> None:
    results = endpoint.map({"a": given, "b": given}, **options)
    errors = [result.error async for result in results] if hasattr(results, "__anext__") else [r.error for r in results]
    for error in errors:
        if error is not None:
            raise error


SUBMITS: dict[str, Callable[..., Awaitable[Any]]] = {
    "run": _run,
    "run_sync": _run_sync,
    "stream of a new job": _stream,
    "map": _map,
}
CALLS: dict[str, Callable[[Any], Awaitable[Any]]] = {
    **{name: partial(call, given=given(), options=GIVEN) for name, call in SUBMITS.items()},
    "status": lambda endpoint: settled(endpoint.job("j1").status()),
    "output": lambda endpoint: settled(endpoint.job("j1").output(20)),
    "stream": lambda endpoint: listed(endpoint.job("j1").stream(20)),
    "cancel": lambda endpoint: settled(endpoint.job("j1").cancel()),
    "retry": lambda endpoint: settled(endpoint.job("j1").retry()),
    "purge": lambda endpoint: settled(endpoint.purge_queue()),
    "health": lambda endpoint: settled(endpoint.health()),
}


# What goes wrong.


def quoted(request: Arrival) -> str:
    """Return a request as a debugging proxy shows it."""
    body = request.body.decode()
    return f"{request.method} {request.path} {json.dumps(request.headers)} {body}"


WRITTEN: dict[str, Callable[[str], str]] = {
    "plain": str,
    "html": html.escape,
    "url": quote,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
}


def echo(code: int, written: str = "plain", *, whole: bool = True) -> Act:
    """Answer with the request itself: in the error, in the headers, and in the place that a redirect leads to."""

    def act(connection: Connection) -> None:
        request = connection.read()
        if request is not None:
            text = WRITTEN[written](quoted(request))
            facts = {"error": text, "detail": [{"input": request.body.decode(), "headers": request.headers}]}
            headers = [f"x-echo: {request.headers['authorization']}", f"location: /login?next={quote(text)}"]
            answer = response(code, json.dumps(facts).encode(), *headers)
            connection.send(answer if whole else answer[:-2])
        if not whole:
            connection.close()

    return act


def echo_as_status_line(connection: Connection) -> None:
    """Send the request back, as no HTTP."""
    request = connection.read()
    if request is not None:
        connection.send(f"{quoted(request)}\r\n\r\n".encode())
    connection.close()


FAULTS: dict[str, Act] = {
    "dropped": cut(nothing),
    "reset": cut(nothing, Connection.reset),
    "cut in the body": cut(in_the_body),
    "garbage": always(b"\x00\xff garbage\r\n\r\n"),
    "echo as status line": echo_as_status_line,
    "no TLS": not_tls,
    "HTTP 400": status(400),
    "HTTP 401": status(401),
    "HTTP 500": status(500),
    **{f"echo {code}": echo(code) for code in (200, 302, 400, 401, 404, 422, 429, 500, 502)},
    "echo 200, cut": echo(200, whole=False),
    **{f"echo 422 as {written}": echo(422, written) for written in WRITTEN},
}


class Seen:
    """Collects what leaves the SDK, and finds marks in it."""

    def __init__(self, log: pytest.LogCaptureFixture) -> None:
        self.texts: list[str] = []
        self._log = log

    def add(self, error: BaseException) -> None:
        self.texts += exposed(error)

    def check(self) -> None:
        ours = [record for record in self._log.records if record.name.startswith("runpod_sdk")]
        texts = self.texts + [f"{record.getMessage()} {record.args!r}" for record in ours]
        assert texts
        leaks = {f"{mark}: {text[:300]}" for text in texts for mark in _forms() if mark in text}
        assert not leaks, "\n".join(sorted(leaks)[:20])


def _forms() -> Iterator[str]:
    for mark in MARKS:
        encoded = base64.b64encode(mark.encode()).decode()
        yield from (mark, encoded[:20], quote(mark).replace("-", "%2D"))


@pytest.fixture
def seen(caplog: pytest.LogCaptureFixture) -> Iterator[Seen]:
    with caplog.at_level(logging.DEBUG, "runpod_sdk"):
        yield Seen(caplog)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", provider)
    return iter([exporter])


async def provoke(client: Any, seen: Seen) -> list[str]:
    """Make every call; return those that failed."""
    failed: list[str] = []
    endpoint = client.endpoint("e")
    for name, call in CALLS.items():
        try:
            await call(endpoint)
        except Exception as error:  # noqa: BLE001  whatever comes is looked through
            seen.add(error)
            failed.append(name)
    seen.texts += [repr(value) for value in (client, endpoint, client.unknowns, client.stats)]
    return failed


def options(**more: Any) -> dict[str, Any]:
    return {
        "clock": ImpatientClock(),
        "retry": RetryPolicy(attempts=2),
        "poll": PollPolicy(hold=0.01, outage=1.0),
        "timeout": 5.0,
        **more,
    }


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
@wires
def test_no_fault_exposes_a_secret(
    wire: str, fault: str, seen: Seen, spans: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(wire, monkeypatch)
    hold_briefly(monkeypatch)
    flavour, exporter = WIRES[wire], next(spans)
    more = {"transport": flavour.transport()} if wire.endswith("given") else {}

    async def body(client: Any) -> list[str]:
        return await provoke(client, seen)

    with FaultServer(default=FAULTS[fault]) as server:
        url = server.url.replace("http", "https") if fault == "no TLS" else server.url
        failed = flavour.play(server, body, **options(base_url=url, **more))
    assert set(failed) >= SUBMITS.keys()
    seen.texts += [span.to_json() for span in exporter.get_finished_spans()]
    assert len(exporter.get_finished_spans()) >= len(CALLS)
    seen.check()


# What is wrong with what callers pass in: it is told, and not shown.


def _holding_itself() -> dict[str, Any]:
    inner: dict[str, Any] = given()
    return {**inner, "x": inner, "y": inner.setdefault("self", inner)}


INPUTS: dict[str, object] = {
    "a set": {**given(), "x": {INPUT}},
    "NaN": {**given(), "x": float("nan")},
    "bytes": {**given(), "x": INPUT.encode()},
    "itself": _holding_itself(),
    "a key that is no string": {"prompt": INPUT, ("x",): INPUT},
    "more than the service takes": {"prompt": INPUT, "x": "x" * 21_000_000},
    "text": INPUT,
    "a list": [given()],
}
OPTIONS: dict[str, dict[str, Any]] = {
    "ttl": {"ttl": 1e9},
    "execution_timeout": {"execution_timeout": "long"},
    "on_unknown": {"on_unknown": "whatever"},
    "webhook": {"webhook": HOOK},
    "webhook of a wrong kind": {"webhook": HOOK.encode()},
    "s3_config": {"s3_config": {"accessSecret": S3_SECRET}},
    "value of a header": {"extra_headers": {"x-token": f"{HEADER}\n"}},
    "kind of a header": {"extra_headers": {"x-token": HEADER.encode()}},
    "reserved header": {"extra_headers": {"host": HEADER}},
    "headers": {"extra_headers": [HEADER]},
    "reserved query": {"extra_query": {"sig": QUERY, "wait": QUERY}},
    "kind of a query": {"extra_query": {"sig": [QUERY]}},
    "reserved field": {"extra_body": {"input": given()}},
    "kind of a field": {"extra_body": {"more": {INPUT}}},
    "unknown": {"extra_secret": HEADER},
}
WRONG: dict[str, tuple[object, dict[str, Any]]] = {
    **{f"input: {name}": (value, GIVEN) for name, value in INPUTS.items()},
    **{name: (given(), {**GIVEN, **value}) for name, value in OPTIONS.items()},
}


@pytest.mark.slow
@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("submit", SUBMITS)
@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)
def test_no_wrong_argument_is_shown(flavour: Flavour, submit: str, wrong: str, seen: Seen) -> None:
    value, more = WRONG[wrong]

    async def body(client: Any) -> None:
        with pytest.raises((TypeError, ValueError)) as caught:
            await SUBMITS[submit](client.endpoint("e"), value, more)
        seen.add(caught.value)

    flavour.play(None, body)
    seen.check()


# Whatever comes up while a call is under way.


class AlarmError(Exception):
    """What a signal handler raises."""


@pytest.fixture
def alarmed() -> Iterator[None]:
    def ring(_signum: int, _frame: object) -> None:
        raise AlarmError("enough")

    before = signal.signal(signal.SIGALRM, ring)
    yield
    signal.signal(signal.SIGALRM, before)


def ringing() -> Act:
    """Let the alarm ring once in the main thread, however many requests come; and never answer."""
    is_rung = threading.Lock()

    def ring(connection: Connection) -> None:
        connection.read()
        if is_rung.acquire(blocking=False):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
        connection.stall()

    return ring


@pytest.mark.one_in(3)
@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signal to one thread here")
@pytest.mark.parametrize("call", CALLS)
@wires
def test_no_interruption_exposes_a_secret(
    wire: str, call: str, seen: Seen, alarmed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(wire, monkeypatch)
    for shell in ("_sync_shell", "_async_shell"):
        monkeypatch.setattr(f"runpod_sdk._client.{shell}.GRACE", 0.05)
    flavour = WIRES[wire]
    more = {"transport": flavour.transport()} if wire.endswith("given") else {}

    async def body(client: Any) -> None:
        await CALLS[call](client.endpoint("e"))

    with FaultServer(default=ringing()) as server:
        with pytest.raises((AlarmError, asyncio.CancelledError)) as caught:
            flavour.play(server, body, **more)
        seen.add(caught.value)
    seen.check()
