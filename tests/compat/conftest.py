"""An emulator on virtual time that `runpod_sdk.compat` talks to, and nothing of the machine's own keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.compat.service import Service, connected

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def bare_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no key and no address but those of the test."""
    for name in ("RUNPOD_API_KEY", "RUNPOD_ENDPOINT_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    with connected(monkeypatch) as service:
        yield service
