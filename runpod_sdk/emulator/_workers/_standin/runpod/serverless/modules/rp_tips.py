"""`runpod.serverless.modules.rp_tips`."""

from __future__ import annotations

import sys
from typing import Any

from .rp_logger import RunPodLogger

_MANY = 20_000_000  # bytes


def check_return_size(return_body: Any) -> None:
    """Advise an upload where a result seems to be too large."""
    size = sys.getsizeof(return_body)
    if size > _MANY:
        RunPodLogger().tip(f"Your return body is {size / 1e6:.2f} MB, above the limit of 20 MB; upload it to a bucket.")
