"""Files that grow by whole lines of JSON, and survive the end of the process that writes them."""

from __future__ import annotations

import errno
import json
import os
import threading
from typing import TYPE_CHECKING, Any, NoReturn

from runpod_sdk.cli._session import BadCallError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# How every line of ours begins, so that a torn one is known from somebody else's.
_BEGIN = b'{"line": '
# Room is taken in pieces of so many bytes, as file systems give it.
_BLOCK = 4096


class AppendLog:
    """Appends lines, each in one call of the system: after any end of the process only the last one can be torn.

    What is written is in the hands of the system, not yet on its disk: it survives a kill, not a power failure.
    For threads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        self._is_open = True
        self._end = self._size = os.lseek(self._file, 0, os.SEEK_END)
        self._lock = threading.Lock()

    def append(self, facts: Mapping[str, Any], *, keep: int = 0) -> None:
        """Write a line; or nothing, if there is no room for all of it.

        `keep` bytes of room are then left behind it, for lines that have to be written when the disk is full. Until
        then they are blank lines.

        Raises:
            OSError: it could not be written.
        """
        line = json.dumps(facts).encode("ascii") + b"\n"
        with self._lock:
            self._take_room(len(line), keep)
            os.lseek(self._file, self._end, os.SEEK_SET)
            if os.write(self._file, line) < len(line):
                self._give_up()
            self._end += len(line)
            self._size = max(self._size, self._end)

    def _take_room(self, length: int, keep: int) -> None:
        """See that there is room behind a line that is about to be written, if any is to be kept."""
        missing = self._end + length + keep - self._size
        if keep and missing > 0:
            room = b"\n" * (-(-missing // _BLOCK) * _BLOCK)
            os.lseek(self._file, self._size, os.SEEK_SET)
            if os.write(self._file, room) < len(room):
                self._give_up()
            self._size += len(room)

    def _give_up(self) -> NoReturn:
        os.ftruncate(self._file, self._size)  # what was there stays
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def lines(self) -> Iterator[dict[str, Any]]:
        """Read all lines; cut off one that is torn, and end one that lost no more than its line end.

        Raises:
            BadCallError: a line that this class has not written.
        """
        whole = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                body = line.rstrip(b"\n")
                if body[: len(_BEGIN)] != _BEGIN[: len(body)]:
                    raise BadCallError(f"{self.path}, line {number}: no line of a bulk run; take another --output")
                try:
                    facts = json.loads(body)
                except ValueError:
                    rest = file.read()
                    is_torn = not line.endswith(b"\n") or bool(rest)  # here, or in room that was kept
                    if not rest.strip(b"\n") and (is_torn or not body):
                        break
                    raise BadCallError(f"{self.path}, line {number}: it is damaged; take another --output") from None
                whole += len(line)
                yield facts
                if not line.endswith(b"\n"):
                    os.lseek(self._file, whole, os.SEEK_SET)
                    whole += os.write(self._file, b"\n")
                    break  # what was just written is no line of its own
        os.ftruncate(self._file, whole)
        self._end = self._size = whole

    def close(self) -> None:
        """Close the file; may be called twice."""
        if self._is_open:
            self._is_open = False
            if self._size > self._end:
                os.ftruncate(self._file, self._end)
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
