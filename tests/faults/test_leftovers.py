"""One answer to one request: whatever comes beside it, before or after, is never taken for the answer to another."""

from __future__ import annotations

import select
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk import RetryPolicy, SubmissionUnknownError
from runpod_sdk._http import _async_connections, _connections, _sockets
from tests.faults.acts import twice
from tests.faults.flavours import settled
from tests.faults.server import Connection, FaultServer, answer, response
from tests.faults.table import GIVEN, OURS, TELLING, WIRES, choose

if TYPE_CHECKING:
    import socket

    from tests.faults.server import Act

STALE = b'{"id": "stale", "status": "IN_QUEUE"}'


@pytest.fixture(autouse=True)
def _chosen(wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(wire, monkeypatch)


async def ids(client: Any, *endpoint_ids: str) -> list[str]:
    return [(await settled(client.endpoint(each).run({}))).id for each in endpoint_ids]


def options_of(wire: str) -> dict[str, Any]:
    return {"transport": WIRES[wire].transport()} if wire in GIVEN else {}


def serve(server: FaultServer, *acts: Act) -> None:
    """Let each endpoint have its own job; `acts` are for the first."""
    for name in ("a", "b", "c"):
        server.script(name, *(acts if name == "a" else ()), job_id=f"job-{name}")


FOLLOWED: dict[str, Act] = {
    "the same again": twice(),
    "another answer": twice(response(200, STALE)),
    "the beginning of one": twice(b"HTTP/1.1 200 OK\r\ncontent-"),
    "a line end": twice(b"\r\n"),
    "a farewell": twice(response(408, b"", "connection: close")),
}


@pytest.mark.parametrize("wire", TELLING)
@pytest.mark.parametrize("act", FOLLOWED.values(), ids=FOLLOWED)
def test_what_follows_an_answer_in_the_same_packet_answers_nothing(act: Act, wire: str) -> None:
    async def body(client: Any) -> None:
        assert await ids(client, "a", "b", "c") == ["job-a", "job-b", "job-c"]
        assert client.unknowns == ()

    with FaultServer() as server:
        serve(server, act)
        WIRES[wire].play(server, body, **options_of(wire))
    assert [arrival.nth for arrival in server.arrivals] == [1, 1, 2], "the connection carries nothing more"


@pytest.mark.parametrize("is_blocked", [False, True], ids=["the loop runs", "the loop is kept busy"])
@pytest.mark.parametrize("wire", TELLING)
def test_what_follows_an_answer_later_answers_nothing(wire: str, is_blocked: bool) -> None:  # noqa: FBT001
    asked, said = threading.Event(), threading.Event()

    def later(connection: Connection) -> None:
        answer(connection)
        asked.wait()
        connection.send(response(200, STALE))
        said.set()

    async def body(client: Any) -> None:
        assert await ids(client, "a") == ["job-a"]
        asked.set()
        if is_blocked:
            said.wait()
        else:
            await WIRES[wire].blocking(said.wait)
        assert await ids(client, "b", "c") == ["job-b", "job-c"]

    with FaultServer() as server:
        serve(server, later)
        WIRES[wire].play(server, body, **options_of(wire))
    assert [arrival.nth for arrival in server.arrivals] == [1, 1, 2]


@pytest.mark.parametrize("wire", [name for name in OURS if "httpx" not in name])
@pytest.mark.parametrize("greeting", [response(200, STALE), b"220 ready\r\n", b"HTTP/1.1"], ids=range(3))
def test_who_speaks_before_being_asked_is_not_asked(
    greeting: bytes, wire: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays = iter([True])

    def greeted(opened: socket.socket) -> socket.socket:
        """Wait for the greeting, which else might come a moment after the request."""
        if next(delays, False):
            select.select([opened], [], [])
        return opened

    connected, connected_async = _sockets.connected, _async_connections.connected

    async def slowly(*given: Any) -> socket.socket:
        return greeted(await connected_async(*given))

    def connected_later(*given: Any) -> socket.socket:
        return greeted(connected(*given))

    monkeypatch.setattr(_connections, "connected", connected_later)
    monkeypatch.setattr(_async_connections, "connected", slowly)

    async def body(client: Any) -> None:
        assert await ids(client, "a") == ["job-a"]

    with FaultServer() as server:
        serve(server)
        server.greetings.append(greeting)
        WIRES[wire].play(server, body, retry=RetryPolicy(wait_initial=0.0))
    assert server.operations("a") == ["run"]


@pytest.mark.parametrize("wire", ["given", "async-given"])
def test_where_a_stale_answer_cannot_be_seen_its_id_gives_it_away(wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unseen(_: object) -> bool:
        return False

    monkeypatch.setattr("runpod_sdk._http._trace.is_followed", unseen)

    async def body(client: Any) -> None:
        assert await ids(client, "a") == ["job-a"]
        with pytest.raises(SubmissionUnknownError):
            await ids(client, "b")
        assert [record.endpoint_id for record in client.unknowns] == ["b"]
        assert await ids(client, "c") == ["job-c"]

    with FaultServer() as server:
        serve(server, twice())
        WIRES[wire].play(server, body, **options_of(wire))
    assert [arrival.nth for arrival in server.arrivals] == [1, 2, 1]


@pytest.mark.parametrize("wire", ["given", "async-given"])
def test_a_mock_may_answer_each_submit_alike(wire: str) -> None:
    async def body(client: Any) -> None:
        assert await ids(client, "a", "b") == ["stale", "stale"]

    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=STALE))
    with FaultServer() as server:
        WIRES[wire].play(server, body, transport=transport)
