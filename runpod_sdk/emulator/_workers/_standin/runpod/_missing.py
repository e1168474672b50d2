"""The error for names the stand-in lacks, and lazy loading of rarely used modules."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def missing_from(module: str, kept: Mapping[str, str] | None = None) -> Callable[[str], Any]:
    """Return a module's `__getattr__`.

    Args:
        module: its name.
        kept: names that it has, and the module below it that is loaded for each: "" for a module of that name.
    """
    known = kept or {}

    def missing(name: str) -> Any:
        place = known.get(name)
        if place is not None:
            found = import_module(f"{module}.{place or name}")
            return getattr(found, name) if place else found
        raise AttributeError(
            f"{module}.{name} is not in the emulator's stand-in for the runpod package; "
            "to use it, install the official package beside the emulator: pip install runpod"
        )

    return missing
