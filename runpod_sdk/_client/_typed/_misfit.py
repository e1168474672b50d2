"""Where an output does not match its type, and how that place is named in messages."""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import Any, get_args

from runpod_sdk._values._states import shorten


class Misfit(Exception):  # noqa: N818  never leaves the rooms that read outputs
    """Something in an output is not what its type says.

    Attributes:
        path: where, as in Python: "output.images[2].url".
        why: what is wrong there; never shows the value.
        more: how many other places there are.
    """

    def __init__(self, path: str, why: str, more: int = 0) -> None:
        super().__init__(path, why, more)
        self.path = path
        self.why = why
        self.more = more


def name_of(kind: Any) -> str:
    """Name a type as its author would."""
    name = kind.__qualname__.rpartition("<locals>.")[2] if isinstance(kind, type) and not get_args(kind) else str(kind)
    return shorten("None" if name == "NoneType" else name.replace("typing.", ""))


def first_line(error: Exception) -> str:
    """Return the first line of what an error says."""
    return str(error).partition("\n")[0]


def json_name(value: object) -> str:
    """Name the kind of a JSON value, in Python's words."""
    return "None" if value is None else type(value).__name__


def step(path: str, key: object) -> str:
    """Return the path one level further down."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if str(key).isidentifier() else f"{path}[{str(key)!r}]"


def is_class_with_fields(kind: Any) -> bool:
    """Whether it is an attrs class or a dataclass, plain or with arguments: `Page`, `Page[int]`."""
    origin: Any = getattr(kind, "__origin__", kind)
    has_fields = is_dataclass(origin) or hasattr(origin, "__attrs_attrs__")
    return has_fields and isinstance(origin, type)
