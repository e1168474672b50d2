"""The keyword arguments of `map` as a TypedDict, for type checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from runpod_sdk._values._requests import SubmitOptions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runpod_sdk._client._journal._journal import Journal
    from runpod_sdk._client._journal._rows import Again
    from runpod_sdk._flows._wait import OnAbandon

    from ._async_map import AsyncOnResult
    from ._batch_inputs import KeyOf
    from ._map import OnResult
    from ._map_plan import Concurrency, InputOptions, JournalPath, OnSubmit
    from ._map_stop import Stop
    from ._map_tables import FromRow

T = TypeVar("T")


class PlainOptions(SubmitOptions, total=False):
    """What both flavours take, and what leaves the keys as they are."""

    concurrency: Concurrency
    ordered: bool
    retries: int
    input_options: InputOptions | None
    stop: Stop | None
    from_row: FromRow | None
    via: Literal["jobs", "batch"]
    key_of: KeyOf | None
    on_abandon: OnAbandon | None
    on_submit: OnSubmit | None
    progress: bool


class KeyingOptions(PlainOptions, total=False):
    """All that both flavours take: with some of it, inputs have other keys than their places."""

    journal: JournalPath | Journal | None
    again: Iterable[Again]


class MapOptions(KeyingOptions, Generic[T], total=False):
    """The keyword arguments of the sync client."""

    on_result: OnResult[T] | None


class UnkeyedMapOptions(PlainOptions, Generic[T], total=False):
    """What it takes where keys are places."""

    on_result: OnResult[T, int] | None


class AsyncMapOptions(KeyingOptions, Generic[T], total=False):
    """The keyword arguments of the async client."""

    on_result: AsyncOnResult[T] | None


class AsyncUnkeyedMapOptions(PlainOptions, Generic[T], total=False):
    """What it takes where keys are places."""

    on_result: AsyncOnResult[T, int] | None
