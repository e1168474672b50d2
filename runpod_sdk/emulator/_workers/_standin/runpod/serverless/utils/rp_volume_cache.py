"""`runpod.serverless.utils.rp_volume_cache`: folders that are kept on a network volume from one worker to the next.

Each file lies as it is below `{volume}/.cache/{namespace}/big`; the packed archive and the manifest of the official
package are not written. Without a volume, and so on most machines, nothing is done.
"""

from __future__ import annotations

import atexit
import os
import shutil
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..modules.rp_logger import RunPodLogger

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    Folder = str | bytes | os.PathLike[str]

_TOLERANCE = 2.0  # seconds by which times of a volume may be off
_PATIENCE = 30.0  # seconds that the end of a process waits for its last copy
_LEFT_OUT = frozenset(["refs", ".no_exist"])  # folders of a model cache that say where others are
_PARTIAL = ".rpvc.tmp"


class VolumeCache:
    """Copies what is missing or older, in either direction.

    Args:
        dirs: the folders.
        namespace: whose they are; None: RUNPOD_ENDPOINT_ID.
        volume_path: where the volume is.
        best_effort: log what goes wrong; False: raise it.
        max_workers: taken, and not used.
    """

    def __init__(
        self,
        dirs: Folder | Iterable[Folder],
        *,
        namespace: str | None = None,
        volume_path: Folder = "/runpod-volume",
        best_effort: bool = True,
        max_workers: int | None = None,
    ) -> None:
        given = [dirs] if isinstance(dirs, str | bytes | os.PathLike) else dirs
        self._folders = [Path(os.path.realpath(os.fsdecode(folder))) for folder in given]
        self._namespace = namespace or os.environ.get("RUNPOD_ENDPOINT_ID", "")
        if "/" in self._namespace or "\\" in self._namespace or self._namespace in (".", ".."):
            raise ValueError(f"namespace must be a single safe path component, got {self._namespace!r}")
        if max_workers is not None and max_workers < 1:
            raise ValueError(f"max_workers must be a positive integer, got {max_workers!r}")
        self._volume = Path(os.fsdecode(volume_path))
        self._best_effort = best_effort

    @property
    def available(self) -> bool:
        """Whether there is a volume, and a namespace on it."""
        return bool(self._namespace) and self._volume.is_dir()

    def hydrate(self) -> int:
        """Copy from the volume; return how many files."""
        return self._moved(to_volume=False)

    def sync(self, *, background: bool = True) -> None:
        """Copy to the volume; in the background, the end of the process waits for it."""
        if not background:
            self._moved(to_volume=True)
        elif self.available:
            thread = threading.Thread(target=self._moved, kwargs={"to_volume": True}, daemon=True)
            thread.start()
            atexit.register(thread.join, _PATIENCE)

    def __enter__(self) -> Self:
        self.hydrate()
        return self

    def __exit__(self, *_: object) -> None:
        self.sync()

    def _moved(self, *, to_volume: bool) -> int:
        if not self.available:
            return 0
        try:
            return sum(self._mirrored(folder, to_volume=to_volume) for folder in self._folders)
        except OSError as error:
            if not self._best_effort:
                raise
            RunPodLogger().warn(f"VolumeCache: {error}")
            return 0

    def _mirrored(self, folder: Path, *, to_volume: bool) -> int:
        kept = self._volume / ".cache" / self._namespace / "big" / folder.relative_to("/")
        source, target = (folder, kept) if to_volume else (kept, folder)
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        found = _files(source)
        moved = sum(_copied(source / name, target / name) for name in sorted(found))
        for name in _files(kept) - found if to_volume else ():  # else the next worker would have it again
            (kept / name).unlink(missing_ok=True)
        return moved


def _files(folder: Path) -> set[Path]:
    """Return the files of a folder that are kept, as seen from it."""
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and _is_kept(path)}


def _is_kept(path: Path) -> bool:
    return not (path.is_symlink() or path.name.endswith((".lock", _PARTIAL)) or set(path.parent.parts) & _LEFT_OUT)


def _copied(source: Path, target: Path) -> bool:
    """Copy a file, unless the other is as new and as large; the others go on where one cannot be copied."""
    partial = target.with_name(f"{target.name}.{os.getpid()}{_PARTIAL}")
    try:
        if not _is_needed(source.stat(), target):
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, partial)
        partial.replace(target)
    except OSError as error:
        RunPodLogger().debug(f"VolumeCache: skip {source} -> {target}: {error}")
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        return False
    return True


def _is_needed(here: os.stat_result, target: Path) -> bool:
    if not target.exists():
        return True
    there = target.stat()
    return there.st_size != here.st_size or there.st_mtime < here.st_mtime - _TOLERANCE
