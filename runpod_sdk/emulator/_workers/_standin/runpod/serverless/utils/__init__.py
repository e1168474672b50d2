"""`runpod.serverless.utils`."""

from __future__ import annotations

from ..._missing import missing_from

_MODULES = (
    "rp_cleanup",
    "rp_cuda",
    "rp_debugger",
    "rp_download",
    "rp_model_cache",
    "rp_ssrf",
    "rp_upload",
    "rp_validator",
    "rp_volume_cache",
)
_NAMES = {
    "download_files_from_urls": "rp_download",
    "upload_file_to_bucket": "rp_upload",
    "upload_in_memory_object": "rp_upload",
    "VolumeCache": "rp_volume_cache",
}

__all__ = list(_NAMES)  # pyright: ignore[reportUnsupportedDunderAll]  each is loaded when it is asked for

__getattr__ = missing_from(__name__, {**dict.fromkeys(_MODULES, ""), **_NAMES})
