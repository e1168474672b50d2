"""Webhooks: a POST when a job ends, to a server of the user's own."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk.clock import VirtualClock
from runpod_sdk.emulator import Emulator, Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    Call = Callable[..., httpx.Response]


class Receiver:
    """A server that notes what it gets, and answers with the next of `statuses`, at the end with 200."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.statuses: list[int] = []
        self.headers: list[dict[str, str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    return  # the sender was killed
                receiver.got.append(json.loads(body))
                receiver.headers.append({name.lower(): value for name, value in self.headers.items()})
                receiver.paths.append(self.path)
                status = receiver.statuses.pop(0) if receiver.statuses else 200
                self.send_response(status)
                if status == 302:
                    self.send_header("location", "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class names it so
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def run(call: Call, emulator: Emulator, url: str, **job_input: Any) -> str:
    body = {"input": {"n": 1} | job_input, "webhook": url}
    job_id: str = call(emulator, "POST", "/e/run", json=body).json()["id"]
    return job_id


def attempts(emulator: Emulator) -> list[tuple[int, Any]]:
    return [(row["attempt"], row["status"]) for row in emulator.ledger.rows() if row["kind"] == "webhook"]


@pytest.mark.parametrize("job_input", [{"mock_return": 42}, {"mock_error": True}], ids=["completed", "failed"])
@pytest.mark.fidelity("webhooks: a POST at the end of the job, with the body of /status", source="documented")
def test_the_body_is_that_of_status(call: Call, emulator: Emulator, receiver: Receiver, job_input: Any) -> None:
    emulator.endpoint("e")
    job_id = run(call, emulator, receiver.url, mock_delay=5, **job_input)
    emulator.clock.sleep(60)
    assert receiver.got == [call(emulator, "GET", f"/e/status/{job_id}").json()]
    assert receiver.headers[0]["content-type"] == "application/json"
    assert "authorization" not in receiver.headers[0]
    assert attempts(emulator) == [(1, 200)]


@pytest.mark.fidelity("webhooks: unless answered 200, two more tries, 10 seconds apart", source="documented")
def test_it_is_tried_three_times_ten_seconds_apart(call: Call, emulator: Emulator, receiver: Receiver) -> None:
    emulator.endpoint("e")
    receiver.statuses = [500, 201, 404, 200]
    run(call, emulator, receiver.url)
    began = emulator.clock.time()
    emulator.clock.sleep(3600)
    rows = [row for row in emulator.ledger.rows() if row["kind"] == "webhook"]
    assert [(row["attempt"], row["status"], row["time"] - began) for row in rows] == [
        (1, 500, 0),
        (2, 201, 10),
        (3, 404, 20),
    ]
    assert len(receiver.got) == 3


@pytest.mark.fidelity("webhooks: nothing follows an answer of 200", source="documented")
def test_nothing_follows_a_delivery(call: Call, emulator: Emulator, receiver: Receiver) -> None:
    emulator.endpoint("e")
    receiver.statuses = [503, 200]
    run(call, emulator, receiver.url)
    emulator.clock.sleep(3600)
    assert attempts(emulator) == [(1, 503), (2, 200)]


@pytest.mark.fidelity("webhooks: redirects are not followed", source="assumed")
def test_redirects_are_not_followed(call: Call, emulator: Emulator, receiver: Receiver) -> None:
    emulator.endpoint("e")
    receiver.statuses = [302]
    run(call, emulator, receiver.url)
    emulator.clock.sleep(3600)
    assert attempts(emulator) == [(1, 302), (2, 200)]
    assert receiver.paths == ["/hook", "/hook"]


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "nonsense",
        "http://",
        "http://127.0.0.1:99999/",
        "http://[::1/",
        "http://a b/",
        "http://" + "a" * 300 + "/",
        "http://\xe9..\xe9/",
    ],
)
def test_a_webhook_that_leads_nowhere_harms_nobody(call: Call, emulator: Emulator, url: str) -> None:
    emulator.endpoint("e")
    job_id = run(call, emulator, url)
    emulator.clock.sleep(3600)
    assert [number for number, _ in attempts(emulator)] == [1, 2, 3]
    assert all(isinstance(status, str) for _, status in attempts(emulator))
    assert call(emulator, "GET", f"/e/status/{job_id}").status_code in (200, 404)


class Misbehaving:
    """A server that takes what comes, and then says what is no answer, or none that ends."""

    def __init__(self, says: bytes, *, again: bytes = b"", hangs: bool = False) -> None:
        self._says, self._again, self._hangs = says, again, hangs
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/hook"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):  # closed
            while True:
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):
                    self._read_request(connection)
                    connection.sendall(self._says)
                    while self._again:
                        connection.sendall(self._again)
                    while self._hangs and connection.recv(65536):
                        pass

    def _read_request(self, connection: socket.socket) -> None:
        """Read all of it: who hangs up on what was not read resets the connection."""
        head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(body) < length:
            body += connection.recv(65536)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


MISBEHAVIOUR: dict[str, tuple[Any, int | str]] = {
    "no HTTP": (lambda: Misbehaving(b"OK\n"), "BadStatusLine"),
    "bytes": (lambda: Misbehaving(bytes(range(256))), "BadStatusLine"),
    "another protocol": (lambda: Misbehaving(b"\x16\x03\x01\x00\x05hello", hangs=True), "TimeoutError"),
    "a status that is no number": (lambda: Misbehaving(b"HTTP/1.1 abc OK\r\n\r\n"), "BadStatusLine"),
    "nothing": (lambda: Misbehaving(b""), "RemoteDisconnected"),
    "nothing, and does not hang up": (lambda: Misbehaving(b"", hangs=True), "TimeoutError"),
    "half a header": (lambda: Misbehaving(b"HTTP/1.1 200 OK\r\nserver: x", hangs=True), "TimeoutError"),
    "headers without end": (lambda: Misbehaving(b"HTTP/1.1 200 OK\r\n", again=b"a: b\r\n"), "HTTPException"),
    "a line without end": (lambda: Misbehaving(b"HTTP/1.1 200 OK\r\na: ", again=b"b" * 4096), "LineTooLong"),
    "go on without end": (lambda: Misbehaving(b"", again=b"HTTP/1.1 100 Continue\r\n\r\n"), "TimeoutError"),
    "a body without end": (lambda: Misbehaving(b"HTTP/1.1 200 OK\r\n\r\n", again=b"x" * 4096), 200),
    "a body that does not come": (
        lambda: Misbehaving(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", hangs=True),
        200,
    ),
}


@pytest.mark.one_in(5)
@pytest.mark.parametrize("how", MISBEHAVIOUR)
def test_a_receiver_that_misbehaves_costs_its_tries_and_no_more(call_once: Call, how: str) -> None:
    made, status = MISBEHAVIOUR[how]
    with (
        closing(made()) as receiver,
        Emulator(options=Options(webhook_timeout=0.05 if status == "TimeoutError" else 60)) as emulator,
    ):
        emulator.endpoint("e")
        for n in range(5):  # more than deliver at once
            run(call_once, emulator, receiver.url, n=n)
        emulator.clock.sleep(3600)
        tries = [1] * 5 if status == 200 else [1] * 5 + [2] * 5 + [3] * 5
        assert sorted(attempts(emulator), key=str) == [(number, status) for number in tries]


def test_who_talks_no_http_is_tried_again(call_once: Call, emulator: Emulator) -> None:
    with closing(Misbehaving(b"OK\n")) as receiver:
        emulator.endpoint("e")
        run(call_once, emulator, receiver.url)
        emulator.clock.sleep(3600)
        assert attempts(emulator) == [(1, "BadStatusLine"), (2, "BadStatusLine"), (3, "BadStatusLine")]


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("/a hook", "/a%20hook"),
        ("/a%20hook?x=a b&y=%2F", "/a%20hook?x=a%20b&y=%2F"),
        ("/caf\xe9", "/caf%C3%A9"),
        ("/a#fragment", "/a"),
        ("", "/"),
        ("?x=1", "/?x=1"),
    ],
)
def test_a_url_is_escaped_where_it_must_be(
    call: Call, emulator: Emulator, receiver: Receiver, written: str, path: str
) -> None:
    emulator.endpoint("e")
    run(call, emulator, receiver.url.removesuffix("/hook") + written)
    emulator.clock.sleep(3600)
    assert (attempts(emulator), receiver.paths) == ([(1, 200)], [path])


@pytest.mark.parametrize("reported", [True, False])
@pytest.mark.fidelity("webhooks: a cancelled job is reported (Options.webhook_on_cancel)", source="assumed")
def test_whether_a_cancelled_job_is_reported_is_an_option(
    call: Call,
    receiver: Receiver,
    reported: bool,  # noqa: FBT001  a parameter
) -> None:
    with Emulator(clock=VirtualClock(), options=Options(webhook_on_cancel=reported)) as emulator:
        emulator.endpoint("e", workers=0)
        job_id = run(call, emulator, receiver.url)
        call(emulator, "POST", f"/e/cancel/{job_id}")
        emulator.clock.sleep(60)
        assert [body["status"] for body in receiver.got] == ["CANCELLED"] * reported


@pytest.mark.fidelity("webhooks: a job that expires is not reported", source="assumed")
def test_a_job_that_expires_is_not_reported(call: Call, emulator: Emulator, receiver: Receiver) -> None:
    emulator.endpoint("e", workers=0)
    run(call, emulator, receiver.url)
    emulator.clock.sleep(100_000)
    assert receiver.got == []


@pytest.mark.fidelity("webhooks: each end of a retried job is reported", source="assumed")
def test_each_end_of_a_retried_job_is_reported(call: Call, emulator: Emulator, receiver: Receiver) -> None:
    emulator.endpoint("e")
    job_id = run(call, emulator, receiver.url, mock_error=True)
    emulator.clock.sleep(60)
    call(emulator, "POST", f"/e/retry/{job_id}")
    emulator.clock.sleep(60)
    assert [body["status"] for body in receiver.got] == ["FAILED", "FAILED"]
