"""A stand-in for the official `runpod` package, as far as worker files use it in an emulator."""

from __future__ import annotations

from . import serverless
from ._missing import missing_from
from .serverless.modules.rp_logger import RunPodLogger

__all__ = ["RunPodLogger", "__version__", "api_key", "serverless"]

__version__ = "1.12.0"
api_key: str | None = None

__getattr__ = missing_from(__name__)
