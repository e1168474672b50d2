"""Takes the inputs of a bulk run one at a time, numbers them, and works out their keys."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from runpod_sdk._values._hidden import Hidden
from runpod_sdk._values._inputs import InputObject

from ._map_tables import is_table, row_of, rows_of, shaped

if TYPE_CHECKING:
    from datetime import datetime

    from runpod_sdk._client._journal._rows import Known

    from ._map_tables import FromRow
    from ._task_pool import Outbox


class Handle(Protocol):
    """What a bulk run knows of a job that was submitted before: Job and AsyncJob are such."""

    @property
    def endpoint_id(self) -> str:
        """Where the job is."""
        ...

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def submitted_at(self) -> datetime | None:
        """When this process submitted it."""
        ...


Given = InputObject | Handle
Input = Given | tuple[Any, Given]
T = TypeVar("T")
Many = Iterable[T] | AsyncIterable[T]
Inputs = Iterable[Input] | AsyncIterable[Input] | Mapping[Any, Given]


@dataclass(frozen=True, slots=True)
class Item:
    """One input in line; `known` is what a journal has of it."""

    index: int
    key: Any
    input: Hidden[Any]
    is_keyed: bool = True
    known: Known | None = None


# What stands for the end of the inputs.
OVER = Item(-1, None, Hidden(None))


def is_many(inputs: object) -> bool:
    """Return whether there are inputs in it: a table, or what can be iterated and is no text."""
    if is_table(inputs):
        return True
    return isinstance(inputs, Iterable | AsyncIterable) and not isinstance(inputs, str | bytes | bytearray)


def items_of(inputs: Hidden[Inputs], from_row: FromRow | None = None) -> Iterator[Item] | AsyncIterator[Item]:
    """Number the inputs, and find their keys; lazily, and in no frame that an exception of theirs could show."""
    rows: Any = rows_of(inputs.reveal())
    given: object = rows
    made = row_of if from_row is None else shaped(from_row)
    if isinstance(given, Mapping):
        return map(partial(_keyed, made), count(), rows.items())
    if isinstance(given, Iterable):
        return map(partial(_item, made), count(), rows)
    return _items_of_async(made, aiter(rows))


async def _items_of_async(made: Callable[[Any], Any], inputs: AsyncIterator[Any]) -> AsyncIterator[Item]:
    for index in count():
        try:
            item = _item(made, index, await anext(inputs))
        except StopAsyncIteration:
            return
        yield item


def _keyed(made: Callable[[Any], Any], index: int, pair: tuple[Any, Any]) -> Item:
    return Item(index, pair[0], Hidden(_made(made, pair[0], pair[1])))


def _item(made: Callable[[Any], Any], index: int, one: Any) -> Item:
    given: Any = one
    if isinstance(one, tuple) and len(one) == 2:  # pyright: ignore[reportUnknownArgumentType]
        return _keyed(made, index, given)
    return Item(index, index, Hidden(_made(made, index, given)), is_keyed=False)


def _made(made: Callable[[Any], Any], key: Any, given: Any) -> Any:
    """Return the input that is made of a row; where that raises, the exception says of which."""
    try:
        return made(given)
    except Exception as error:
        error.add_note(f"It came from the row with key={key!r}")
        raise


def refusal(inputs: object, item: Item, error: Exception) -> Exception:
    """Return why an input cannot be sent; where it is a field of a lone input, the error says how `map` has read it."""
    is_field = isinstance(inputs, Mapping) and isinstance(item.input.reveal(), str | int | float | list | tuple)
    if not is_field:
        return error
    return TypeError(f"{error}; a mapping is read as {{key: input}}; for one input, pass [input]")


def until(
    items: Iterator[Item | None] | AsyncIterator[Item | None], is_enough: Callable[[], bool]
) -> Iterator[Item | None] | AsyncIterator[Item | None]:
    """Take inputs for as long as it is not enough."""

    def taken(items: Iterator[Item | None]) -> Iterator[Item | None]:
        while not is_enough() and (item := next(items, OVER)) is not OVER:
            yield item

    async def taken_async(items: AsyncIterator[Item | None]) -> AsyncIterator[Item | None]:
        while not is_enough() and (item := await anext(items, OVER)) is not OVER:
            yield item

    return taken(items) if isinstance(items, Iterator) else taken_async(items)


def expected(
    items: Iterator[Item | None] | AsyncIterator[Item | None], outbox: Outbox[Any]
) -> Iterator[Item | None] | AsyncIterator[Item | None]:
    """Let the outbox know of each input that is taken."""

    def noted(item: Item | None) -> Item | None:
        if item is not None:
            outbox.expect(item.index)
        return item

    return map(noted, items) if isinstance(items, Iterator) else (noted(item) async for item in items)


# Collections whose items are there.
_QUICK = (list, tuple, dict, set, frozenset, range)


def by_key(inputs: Any) -> Mapping[Any, Any]:
    """Return the inputs of a collection by their keys; none of what has to be taken to see them."""
    given: Any = inputs
    if isinstance(inputs, Mapping) or not is_quick(inputs):
        return given if isinstance(inputs, Mapping) else {}
    return {one[0]: one[1] for one in given if _is_keyed(one)}


def _is_keyed(one: Any) -> bool:
    return isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], str | int)  # pyright: ignore[reportUnknownArgumentType]


def is_quick(inputs: object) -> bool:
    """Return whether no item of these inputs has to be waited for: a collection, and no iterator or view of one."""
    return type(inputs) in _QUICK
