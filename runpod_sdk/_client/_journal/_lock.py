"""A lock file that names its holder. The system releases the lock however the holder ends."""

from __future__ import annotations

import json
import os
import sys
import weakref
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from runpod_sdk.errors import JournalError

if TYPE_CHECKING:
    from pathlib import Path

# Where Windows locks, bytes from the beginning: it lets nobody read what is locked, and the text is to be read.
_FAR = 1 << 30
_HELD: weakref.WeakSet[Lock] = weakref.WeakSet()


class Lock:
    """Keeps other runs away from a journal until it is released.

    Raises:
        JournalError: another one has it, and who that is; or there can be none here.
    """

    def __init__(self, journal: Path) -> None:
        self._path = path_of(journal)
        self._file: int | None = None
        while self._file is None:
            self._file = self._taken(journal)
        os.ftruncate(self._file, 0)
        os.write(self._file, json.dumps(_me()).encode())
        _HELD.add(self)

    def _taken(self, journal: Path) -> int | None:
        """Return the file, locked; None if it was thrown away meanwhile by the one before."""
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise JournalError(f"{journal}: it cannot be locked: {error.strerror}", path=str(journal)) from error
        try:
            is_ours = _locked(file)
            holder = "" if is_ours else _holder(file)
            is_there = os.path.samestat(os.fstat(file), self._path.stat())
        except OSError:
            is_ours, is_there, holder = True, False, ""
        if is_ours and is_there:
            return file
        os.close(file)
        if not is_ours:
            raise JournalError(f"{journal}: in use by {holder}", path=str(journal))
        return None

    def release(self) -> None:
        """Let others in, and leave no file; may be called twice."""
        file, self._file = self._file, None
        if file is None:
            return
        _HELD.discard(self)
        with suppress(OSError):  # Windows removes no file that is open
            self._path.unlink()
        os.close(file)

    def forget(self) -> None:
        """Close the file in a forked process, which would keep the lock for as long as it lives."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


def path_of(journal: Path) -> Path:
    """Return where the lock of a journal is."""
    return journal.with_name(journal.name + ".lock")


def is_held(journal: Path) -> bool:
    """Whether a run is at work with a journal, in this process or another."""
    try:
        file = os.open(path_of(journal), os.O_RDWR)
    except OSError:
        return False
    try:
        return not _locked(file)  # closing it lets go of it again
    finally:
        os.close(file)


if sys.platform == "win32":

    def _locked(file: int) -> bool:
        import msvcrt

        os.lseek(file, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(file, 0, os.SEEK_SET)
        return True

else:

    def _locked(file: int) -> bool:
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _forget_all() -> None:
        for lock in list(_HELD):
            lock.forget()

    os.register_at_fork(after_in_child=_forget_all)


def _me() -> dict[str, object]:
    host = "" if sys.platform == "win32" else os.uname().nodename
    return {"pid": os.getpid(), "host": host, "since": datetime.now(UTC).isoformat(timespec="seconds")}


def _holder(file: int) -> str:
    try:
        text = os.pread(file, 1000, 0) if sys.platform != "win32" else os.read(file, 1000)
        facts = cast("dict[str, object]", json.loads(text))
        return f"process {facts['pid']} on {facts['host'] or 'this machine'}, since {facts['since']},"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
