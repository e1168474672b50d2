"""Type variables with defaults, and the classes that use several.

Python knows defaults from 3.13 on, type checkers always do: `Map[Picture]` is `Map[Picture, Any]` to all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

# The types of a bulk run's keys, and of a stream's chunks; the latter also as what a call is asked for.
if TYPE_CHECKING:
    from typing_extensions import TypeVar

    K_co = TypeVar("K_co", covariant=True, default=Any)
    C_co = TypeVar("C_co", covariant=True, default=Any)
    C = TypeVar("C", default=Any)
else:
    from typing import TypeVar

    K_co = TypeVar("K_co", covariant=True)
    C_co = TypeVar("C_co", covariant=True)
    C = TypeVar("C")


class Defaulted:
    """A generic class whose last parameters may be left out."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __class_getitem__(cls, parameters: object) -> object:
            given = parameters if isinstance(parameters, tuple) else (parameters,)
            left = len(getattr(cls, "__parameters__", ())) - len(given)
            return super().__class_getitem__((*given, *[Any] * left))
