"""`runpod.error`."""

from __future__ import annotations


class RunPodError(Exception):
    """What the package raises."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message)
        self.message = message


class AuthenticationError(RunPodError):
    """The API key is missing, or refused."""


class QueryError(RunPodError):
    """A query that was refused."""

    def __init__(self, message: str | None = None, query: str | None = None) -> None:
        super().__init__(message)
        self.query = query
