"""The door for sockets: what a client sees over HTTP, and how a server starts and ends."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import builtins
import http.client
import json
import shutil
import socket
import ssl
import subprocess
import threading
import urllib.parse
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn.config

from runpod_sdk import Client
from runpod_sdk.clock import SystemClock, VirtualClock
from runpod_sdk.emulator import Emulator, Fault, Server
from runpod_sdk.emulator._receiver import post

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOIN = 10


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        emulator.endpoint("e", lambda job: job["input"])
        emulator.endpoint("held", workers=0)
        yield emulator


@pytest.fixture
def server(emulator: Emulator) -> Server:
    return emulator.serve()


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers={"authorization": "Bearer test"}, timeout=JOIN) as client:
        yield client


def connect(server: Server) -> socket.socket:
    address = urllib.parse.urlsplit(server.url)
    return socket.create_connection((address.hostname or "", address.port or 0), timeout=JOIN)


def test_run_and_wait(client: httpx.Client) -> None:
    answer = client.post("/e/run", json={"input": {"n": 1}})
    assert answer.json() == {"id": answer.json()["id"], "status": "IN_QUEUE"}
    state = client.get(f"/e/status-sync/{answer.json()['id']}").json()
    assert (state["status"], state["output"]) == ("COMPLETED", {"n": 1})


def test_the_url_ends_in_v2_and_names_the_bound_port(server: Server) -> None:
    parts = urllib.parse.urlsplit(server.url)
    assert (parts.scheme, parts.hostname, parts.path) == ("http", "127.0.0.1", "/v2")
    assert parts.port
    assert server.connection == {"api_key": "test", "base_url": server.url}


@pytest.mark.fidelity("routes: a POST needs no body, and may be called JSON all the same", source="documented")
@pytest.mark.parametrize("host", ["0.0.0.0", "0", "::"])  # noqa: S104  what it is about
def test_who_listens_on_all_addresses_has_a_url_that_can_be_called(emulator: Emulator, host: str) -> None:
    try:
        server = emulator.serve(host)
    except OSError:
        pytest.skip("this machine has no IPv6")
    urls = [server.url] + ([f"http://127.0.0.1:{server.port}/v2"] if host == "::" else [])
    for url in urls:
        assert httpx.get(f"{url}/e/health", headers={"authorization": "test"}, timeout=JOIN).status_code == 200


def test_as_curl_does_it(server: Server) -> None:
    """docs: the raw key without Bearer, a POST with an empty body and a content type."""
    parts = urllib.parse.urlsplit(server.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=JOIN)
    headers = {"authorization": "test", "accept": "application/json", "content-type": "application/json"}
    connection.request("POST", "/v2/e/purge-queue", body=b"", headers=headers)
    assert json.loads(connection.getresponse().read()) == {"removed": 0, "status": "completed"}
    connection.request("POST", "/v2/e/runsync", body=b'{ "input": {  "prompt": "Hello, world!" }}', headers=headers)
    assert json.loads(connection.getresponse().read())["output"] == {"prompt": "Hello, world!"}
    connection.close()


@pytest.mark.fidelity("errors: the content type of a request is not looked at", source="assumed")
def test_a_form_content_type_is_taken(client: httpx.Client) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/e/run", content=b'{"input": {"n": 1}}', headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "key", "status"),
    [
        ("GET", "/e/health", "wrong", 401),
        ("GET", "/nope/health", "test", 404),
        ("GET", "/e/nope", "test", 404),
        ("GET", "/e/status/nope", "test", 404),
        ("DELETE", "/e/health", "test", 405),
        ("GET", "/e/status-sync/x?wait=5", "test", 400),
        ("POST", "/e/run", "test", 400),
    ],
)
def test_refusals_are_json(client: httpx.Client, method: str, path: str, key: str, status: int) -> None:
    answer = client.request(method, path, headers={"authorization": key})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert isinstance(answer.json()["error"], str)
    assert answer.headers.get("allow") == ("GET" if status == 405 else None)


def test_without_a_key_nothing_is_let_in(server: Server) -> None:
    assert httpx.get(f"{server.url}/e/health").status_code == 401


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused(client: httpx.Client, chunked: bool) -> None:  # noqa: FBT001  a parameter
    body = b"x" * (10 * 2**20 + 1)
    answer = client.post("/e/run", content=iter([body]) if chunked else body)
    assert answer.status_code == 400
    assert answer.json() == {
        "status": 400,
        "title": "Bad Request",
        "detail": "bad request: body: exceeded max body size of 10MiB",
    }
    assert client.get("/e/health").status_code == 200


@pytest.mark.slow
def test_a_large_body_is_taken(client: httpx.Client) -> None:
    text = "x" * (9 * 2**20)
    assert client.post("/e/runsync", json={"input": {"text": text}}).json()["output"]["text"] == text


def test_a_client_that_leaves_takes_its_hold_with_it(emulator: Emulator, server: Server, client: httpx.Client) -> None:
    job_id = client.post("/held/run", json={"input": {"n": 1}}).json()["id"]
    with connect(server) as reader:
        head = f"GET /v2/held/stream/{job_id}?wait=300000 HTTP/1.1\r\nhost: x\r\nauthorization: test\r\n\r\n"
        reader.sendall(head.encode())
        wait_for(emulator, holds=1)
    wait_for(emulator, holds=0)
    assert [record.status for record in emulator.requests] == [200, None]


def test_a_client_that_leaves_in_the_middle_of_a_body_submits_nothing(emulator: Emulator, server: Server) -> None:
    with connect(server) as writer:
        head = b"POST /v2/held/run HTTP/1.1\r\nhost: x\r\nauthorization: test\r\ncontent-length: 100\r\n\r\n{"
        writer.sendall(head)
    server.close()
    assert emulator.jobs == {}


SMUGGLED = b"GET /_emulator/ready HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.mark.parametrize("parser", ["h11", "httptools"])
@pytest.mark.parametrize(
    ("version", "framing"),
    [
        ("1.1", b"content-length: 5\r\ntransfer-encoding: chunked\r\n"),
        ("1.1", b"transfer-encoding: chunked\r\ncontent-length: 5\r\n"),
        ("1.1", b"transfer-encoding: chunked\r\ncontent-length: 0\r\n"),
        ("1.0", b"connection: keep-alive\r\ntransfer-encoding: chunked\r\n"),
    ],
)
def test_a_request_whose_body_may_end_in_two_places_ends_its_connection(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, parser: str, version: str, framing: bytes
) -> None:
    pytest.importorskip(parser)
    monkeypatch.setitem(uvicorn.config.HTTP_PROTOCOLS, "auto", uvicorn.config.HTTP_PROTOCOLS[parser])
    head = f"POST /v2/held/run HTTP/{version}\r\nhost: x\r\nauthorization: test\r\n".encode()
    with emulator.serve() as server, connect(server) as caller:
        caller.sendall(head + framing + b"\r\n0\r\n\r\n" + SMUGGLED)
        said = b"".join(iter(lambda: caller.recv(65536), b""))
    assert said.startswith(b"HTTP/1.1 400 ")
    assert said.count(b"HTTP/1.1 ") == 1, "what followed is not taken for a request"
    assert emulator.jobs == {}


def wait_for(emulator: Emulator, *, holds: int) -> None:
    """Wait until so many requests are held; real time, as the socket has no other."""
    clock = SystemClock()
    end = clock.monotonic() + JOIN
    gateway = emulator._gateway
    assert gateway is not None
    while len(gateway.hub._waiters) != holds:
        assert clock.monotonic() < end, "never came to it"
        clock.sleep(0.001)


def test_closing_answers_what_is_held(emulator: Emulator, server: Server, client: httpx.Client) -> None:
    job_id = client.post("/held/run", json={"input": {"n": 1}}).json()["id"]
    answers: list[Any] = []
    thread = threading.Thread(
        target=lambda: answers.append(client.get(f"/held/status-sync/{job_id}").json()), daemon=True
    )
    thread.start()
    wait_for(emulator, holds=1)
    server.close()
    thread.join(JOIN)
    assert answers == [{"id": job_id, "status": "IN_QUEUE"}]
    with pytest.raises(httpx.ConnectError):
        client.get("/e/health")
    server.close()


def test_two_servers_share_one_state(emulator: Emulator, client: httpx.Client) -> None:
    with emulator.serve() as second:
        job_id = client.post("/held/run", json={"input": {"n": 1}}).json()["id"]
        answer = httpx.get(f"{second.url}/held/status/{job_id}", headers={"authorization": "test"})
        assert answer.json()["id"] == job_id


def test_a_port_that_is_taken_raises_here(emulator: Emulator, server: Server) -> None:
    with pytest.raises(OSError, match="in use"):
        emulator.serve(port=urllib.parse.urlsplit(server.url).port or 0)


def test_a_manual_clock_moves_what_is_held_over_a_socket() -> None:
    clock = VirtualClock(auto_jump=False)
    with Emulator(clock=clock) as emulator:
        emulator.endpoint("e")
        server = emulator.serve()
        headers = {"authorization": "test"}
        answers: list[Any] = []

        def ask() -> None:
            with httpx.Client(base_url=server.url, headers=headers, timeout=JOIN) as client:
                body = {"input": {"mock_delay": 60, "mock_return": 1}}
                answers.append(client.post("/e/runsync", json=body).json())

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        wait_for(emulator, holds=1)
        clock.advance(60)
        thread.join(JOIN)
        assert (answers[0]["output"], answers[0]["executionTime"]) == (1, 60_000)


def test_a_clock_that_jumps_cannot_be_served() -> None:
    with Emulator(clock=VirtualClock()) as emulator, pytest.raises(ValueError, match="auto_jump=False"):
        emulator.serve()


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of this machine, and its key, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl makes the certificate")
    folder = tmp_path_factory.mktemp("tls")
    new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=emulator"
    names = "-addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out certificate.pem"
    subprocess.run([openssl, *new.split(), *names.split()], check=True, capture_output=True, cwd=folder)  # noqa: S603  our own
    both = folder / "both.pem"
    both.write_text((folder / "certificate.pem").read_text() + (folder / "key.pem").read_text())
    return both


@pytest.fixture
def trust(pem: Path) -> ssl.SSLContext:
    """What trusts it, and nothing else."""
    return ssl.create_default_context(cafile=pem)


def test_with_a_certificate_it_is_https(emulator: Emulator, trust: ssl.SSLContext, pem: Path) -> None:
    server = emulator.serve(certfile=pem)
    assert server.url.startswith("https://127.0.0.1:")
    ping = server.worker_environment("e", host="here")["RUNPOD_WEBHOOK_PING"]
    assert ping.startswith(f"https://here:{server.port}/v2/")
    headers = {"authorization": "test"}
    answer = httpx.post(f"{server.url}/e/runsync", json={"input": {"n": 1}}, headers=headers, verify=trust)
    assert answer.json()["output"] == {"n": 1}
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(server.url)


@pytest.mark.parametrize("fault", [Fault.reset(), Fault.drop(), Fault.truncate()], ids=lambda fault: fault.kind)
def test_a_connection_breaks_over_https_too(emulator: Emulator, trust: ssl.SSLContext, pem: Path, fault: Fault) -> None:
    server = emulator.serve(certfile=pem.with_name("certificate.pem"), keyfile=pem.with_name("key.pem"))
    emulator.inject(fault)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{server.url}/e/health", headers={"authorization": "test"}, verify=trust)


def test_a_client_of_the_sdk_that_trusts_it_gets_through(emulator: Emulator, trust: ssl.SSLContext, pem: Path) -> None:
    connection = emulator.serve(certfile=pem).connection
    with httpx.Client(verify=trust) as carrier, Client(**connection, http_client=carrier) as client:
        assert client.endpoint("e").run_sync({"n": 1}, timeout=60) == {"n": 1}


def test_a_webhook_goes_to_who_is_trusted(emulator: Emulator, pem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{emulator.serve(certfile=pem).url}/e/health"
    with pytest.raises(ssl.SSLCertVerificationError):
        post(url, b"{}", 60)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    assert post(url, b"{}", 60) == 405, "it is there"


@pytest.mark.slow
def test_a_webhook_over_tls_ends_in_time_where_nobody_speaks_it(emulator: Emulator) -> None:
    with pytest.raises(ssl.SSLError):
        post(emulator.serve().url.replace("http", "https"), b"{}", 60)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TimeoutError):
        post(f"https://127.0.0.1:{silent.getsockname()[1]}/", b"{}", 0.05)


def test_a_certificate_that_cannot_be_used_raises_here(emulator: Emulator, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        emulator.serve(certfile=tmp_path / "none.pem")
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(ssl.SSLError):
        emulator.serve(certfile=tmp_path / "bad.pem")
    with pytest.raises(ValueError, match="it needs a certfile, too"):
        emulator.serve(keyfile=tmp_path / "bad.pem")


def test_without_uvicorn_the_error_names_what_to_install(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without_uvicorn(name: str, *args: Any, **options: Any) -> Any:
        if name == "uvicorn":
            raise ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn")
        return imported(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without_uvicorn)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'runpod-sdk\[emulator\]'"):
        emulator.serve()
