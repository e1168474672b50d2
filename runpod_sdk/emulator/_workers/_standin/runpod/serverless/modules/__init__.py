"""`runpod.serverless.modules`."""

from __future__ import annotations

from ..._missing import missing_from
from . import rp_logger

__all__ = ["rp_logger"]

__getattr__ = missing_from(__name__)
