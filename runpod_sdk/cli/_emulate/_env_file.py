"""Writes a worker's environment to a file for `docker run --env-file`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runpod_sdk.cli._session import BadCallError

if TYPE_CHECKING:
    from pathlib import Path


def write_env_file(path: Path, environment: dict[str, str]) -> None:
    """Write an environment as `docker run --env-file` takes it, without quotes. It holds a key: for its owner alone.

    An existing file is replaced, as a process that has it open could go on reading; a pipe or device is written to.
    """
    text = "".join(f"{name}={value}\n" for name, value in environment.items())
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
            return
        path = path.resolve()  # a link stays what it is
        new = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:  # the second: links in a circle
        raise BadCallError(f"--env-file {path}: {getattr(error, 'strerror', None) or error}") from None
