"""The exceptions of the official `runpod.error`; here, a 401 is a RuntimeError too."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from runpod_sdk import errors

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

RunPodError = errors.RunpodError


class AuthenticationError(errors.AuthenticationError, RuntimeError):
    """401: the API key is wrong, or not for this endpoint. A RuntimeError, as the official client raises.

    Raised by callers, as `AuthenticationError("…")`, it has a message and nothing else to tell.
    """

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or "", operation="", endpoint_id="", job_id=None, status_code=401, headers={}, body="")


class QueryError(errors.RunpodError):
    """A query of the management API failed: raised by code of the official package, never by this one."""

    def __init__(
        self,
        message: str | None = None,
        query: str | None = None,
        status_code: int | None = None,
        errors: Sequence[str] | None = None,
    ) -> None:
        super().__init__(message)
        self.query = query
        self.status_code = status_code
        self.errors = [*(errors or ())]


@contextmanager
def as_official() -> Generator[None]:
    """Let a 401 be a RuntimeError, too."""
    try:
        yield
    except errors.AuthenticationError as error:
        twin = AuthenticationError.__new__(AuthenticationError, *error.args)
        twin.__dict__.update(error.__dict__)
        raise twin.with_traceback(error.__traceback__) from error.__cause__
