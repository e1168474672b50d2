"""Both flavours over a real socket: what arrives there, and what comes of answers that are none."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Self

import pytest

import runpod_sdk._http._message as message
from runpod_sdk import (
    APIConnectionError,
    APIResponseValidationError,
    AsyncClient,
    Client,
    RetryPolicy,
    SubmissionUnknownError,
    __version__,
)
from runpod_sdk.emulator import Emulator
from tests.sdk.flavours import World, caught, in_one_step

PROXIES = ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
NO_WAIT = RetryPolicy(attempts=3, wait_initial=0.0, wait_max=0.0)
Kind = type[Client | AsyncClient]
Body = Callable[[AsyncClient], Coroutine[Any, Any, None]]


def play(kind: Kind, body: Body, **options: Any) -> None:
    """Run a body that is written for AsyncClient with either flavour."""
    options = {"retry": NO_WAIT, "timeout": 10.0, **options}

    async def whole() -> None:
        client = World.dress(kind(**options))
        try:
            await body(client)
        finally:
            await client.aclose()

    run = asyncio.run if kind is AsyncClient else in_one_step
    run(whole())


class RawServer:
    """Reads whole requests, and answers each with the same bytes; no bytes: closes the connection instead."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.heads: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v2"
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            while head := self._head(stream):
                self.heads.append(head)
                if not self.answer:
                    break
                connection.sendall(self.answer)

    @staticmethod
    def _head(stream: Any) -> str:
        lines: list[str] = []
        length = 0
        for line in iter(stream.readline, b"\r\n"):
            if not line:
                return ""
            lines.append(line.decode().strip())
            name, _, value = lines[-1].partition(":")
            length = int(value) if name.lower() == "content-length" else length
        stream.read(length)
        return "\n".join(lines)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


def answered(status: str, body: bytes = b"", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


QUEUED = json.dumps({"id": "j1", "status": "IN_QUEUE"}).encode()
both = pytest.mark.parametrize("kind", [Client, AsyncClient])


@both
def test_an_emulator_on_a_socket_does_it_all(kind: Kind) -> None:
    async def body(client: AsyncClient) -> None:
        endpoint = client.endpoint("abc")
        assert await endpoint.run_sync({"mock_return": {"a": "ä"}}) == {"a": "ä"}
        job = await endpoint.run({"mock_return": 0})
        assert await job.output(10) == 0
        assert [chunk async for chunk in endpoint.stream({"mock_return": [1, None, "c"]})] == [1, None, "c"]
        assert (await endpoint.health()).jobs.completed == 3
        assert (await job.cancel()).status == "COMPLETED"
        assert (await endpoint.purge_queue()).removed == 0

    with Emulator() as emulator:
        emulator.endpoint("abc")
        with emulator.serve() as server:
            play(kind, body, **server.connection)


@both
def test_proxy_variables_do_not_break_this_machine(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async def body(client: AsyncClient) -> None:
        assert (await client.endpoint("abc").run({})).id == "j1"

    with RawServer(answered("200 OK", QUEUED)) as server:
        play(kind, body, api_key="k", base_url=server.base_url)


@both
def test_what_a_request_says(kind: Kind) -> None:
    async def body(client: AsyncClient) -> None:
        await client.endpoint("abc").run({"a": 1}, extra_headers={"X-Trace": "1"}, extra_query={"q": "ä b"})

    with RawServer(answered("200 OK", QUEUED)) as server:
        play(kind, body, api_key="hunter2", base_url=server.base_url)
    (head,) = server.heads
    first, *rest = head.split("\n")
    headers = dict(line.lower().split(": ", 1) for line in rest)
    assert first == "POST /v2/abc/run?q=%C3%A4+b HTTP/1.1"
    assert headers["user-agent"].startswith(f"runpod-sdk-python/{__version__.lower()} ")
    assert (headers["authorization"], headers["accept"]) == ("bearer hunter2", "application/json")
    assert (headers["content-type"], headers["x-trace"]) == ("application/json", "1")
    assert headers["content-length"] == str(len('{"input":{"a":1}}'))


@both
def test_a_packed_answer_is_unpacked(kind: Kind) -> None:
    async def body(client: AsyncClient) -> None:
        assert (await client.endpoint("abc").run({})).id == "j1"

    with RawServer(answered("200 OK", gzip.compress(QUEUED), content_encoding="gzip")) as server:
        play(kind, body, api_key="k", base_url=server.base_url)


@both
def test_a_redirect_is_not_followed(kind: Kind) -> None:
    async def body(client: AsyncClient) -> None:
        error = await caught(APIResponseValidationError, lambda: client.endpoint("abc").run({}))
        assert "which is not followed" in str(error)

    with RawServer(answered("200 OK", QUEUED)) as elsewhere:
        redirect = answered("307 Temporary Redirect", location=f"{elsewhere.base_url}/abc/run")
        with RawServer(redirect) as server:
            play(kind, body, api_key="k", base_url=server.base_url)
        assert (len(server.heads), elsewhere.heads) == (1, [])


BAD = {
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "html": answered("200 OK", b"<html>"),
    "not http": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "bad length": b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    "bad gzip": answered("200 OK", b"not packed", content_encoding="gzip"),
    "dropped": b"",
}


@both
@pytest.mark.parametrize("name", BAD)
def test_a_submit_with_a_bad_answer_is_unknown_and_sent_once(kind: Kind, name: str) -> None:
    async def body(client: AsyncClient) -> None:
        await caught(SubmissionUnknownError, lambda: client.endpoint("abc").run({"a": 1}))
        await caught(SubmissionUnknownError, lambda: client.endpoint("abc").run_sync({"a": 1}))
        assert [record.operation for record in client.unknowns] == ["run", "runsync"]

    with RawServer(BAD[name]) as server:
        play(kind, body, api_key="k", base_url=server.base_url)
    assert [head.split()[1].split("?")[0] for head in server.heads] == ["/v2/abc/run", "/v2/abc/runsync"]


@both
@pytest.mark.parametrize("name", BAD)
def test_a_look_with_a_bad_answer_is_our_error(kind: Kind, name: str) -> None:
    async def body(client: AsyncClient) -> None:
        with pytest.raises((APIResponseValidationError, APIConnectionError)) as failed:
            await client.endpoint("abc").health()
        assert isinstance(failed.value, APIResponseValidationError) == (name in ("no content", "html", "bad gzip"))

    with RawServer(BAD[name]) as server:
        play(kind, body, api_key="k", base_url=server.base_url)
    # A whole answer is as it is; a broken one may be better the next time.
    assert len(server.heads) == (1 if name in ("no content", "html") else 3)


@both
def test_an_answer_above_the_cap_is_not_read(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message, "BODY_CAP", 1000)

    async def body(client: AsyncClient) -> None:
        error = await caught(SubmissionUnknownError, lambda: client.endpoint("abc").run({"a": 1}))
        assert "BodyTooLargeError" in str(error.__cause__)

    with RawServer(answered("200 OK", gzip.compress(b"x" * 1001), content_encoding="gzip")) as server:
        play(kind, body, api_key="k", base_url=server.base_url)
    assert len(server.heads) == 1


@both
def test_a_refused_connection_is_tried_again_as_often_as_the_policy_says(kind: Kind) -> None:
    heard: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    async def body(client: AsyncClient) -> None:
        error = await caught(APIConnectionError, lambda: client.endpoint("abc").run({"a": 1}))
        assert "no answer after 3 attempts: ConnectError" in str(error)
        assert client.unknowns == ()

    retry = RetryPolicy(attempts=3, wait_initial=0.0, wait_max=0.0, on_retry=lambda retry: heard.append(retry.attempt))
    play(kind, body, api_key="k", base_url=f"http://127.0.0.1:{port}/v2", retry=retry)
    assert heard == [1, 2]
