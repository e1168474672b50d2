"""Secrets and inputs on their way to the wire, as values that show nothing of themselves.

Tracebacks with locals, error trackers and debuggers write down what stands in the frames of a program. What is hidden
here is written there as `<hidden>`, whoever looks: it is no text, no bytes and no mapping that somebody could walk
through. It is revealed in the expression that hands it on, and never put into a variable.
"""

from __future__ import annotations

from typing import Generic, NoReturn, TypeVar, cast

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
        raise TypeError("a secret belongs into no pickle")
