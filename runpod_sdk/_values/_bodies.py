"""Which fields may stand beside "input" in a request body or a worker's test. Pure.

The input of a job is what stands under "input", so a caller who passes the whole object hands the worker an input in an
input, and pays for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

OF_BODIES = frozenset({"webhook", "webhookV2", "policy", "s3Config"})  # docs: operation-reference
# docs: hub/publishing-guide, .runpod/tests.json: name, input, timeout; official source: rp_local.py, test_input.json:
# id; the others as seen in worker repositories. `key` is a line's of `runpod-sdk map`.
OF_TESTS = frozenset({"id", "key", "name", "timeout", "expected_output", "description", "comment"})
_KNOWN = OF_BODIES | OF_TESTS | {"input"}


def wrapped(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what stands under "input", where that is an object; else None."""
    inner = value.get("input")
    return cast("Mapping[str, Any]", inner) if isinstance(inner, Mapping) else None


def unknown_in(value: Mapping[str, Any]) -> AbstractSet[str]:
    """Return the names that neither a body nor a test has."""
    return {name for name in value if name not in _KNOWN and not name.startswith(("_", "$"))}
