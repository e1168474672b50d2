"""What the tests of the tools around the document share."""

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    """Return the document of this tree; it is not to be changed."""
    path = Path(__file__).parents[2] / "runpod_sdk" / "emulator" / "openapi.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
