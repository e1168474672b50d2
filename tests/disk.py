"""A disk that is small, and may be read-only."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextmanager
def small_disk(folder: Path) -> Generator[Path]:
    """Provide a disk of 900 KiB; skip the test where that is not possible."""
    folder.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    options = ["-t", "tmpfs", "-o", "size=900k", "tmpfs", str(folder)]
    if mount is None or umount is None:
        pytest.skip("there is no mount")
    if subprocess.run([mount, *options], capture_output=True, check=False).returncode:  # noqa: S603  ours
        pytest.skip("this user may not mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run([umount, str(folder)], check=True)  # noqa: S603  ours


@contextmanager
def read_only(disk: Path) -> Generator[None]:
    """Let nobody write to such a disk."""
    mount = ["mount", "-o"]
    subprocess.run([*mount, "remount,ro", str(disk)], check=True)  # noqa: S603  as above
    try:
        yield
    finally:
        subprocess.run([*mount, "remount,rw", str(disk)], check=True)  # noqa: S603  as above
