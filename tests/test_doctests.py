"""The examples of the docstrings do what they show."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import runpod_sdk

PACKAGE = Path(runpod_sdk.__file__).parent
MODULES = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]
# Classes that users meet first; each shows how it is used.
SHOWN = [
    "_client._sync.Client",
    "_client._async.AsyncClient",
    "_client._sync_endpoint.Endpoint",
    "_client._async_endpoint.AsyncEndpoint",
    "_values._policies.RetryPolicy",
    "_values._status.JobStatus",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


@pytest.mark.parametrize("name", SHOWN)
def test_there_is_an_example(name: str) -> None:
    room, _, kind = name.rpartition(".")
    shown = getattr(importlib.import_module(f"runpod_sdk.{room}"), kind)
    assert ">>> " in (shown.__doc__ or "")
