"""Tables as inputs and outputs of bulk runs: pandas, polars and Arrow, where installed.

No library is imported here for inputs: whoever has a table has its library.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._map_result import Result

# How the input of a job is made of a row: field by column, or by a function of the whole row.
FromRow = Mapping[str, str] | Callable[[dict[str, Any]], Mapping[str, Any]]


_DATASETS = {("datasets", "Dataset"), ("datasets", "IterableDataset")}
_TABLES = {("pandas", "DataFrame"), ("polars", "DataFrame"), ("polars", "LazyFrame"), ("pyarrow", "Table"), *_DATASETS}
_SPLITS = {("datasets", "DatasetDict"), ("datasets", "IterableDatasetDict")}


def is_table(inputs: object) -> bool:
    """Whether these are rows of a table.

    Raises:
        TypeError: they are several tables.
    """
    if _kind(inputs) in _SPLITS:
        names = ", ".join(map(repr, cast("Mapping[str, Any]", inputs)))
        raise TypeError(f"inputs is a {type(inputs).__name__}: choose one of its splits, inputs[…] with one of {names}")
    return _kind(inputs) in _TABLES


def rows_of(inputs: Any) -> Any:
    """Return the rows of a table, as dicts, with the index of pandas as keys; anything else as it is."""
    library, name = _kind(inputs)
    if (library, name) == ("pandas", "DataFrame"):
        return _rows_of_pandas(inputs)
    if (library, name) == ("polars", "DataFrame"):
        return map(_plain_row, inputs.iter_rows(named=True))
    if (library, name) == ("polars", "LazyFrame"):
        return map(_plain_row, inputs.collect().iter_rows(named=True))
    if (library, name) == ("pyarrow", "Table"):
        return (_plain_row(row) for batch in inputs.to_batches(max_chunksize=1000) for row in batch.to_pylist())
    if (library, name) in _DATASETS:
        return map(_plain_row, inputs.with_format(None))  # in any other, rows are of its library
    return inputs


def _rows_of_pandas(frame: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    names = [str(name) for name in frame.columns]
    rows = zip(frame.index, frame.itertuples(index=False, name=None), strict=True)
    return ((plain(key), {name: plain(cell) for name, cell in zip(names, row, strict=True)}) for key, row in rows)


def checked_index(inputs: Any) -> None:
    """See whether the index of a table can be the keys of a journal.

    Raises:
        ValueError: it cannot.
    """
    if _kind(inputs) != ("pandas", "DataFrame"):
        return
    from runpod_sdk._client._journal._keys import checked_key

    keys: set[str | int] = set()
    why = ""
    for label in inputs.index:
        try:
            key = checked_key(plain(label))
        except (TypeError, ValueError) as error:
            why = str(error)
            break
        if key in keys:
            why = f"{key!r} is there twice"
            break
        keys.add(key)
    if why:
        raise ValueError(f"the index of the table cannot be keys: {why}; df.reset_index(drop=True) makes one")


def row_of(given: Any) -> Any:
    """Return a row of pandas, as `DataFrame.iterrows()` has it, as a dict; anything else as it is."""
    row: object = given
    if not isinstance(row, dict) and _kind(row) == ("pandas", "Series"):
        return {str(name): plain(cell) for name, cell in given.items()}
    return given


def shaped(from_row: FromRow) -> Callable[[Any], Any]:
    """Return what makes inputs of rows; what is no row stays as it is."""
    return partial(_shaped, from_row)


def _shaped(from_row: FromRow, given: Any) -> Any:
    row = row_of(given)
    if not isinstance(row, Mapping):
        return row
    columns = cast("Mapping[str, Any]", row)
    if callable(from_row):
        return from_row(dict(columns))
    missing = [column for column in from_row.values() if column not in columns]
    if missing:
        raise ValueError(f"from_row names the column {missing[0]!r}, which the row does not have")
    return {field: columns[column] for field, column in from_row.items()}


def checked_from_row(from_row: object) -> None:
    """See whether it can be one.

    Raises:
        TypeError: it cannot.
    """
    if from_row is not None and not callable(from_row) and not isinstance(from_row, Mapping):
        raise TypeError(f"from_row is of type {type(from_row).__name__}: a mapping or a function expected")


def plain(value: Any) -> Any:
    """Return a cell as JSON has it: numpy's numbers as numbers, and what is missing as None."""
    library, name = _kind(value)
    if library == "numpy":
        value = value.tolist()
    if name in ("NAType", "NaTType") or (isinstance(value, float) and value != value):  # noqa: PLR0124  not a number
        return None
    return value


def _plain_row(row: dict[str, Any]) -> dict[str, Any]:
    return {name: plain(cell) for name, cell in row.items()}


def _kind(value: object) -> tuple[str, str]:
    return type(value).__module__.partition(".")[0], type(value).__name__


def record_of(result: Result[Any]) -> dict[str, Any]:
    """Return a result as a row of a table."""
    state = result.state
    return {
        "key": result.key,
        "index": result.index,
        "status": result.status,
        "output": result.output,
        "error": None if result.error is None else str(result.error),
        "job_id": None if result.job is None else result.job.id,
        "worker_id": None if state is None else state.worker_id,
        "delay_time_ms": None if state is None else state.delay_time_ms,
        "execution_time_ms": None if state is None else state.execution_time_ms,
        "input": result.input,
    }


def pandas_of(results: Iterable[Result[Any]]) -> Any:
    """Return results as a DataFrame of pandas."""
    pandas = check_library("pandas")  # before anything is sent
    return pandas.DataFrame([record_of(result) for result in results], columns=list(_COLUMNS))


def arrow_of(results: Iterable[Result[Any]]) -> Any:
    """Return results as a table of Arrow."""
    pa = check_library("pyarrow")
    records = [record_of(result) for result in results]
    columns = {name: [record[name] for record in records] for name in _COLUMNS}
    kinds = {name: getattr(pa, kind)() for name, kind in _COLUMNS.items() if kind}
    return pa.table({name: _arrow(pa, cells, kinds.get(name)) for name, cells in columns.items()})


def polars_of(results: Iterable[Result[Any]]) -> Any:
    """Return results as a DataFrame of polars."""
    polars = check_library("polars")
    return polars.from_arrow(arrow_of(results))


# The columns, and how Arrow calls what is in them; "" where that is the caller's.
_COLUMNS = {
    "key": "",
    "index": "int64",
    "status": "string",
    "output": "",
    "error": "string",
    "job_id": "string",
    "worker_id": "string",
    "delay_time_ms": "int64",
    "execution_time_ms": "int64",
    "input": "",
}


def _arrow(pa: Any, cells: list[Any], kind: Any) -> Any:
    try:
        return pa.array(cells, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):  # of several kinds: as JSON
        return pa.array([None if cell is None else json.dumps(cell, default=str) for cell in cells], pa.string())


def check_library(name: str) -> Any:
    """Return a library of tables.

    Raises:
        ImportError: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(f"a {name} table needs {name}: pip install {name}") from error
