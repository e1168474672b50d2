"""The two flavours are one: the same methods, arguments, defaults, order and words, but for async and the names."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from runpod_sdk import (
    AsyncClient,
    AsyncEndpoint,
    AsyncJob,
    AsyncMap,
    AsyncStream,
    Client,
    Endpoint,
    Job,
    Map,
    Stream,
)

PAIRS = [(Client, AsyncClient), (Endpoint, AsyncEndpoint), (Job, AsyncJob), (Stream, AsyncStream), (Map, AsyncMap)]
# What asyncio gives other names to.
NAMES = {
    "aclose": "close",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
}
# Calls that answer at once in both flavours.
PLAIN = {
    "__init__",
    "__iter__",
    "__reduce__",
    "__repr__",
    "endpoint",
    "job",
    "map",
    "output_of",
    "report",
    "stats",
    "stream",
    "unknowns",
    "with_options",
}
# Words that differ for a reason.
WORDS = {
    "httpx.AsyncClient": "httpx.Client",
    "httpx.AsyncBaseTransport": "httpx.BaseTransport",
    "AsyncBatches": "Batches",
    "AsyncBatch": "Batch",
    "AsyncClient": "Client",
    "AsyncEndpoint": "Endpoint",
    "AsyncJob": "Job",
    "AsyncMapFailure": "MapFailure",
    "AsyncMapResult": "MapResult",
    "AsyncMapSuccess": "MapSuccess",
    "AsyncOnResult": "OnResult",
    "AsyncMap": "Map",
    "AsyncShell": "Shell",
    "AsyncStream": "Stream",
    "AsyncIterator": "Iterator",
    "Awaitable[Job[T_co]]": "Job[T_co]",
    "an Client": "a Client",
}


def names(kind: type) -> list[str]:
    """Return the names that a class defines for its users, in order, as the sync flavour calls them."""
    return [
        NAMES.get(name, name)
        for name, value in vars(kind).items()
        if (not name.startswith("_") or name in {"__init__", "__reduce__", "__repr__", *NAMES, *NAMES.values()})
        and (callable(value) or isinstance(value, property))
    ]


def member(kind: type, name: str) -> Any:
    renamed = {sync: other for other, sync in NAMES.items()}
    value = vars(kind).get(name, vars(kind).get(renamed.get(name, ""), None))
    return value.fget if isinstance(value, property) else value


def in_sync_words(text: str) -> str:
    for other, word in WORDS.items():
        text = text.replace(other, word)
    return text


def shape(function: Any) -> list[tuple[str, object, object, str]]:
    parameters = inspect.signature(function).parameters.values()
    return [(one.name, one.kind, one.default, in_sync_words(str(one.annotation))) for one in parameters]


def members() -> list[Any]:
    return [pytest.param(a, b, name, id=f"{a.__name__}.{name}") for a, b in PAIRS for name in names(a)]


@pytest.mark.parametrize(("sync", "other"), PAIRS, ids=lambda kind: kind.__name__)
def test_the_same_names_in_the_same_order(sync: type, other: type) -> None:
    assert names(sync) == names(other)
    assert len(names(sync)) > 4


@pytest.mark.parametrize(("sync", "other", "name"), members())
def test_the_same_parameters_defaults_and_types(sync: type, other: type, name: str) -> None:
    one, two = member(sync, name), member(other, name)
    assert shape(one) == shape(two)
    returned = in_sync_words(str(inspect.signature(two).return_annotation))
    assert str(inspect.signature(one).return_annotation) == returned


@pytest.mark.parametrize(("sync", "other", "name"), members())
def test_the_same_words(sync: type, other: type, name: str) -> None:
    assert in_sync_words(inspect.getdoc(member(other, name)) or "") == (inspect.getdoc(member(sync, name)) or "")


@pytest.mark.parametrize(("sync", "other", "name"), members())
def test_what_makes_requests_is_awaited_and_nothing_else(sync: type, other: type, name: str) -> None:
    two = member(other, name)
    is_plain = name in PLAIN or isinstance(vars(other).get(name), property)
    assert (inspect.iscoroutinefunction(two) or inspect.isasyncgenfunction(two)) != is_plain
    assert not inspect.iscoroutinefunction(member(sync, name))


def facts(kind: type) -> str:
    """Return the docstring of a class from its facts on, without its example."""
    text = in_sync_words(inspect.getdoc(kind) or "")
    match = re.search(r"(Args|Attributes):.*?(?=Examples:|\Z)", text, re.DOTALL)
    return match[0].strip() if match else ""


@pytest.mark.parametrize(("sync", "other"), PAIRS, ids=lambda kind: kind.__name__)
def test_the_same_facts_about_the_classes(sync: type, other: type) -> None:
    assert facts(sync) == facts(other)
    assert facts(sync)


def test_the_words_of_a_bulk_of_options_are_shared() -> None:
    assert Endpoint.run.__annotations__["options"] == AsyncEndpoint.run.__annotations__["options"]
