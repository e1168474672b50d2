"""A fault: answers whose fields have wrong types, as after an update of the service. Pure."""

from __future__ import annotations

import json
from typing import Any, cast


def with_misfits(body: bytes, operation: str) -> bytes:
    """Return an answer's body with such fields; to /run, which tells nothing but an id, with a wrong status too."""
    try:
        found: Any = json.loads(body)
    except ValueError:
        return body
    if not isinstance(found, dict):
        return body
    facts = cast("dict[str, Any]", found)
    odd: dict[str, Any] = {name: _odd(facts[name]) for name in ("removed", "jobs", "workers") if name in facts}
    if "id" in facts:
        odd |= {"workerId": 7, "retries": True, "delayTime": "12", "executionTime": [1500]}
    if operation == "run":
        odd["status"] = 200
    return json.dumps({**facts, **odd}).encode()


def _odd(value: Any) -> Any:
    if not isinstance(value, dict):
        return str(value)
    return {name: str(count) for name, count in cast("dict[str, Any]", value).items()}
