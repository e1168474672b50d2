"""One body for both flavours: it is written for the asyncio client, and the sync one is dressed up as it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any, cast

import pytest

from runpod_sdk import compat
from runpod_sdk.compat.endpoint import Job
from tests.compat.service import Service, connected
from tests.sdk.flavours import Ready, iterated


class Dressed:
    """A sync object that looks like its twin: `await` and nothing else is added."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.inner, name)
        if not callable(value):
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            result = value(*args, **kwargs)
            if isinstance(result, Generator):
                return iterated(cast("Iterator[Any]", result))
            return Ready(Dressed(result) if isinstance(result, Job) else result)

        return call


class World:
    """A service, and endpoints on it in one flavour."""

    def __init__(self, service: Service, *, is_async: bool) -> None:
        self.service = service
        self.emulator = service.emulator
        self.is_async = is_async

    def endpoint(self, endpoint_id: str = "e", api_key: str | None = None) -> Any:
        if self.is_async:
            session = compat.http_client.AsyncClientSession()
            return compat.AsyncioEndpoint(endpoint_id, session, api_key=api_key)
        return Dressed(compat.Endpoint(endpoint_id, api_key=api_key))


Body = Callable[[World], Coroutine[Any, Any, None]]


def both(body: Body) -> Callable[[bool, pytest.MonkeyPatch], None]:
    """Make two tests of a body."""

    @pytest.mark.parametrize("is_async", [False, True], ids=["sync", "asyncio"])
    def test(is_async: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001  a parameter of a test
        with connected(monkeypatch) as service:
            asyncio.run(body(World(service, is_async=is_async)))

    test.__name__ = test.__qualname__ = body.__name__
    test.__module__ = body.__module__
    test.__doc__ = body.__doc__
    return test
