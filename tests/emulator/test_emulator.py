"""The emulator as a whole: clocks, ids, records, declarations, imports."""

from __future__ import annotations

import asyncio
import importlib
import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

import runpod_sdk.emulator
from runpod_sdk.clock import SystemClock, VirtualClock
from runpod_sdk.emulator import Emulator, Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

    Call = Callable[..., httpx.Response]

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


@pytest.mark.parametrize("first", ["clock", "transport", "connection"])
def test_without_a_socket_time_is_virtual(first: str) -> None:
    with Emulator() as emulator:
        getattr(emulator, first)
        assert isinstance(emulator.clock, VirtualClock)
        with pytest.raises(ValueError, match="serve"):
            emulator.serve()


def test_served_first_time_is_real() -> None:
    with Emulator() as emulator:
        emulator.serve()
        assert isinstance(emulator.clock, SystemClock)
        assert emulator.connection["clock"] is emulator.clock


def test_a_given_clock_is_taken() -> None:
    clock = VirtualClock(start=0)
    with Emulator(clock=clock) as emulator:
        assert emulator.clock is clock


def test_the_connection_has_what_a_client_needs(emulator: Emulator) -> None:
    assert emulator.connection == {
        "api_key": "test",
        "base_url": "https://emulator.invalid/v2",
        "transport": emulator.transport,
        "clock": emulator.clock,
        "trust_connect_errors": True,
    }
    assert emulator.transport is emulator.transport


def ids(seed: int, call: Call) -> list[str]:
    found: list[str] = []
    with Emulator(seed=seed) as emulator:
        emulator.endpoint("e")
        emulator.endpoint("f")
        for path in ("/e/run", "/e/runsync", "/f/runsync"):
            answer = call(emulator, "POST", path, json={"input": {"n": 1}}).json()
            found += [answer["id"], answer.get("workerId", "")]
    return found


def test_the_same_seed_gives_the_same_ids(call_once: Call) -> None:
    assert ids(1, call_once) == ids(1, call_once)
    assert not set(ids(1, call_once)) & set(ids(2, call_once)) - {""}


@pytest.mark.fidelity("/run: an id is a UUID and -u1; /runsync puts sync- before it", source="live")
def test_ids_look_like_the_services_own(call_once: Call) -> None:
    run, _, runsync, worker, *_ = ids(1, call_once)
    assert re.fullmatch(f"{UUID}-u1", run)
    assert re.fullmatch(f"sync-{UUID}-u1", runsync)
    assert re.fullmatch("[0-9a-z]{14}", worker)


def test_requests_are_recorded(call_once: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    assert emulator.requests == []
    call_once(emulator, "POST", "/e/runsync", json={"input": {"mock_delay": 5}})
    call_once(emulator, "GET", "/e/nope")
    call_once(emulator, "GET", "/e/status/x")
    seen = [(r.operation, r.method, r.path, r.status, r.time - 1_735_689_600) for r in emulator.requests]
    assert seen == [
        ("runsync", "POST", "/v2/e/runsync", 200, 0.0),
        ("", "GET", "/v2/e/nope", 404, 5.0),
        ("status", "GET", "/v2/e/status/x", 404, 5.0),
    ]


def test_the_record_is_bounded(call_once: Call) -> None:
    with Emulator(options=Options(record=2)) as emulator:
        for path in ("/a/run", "/b/run", "/c/run"):
            call_once(emulator, "POST", path)
        assert [record.path for record in emulator.requests] == ["/v2/b/run", "/v2/c/run"]


def test_jobs_are_views_by_id_and_by_endpoint(call_once: Call, emulator: Emulator) -> None:
    endpoint = emulator.endpoint("e", workers=0)
    emulator.endpoint("f", workers=0)
    assert emulator.jobs == {}
    first = call_once(emulator, "POST", "/e/run", json={"input": {"n": 1}}).json()["id"]
    second = call_once(emulator, "POST", "/f/run", json={"input": {"n": 2}}).json()["id"]
    assert {job_id: job.input for job_id, job in emulator.jobs.items()} == {first: {"n": 1}, second: {"n": 2}}
    assert list(endpoint.jobs) == [first]
    emulator.clock.sleep(86_400)
    assert emulator.jobs == {}


def test_an_endpoint_may_be_declared_late_but_only_once(call_once: Call, emulator: Emulator) -> None:
    assert call_once(emulator, "GET", "/e/health").status_code == 404
    emulator.endpoint("e", workers=3)
    assert call_once(emulator, "GET", "/e/health").json()["workers"]["idle"] == 3
    with pytest.raises(ValueError, match="endpoint_id='e'"):
        emulator.endpoint("e")


def test_a_negative_number_of_workers_is_refused(emulator: Emulator) -> None:
    with pytest.raises(ValueError, match="workers=-1"):
        emulator.endpoint("e", workers=-1)


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("inject", {"fault": "x"}, r"fault='x': a Fault, such as"),
        ("endpoint", {"handler": 5}, r"handler=5: a function, the path of a worker's file, or None exp"),
        ("endpoint", {"workers": "2"}, r"workers='2': a whole number expected"),
        ("endpoint", {"workers": True}, r"workers=True: a whole number expected"),
        ("__init__", {"options": 3}, r"options=3: Options, or None, expected"),
        ("__init__", {"clock": 3}, r"clock=3: a clock of runpod_sdk.clock, or None, expected"),
        ("__init__", {"api_key": 3}, r"api_key: a text expected"),
    ],
)
def test_an_argument_of_another_type_is_refused_at_once(
    emulator: Emulator, name: str, arguments: dict[str, Any], said: str
) -> None:
    given: dict[str, Any] = {"endpoint_id": "e", **arguments} if name == "endpoint" else arguments
    with pytest.raises(TypeError, match=said):
        Emulator(**given) if name == "__init__" else getattr(emulator, name)(**given)
    assert (emulator.endpoints, emulator.faults.all()) == ({}, [])


def test_options_reach_the_answers(call_once: Call) -> None:
    with Emulator(api_key="other", options=Options(not_found="problem")) as emulator:
        headers = {"authorization": "other"}
        answer = call_once(emulator, "GET", "/e/health", headers=headers)
        assert answer.json() == {"status": 404, "title": "Not Found", "detail": "endpoint not found"}


@pytest.mark.fidelity("/health: ready counts what is idle, too", source="live")
def test_health_shows_idle_and_running_workers(call_once: Call, emulator: Emulator) -> None:
    emulator.endpoint("e", workers=2)
    call_once(emulator, "POST", "/e/run", json={"input": {"mock_delay": 60}})
    health = call_once(emulator, "GET", "/e/health").json()
    assert health["jobs"] == {"completed": 0, "failed": 0, "inProgress": 1, "inQueue": 0, "retried": 0}
    assert (health["workers"]["idle"], health["workers"]["running"]) == (1, 1)


def test_a_closed_emulator_says_so() -> None:
    emulator = Emulator()
    emulator.close()
    emulator.close()
    with pytest.raises(RuntimeError, match="closed"):
        emulator.transport  # noqa: B018  reading it is what is tested


def test_closing_ends_a_generator_that_has_no_end_of_its_own(call_once: Call) -> None:
    ended = threading.Event()

    def handler(_: Any) -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            ended.set()

    with Emulator() as emulator:
        emulator.endpoint("e", handler)
        call_once(emulator, "POST", "/e/run", json={"input": {"n": 1}})
    assert ended.wait(10)


def test_the_next_worker_finds_its_own_modules_where_the_names_are_the_same(
    call_once: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    outputs: list[Any] = []
    for name in ("first", "second", "first"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "model_beside.py").write_text(f"NAME = {name!r}")
        (folder / "handler.py").write_text("from model_beside import NAME\ndef run(job): return NAME")
        importlib.invalidate_caches()
        with Emulator() as emulator:
            emulator.endpoint("e", f"{folder / 'handler.py'}:run")
            answer = call_once(emulator, "POST", "/e/runsync", json={"input": {"n": 1}}).json()
            outputs.append(answer["output"])
    assert outputs == ["first", "second", "first"]


def test_what_is_exported_is_sorted_and_there() -> None:
    names = runpod_sdk.emulator.__all__
    assert names == sorted(names)
    assert all(hasattr(runpod_sdk.emulator, name) for name in names)


def test_importing_needs_no_server() -> None:
    code = (
        "import sys, runpod_sdk.emulator as e; e.Emulator().transport; "
        "print([m for m in ('uvicorn', 'starlette', 'runpod_queue_client') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603  our own code
    assert done.stdout.strip() == "[]"


def test_the_app_serves_any_asgi_server(emulator: Emulator) -> None:
    """One request by hand, as a server makes it, and its lifespan."""
    emulator.endpoint("e")
    sent: list[Any] = []
    received = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Any:
        return next(received)

    async def send(message: Any) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"method": "GET", "path": "/v2/e/health", "query_string": b""}
    headers = [(b"authorization", b"test")]

    async def main() -> None:
        await emulator.app({"type": "lifespan"}, receive, send)
        await emulator.app({"type": "http", "headers": headers} | scope, receive, send)

    asyncio.run(main())
    assert [message["type"] for message in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
        "http.response.start",
        "http.response.body",
    ]
    assert sent[2]["status"] == 200
