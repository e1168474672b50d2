"""The examples of the docstrings do what they show."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import runpod_sdk

MODULES = [
    module.name
    for module in pkgutil.walk_packages(runpod_sdk.__path__, "runpod_sdk.")
    if not module.name.endswith(("__main__", "pytest_plugin"))
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
