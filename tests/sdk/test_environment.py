"""The network of those who sit behind proxies and have certificates of their own, for both flavours."""

from __future__ import annotations

import json
import socket
import threading
from typing import TYPE_CHECKING, Any, Self

import httpx
import pytest

from runpod_sdk import APIConnectionError, AsyncClient, Client, ConfigurationError
from runpod_sdk._http._message import VARIABLES
from tests.sdk.flavours import caught
from tests.sdk.test_socket import PROXIES, QUEUED, Kind, RawServer, answered, play
from tests.sdk.test_tls import PEM, TLSServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

both = pytest.mark.parametrize("kind", [Client, AsyncClient])

ELSEWHERE: dict[str, Any] = {"api_key": "k", "base_url": "http://queue.invalid/v2", "allow_http": True}
HASH = "ce275665"  # what `openssl x509 -hash` makes of the name in localhost.pem


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in [*PROXIES, *VARIABLES, "NO_PROXY", "no_proxy"]:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def proxy() -> Iterator[RawServer]:
    done = json.dumps({"id": "j1", "status": "COMPLETED", "output": 1}).encode()
    with RawServer(answered("200 OK", done)) as proxy:
        yield proxy


async def run(client: Any) -> None:
    assert (await client.endpoint("abc").run({})).id == "j1"


def place(server: RawServer) -> str:
    """Return host and port of a server."""
    return server.base_url.removeprefix("http://").removesuffix("/v2")


class Socks:
    """A SOCKS5 proxy that leads to one server, whatever it is asked for. Source: RFC 1928."""

    def __init__(self, server: RawServer) -> None:
        self.asked: list[tuple[str, int]] = []
        host, _, port = place(server).partition(":")
        self._behind = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.place = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                stream.read(stream.read(2)[1])
                connection.sendall(b"\x05\x00")
                stream.read(4)
                host = stream.read(stream.read(1)[0]).decode()
                self.asked.append((host, int.from_bytes(stream.read(2), "big")))
                connection.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
                with socket.create_connection(self._behind) as behind:
                    back = threading.Thread(target=self._pump, args=(behind, connection))
                    back.start()
                    self._pump(connection, behind)
                    back.join()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@pytest.mark.one_in(5)
@both
@pytest.mark.parametrize("form", ["http://{}", "{}", " http://{}/ \n", "HTTP://{}"])
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_requests_go_by_the_proxy_of_the_environment(
    kind: Kind, variable: str, form: str, proxy: RawServer, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv(variable, form.format(place(proxy)))
    play(kind, run, **ELSEWHERE)
    assert [head.split("\n")[0] for head in proxy.heads] == ["POST http://queue.invalid/v2/abc/run HTTP/1.1"]


@both
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_requests_go_by_a_socks_proxy(
    kind: Kind, scheme: str, proxy: RawServer, environment: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("socksio", reason="the extra socks is not installed")
    with Socks(proxy) as socks:
        environment.setenv("ALL_PROXY", f"{scheme}://{socks.place}")
        play(kind, run, **ELSEWHERE)
    assert socks.asked == [("queue.invalid", 80)]
    assert len(proxy.heads) == 1


@both
@pytest.mark.parametrize("exempt", ["*", "queue.invalid", ".invalid", "queue.invalid:80"])
def test_no_proxy_keeps_the_service_off_the_proxy(
    kind: Kind, exempt: str, proxy: RawServer, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("HTTP_PROXY", f"http://{place(proxy)}")
    environment.setenv("NO_PROXY", exempt)

    async def body(client: Any) -> None:
        await caught(APIConnectionError, lambda: client.endpoint("abc").run({}))

    play(kind, body, **ELSEWHERE)
    assert proxy.heads == []


@both
def test_the_environment_is_read_when_a_client_is_made(
    kind: Kind, proxy: RawServer, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("HTTP_PROXY", f"http://{place(proxy)}")

    async def body(client: Any) -> None:
        environment.setenv("HTTP_PROXY", "socks4://127.0.0.1:9")
        await run(client)
        async for result in client.endpoint("abc").map([{"a": 1}]):
            assert result.job.id == "j1"

    play(kind, body, **ELSEWHERE)
    assert [head.split("/")[5].split()[0] for head in proxy.heads] == ["run", "run", "status-sync"]


@both
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HTTPS_PROXY", "socks4://127.0.0.1:1"),
        ("https_proxy", "http://[::1"),
        ("ALL_PROXY", "ftp://127.0.0.1"),
        ("SSL_CERT_FILE", "/missing.pem"),
        ("SSL_CERT_DIR", "/missing"),
        ("REQUESTS_CA_BUNDLE", "/missing.pem"),
        ("CURL_CA_BUNDLE", "/missing.pem"),
    ],
)
def test_what_cannot_be_used_is_told_when_a_client_is_made(
    kind: Kind, variable: str, value: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv(variable, value)
    with pytest.raises(ConfigurationError) as caught:
        kind("k")
    assert str(caught.value).startswith(f"{variable}={value!r}")
    kind("k", transport=httpx.MockTransport(lambda _: httpx.Response(500)))  # which brings what it needs


@pytest.mark.one_in(5)
@both
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("carrier", ["base", "fast"])
def test_certificates_of_the_environment_count_on_this_machine_too(
    kind: Kind, variable: str, carrier: str, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setattr("runpod_sdk._http._parsers.has_httptools", lambda: carrier == "fast")
    folder = tmp_path / "certificates"
    folder.mkdir()
    (folder / f"{HASH}.0").write_bytes(PEM.read_bytes())
    environment.setenv(variable, str(folder if variable == "SSL_CERT_DIR" else PEM))
    with TLSServer(answered("200 OK", QUEUED)) as server:
        play(kind, run, api_key="k", base_url=server.base_url)
    assert len(server.heads) == 1
