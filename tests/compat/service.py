"""The service under the tests of compat: an emulator on virtual time, and what it was sent.

compat makes its own clients, of a key and an address; here they get the emulator's transport and clock as well.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx

from runpod_sdk import AsyncClient, Client, compat
from runpod_sdk.compat import _loops, _sync
from runpod_sdk.emulator import Emulator, Options

if TYPE_CHECKING:
    from collections.abc import Generator

    import pytest


class Recorded(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport that keeps the body of each submit on its way."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.submits: list[dict[str, Any]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._keep(request)
        response: httpx.Response = self._inner.handle_request(request)
        return response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._keep(request)
        response: httpx.Response = await self._inner.handle_async_request(request)
        return response

    def _keep(self, request: httpx.Request) -> None:
        if request.url.path.endswith(("/run", "/runsync")):
            self.submits.append(json.loads(request.content))


class Service:
    """An emulator, and what it was sent."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.recorded = Recorded(emulator.transport)
        self.connection: dict[str, Any] = {**emulator.connection, "transport": self.recorded}

    @property
    def submits(self) -> list[dict[str, Any]]:
        """The bodies of the submits so far."""
        return self.recorded.submits

    @property
    def operations(self) -> list[str]:
        """What was asked for, in order."""
        return [record.operation for record in self.emulator.requests]

    @property
    def ends(self) -> list[str]:
        """How each job stands."""
        return [str(record.status) for record in self.emulator.jobs.values()]

    @property
    def now(self) -> float:
        """Virtual seconds."""
        return self.emulator.clock.monotonic()


@contextmanager
def connected(monkeypatch: pytest.MonkeyPatch) -> Generator[Service]:
    """Let compat call an emulator on virtual time."""
    with Emulator(options=Options(empty_input="delivered")) as emulator:
        service = Service(emulator)

        def client(api_key: str, **_: Any) -> Client:
            connection = {**service.connection}
            connection["api_key"] = api_key
            return Client(**connection)

        def async_client(api_key: str, **_: Any) -> AsyncClient:
            connection = {**service.connection}
            connection["api_key"] = api_key
            return AsyncClient(**connection)

        monkeypatch.setattr(_sync, "_CLIENTS", {})
        monkeypatch.setattr(_sync, "Client", client)
        monkeypatch.setattr(_loops, "AsyncClient", async_client)
        monkeypatch.setitem(vars(compat), "api_key", emulator.api_key)
        monkeypatch.setitem(vars(compat), "endpoint_url_base", service.connection["base_url"])
        yield service
