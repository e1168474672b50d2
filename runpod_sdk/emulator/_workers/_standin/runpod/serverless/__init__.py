"""`runpod.serverless`: what a worker file calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._workers import _handlers

from .._missing import missing_from
from . import modules, utils

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["modules", "progress_update", "register_fitness_check", "start", "utils"]


def start(config: dict[str, Any]) -> None:
    """Hand the handler over to the emulator that loads this file."""
    _handlers.start(config)


def progress_update(job: dict[str, Any], progress: Any) -> None:
    """Show `progress` as the output of a running job."""
    _handlers.progress_update(job, progress)


def register_fitness_check(check: Callable[[], Any]) -> Callable[[], Any]:
    """Return `check`; like the official package outside of a deployed worker, do not run it."""
    return check


__getattr__ = missing_from(__name__)
