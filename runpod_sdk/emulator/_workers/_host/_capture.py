"""Captures what a handler prints for its job's error, as runpod 2.0 workers optionally do.

Source: runpod-python 2.0.0rc2, serverless/modules/rp_capture.py. What is printed goes where it went before, too. What
a handler prints in threads of its own is not kept; what it hands to `asyncio.to_thread` is.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

LOGS_MAX = 16 * 1024  # characters; the last ones are kept.  # rp_capture.py: MAX_CAPTURED_CHARS


class Printed:
    """What was printed.

    Attributes:
        text: the end of it.
    """

    __slots__ = ("text",)

    def __init__(self) -> None:
        self.text = ""

    def add(self, text: str) -> None:
        """Take a piece."""
        self.text = (self.text + text)[-LOGS_MAX:]


class Tee:
    """A stream that hands on what is written to it, and lets the running job keep it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a piece."""
        count: int = self._stream.write(text)
        printed = _PRINTED.get()
        if printed is not None:
            printed.add(text)
        return count

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


NOTHING = Printed()
_NAMES = ("stdout", "stderr")
_PRINTED: ContextVar[Printed | None] = ContextVar("runpod_sdk_printed", default=None)
_lock = threading.Lock()
_tees: dict[str, Tee] = {}
_uses = 0


def is_wanted() -> bool:
    """Whether the environment says so."""
    return os.environ.get("RUNPOD_LOG_CAPTURE", "").strip().lower() == "all"


@contextlib.contextmanager
def kept() -> Generator[Printed]:
    """Keep what is printed meanwhile in this context."""
    printed = Printed()
    _begin()
    token = _PRINTED.set(printed)
    try:
        yield printed
    finally:
        _PRINTED.reset(token)
        _end()


def _begin() -> None:
    global _uses  # noqa: PLW0603  sys.stdout is one for all, too
    with _lock:
        _uses += 1
        for name in _NAMES:
            if getattr(sys, name) is not _tees.get(name, sys):  # somebody else's, or that of before
                tee = _tees[name] = Tee(getattr(sys, name))
                setattr(sys, name, tee)


def _end() -> None:
    """Put back what there was, once nobody keeps anything; a stream that somebody has put in its place stays."""
    global _uses  # noqa: PLW0603  as above
    with _lock:
        _uses -= 1
        if _uses:
            return
        for name, tee in _tees.items():
            if getattr(sys, name) is tee:
                setattr(sys, name, tee._stream)  # noqa: SLF001  of this file
        _tees.clear()
