"""An endpoint at a URL of its own: a pod, or a worker's own server, whose routes begin where the URL ends."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk import APIConnectionError, AsyncClient, Client, NotFoundError, WaitTimeoutError, as_completed
from runpod_sdk.emulator import Emulator, Fault
from runpod_sdk.emulator._emulator import BASE_URL
from tests.sdk.flavours import World, bare, both_flavours, caught
from tests.sdk.test_socket import NO_WAIT, Kind, RawServer, answered, play

if TYPE_CHECKING:
    from collections.abc import Callable

both = pytest.mark.parametrize("kind", [Client, AsyncClient])


@both_flavours
async def test_every_operation_reaches_it(world: World) -> None:
    world.emulator.endpoint("abc", lambda job: job["input"])
    world.emulator.endpoint("yields")
    client = world.client()
    endpoint, yields = client.endpoint(url=f"{BASE_URL}/abc/"), client.endpoint(url=f"{BASE_URL}/yields")
    assert (endpoint.id, endpoint.url) == (f"{BASE_URL}/abc", f"{BASE_URL}/abc")
    assert await endpoint.run_sync({"n": 1}) == {"n": 1}
    job = await endpoint.run({"n": 2})
    assert job.endpoint_id == endpoint.url
    assert await job.output() == {"n": 2}
    assert await endpoint.job(job.id).status() == "COMPLETED"
    assert (await job.cancel()).status == "COMPLETED"
    assert (await endpoint.health()).jobs.completed == 2
    assert (await endpoint.purge_queue()).removed == 0
    assert [result.output async for result in endpoint.map([{"n": 3}, {"n": 4}], ordered=True)] == [{"n": 3}, {"n": 4}]
    assert [chunk async for chunk in yields.stream({"mock_return": ["x", "y"]})] == ["x", "y"]
    assert len({record.path.split("/")[2] for record in world.emulator.requests}) == 2


@both_flavours
async def test_it_shares_counts_policies_and_end_with_its_client(world: World) -> None:
    world.emulator.endpoint("abc", lambda job: job["input"])
    client = world.client()
    endpoint = client.with_options(retry=None).endpoint(url=f"{BASE_URL}/abc")
    world.emulator.inject(Fault.status(502, times=1, on="run"))
    with pytest.raises(Exception, match="the outcome is unknown"):
        await endpoint.run({"n": 1})
    assert [record.endpoint_id for record in client.unknowns] == [f"{BASE_URL}/abc"]
    assert client.stats["run"].requests == 1
    assert (await client.endpoint("abc").health()).jobs.completed == 0
    await client.aclose()
    with pytest.raises(RuntimeError, match="closed"):
        await endpoint.health()
    with pytest.raises(RuntimeError, match="closed"):
        client.endpoint(url="https://another.invalid")


@both_flavours
async def test_it_leads_back_to_its_jobs(world: World) -> None:
    world.emulator.endpoint("abc", workers=0)
    endpoint = world.client().endpoint(url=f"{BASE_URL}/abc")
    job = await endpoint.run({"n": 1})
    with pytest.raises(WaitTimeoutError) as timed_out:
        await job.output(timeout=1)
    assert f'client.endpoint(url="{BASE_URL}/abc").job("{job.id}")' in timed_out.value.__notes__[0]
    again = pickle.loads(pickle.dumps(bare(job)))  # noqa: S301  ours
    with pytest.raises(RuntimeError, match=r"client\.endpoint\(url="):
        await again.status()
    assert await world.client().endpoint(url=again.endpoint_id).job(again.id).status() == "IN_QUEUE"


def test_jobs_of_it_and_of_others_are_collected_together() -> None:
    emulator = Emulator()
    emulator.endpoint("abc", lambda job: job["input"]["n"])
    with Client(**emulator.connection) as client:
        places = (client.endpoint("abc"), client.endpoint(url=f"{BASE_URL}/abc"))
        jobs = [place.run({"n": n}) for n, place in enumerate(places)]
        assert sorted(state.output for _, state in as_completed(jobs)) == [0, 1]


def test_it_outlives_the_name_of_its_client() -> None:
    with RawServer(answered("200 OK", b'{"id": "j1", "status": "COMPLETED", "output": 1}')) as server:
        endpoint = Client("k").endpoint(url=server.base_url.removesuffix("/v2"))
        assert endpoint.run_sync({}, timeout=10) == 1


@both
@pytest.mark.parametrize(("path", "expected"), [("", ""), ("/", ""), ("/a b/", "/a%20b"), ("/v2/abc", "/v2/abc")])
def test_routes_begin_where_the_url_ends(kind: Kind, path: str, expected: str) -> None:
    async def body(client: AsyncClient) -> None:
        endpoint = client.endpoint(url=server.base_url.removesuffix("/v2") + path)
        assert await endpoint.run_sync({"a": 1}) == 1
        await endpoint.job("j1").state(ttl=10)

    with RawServer(answered("200 OK", b'{"id": "j1", "status": "COMPLETED", "output": 1}')) as server:
        play(kind, body, api_key="k")
    assert [head.split("\n")[0] for head in server.heads] == [
        f"POST {expected}/runsync?wait=1000 HTTP/1.1",
        f"GET {expected}/status/j1?ttl=10000 HTTP/1.1",
    ]
    assert "authorization: bearer k" in server.heads[0].lower()


@both
def test_a_client_of_the_callers_carries_it_too(kind: Kind) -> None:
    seen: list[str] = []

    def serve(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(200, json={"id": "j1", "status": "IN_QUEUE"})

    async def body(client: AsyncClient) -> None:
        await client.endpoint("abc").run({})
        await client.endpoint(url="https://pod.invalid:8000").run({})

    made: Any = httpx.Client if kind is Client else httpx.AsyncClient
    given = made(transport=httpx.MockTransport(serve), base_url="https://queue.invalid/v2")
    play(kind, body, api_key="k", base_url="https://queue.invalid/v2", http_client=given)
    assert seen == ["https://queue.invalid/v2/abc/run", "https://pod.invalid:8000/run"]


@pytest.mark.one_in(5)
@both
@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("127.0.0.1:8000", "expected"),
        ("http://10.0.0.1:8000", "unencrypted"),
        ("https://pod.invalid?key=hunter2", "query"),
        ("https://user:hunter2@pod.invalid", "user name or password"),
        ("https://pod..invalid", "no host is called"),
        ("https://pod.invalid/run", "that of an operation: leave /run out"),
        ("https://pod.invalid/v2/abc/status-sync/", "that of an operation"),
        ("", "expected"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused(kind: Kind, url: str, why: str) -> None:
    with pytest.raises(ValueError, match="url") as refused:
        kind("k").endpoint(url=url)
    assert why in str(refused.value)
    assert "hunter2" not in str(refused.value)


@both
def test_http_to_another_machine_is_for_the_client_to_allow(kind: Kind) -> None:
    assert kind("k", allow_http=True).endpoint(url="http://10.0.0.1:8000").url == "http://10.0.0.1:8000"


@both
def test_an_id_or_a_url_is_needed_and_not_both(kind: Kind) -> None:
    client: Any = kind("k")
    with pytest.raises(TypeError, match="endpoint_id and url cannot be combined"):
        client.endpoint("abc", url="https://pod.invalid")
    with pytest.raises(TypeError, match="endpoint_id=None: a string expected"):
        client.endpoint()
    with pytest.raises(TypeError, match="url is of type int"):
        client.endpoint(url=5)
    with pytest.raises(ValueError, match="endpoint_id is a URL: pass it as url="):
        client.endpoint("https://pod.invalid")


# The official worker's own server. Source: runpod-python 1.12.0, serverless/modules/rp_fastapi.py.


class LocalServer(RawServer):
    """Takes jobs, and runs each when its status is asked for, by POST."""

    def __init__(self, on_status: Callable[[], bytes]) -> None:
        super().__init__(b"")
        self._on_status = on_status

    @property
    def answer(self) -> bytes:
        method, path = self.heads[-1].split()[:2]
        if path == "/run":
            return answered("200 OK", json.dumps({"id": "test-1", "status": "IN_PROGRESS"}).encode())
        if not path.startswith("/status/"):
            return answered("404 Not Found", b'{"detail": "Not Found"}')
        return self._on_status() if method == "POST" else answered("405 Method Not Allowed", allow="POST")

    @answer.setter
    def answer(self, _: bytes) -> None: ...


@both
def test_a_status_that_takes_post_is_asked_so(kind: Kind) -> None:
    async def body(client: AsyncClient) -> None:
        job = await client.endpoint(url=server.base_url.removesuffix("/v2")).run({})
        assert await job.output(timeout=10) == 7
        await caught(NotFoundError, job.cancel)

    done = answered("200 OK", json.dumps({"id": "test-1", "status": "COMPLETED", "output": 7}).encode())
    with LocalServer(lambda: done) as server:
        play(kind, body, api_key="k")
    assert sum(head.startswith("POST /status/") for head in server.heads) == 1


@both
def test_a_status_by_post_runs_the_job_and_is_not_repeated_where_that_is_unknown(kind: Kind) -> None:
    async def body(client: AsyncClient) -> None:
        job = await client.endpoint(url=server.base_url.removesuffix("/v2")).run({})
        await caught(APIConnectionError, lambda: job.output(timeout=10))
        await caught(APIConnectionError, job.status)

    with LocalServer(lambda: b"") as server:
        play(kind, body, api_key="k")
    assert sum(head.startswith("POST /status/") for head in server.heads) == 2
    assert NO_WAIT.attempts > 1
