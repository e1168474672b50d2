"""The output of worker processes, line by line."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import IO

_READ = 1 << 16
_LINE_MAX = 1 << 16  # bytes of a line that has no end yet


class Lines:
    """Lines out of what was read."""

    def __init__(self) -> None:
        self._partial = b""

    def feed(self, data: bytes) -> list[str]:
        """Take in what was read; return the lines that are whole now, without their ends."""
        *whole, self._partial = (self._partial + data).split(b"\n")
        if len(self._partial) > _LINE_MAX:
            whole.append(self._partial)
            self._partial = b""
        return [_text(line) for line in whole]

    def rest(self) -> list[str]:
        """Return the line that never ended, if there is one."""
        partial, self._partial = self._partial, b""
        return [_text(partial)] if partial else []


class LoggedOutput:
    """Reads what a process prints in a thread of its own, keeps it in a file, and tells each line.

    Args:
        stream: what it prints, unbuffered.
        log: the file.
        tell: called with each line.
    """

    def __init__(self, stream: IO[bytes], log: Path, tell: Callable[[str], None]) -> None:
        self._stream = stream
        self._log = log
        self._tell = tell
        self._thread = threading.Thread(target=self._read, name="emulator-output", daemon=True)
        self._thread.start()

    def finish(self, patience: float) -> None:
        """Return when all is read, or after real seconds: who has left the group of its worker may hold it open."""
        self._thread.join(patience)

    def _read(self) -> None:
        lines = Lines()
        with self._stream, self._log.open("ab", buffering=0) as log:
            while data := self._stream.read(_READ):
                with suppress(OSError):  # the disk is full: the lines are told all the same
                    log.write(data)
                for line in lines.feed(data):
                    self._tell(line)
        for line in lines.rest():
            self._tell(line)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")
