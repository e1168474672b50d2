"""Append-only files of JSON lines that survive the end of their writer."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any, NoReturn

from runpod_sdk.cli._session import BadCallError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# How every line of ours begins, so that a torn one is known from somebody else's.
BEGIN = b'{"line": '


class AppendLog:
    """Appends lines, each in one call of the system: after any end of the process only the last one can be torn.

    What is written is in the hands of the system, not yet on its disk: it survives a kill, not a power failure.

    Attributes:
        size: bytes of what is in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        self._is_open = True
        self.size = os.lseek(self._file, 0, os.SEEK_END)

    def append(self, facts: Mapping[str, Any]) -> None:
        """Write a line; or nothing, if there is no room for all of it.

        Raises:
            OSError: it could not be written.
        """
        line = json.dumps(facts).encode("ascii") + b"\n"
        os.lseek(self._file, self.size, os.SEEK_SET)
        if os.write(self._file, line) < len(line):
            self._give_up()
        self.size += len(line)

    def mend(self) -> None:
        """Cut off a last line that is torn, and end one that lost no more than its line end.

        Raises:
            BadCallError: it is no file of ours.
        """
        with self.path.open("rb") as file:
            check_begin(self.path, 1, file.read(len(BEGIN)))
            begin = _last_line(file, self.size)
            file.seek(begin)
            last = file.read()
        if not last or last.endswith(b"\n"):
            return
        if facts_of(last) is None:
            os.ftruncate(self._file, begin)
            self.size = begin
        else:
            os.lseek(self._file, self.size, os.SEEK_SET)
            self.size += os.write(self._file, b"\n")

    def sync(self) -> None:
        """Have it on the disk."""
        if self._is_open:
            os.fsync(self._file)

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

    def _give_up(self) -> NoReturn:
        os.ftruncate(self._file, self.size)  # what was there stays
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """Read all lines of such a file, but one at its end that is torn, and the blank room that may follow.

    Raises:
        BadCallError: a line that nobody of us has written.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            body = line.rstrip(b"\n")
            check_begin(path, number, body)
            facts = facts_of(body)
            if facts is None:
                rest = file.read()
                is_torn = not line.endswith(b"\n") or bool(rest)  # at the end, or in room that was kept
                if not rest.strip(b"\n") and (is_torn or not body):
                    return
                raise BadCallError(f"{path}, line {number}: it is damaged; use another --output")
            yield facts


def check_begin(path: Path, number: int, begin: bytes) -> None:
    """See whether a line, or what there is of it, can be ours."""
    if begin[: len(BEGIN)] != BEGIN[: len(begin)]:
        raise BadCallError(f"{path}, line {number}: not a line of a bulk run; use another --output")


def facts_of(line: bytes) -> dict[str, Any] | None:
    """Return what a line says; None if it is torn."""
    try:
        facts: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return facts


def _last_line(file: Any, size: int) -> int:
    """Return where the last line of a file begins, the one without a line end if there is such."""
    at, step = size, 1 << 16
    while at > 0:
        at = max(0, at - step)
        file.seek(at)
        found = file.read(min(step, size - at)).rfind(b"\n")
        if found >= 0:
            return int(at + found + 1)
    return 0
