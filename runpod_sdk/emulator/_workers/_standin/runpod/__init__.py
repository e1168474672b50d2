"""A stand-in for the official `runpod` package, as far as worker files need it in an emulator."""

from __future__ import annotations

import os

from . import serverless
from ._missing import missing_from
from .serverless.modules.rp_logger import RunPodLogger
from .version import __version__

__all__ = ["RunPodLogger", "__version__", "api_key", "endpoint_url_base", "profile", "serverless"]

api_key: str | None = None
profile = "default"
endpoint_url_base = os.environ.get("RUNPOD_ENDPOINT_BASE_URL", "https://api.runpod.ai/v2")

__getattr__ = missing_from(__name__)
