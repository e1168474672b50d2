"""`runpod.serverless.modules`."""

from __future__ import annotations

from ..._missing import missing_from
from . import rp_fitness, rp_logger

__all__ = ["rp_fitness", "rp_logger"]

_OTHERS = ("rp_handler", "rp_http", "rp_progress", "rp_tips", "worker_state")

__getattr__ = missing_from(__name__, dict.fromkeys(_OTHERS, ""))
