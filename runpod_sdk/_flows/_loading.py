"""Imports what only some calls need, and reports it properly when no file descriptor is left to do so."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from runpod_sdk.errors import RunpodError

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def loading(what: str) -> Generator[None]:
    """Raise RunpodError where a module cannot be read.

    The system numbers its errors. One without a number is somebody else's: a TimeoutError of an alarm, say.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise RunpodError(f"{what} cannot be loaded: {error}") from error
