"""`runpod.serverless.utils.rp_upload`, as the official package behaves without a bucket: files are copied locally."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any


def upload_image(
    job_id: str,  # noqa: ARG001  the official signature
    image_location: str,
    result_index: int = 0,
    results_list: list[Any] | None = None,
    bucket_name: str | None = None,  # noqa: ARG001  the official signature
) -> str:
    """Copy a file to `simulated_uploaded/` under a fresh name, and return its path."""
    _refuse_bucket(None)
    folder = Path("simulated_uploaded")
    folder.mkdir(exist_ok=True)
    handle, name = tempfile.mkstemp(suffix=Path(image_location).suffix, dir=folder)
    os.close(handle)
    shutil.copyfile(image_location, name)
    kept = str(folder / Path(name).name)
    if results_list is not None:
        results_list[result_index] = kept
    return kept


def files(job_id: str, file_list: list[str]) -> list[str]:
    """Upload each file; return where they are."""
    return [upload_image(job_id, file) for file in file_list]


def upload_file_to_bucket(
    file_name: str, file_location: str, bucket_creds: dict[str, Any] | None = None, **_: Any
) -> str:
    """Copy a file to `local_upload/`, and return its path."""
    _refuse_bucket(bucket_creds)
    return _kept(file_name, Path(file_location).read_bytes())


def upload_in_memory_object(
    file_name: str, file_data: bytes, bucket_creds: dict[str, Any] | None = None, **_: Any
) -> str:
    """Write bytes to `local_upload/`, and return the path."""
    _refuse_bucket(bucket_creds)
    return _kept(file_name, file_data)


def _kept(file_name: str, data: bytes) -> str:
    folder = Path("local_upload")
    folder.mkdir(exist_ok=True)
    path = folder / file_name
    path.write_bytes(data)
    return str(path)


def _refuse_bucket(bucket_creds: dict[str, Any] | None) -> None:
    if bucket_creds or os.environ.get("BUCKET_ENDPOINT_URL"):
        raise NotImplementedError(
            "uploads to a bucket are not in the emulator's stand-in for the runpod package; "
            "to use them, install the official package beside the emulator: pip install runpod"
        )
