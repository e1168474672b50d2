"""All that anybody can see of an exception: its words, its pickle, and the locals of every frame.

Those of pytest and of most error trackers write down the repr of each local; some walk through mappings, sequences and
dataclasses; some evaluate the names and attributes of the line that failed.
"""

from __future__ import annotations

import ast
import dataclasses
import linecache
import pickle
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runpod_sdk import RunpodError

if TYPE_CHECKING:
    from types import FrameType, TracebackType

# The frames of tests hold the secrets that they plant.
TESTS = str(Path(__file__).parent.parent)
DEPTH = 6


def exposed(error: BaseException) -> Iterator[str]:
    """Return all that can be seen of an exception, and of those behind it."""
    for each in _chain(error):
        yield f"{each} {each!r} {each.args!r} {getattr(each, '__notes__', '')} {type(each).__name__}"
        if type(each).__module__.startswith("runpod_sdk"):
            yield from _walked("vars", vars(each), DEPTH)
        if isinstance(each, RunpodError):
            yield repr(pickle.dumps(each))
        for trace in _traces(each):
            frame = trace.tb_frame
            if not frame.f_code.co_filename.startswith(TESTS):
                yield from _of_frame(frame, trace.tb_lineno)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Return an exception with its causes, contexts and parts; also those that Python would not print."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            left += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
            yield each


def _traces(error: BaseException) -> Iterator[TracebackType]:
    trace = error.__traceback__
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _of_frame(frame: FrameType, line: int) -> Iterator[str]:
    where = f"{frame.f_code.co_filename}:{line} in {frame.f_code.co_qualname}"
    for name, value in frame.f_locals.items():
        yield from _walked(f"{where}: {name}", value, DEPTH)
    for text, value in _evaluated(frame, line):
        yield from _walked(f"{where}: {text}", value, DEPTH)


def _walked(name: str, value: Any, depth: int) -> Iterator[str]:
    """Return the repr of a value, and those of its parts, as far as collectors walk."""
    yield f"{name} = {value!r}"
    if depth == 0:
        return
    if isinstance(value, Mapping):
        for key, item in list(value.items()):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            yield from _walked(f"{name}[{key!r}]", item, depth - 1)
    elif isinstance(value, Sequence | AbstractSet) and not isinstance(
        value, str | bytes | bytearray | memoryview | range
    ):
        for item in list(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            yield from _walked(f"{name}[…]", item, depth - 1)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):  # pyright: ignore[reportUnknownArgumentType]
        for field in dataclasses.fields(value):
            if field.repr:
                yield from _walked(f"{name}.{field.name}", getattr(value, field.name, None), depth - 1)


def _evaluated(frame: FrameType, line: int) -> Iterator[tuple[str, Any]]:
    """Return what the names and attributes of a line stand for."""
    source = textwrap.dedent(linecache.getline(frame.f_code.co_filename, line)).strip().removesuffix(":")
    for start in (source, source.partition("with ")[2], source.partition(" = ")[2], source.partition("return ")[2]):
        try:
            tree = ast.parse(start.partition(" as ")[0])
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                value = _attribute(node, frame)
                if value is not None:
                    yield ast.unparse(node), value


def _attribute(node: ast.expr, frame: FrameType) -> Any:
    if isinstance(node, ast.Name):
        return frame.f_locals.get(node.id)
    if isinstance(node, ast.Attribute):
        return getattr(_attribute(node.value, frame), node.attr, None)
    return None
