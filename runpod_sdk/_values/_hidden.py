"""Wrappers for secrets and inputs whose repr shows nothing.

Tracebacks with locals, error trackers and debuggers write down what stands in the frames of a program. What is hidden
here is written there as `<hidden>`: it is no text, no bytes and no mapping that could be walked
through. It is revealed in the expression that hands it on, and never put into a variable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

T_co = TypeVar("T_co", covariant=True)


class Hidden(Generic[T_co]):
    """A value that only `reveal` shows."""

    __slots__ = ("_value",)

    def __init__(self, value: T_co) -> None:
        self._value = value

    def reveal(self) -> T_co:
        """Return the value."""
        return self._value

    def __repr__(self) -> str:
        return "<hidden>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hidden) and bool(self._value == cast("Hidden[object]", other)._value)

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled")


def hide_frames(error: BaseException, is_hidden: Callable[[str], bool]) -> None:
    """Take the frames of some modules out of the traceback of an exception, and of those behind it."""
    for each in chain(error):
        each.__traceback__ = _shown(each.__traceback__, is_hidden)


def chain(error: BaseException) -> Iterator[BaseException]:
    """Return an exception, and all that are behind it."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            left += (each.__cause__, each.__context__)
            yield each


def _shown(trace: TracebackType | None, is_hidden: Callable[[str], bool]) -> TracebackType | None:
    def is_shown(at: TracebackType) -> bool:
        return not is_hidden(at.tb_frame.f_globals.get("__name__", ""))

    while trace is not None and not is_shown(trace):
        trace = trace.tb_next
    at = trace
    while at is not None:
        while at.tb_next is not None and not is_shown(at.tb_next):
            at.tb_next = at.tb_next.tb_next
        at = at.tb_next
    return trace
