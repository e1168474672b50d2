"""The OpenAPI document as it is written, read in a tenth of the time that it takes without libyaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

PATH = Path(__file__).parent.parent / "openapi" / "runpod-queue.yaml"


def spec() -> dict[str, Any]:
    """Return the document; it is the caller's."""
    found: dict[str, Any] = yaml.load(PATH.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  both are safe
    return found
