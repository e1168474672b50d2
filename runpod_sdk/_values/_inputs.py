"""Converts inputs that are pydantic models, attrs classes or dataclasses to JSON.

At the top or anywhere inside. Within such an object, members of enums are their values and dates are ISO texts, as
`output_type` reads them; anything else that JSON cannot hold stays what it is, and is refused where it is written.
Nothing is imported for it: an object tells by its class what it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import date
from enum import Enum
from typing import Any, ClassVar, Protocol, TypeAlias, cast

# Deeper than this is taken for something that holds itself.
_DEPTH_MAX = 200


class DataclassInstance(Protocol):
    """An object of a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


class AttrsInstance(Protocol):
    """An object of an attrs class. The protocol of attrs itself takes anything where a checker has no plugin for it."""

    __attrs_attrs__: ClassVar[Any]


class PydanticInstance(Protocol):
    """A pydantic model."""

    __pydantic_serializer__: ClassVar[Any]


InputObject: TypeAlias = Mapping[str, Any] | DataclassInstance | AttrsInstance | PydanticInstance


def has_fields(value: object) -> bool:
    """Whether it is an object of such a class. None of ours is one: a handle on a job, say, is no input."""
    kind = type(value)
    is_one = any(hasattr(kind, mark) for mark in ("__pydantic_serializer__", "__attrs_attrs__", "__dataclass_fields__"))
    return is_one and kind.__module__.partition(".")[0] != "runpod_sdk"


def as_json(value: object) -> Any:
    """Return such an object as JSON has it; as `default` of an encoder.

    Raises:
        TypeError: it is another one.
        ValueError: it is nested too deeply, or cannot be read.
    """
    if not has_fields(value):
        raise TypeError(f"an object of type {type(value).__name__} is not JSON")
    return _plain(value, 0)


def as_object(value: object) -> Any:
    """Return an input as a mapping, if it is an object of such a class; else as it is.

    Raises:
        ValueError: it is nested too deeply, or cannot be read.
    """
    return _plain(value, 0) if has_fields(value) else value


def _plain(value: object, depth: int) -> Any:
    if depth > _DEPTH_MAX:
        raise ValueError("input is nested too deeply, or holds itself")
    if has_fields(value):
        return {name: _plain(item, depth + 1) for name, item in _fields(value).items()}
    if isinstance(value, Enum):
        return _plain(value.value, depth + 1)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: _plain(item, depth + 1) for name, item in cast("dict[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(item, depth + 1) for item in cast("list[object]", value)]
    return value


def _fields(value: Any) -> Mapping[str, Any]:
    kind = cast("Any", type(value))
    if hasattr(kind, "__pydantic_serializer__"):
        return _dumped(kind.__pydantic_serializer__, value)
    if hasattr(kind, "__attrs_attrs__"):
        return {field.name: getattr(value, field.name) for field in kind.__attrs_attrs__}
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _dumped(serializer: Any, value: Any) -> Mapping[str, Any]:
    """Return a pydantic model by its aliases, which is what a worker's own model reads."""
    try:
        dumped = serializer.to_python(value, mode="json", by_alias=True)
    except (TypeError, ValueError) as error:  # its words may show a value
        raise ValueError(f"input: {type(value).__name__} cannot be written as JSON ({type(error).__name__})") from None
    if not isinstance(dumped, Mapping):
        raise TypeError(f"input is of type {type(value).__name__}, which is no JSON object")
    return cast("Mapping[str, Any]", dumped)
