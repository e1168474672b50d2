"""What the official `runpod.error` names, for `except`; and the 401 of this module, which is a RuntimeError too."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from runpod_sdk import errors

if TYPE_CHECKING:
    from collections.abc import Generator

RunPodError = errors.RunpodError


class AuthenticationError(errors.AuthenticationError, RuntimeError):
    """401: the API key is wrong, or not for this endpoint. A RuntimeError, as the official client raises."""


@contextmanager
def as_official() -> Generator[None]:
    """Let a 401 be a RuntimeError, too."""
    try:
        yield
    except errors.AuthenticationError as error:
        twin = AuthenticationError.__new__(AuthenticationError, *error.args)
        twin.__dict__.update(error.__dict__)
        raise twin.with_traceback(error.__traceback__) from error.__cause__
