"""`runpod.serverless.modules.rp_handler`."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def is_generator(handler: Callable[..., Any]) -> bool:
    """Whether a handler yields."""
    return inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler)
