"""Fixtures for tests of code that calls endpoints: an emulator in virtual time, and both clients on it.

pytest loads this file in every run, also in those that need none of it: so it imports nothing but pytest, and each
fixture imports what it gives.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod_sdk import AsyncClient, Client
    from runpod_sdk.emulator import Emulator


@pytest.fixture
def runpod_emulator() -> Iterator[Emulator]:
    """Provide an emulator of the service in this process, without a socket; an hour of waiting takes milliseconds.

    Example:
        def test_a_timeout_cancels_the_job(runpod_emulator, runpod_client):
            endpoint = runpod_emulator.endpoint("abc")
            with pytest.raises(TimeoutError):
                runpod_client.endpoint("abc").run_sync({"mock_delay": 3600}, timeout=60)
            assert [job.status for job in endpoint.jobs.values()] == ["CANCELLED"]
    """
    from runpod_sdk.clock import VirtualClock  # noqa: PLC0415  see the top of this file
    from runpod_sdk.emulator import Emulator  # noqa: PLC0415

    with Emulator(clock=VirtualClock()) as emulator:
        yield emulator


@pytest.fixture
def runpod_client(runpod_emulator: Emulator) -> Iterator[Client]:
    """Provide a `Client` on `runpod_emulator`.

    Example:
        def test_my_handler(runpod_emulator, runpod_client):
            runpod_emulator.endpoint("abc", lambda job: job["input"]["prompt"].upper())
            output = runpod_client.endpoint("abc").run_sync({"prompt": "hello"}, timeout=60)
            assert output == "HELLO"
            assert [request.operation for request in runpod_emulator.requests] == ["runsync"]
    """
    from runpod_sdk import Client  # noqa: PLC0415  see the top of this file

    with Client(**runpod_emulator.connection) as client:
        yield client


@pytest.fixture
def runpod_async_client(runpod_emulator: Emulator) -> Iterator[AsyncClient]:
    """Provide an `AsyncClient` on `runpod_emulator`, for one event loop: that of `asyncio.run`, or of any plugin.

    Example:
        def test_my_handler(runpod_emulator, runpod_async_client):
            runpod_emulator.endpoint("abc", lambda job: job["input"]["prompt"].upper())
            call = runpod_async_client.endpoint("abc").run_sync({"prompt": "hello"}, timeout=60)
            assert asyncio.run(call) == "HELLO"
            assert len(runpod_emulator.requests) == 1
    """
    from runpod_sdk import AsyncClient  # noqa: PLC0415  see the top of this file

    client = AsyncClient(**runpod_emulator.connection)
    yield client
    # The loop of the test is gone, and a new one would unset a plugin's. None is needed: without a socket there is
    # nothing to wait for, so the first step is the last.
    closing = client.aclose()
    with suppress(StopIteration):
        closing.send(None)
    closing.close()
