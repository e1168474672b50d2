"""What is not known everywhere yet, and a queue that is full: off by default, as nobody could test on it."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk.clock import VirtualClock
from runpod_sdk.emulator import Emulator, Options
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._queue import Queue
from runpod_sdk.emulator._queue._requests import Reply, ReplyKind

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def emulated(request: pytest.FixtureRequest, clock: VirtualClock) -> Iterator[tuple[Emulator, httpx.Client]]:
    """Yield an emulator with options of the test's, and a caller."""
    with Emulator(clock=clock, options=Options(**request.param)) as emulator:
        emulator.endpoint("ep", workers=0)
        url, headers = emulator.connection["base_url"] + "/ep", {"authorization": emulator.api_key}
        with httpx.Client(transport=emulator.transport, base_url=url, headers=headers) as caller:
            yield emulator, caller


def submit(caller: httpx.Client) -> httpx.Response:
    return caller.post("/run", json={"input": {"a": 1}})


Emulated = tuple[Emulator, httpx.Client]


@pytest.mark.parametrize("emulated", [{"endpoint_propagation": 60.0}], indirect=True)
@pytest.mark.fidelity(
    "errors: an endpoint that was just declared may be answered 404 (Options.endpoint_propagation)",
    source="official source",
)
def test_an_endpoint_is_not_known_at_once(emulated: Emulated, clock: VirtualClock) -> None:
    _, caller = emulated
    assert [submit(caller).status_code, caller.get("/health").status_code] == [404, 404]
    assert caller.get("/health").json() == {"error": "endpoint not found"}
    clock.advance(60)
    assert [submit(caller).status_code, caller.get("/health").status_code] == [200, 200]
    assert caller.get("/health").json()["jobs"]["inQueue"] == 1


@pytest.mark.parametrize("emulated", [{"job_propagation": 30.0}], indirect=True)
@pytest.mark.parametrize(
    ("method", "operation"),
    [("GET", "status"), ("GET", "status-sync"), ("GET", "stream"), ("POST", "cancel"), ("POST", "retry")],
)
@pytest.mark.fidelity(
    "errors: a job that was just submitted may be answered 404 (Options.job_propagation)", source="official source"
)
def test_a_job_is_not_known_at_once(emulated: Emulated, clock: VirtualClock, method: str, operation: str) -> None:
    _, caller = emulated
    job = submit(caller).json()["id"]
    path, wait = f"/{operation}/{job}", {"wait": "1000"} if operation in {"status-sync", "stream"} else {}
    assert caller.request(method, path, params=wait).status_code == 404
    clock.advance(30)
    assert caller.request(method, path, params=wait).status_code == (400 if operation == "retry" else 200)


@pytest.mark.parametrize("emulated", [{"queue_limit": True}, {}], indirect=True)
@pytest.mark.fidelity(
    "errors: above 50 jobs in the queue, and 500 for each worker, a submit is answered 429 (Options.queue_limit)",
    source="documented",
)
def test_a_full_queue_takes_no_more(emulated: Emulated, request: pytest.FixtureRequest) -> None:
    _, caller = emulated
    answers = [submit(caller).status_code for _ in range(52)]
    is_limited: dict[str, Any] = request.node.callspec.params["emulated"]
    assert answers == [200] * 51 + [429 if is_limited else 200]
    caller.post("/purge-queue")
    assert submit(caller).status_code == 200


def test_a_worker_is_worth_500_places() -> None:
    queue = Queue("ep", new_id=map(str, count()).__next__, options=Options(queue_limit=True))
    queue.handle(ask.Take(worker_id="w", lease=1e9), 0.0)
    job = ask.Submit(input={}, execution_timeout=600.0, ttl=1e6, retention=60.0)
    kinds = [queue.handle(job, 0.0)[0] for _ in range(503)]
    assert [kind.kind for kind in kinds if isinstance(kind, Reply)] == [ReplyKind.DONE] * 502 + [ReplyKind.TOO_MANY]
