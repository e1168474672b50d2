"""`runpod.serverless.utils.rp_volume_cache`: folders that are kept on a network volume from one worker to the next.

Each file lies as it is below `{volume}/.cache/{namespace}/big`; the packed archive and the manifest of the official
package are not written. Without a volume, and so on most machines, nothing is done.
"""

from __future__ import annotations

import atexit
import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from ..modules.rp_logger import RunPodLogger

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    Folder = str | bytes | os.PathLike[str]

_TOLERANCE = 2.0  # seconds by which times of a volume may be off
_PATIENCE = 30.0  # seconds that the end of a process waits for its last copy
_LEFT_OUT = ("refs", ".no_exist")


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
        found = [path for path in source.rglob("*") if path.is_file() and _is_kept(path)]
        return sum(_copied(path, target / path.relative_to(source)) for path in found)


def _is_kept(path: Path) -> bool:
    return not path.is_symlink() and path.suffix not in (".lock", ".tmp") and not set(path.parts) & set(_LEFT_OUT)


def _copied(source: Path, target: Path) -> bool:
    """Copy a file, unless the other is as new and as large."""
    here = source.stat()
    if target.exists():
        there = target.stat()
        if there.st_size == here.st_size and there.st_mtime >= here.st_mtime - _TOLERANCE:
            return False
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    shutil.copy2(source, partial)
    partial.replace(target)
    return True
