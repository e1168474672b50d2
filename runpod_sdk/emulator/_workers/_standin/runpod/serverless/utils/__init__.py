"""`runpod.serverless.utils`."""

from __future__ import annotations

from ..._missing import missing_from
from . import rp_cleanup, rp_upload, rp_validator
from .rp_upload import upload_file_to_bucket, upload_in_memory_object

__all__ = [
    "rp_cleanup",
    "rp_upload",
    "rp_validator",
    "upload_file_to_bucket",
    "upload_in_memory_object",
]

__getattr__ = missing_from(__name__)
