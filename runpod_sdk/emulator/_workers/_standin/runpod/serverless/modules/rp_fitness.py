"""`runpod.serverless.modules.rp_fitness`: checks that a worker passes before it takes jobs.

A worker process runs them when `start` is called, and ends where one fails; a file that is loaded in the process of the
tests does not, as the official package does not outside of a worker.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from .rp_logger import RunPodLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    Check = Callable[[], Any]

_fitness_checks: list[Check] = []
_log = RunPodLogger()


def register_fitness_check(func: Check) -> Check:
    """Let a worker run `func` before its first job; return it."""
    _fitness_checks.append(func)
    _log.debug(f"Registered fitness check: {func.__name__}")
    return func


def clear_fitness_checks() -> None:
    """Forget all checks."""
    _fitness_checks.clear()


async def run_fitness_checks() -> None:
    """Run them, one after the other; what the first one raises that fails ends this process.

    Raises:
        SystemExit: one has failed.
    """
    for check in _fitness_checks:
        try:
            found = check()
            if inspect.iscoroutinefunction(check):
                await found
        except Exception as error:
            _log.error(f"Fitness check failed: {check.__name__} | {type(error).__name__}: {error}")
            raise SystemExit(1) from error
