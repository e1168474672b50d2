"""Inputs of the caller's own classes, in both flavours; and what type checkers know of a bulk run."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypedDict, assert_type

import attrs
import pydantic
import pytest

from runpod_sdk import (
    AsyncEndpoint,
    AsyncMap,
    AsyncMapFailure,
    AsyncMapSuccess,
    Client,
    Endpoint,
    Job,
    Map,
    MapFailure,
    MapResult,
    MapSuccess,
    SubmitOptions,
)
from tests.sdk.flavours import World, both_flavours, caught

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

UNTOLD = "what-no-error-shows"


class Colour(enum.Enum):
    RED = "red"


@attrs.frozen
class Size:
    width: int
    height: int = 512


@dataclasses.dataclass
class Drawing:
    prompt: str
    size: Size
    day: date = date(2026, 11, 28)
    colours: tuple[Colour, ...] = (Colour.RED,)


class Prompt(pydantic.BaseModel):
    text: str = pydantic.Field(alias="prompt")
    at: datetime = datetime(2026, 11, 28, tzinfo=UTC)


@pydantic.dataclasses.dataclass
class Checked:
    n: int
    inner: Prompt


class Plain(TypedDict):
    n: int


PROMPT = {"prompt": "a cat", "at": "2026-11-28T00:00:00Z"}
DRAWING = {"prompt": "a", "size": {"width": 8, "height": 512}, "day": "2026-11-28", "colours": ["red"]}
GIVEN: dict[str, tuple[Any, Any]] = {
    "attrs": (Size(8), {"width": 8, "height": 512}),
    "dataclass": (Drawing("a", Size(8)), DRAWING),
    "pydantic": (Prompt(prompt="a cat"), PROMPT),
    "pydantic dataclass": (Checked(1, Prompt(prompt="a cat")), {"n": 1, "inner": PROMPT}),
    "inside": (
        {"sizes": [Size(1, 2)], "by": {"x": Prompt(prompt="a cat")}},
        {"sizes": [{"width": 1, "height": 2}], "by": {"x": PROMPT}},
    ),
}


@both_flavours
async def test_an_object_with_fields_is_sent_as_these(world: World) -> None:
    with TemporaryDirectory() as folder:
        await _each_is_sent(world, Path(folder) / "run.sqlite")


async def _each_is_sent(world: World, journal: Path) -> None:
    seen: list[Any] = []
    world.emulator.endpoint("abc", lambda job: seen.append(job["input"]))
    endpoint = world.client().endpoint("abc")
    for given, expected in GIVEN.values():
        await endpoint.run_sync(given)
        await (await endpoint.run(given)).wait()
        async with endpoint.map([given], journal=journal) as results:
            assert [result.input async for result in results] == [given]
        assert seen == [expected] * 3
        seen.clear()
    async with endpoint.map([expected for _, expected in GIVEN.values()], journal=journal) as results:
        assert [result async for result in results] == [], "a journal knows them by what they are as JSON"


class Odd(pydantic.BaseModel):
    n: int = 1

    @pydantic.field_serializer("n")
    def written(self, value: int) -> int:
        raise ValueError(f"{UNTOLD} {value}")


@dataclasses.dataclass
class Selfish:
    name: str = UNTOLD
    inner: Any = None


def selfish() -> Selfish:
    one = Selfish()
    one.inner = [one]
    return one


BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "a field that is no JSON": (Drawing(UNTOLD, {Size(1)}), TypeError, r"input\['size'\] is of type set"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    "a serializer that raises": (Odd(), ValueError, "input: Odd cannot be written as JSON"),
    "itself": (selfish(), ValueError, "nested too deeply, or holds itself"),
    "no object": (pydantic.RootModel[list[str]]([UNTOLD]), TypeError, "no JSON object"),
    "a class": (Size, TypeError, "of type type"),
    "another object": (object(), TypeError, "of type object: the service takes a JSON object"),
}


@both_flavours
async def test_what_is_no_input_is_refused_before_anything_is_sent(world: World) -> None:
    world.emulator.endpoint("abc", lambda _job: None)
    endpoint = world.client().endpoint("abc")
    job = await endpoint.run({"n": 1})
    before = len(world.operations)
    refused: list[tuple[Any, type[Exception], str]] = [*BAD.values(), (job, TypeError, "Job: the service takes a JSON")]
    for given, kind, words in refused:
        error = await caught(kind, partial(endpoint.run, given))
        assert re.search(words, str(error))
        assert UNTOLD not in str(error)
    async with endpoint.map([given for given, _, _ in BAD.values()]) as results:
        assert [type(result.error) async for result in results] == [kind for _, kind, _ in BAD.values()]
    assert len(world.operations) == before


@both_flavours
async def test_a_result_is_a_success_or_a_failure(world: World) -> None:
    world.emulator.endpoint("abc", lambda job: 1 / job["input"]["n"])
    async with world.client().endpoint("abc").map({"a": {"n": 4}, "b": {"n": 0}}, ordered=True) as results:
        found = [result async for result in results]
    assert [(type(result).__name__.removeprefix("Async"), result.is_success) for result in found] == [
        ("MapSuccess", True),
        ("MapFailure", False),
    ]


def test_generic_names_may_leave_out_what_has_a_default() -> None:
    assert str(Map[int]) == f"{Map.__module__}.Map[int, typing.Any]"
    assert str(MapResult[int, str]).endswith("MapResult[int, str]")


@pytest.mark.parametrize("kind", [Endpoint, AsyncEndpoint])
def test_what_type_checkers_are_told_of_map_is_what_it_takes(kind: type[Any]) -> None:
    from runpod_sdk._client._bulk import _map_options  # noqa: PLC0415  nobody else needs it while a program runs

    name = "AsyncMapOptions" if kind is AsyncEndpoint else "MapOptions"
    told = getattr(_map_options, name)
    taken = {
        parameter.name
        for parameter in inspect.signature(kind.map).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    submit = set(SubmitOptions.__annotations__)
    assert {*told.__annotations__} - submit == taken
    assert {*getattr(_map_options, name.replace("Map", "UnkeyedMap")).__annotations__} < {*told.__annotations__}


# For mypy and pyright: each holds what it should reveal.


def _pairs() -> Iterator[tuple[tuple[int, str], Size]]:
    yield (1, "a"), Size(1)


async def _inputs() -> AsyncIterator[Plain]:
    yield {"n": 1}


def checked_keys(client: Client, endpoint: Endpoint[Size], job: Job[Size], path: Path) -> None:
    assert_type(endpoint.map({"a": Size(1)}), Map[Size, str])
    assert_type(endpoint.map([Size(1), Size(2)]), Map[Size, int])
    assert_type(endpoint.map([Prompt(prompt="a")], ordered=True), Map[Size, int])
    assert_type(endpoint.map(Drawing("a", Size(n)) for n in range(3)), Map[Size, int])
    assert_type(endpoint.map(_pairs()), Map[Size, tuple[int, str]])
    assert_type(endpoint.map([job]), Map[Size, int])
    assert_type(endpoint.map([{"n": 1}], journal=path), Map[Size, Any])
    assert_type(client.endpoint("abc").map({1: {"n": 1}}), Map[Any, int])


def checked_keys_of_tasks(endpoint: AsyncEndpoint[Size]) -> None:
    assert_type(endpoint.map(_inputs()), AsyncMap[Size, int])
    assert_type(endpoint.map({"a": Size(1)}), AsyncMap[Size, str])


def checked_narrowing(endpoint: Endpoint[Size]) -> None:
    for result in endpoint.map({"a": Size(1)}):
        assert_type(result, MapSuccess[Size, str] | MapFailure[Size, str])
        assert_type(result.key, str)
        if result.is_success:
            assert_type(result.output, Size)
        else:
            assert_type(result.error, Exception)
        if result.error is None:  # pyright: ignore[reportUnnecessaryComparison]  which takes it for an Exception
            assert_type(result, MapSuccess[Size, str])
            assert_type(result.output, Size)
            assert_type(result.job, Job[Size])
        else:
            assert_type(result.error, Exception)


async def checked_narrowing_of_tasks(endpoint: AsyncEndpoint[Size]) -> None:
    outputs: dict[str, Size] = {}
    errors: dict[str, Exception] = {}
    async for result in endpoint.map({"a": Size(1)}):
        if result.is_success:
            outputs[result.key] = result.output
        else:
            errors[result.key] = result.error
        match result:
            case AsyncMapSuccess():
                assert_type(result.output, Size)
            case AsyncMapFailure():
                assert_type(result.error, Exception)
