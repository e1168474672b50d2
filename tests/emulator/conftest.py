"""An emulator in virtual time, and a caller of it in both flavours."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Call = Callable[..., httpx.Response]

BASE_URL = "https://emulator.invalid/v2"
HEADERS = {"authorization": "Bearer test"}
pytest.register_assert_rewrite("tests.emulator.lockstep")  # so that a difference is shown


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


def call_sync(
    emulator: Emulator, method: str, path: str, *, timeout: float | None = None, **options: Any
) -> httpx.Response:
    with httpx.Client(transport=emulator.transport, headers=HEADERS, timeout=timeout) as client:
        return client.request(method, BASE_URL + path, **options)


def call_async(
    emulator: Emulator, method: str, path: str, *, timeout: float | None = None, **options: Any
) -> httpx.Response:
    async def main() -> httpx.Response:
        async with httpx.AsyncClient(transport=emulator.transport, headers=HEADERS, timeout=timeout) as client:
            return await client.request(method, BASE_URL + path, **options)

    return asyncio.run(main())


@pytest.fixture(params=[call_sync, call_async], ids=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Call:
    """Return a caller; a test that takes it runs in both flavours."""
    chosen: Call = request.param
    return chosen


@pytest.fixture
def call_once() -> Call:
    """Return the sync caller, where the flavour makes no difference."""
    return call_sync
