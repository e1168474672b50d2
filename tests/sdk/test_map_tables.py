"""Tables as inputs of a bulk run, and its results as one; both flavours, with each library that is installed."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import Client
from runpod_sdk.emulator import Emulator, Fault
from tests.sdk.flavours import World, bare, both_flavours

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod_sdk import MapResult

ROWS = [{"n": 1, "text": "a"}, {"n": 2, "text": "b"}]


def library(name: str) -> Any:
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    return importlib.import_module(name)


async def listed(results: Any) -> list[Any]:
    return [result async for result in results]


def echoing(world: World) -> Any:
    world.emulator.endpoint("abc", lambda job: job["input"])
    return world.client().endpoint("abc")


@both_flavours
async def test_rows_of_pandas_are_inputs_and_their_index_has_the_keys(world: World) -> None:
    pandas = library("pandas")
    frame = pandas.DataFrame({"n": [1, 2], "x": [0.5, math.nan], "text": ["a", None]}, index=["one", "two"])
    results = await listed(echoing(world).map(frame, ordered=True))
    assert [(result.key, result.output) for result in results] == [
        ("one", {"n": 1, "x": 0.5, "text": "a"}),
        ("two", {"n": 2, "x": None, "text": None}),
    ]


@both_flavours
async def test_an_index_that_cannot_be_keys_is_refused_before_anything_is_sent(world: World) -> None:
    pandas = library("pandas")
    endpoint, journal, n = echoing(world), Path(tempfile.mkdtemp()) / "run.sqlite", {"n": [1, 2]}
    for index in (
        [0, 0],
        [0.5, 1.5],
        pandas.to_datetime(["2026-01-01", "2026-01-02"]),
        pandas.MultiIndex.from_tuples([("a", 1), ("a", 2)]),
        ["a", None],
    ):
        with pytest.raises(ValueError, match=r"df\.reset_index\(drop=True\)"):
            endpoint.map(pandas.DataFrame(n, index=index), journal=journal)
        assert len(await listed(endpoint.map(pandas.DataFrame(n, index=index)))) == 2, "without a journal it may be"
    assert not journal.exists()
    assert len(await listed(endpoint.map(pandas.DataFrame(n, index=[7, 5]), journal=journal))) == 2


@both_flavours
async def test_iterrows_are_pairs_of_keys_and_inputs(world: World) -> None:
    pandas = library("pandas")
    frame = pandas.DataFrame(ROWS)
    results = await listed(echoing(world).map(frame.iterrows(), ordered=True, journal=None))
    assert [(result.key, result.output) for result in results] == list(enumerate(ROWS))


@both_flavours
async def test_rows_of_a_dataset_are_inputs_whatever_its_format(world: World) -> None:
    datasets = library("datasets")
    dataset = datasets.Dataset.from_dict({"n": [1, 2], "x": [0.5, None], "tags": [["a"], []]})
    rows: list[dict[str, Any]] = [{"n": 1, "x": 0.5, "tags": ["a"]}, {"n": 2, "x": None, "tags": []}]
    endpoint = echoing(world)
    for given in (dataset, dataset.with_format("pandas"), dataset.with_format("arrow"), dataset.to_iterable_dataset()):
        results = await listed(endpoint.map(given, ordered=True))
        assert [(result.key, result.output) for result in results] == list(enumerate(rows))
    with pytest.raises(TypeError, match=r"choose one of its splits, .* 'train'"):
        endpoint.map(datasets.DatasetDict({"train": dataset}))


@both_flavours
async def test_rows_of_polars_and_arrow_are_inputs(world: World) -> None:
    polars, arrow = library("polars"), library("pyarrow")
    endpoint = echoing(world)
    for table in (polars.DataFrame(ROWS), polars.LazyFrame(ROWS), arrow.Table.from_pylist(ROWS)):
        results = await listed(endpoint.map(table, ordered=True))
        assert [result.output for result in results] == ROWS


@both_flavours
async def test_an_input_is_made_of_a_row_by_a_mapping_or_a_function(world: World) -> None:
    endpoint = echoing(world)
    results = await listed(endpoint.map(iter(ROWS), ordered=True, from_row={"prompt": "text"}))
    assert [result.output for result in results] == [{"prompt": "a"}, {"prompt": "b"}]

    def twice(row: dict[str, Any]) -> dict[str, Any]:
        return {"twice": row["n"] * 2}

    keyed = await listed(endpoint.map({"k": ROWS[0]}, from_row=twice))
    assert [(result.key, result.input, result.output) for result in keyed] == [("k", {"twice": 2}, {"twice": 2})]


@both_flavours
async def test_a_column_that_is_not_there_ends_the_inputs(world: World) -> None:
    endpoint = echoing(world)
    with pytest.raises(ValueError, match="'body', which the row does not have"):
        await listed(endpoint.map(ROWS, from_row={"prompt": "body"}))
    with pytest.raises(TypeError, match="a mapping or a function expected"):
        endpoint.map(ROWS, from_row=["prompt"])


@both_flavours
async def test_an_input_that_cannot_be_made_names_its_row(world: World) -> None:
    endpoint = echoing(world)

    def only_n(row: dict[str, Any]) -> dict[str, Any]:
        return {"n": row["n"]}

    for rows, key in ((iter([{"n": 1}, {"m": 1}]), "1"), ({"x": {"n": 1}, "y": {"m": 1}}, "'y'")):
        with pytest.raises(KeyError) as raised:
            await listed(endpoint.map(rows, from_row=only_n))
        assert raised.value.__notes__ == [f"It came from the row with key={key}"]


@both_flavours
async def test_results_become_a_table(world: World) -> None:
    pandas, polars = library("pandas"), library("polars")
    library("pyarrow")
    endpoint = echoing(world)
    inputs: list[Any] = [*ROWS, "none"]
    frame = await endpoint.map(inputs, ordered=True).to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame["status"].tolist()[:2] == ["COMPLETED", "COMPLETED"]
    assert frame["output"].tolist()[:2] == ROWS
    assert frame["input"].tolist() == inputs
    assert "a JSON object" in frame["error"].tolist()[2]
    table = await endpoint.map(ROWS, ordered=True).to_arrow()
    assert table.column("output").to_pylist() == ROWS
    mixed = await endpoint.map(inputs, ordered=True).to_polars()
    assert isinstance(mixed, polars.DataFrame)
    assert mixed["input"].to_list() == ['{"n": 1, "text": "a"}', '{"n": 2, "text": "b"}', '"none"']


@both_flavours
async def test_a_table_has_a_status_for_results_without_a_state_too(world: World) -> None:
    library("pandas")
    endpoint = echoing(world)
    world.emulator.inject(Fault.drop("after", times=1, on="run"))
    inputs: list[Any] = [{"n": 0}, "no input", bare(endpoint.job("gone")), {"n": 3}]
    frame = await endpoint.map(inputs, ordered=True, concurrency=1).to_pandas()
    assert frame["status"].tolist() == ["UNKNOWN", "UNSUBMITTED", "EXPIRED", "COMPLETED"]


@pytest.fixture
def results() -> Iterator[list[MapResult[Any]]]:
    """Provide three results, one of them an error."""
    inputs: list[Any] = [*ROWS, "none"]
    with Emulator() as emulator, Client(**emulator.connection) as client:
        emulator.endpoint("abc", lambda job: job["input"])
        yield list(client.endpoint("abc").map(inputs, ordered=True))


def test_a_result_is_a_plain_record(results: list[MapResult[Any]]) -> None:
    facts = [dataclasses.asdict(result) for result in results]
    assert [(each["index"], each["input"]) for each in facts] == list(enumerate([*ROWS, "none"]))
    assert facts[0]["state"]["status"] == "COMPLETED"


def test_pandas_takes_results_as_they_are(results: list[MapResult[Any]]) -> None:
    frame = library("pandas").DataFrame(results)
    assert frame["output"].tolist()[:2] == ROWS
