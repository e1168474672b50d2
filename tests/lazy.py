"""Modules that take long to import, imported when a test first uses them and not in each process that collects it."""

from __future__ import annotations

import importlib
from typing import Any

# What pytest and Hypothesis ask of each name in a file of tests.
_ASKED_WHEN_COLLECTED = {"pytestmark", "is_hypothesis_test"}


class Lazy:
    """A module that is imported when something of it is used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name in _ASKED_WHEN_COLLECTED or name.startswith("_"):
            raise AttributeError(name)
        return getattr(importlib.import_module(self._name), name)
