"""`runpod.serverless.utils.rp_debugger`: how long parts of a handler take, with the errors of runpod-python 1.12.0.

A worker forgets what was measured after each job.
"""

from __future__ import annotations

import platform
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..._missing import missing_from
from ...version import __version__
from ..modules import worker_state  # a worker reads from it when it became ready

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

__all__ = ["Checkpoints", "FunctionTimer", "LineTimer", "clear_debugger_output", "get_debugger_output", "worker_state"]

OS_INFO = f"{platform.system()} {platform.release()}"
PYTHON_VERSION = platform.python_version()


class Checkpoints:
    """What was measured; there is one of these."""

    _one: ClassVar[Checkpoints | None] = None
    checkpoints: list[dict[str, Any]]
    name_lookup: dict[str, int]

    def __new__(cls) -> Self:
        """Return the one there is."""
        if Checkpoints._one is None:
            Checkpoints._one = object.__new__(cls)
            Checkpoints._one.clear()
        return Checkpoints._one  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

    def add(self, name: str) -> None:
        """Add a checkpoint."""
        if name in self.name_lookup:
            raise KeyError(f'Checkpoint name "{name}" already exists.')
        self.name_lookup[name] = len(self.checkpoints)
        self.checkpoints.append({"name": name})

    def start(self, name: str) -> None:
        """Start the clock of a checkpoint."""
        self._of(name).update(start=time.perf_counter(), start_utc=_now())

    def stop(self, name: str) -> None:
        """Stop the clock of a checkpoint."""
        checkpoint = self._of(name)
        if "start" not in checkpoint:
            raise KeyError("Checkpoint has not been started.")
        checkpoint.update(end=time.perf_counter(), stop_utc=_now())

    def get_checkpoints(self) -> list[dict[str, Any]]:
        """Return those that were started and stopped, with `duration_ms`."""
        whole = [checkpoint for checkpoint in self.checkpoints if "start" in checkpoint and "end" in checkpoint]
        for checkpoint in whole:
            checkpoint["duration_ms"] = (checkpoint.pop("end") - checkpoint.pop("start")) * 1000
        return whole

    def clear(self) -> None:
        """Forget all."""
        self.checkpoints, self.name_lookup = [], {}

    def _of(self, name: str) -> dict[str, Any]:
        if name not in self.name_lookup:
            raise KeyError(f"Checkpoint name '{name}' does not exist.")
        return self.checkpoints[self.name_lookup[name]]


class LineTimer:
    """Measures the block of a `with` statement."""

    def __init__(self, name: str) -> None:
        self.checkpoints = Checkpoints()
        self.name = name
        self.checkpoints.add(name)

    def __enter__(self) -> None:
        self.checkpoints.start(self.name)

    def __exit__(self, *_: object) -> None:
        self.checkpoints.stop(self.name)


class FunctionTimer:
    """Measures each call of the function that it decorates."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.checkpoints = Checkpoints()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        name = self.function.__name__
        self.checkpoints.add(name)
        try:
            self.checkpoints.start(name)
            return self.function(*args, **kwargs)
        finally:
            if name in self.checkpoints.name_lookup:
                self.checkpoints.stop(name)


def get_debugger_output() -> dict[str, Any]:
    """Return what was measured, and on what, and forget it."""
    checkpoints = Checkpoints()
    timestamps = checkpoints.get_checkpoints()
    checkpoints.clear()
    return {
        "system_info": {
            "os": OS_INFO,
            "processor": _processor(),
            "python_version": PYTHON_VERSION,
            "runpod": __version__,
        },
        "timestamps": timestamps,
    }


def clear_debugger_output() -> None:
    """Forget what was measured."""
    Checkpoints().clear()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not on Linux
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or "Unable to get processor info.")


def _now() -> str:
    return datetime.now(UTC).isoformat() + "Z"  # both, as the package has it


__getattr__ = missing_from(__name__)
