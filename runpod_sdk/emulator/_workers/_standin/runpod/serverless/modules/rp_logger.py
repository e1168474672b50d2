"""`runpod.serverless.modules.rp_logger`: lines on stderr, as the official worker writes them outside of a pod."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from typing import Self

_LEVELS = ["NOTSET", "TRACE", "DEBUG", "INFO", "WARN", "ERROR"]


class RunPodLogger:
    """Writes what is at least as grave as its level: RUNPOD_LOG_LEVEL, or DEBUG; there is one of these."""

    _one: ClassVar[RunPodLogger | None] = None
    level = os.environ.get("RUNPOD_LOG_LEVEL", os.environ.get("RUNPOD_DEBUG_LEVEL", "DEBUG")).upper()

    def __new__(cls) -> Self:
        """Return the one there is."""
        if RunPodLogger._one is None:
            RunPodLogger._one = object.__new__(cls)
        return RunPodLogger._one  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

    def set_level(self, new_level: str | int) -> None:
        """Write nothing below this level from now on."""
        if isinstance(new_level, int) and 0 <= new_level < len(_LEVELS):
            new_level = _LEVELS[new_level]
        level = str(new_level).upper()
        if level not in _LEVELS:
            raise ValueError(f"Invalid debug level: {level}")
        self.level = level
        self.info(f"Log level set to {level}")

    def log(self, message: object, message_level: str = "INFO", job_id: str | None = None) -> None:
        """Write a line."""
        wanted = _LEVELS.index(self.level) if self.level in _LEVELS else 0
        if wanted and _LEVELS.index(message_level.upper()) >= wanted:
            shown = f"{job_id} | {message}" if job_id else message
            sys.stderr.write(f"{message_level.upper():<7}| {shown}\n")

    def debug(self, message: object, request_id: str | None = None) -> None:
        """Write a line at DEBUG."""
        self.log(message, "DEBUG", request_id)

    def info(self, message: object, request_id: str | None = None) -> None:
        """Write a line at INFO."""
        self.log(message, "INFO", request_id)

    def warn(self, message: object, request_id: str | None = None) -> None:
        """Write a line at WARN."""
        self.log(message, "WARN", request_id)

    def error(self, message: object, request_id: str | None = None) -> None:
        """Write a line at ERROR."""
        self.log(message, "ERROR", request_id)

    def tip(self, message: object) -> None:
        """Write a line of advice, whatever the level is."""
        if self.level != _LEVELS[0]:
            sys.stderr.write(f"{'TIP':<7}| {message}\n")

    def secret(self, secret_name: str, secret: object) -> None:
        """Write a secret with all but its first and last character hidden."""
        text = str(secret)
        self.info(f"{secret_name}: {text[:1]}{'*' * (len(text) - 2)}{text[-1:]}")

    def trace(self, message: object, request_id: str | None = None) -> None:
        """Write a line at TRACE."""
        self.log(message, "TRACE", request_id)
