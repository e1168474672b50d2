"""`runpod.serverless.utils.rp_cleanup`."""

from __future__ import annotations

import shutil
from pathlib import Path


def clean(folder_list: list[str] | None = None) -> None:
    """Remove what downloads and results leave in the working directory, and these folders."""
    for folder in ("input_objects", "output_objects", "job_files", *(folder_list or [])):
        shutil.rmtree(folder, ignore_errors=True)
    Path("output.zip").unlink(missing_ok=True)
