"""Files that grow by whole lines of JSON, and survive the end of the process that writes them."""

from __future__ import annotations

import errno
import json
import os
import threading
from typing import TYPE_CHECKING, Any

from runpod_sdk.cli._session import BadCallError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# How every line of ours begins, so that a torn one is known from somebody else's.
_BEGIN = b'{"line": '


class Log:
    """Appends lines, each in one call of the system: after any end of the process only the last one can be torn.

    What is written is in the hands of the system, not yet on its disk: it survives a kill, not a power failure.
    For threads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        self._is_open = True
        self._end = os.lseek(self._file, 0, os.SEEK_END)
        self._lock = threading.Lock()

    def append(self, facts: Mapping[str, Any]) -> None:
        """Write a line; or nothing, if there is no room for all of it.

        Raises:
            OSError: it could not be written.
        """
        line = json.dumps(facts).encode("ascii") + b"\n"
        with self._lock:
            os.lseek(self._file, self._end, os.SEEK_SET)
            if os.write(self._file, line) < len(line):
                os.ftruncate(self._file, self._end)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            self._end += len(line)

    def lines(self) -> Iterator[dict[str, Any]]:
        """Read all lines; cut off one that is torn, and end one that lost no more than its line end.

        Raises:
            BadCallError: a line that this class has not written.
        """
        whole = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.startswith(_BEGIN[: len(line)]):
                    raise BadCallError(f"{self.path}, line {number}: no line of a bulk run; take another --output")
                try:
                    facts = json.loads(line)
                except ValueError:
                    if not line.endswith(b"\n"):
                        break
                    raise BadCallError(f"{self.path}, line {number}: it is damaged; take another --output") from None
                whole += len(line)
                yield facts
                if not line.endswith(b"\n"):
                    os.lseek(self._file, whole, os.SEEK_SET)
                    whole += os.write(self._file, b"\n")
                    break  # what was just written is no line of its own
        os.ftruncate(self._file, whole)
        self._end = whole

    def close(self) -> None:
        """Close the file; may be called twice."""
        if self._is_open:
            self._is_open = False
            os.close(self._file)

    def lock(self) -> None:
        """Keep other processes out until the file is closed, where the system can.

        Raises:
            BadCallError: another one is at it.
        """
        try:
            import fcntl  # noqa: PLC0415  not on Windows
        except ModuleNotFoundError:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_free = os.path.samestat(os.fstat(self._file), self.path.stat())  # not replaced meanwhile
        except OSError:
            is_free = False
        if not is_free:
            raise BadCallError(f"{self.path}: another process is writing to it")
