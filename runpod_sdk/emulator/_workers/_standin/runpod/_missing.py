"""What the stand-in says of a name that it does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable


def missing_from(module: str) -> Callable[[str], NoReturn]:
    """Return a module's `__getattr__`."""

    def missing(name: str) -> NoReturn:
        raise AttributeError(
            f"{module}.{name} is not in the emulator's stand-in for the runpod package; "
            "to use it, install the official package beside the emulator: pip install runpod"
        )

    return missing
