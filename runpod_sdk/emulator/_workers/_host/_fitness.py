"""Fitness checks registered by a file: a worker passes them before its first job, or exits.

Source: runpod-python 1.12.0, serverless/worker.py, run_worker, and modules/rp_fitness.py. Its own checks of GPU, memory
and network are left out, as the environment of an emulator's worker says.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from typing import Any

from ._results import what

_FITNESS = "runpod.serverless.modules.rp_fitness"


class UnfitError(Exception):
    """A check has failed; `__cause__` is what it raised."""


def check_fitness() -> None:
    """Run the checks in the order in which they were registered.

    Raises:
        UnfitError: one has failed; the others are not run.
    """
    checks: list[Any] = getattr(sys.modules.get(_FITNESS), "_fitness_checks", [])
    for check in checks:
        try:
            found = check()
            if inspect.iscoroutinefunction(check):
                asyncio.run(found)
        except Exception as error:
            raise UnfitError(f"its fitness check {check.__name__} failed: {what(error)}") from error
