"""Over TLS, with each kind of connections: values arrive, certificates are checked, connections are used again."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi
import pytest

from runpod_sdk import APIConnectionError, AsyncClient, Client
from runpod_sdk._http._message import VARIABLES
from tests.sdk.flavours import caught
from tests.sdk.test_socket import NO_WAIT, Kind, RawServer, answered, play

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

# A certificate for localhost and its key, made for these tests.
PEM = Path(__file__).with_name("localhost.pem")
OUTPUT = "ä" * 1_000_000  # larger than what is buffered for a reader

wires = pytest.mark.parametrize(
    ("kind", "wire"),
    [
        (Client, "h11"),
        (Client, "httptools"),
        (Client, "httpx"),
        (AsyncClient, "h11"),
        (AsyncClient, "httptools"),
    ],
)


class TLSServer(RawServer):
    """A raw server behind TLS, which counts the connections that were made."""

    def __init__(self, answer: bytes) -> None:
        super().__init__(answer)
        self.base_url = self.base_url.replace("http://127.0.0.1", "https://localhost")
        self.connections = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(PEM)

    def _serve(self, connection: socket.socket) -> None:
        self.connections += 1
        try:
            secure = self._context.wrap_socket(connection, server_side=True)
        except OSError:  # the client does not trust this certificate
            connection.close()
        else:
            super()._serve(secure)


@pytest.fixture
def server() -> Iterator[TLSServer]:
    answer = json.dumps({"id": "j1", "status": "COMPLETED", "output": OUTPUT}).encode()
    with TLSServer(answered("200 OK", answer)) as server:
        yield server


@pytest.fixture
def _chosen(wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runpod_sdk._http._parsers.has_httptools", lambda: wire == "httptools")
    if wire == "httpx":

        def is_proxied(_: object) -> bool:
            return True

        monkeypatch.setattr("runpod_sdk._http._wire.is_proxied", is_proxied)


@pytest.fixture(autouse=True)
def _untold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no environment say whose certificates count."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def _trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certifi, "where", lambda: str(PEM))


@pytest.mark.one_in(3)
@wires
@pytest.mark.usefixtures("_chosen", "_trusted")
def test_a_large_value_arrives_and_a_connection_is_used_again(kind: Kind, server: TLSServer) -> None:
    async def body(client: Any) -> None:
        job = await client.endpoint("abc").run({"text": OUTPUT})
        for _ in range(2):
            assert (await job.state()).output == OUTPUT

    play(kind, body, api_key="k", base_url=server.base_url)
    assert len(server.heads) == 3
    assert server.connections == 1


@pytest.mark.one_in(3)
@wires
@pytest.mark.usefixtures("_chosen")
def test_a_certificate_that_nobody_vouches_for_proves_that_nothing_was_sent(kind: Kind, server: TLSServer) -> None:
    async def body(client: Any) -> None:
        error = await caught(APIConnectionError, lambda: client.endpoint("abc").run({}))
        assert "CERTIFICATE_VERIFY_FAILED" in str(error)

    play(kind, body, api_key="k", base_url=server.base_url)
    assert server.heads == []
    assert server.connections == NO_WAIT.attempts
