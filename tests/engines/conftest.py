"""The service that engines call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runpod_sdk.clock import SystemClock
from runpod_sdk.emulator import Emulator, Options
from tests.engines.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """Provide the service in this process."""
    with Emulator(clock=SystemClock(), options=Options(ledger=0)) as emulator:
        service = Service(emulator)
        with emulator.serve() as server:
            service.at(server.url, server.api_key)
            yield service
            service.gate.set()
