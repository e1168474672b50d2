"""The SQLite database of a journal: opened, checked, with its errors translated into ours."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from runpod_sdk._http._signals import raised_by_handler
from runpod_sdk.errors import JournalError

from ._changes import APPLICATION_ID, TABLES, UPGRADES, VERSION

if TYPE_CHECKING:
    from collections.abc import Generator

    from ._changes import Change

# How long another process may keep the file to itself, seconds: one that resolves, or copies it.
_BUSY = 30.0
# Pages that are kept in memory, KiB.
_CACHE = 4_000
_MAGIC = b"SQLite format 3\0"
# How the journals of version 0.1 of the command line begin.
_LINES = b'{"line": '
# File systems on which two machines, or a lost connection, could tear a database: SQLite's log needs shared memory.
# sqlite.org/wal.html: "WAL does not work over a network filesystem".
_NETWORKED = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb",
        "smb2",
        "smb3",
        "smbfs",
        "9p",
        "afs",
        "afpfs",
        "ncpfs",
        "ceph",
        "lustre",
        "glusterfs",
        "beegfs",
        "fuse.sshfs",
        "fuse.glusterfs",
        "fuse.gcsfuse",
        "fuse.s3fs",
        "fuse.goofys",
        "fuse.mount-s3",
        "fuse.rclone",
        "fuse.juicefs",
        "fuse.ceph",
        "fuse.davfs",
        "davfs",
    ]
)


def opened(path: Path, *, is_new: bool = False) -> sqlite3.Connection:
    """Open a journal for reading and writing; make it, if that is wanted and there is none.

    Raises:
        JournalError: there is none, it is another file, it cannot be written, or it is on a network.
    """
    check(path, may_miss=is_new)
    network = networked(path, _mounts())
    if network is not None:
        raise _error(path, f"it is on {network}, where a journal is not safe; keep it on a local disk")
    for each in (path, *_beside(path)):
        if each.exists() and not os.access(each, os.W_OK):  # of which SQLite does not say which it is
            raise _error(each, "it is read-only")
    with told(path):
        if is_new and not (path.exists() and path.stat().st_size):
            _create(path.resolve())
        database = _connected(path, "rw")
        try:
            if _is_made(database):
                _check_version(path, database)  # before anything of it is changed
            _log_beside(path, database)
            database.execute("PRAGMA synchronous = FULL")
            database.execute("PRAGMA fullfsync = 1")  # macOS: else the disk may keep it in a cache of its own
            database.execute("PRAGMA checkpoint_fullfsync = 1")
            _make(database)
            _upgrade(database)
        except BaseException:
            database.close()
            raise
    return database


def opened_to_read(path: Path) -> sqlite3.Connection:
    """Open a journal that is not written here; a run may be at work with it, and its folder may be read-only.

    Raises:
        JournalError: there is none, or it is another file.
    """
    check(path, may_miss=False)
    with told(path):
        real = path.resolve()
        log, _ = _beside(real)
        is_changeable = os.access(real, os.W_OK) and os.access(real.parent, os.W_OK)
        if not (is_changeable or log.exists()):
            return _read(real, "ro&immutable=1")  # in any other mode SQLite makes a log, and leaves it there
        try:
            return _read(real, "ro")
        except sqlite3.OperationalError:
            if is_changeable or not log.exists():
                raise
        with TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # its log was left by a run that was killed
            copy = Path(folder, real.name)
            shutil.copyfile(real, copy)
            shutil.copyfile(log, _beside(copy)[0])
            return _merged(_read(copy, "rw"))


def _read(path: Path, mode: str) -> sqlite3.Connection:
    database = _connected(path, mode)
    try:
        _check_version(path, database)
    except BaseException:
        database.close()
        raise
    return database


def _merged(database: sqlite3.Connection) -> sqlite3.Connection:
    """Return a database that needs no log beside it any more, so that its file may go while it is open."""
    database.execute("PRAGMA journal_mode = MEMORY")
    return database


def _beside(path: Path) -> tuple[Path, Path]:
    """Return where SQLite has the log of a database, and the index of that."""
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def check(path: Path, *, may_miss: bool) -> None:
    """See whether the file can be a journal at all, before SQLite touches it."""
    try:
        with path.open("rb") as file:
            begin = file.read(len(_MAGIC))
    except FileNotFoundError as error:
        if may_miss and path.parent.is_dir():
            return
        raise _error(path, "there is no such file" if path.parent.is_dir() else "there is no such folder") from error
    except OSError as error:
        raise _error(path, str(error.strerror)) from error
    if begin.startswith(_LINES):
        raise _error(path, "a journal of version 0.1 of the command line, which `runpod-sdk map` converts")
    if begin != _MAGIC and (begin or not may_miss):
        raise _error(path, "it is not a journal")


@contextmanager
def told(path: Path) -> Generator[None]:
    """Tell errors of SQLite in ours; what a signal handler raises passes."""
    handled = sys.exception()
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if raised_by_handler(error, handled) is not None:
            raise
        raise error_of(path, error) from error


def error_of(path: Path, error: BaseException) -> JournalError:
    """Return our error for one of SQLite or of the system."""
    return error if isinstance(error, JournalError) else _error(path, str(error) or type(error).__name__)


def write_file(path: Path, change: Change) -> None:
    """Write the file that a change is about, whole and onto the disk, if it is about one."""
    if not change.name:
        return
    folder = outputs_of(path)
    folder.mkdir(exist_ok=True)
    new = folder / (change.name + ".new")
    with new.open("w", encoding="ascii") as file:
        file.write(change.content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(folder / change.name)


def outputs_of(path: Path) -> Path:
    """Return the folder in which a journal has its large outcomes."""
    return path.with_name(path.name + ".outputs")


def _error(path: Path, why: str) -> JournalError:
    return JournalError(f"{path}: {why}", path=str(path))


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    database = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=_BUSY)
    try:
        database.execute(f"PRAGMA cache_size = -{_CACHE}")
    except BaseException:
        database.close()
        raise
    return database


def _create(path: Path) -> None:
    """Make an empty journal, as a whole or not at all: a run may be killed meanwhile."""
    new = path.with_name(path.name + ".new")
    _remove(new)
    try:
        with closing(_connected(new, "rwc")) as database:
            _log_beside(path, database)
            database.execute("PRAGMA synchronous = FULL")
            _make(database)
        new.replace(path)
    except BaseException:
        _remove(new)
        raise
    _sync_folder(path.parent)


def _remove(path: Path) -> None:
    for each in (path, *_beside(path)):
        each.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where the system knows of that."""
    if os.name != "nt":
        entry = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)


def _log_beside(path: Path, database: sqlite3.Connection) -> None:
    if database.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
        raise _error(path, "its file system cannot keep a log beside it (WAL); keep it on a local disk")


def _is_made(database: sqlite3.Connection) -> bool:
    return bool(database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])


def _make(database: sqlite3.Connection) -> None:
    """Make the tables in a file that has none at all."""
    database.execute("BEGIN IMMEDIATE")
    try:
        if not _is_made(database):
            for statement in TABLES.strip().rstrip(";").split(";\n"):
                database.execute(statement)
            database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            database.execute(f"PRAGMA user_version = {VERSION}")
        database.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise


def _upgrade(database: sqlite3.Connection) -> None:
    """Make a file of an earlier form one of this form; as a whole, or not at all."""
    if _pragma(database, "user_version") == VERSION:
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        for version in range(_pragma(database, "user_version"), VERSION):  # another process may have been faster
            database.execute(UPGRADES[version])
            database.execute(f"PRAGMA user_version = {version + 1}")
        database.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise


def _check_version(path: Path, database: sqlite3.Connection) -> None:
    if _pragma(database, "application_id") != APPLICATION_ID:
        raise _error(path, "a database, but not a journal")
    version = _pragma(database, "user_version")
    if version > VERSION:
        raise _error(path, f"written by a later version (form {version}; this one knows {VERSION}); upgrade runpod-sdk")
    if version != VERSION and version not in UPGRADES:
        raise _error(path, f"of form {version}, which this version does not know")


def _pragma(database: sqlite3.Connection, name: str) -> int:
    value: Any = database.execute(f"PRAGMA {name}").fetchone()[0]
    return int(value)


def _mounts() -> str:
    """Return what Linux says of its mounts; nothing elsewhere, where SQLite itself has to notice."""
    try:
        return Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
    except OSError:
        return ""


def networked(path: Path, mounts: str) -> str | None:
    """Return the kind of file system that a path is on, if that is one of a network."""
    target = path.parent.resolve() / path.name
    target = target.resolve() if target.is_symlink() else target
    found, kind = -1, ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields, of = before.split(" "), after.split(" ")
        if len(fields) < 5:
            continue
        point = _unescaped(fields[4])
        if target.is_relative_to(point) and len(point) >= found:  # the last of several on one point counts
            found, kind = len(point), of[0]
    return kind if kind in _NETWORKED else None


def _unescaped(point: str) -> str:
    for code, letter in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(code, letter)
    return point
