"""Tests that hang, for pytest-timeout to end: one for each call. URL and OUT come from the environment."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import Client
from tests.faults.server import KEY
from tests.frameworks.calls import CALLS, notes
from tests.frameworks.programs import told  # noqa: F401  shortens the grace

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(KEY, base_url=os.environ["URL"]) as client:
        yield client


@pytest.mark.parametrize("name", CALLS)
def test_call(name: str, client: Client) -> None:
    found: dict[str, Any] = {"call": name, "raised": None}
    try:
        CALLS[name](client.endpoint(name.replace(" ", "-")))
    except BaseException as error:
        found = {"call": name, "raised": type(error).__name__, "notes": notes(error)}
        raise
    finally:
        found["unknowns"] = len(client.unknowns)
        with Path(os.environ["OUT"]).open("a", encoding="utf-8") as out:
            out.write(json.dumps(found) + "\n")
