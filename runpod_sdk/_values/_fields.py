"""Reads the fields of an answer one by one: a field of the wrong type counts as missing, and is reported.

Only the service's documented kinds fit: no text is read as a number, no number as a text.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    # Called for each field of a wrong type: its name and value.
    Told = Callable[[str, object], object]

# Above this nothing is a count or a number of milliseconds; ours, and what most languages hold.
COUNT_MAX = 2**63 - 1


class Fields:
    """The fields of one JSON object, by the service's names. None is what is not there, null, or does not fit."""

    __slots__ = ("_data", "_told")

    def __init__(self, data: Mapping[str, Any], told: Told) -> None:
        self._data = data
        self._told = told

    def count(self, name: str) -> int | None:
        """Return a count, or milliseconds: a float is a number too, True is not, nor is what lies below 0."""
        value = self._data.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= COUNT_MAX:
            self._told(name, value)
            return None
        return int(value)

    def text(self, name: str) -> str | None:
        """Return a text; an empty one says nothing."""
        value = self._data.get(name)
        if value is None or isinstance(value, str):
            return value or None
        self._told(name, value)
        return None

    def as_text(self, name: str) -> str | None:
        """Return a text as it is, anything else as its JSON."""
        value = self._data.get(name)
        if value is None or isinstance(value, str):
            return value
        try:
            return json.dumps(value)
        except (ValueError, RecursionError):  # nested as deeply as could just be read
            self._told(name, value)
            return None

    def object(self, name: str) -> Mapping[str, Any] | None:
        """Return an object."""
        value = self._data.get(name)
        if value is None or isinstance(value, dict):
            return cast("dict[str, Any] | None", value)
        self._told(name, value)
        return None


def camel(name: str) -> str:
    """Return a name of ours as the service writes it."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))
