"""`runpod.serverless.utils.rp_download`: files that a job's input names, with the names and places of 1.12.0."""

from __future__ import annotations

import os
import random
import sys
import time
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..._missing import missing_from
from .rp_ssrf import opened, pieces_of

if TYPE_CHECKING:
    from http.client import HTTPResponse

HEADERS = {"User-Agent": "runpod-python/0.0.0 (https://runpod.io; support@runpod.io)"}
_TRIES = 3
_KB, _MB, _GB = 1024, 1024**2, 1024**3


def calculate_chunk_size(file_size: int) -> int:
    """Return how many bytes of a file of this size are read at once."""
    if file_size <= _MB:
        return _KB
    return _MB if file_size <= _GB else 10 * _MB


def extract_disposition_params(content_disposition: str) -> dict[str, str]:
    """Return the parameters of a Content-Disposition header."""
    parts = (part.partition("=") for part in content_disposition.split(";") if "=" in part)
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in parts}


def download_files_from_urls(job_id: str, urls: str | list[str | None]) -> list[str | None]:
    """Download into `jobs/{job_id}/downloaded_files`, each file under a fresh name.

    Returns:
        Where each file is; None for one that did not come, in three tries, or has no URL.
    """
    folder = Path("jobs", job_id, "downloaded_files").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [urls] if isinstance(urls, str) else urls
    with ThreadPoolExecutor() as threads:
        return list(threads.map(partial(_downloaded, folder), wanted))


def file(file_url: str) -> dict[str, Any]:
    """Download one file into `job_files`; a zip file is unpacked beside it.

    Returns:
        `file_path`, `type` (its extension), `original_name`, and `extracted_path`, None unless it is a zip file.

    Raises:
        OSError: it did not come.
    """
    folder = Path("job_files")
    folder.mkdir(exist_ok=True)
    with opened(file_url, 30, HEADERS) as answer:
        original = _named(answer) or os.path.basename(urlsplit(file_url).path)  # noqa: PTH119  of a URL
        kind = PurePosixPath(original).suffix.replace(".", "")
        name = str(uuid.uuid4())
        path = folder / f"{name}.{kind}"
        _save(answer, path)
    unpacked = None
    if kind == "zip":
        unpacked = str((folder / name).resolve())
        with zipfile.ZipFile(path) as archive:
            archive.extractall(unpacked)
    return {
        "file_path": str(path.resolve()),
        "type": kind,
        "original_name": original,
        "extracted_path": unpacked,
    }


def _downloaded(folder: Path, url: str | None) -> str | None:
    if url is None:
        return None
    name = str(uuid.uuid4())
    for left in reversed(range(_TRIES)):
        try:
            with opened(url, 5, HEADERS) as answer:
                extension = PurePosixPath(_named(answer)).suffix or PurePosixPath(urlsplit(url).path).suffix
                path = folder / f"{name}{extension}"
                _save(answer, path)
                return str(path)
        except OSError as error:
            if not left:
                sys.stdout.write(f"Failed to download {url}: {error}\n")
                return None
            time.sleep(random.uniform(0, 2 ** (_TRIES - 1 - left)))  # noqa: S311  no secret
    return None


def _named(answer: HTTPResponse) -> str:
    """Return the name that a file has where it comes from, or ""."""
    return extract_disposition_params(answer.headers.get("Content-Disposition") or "").get("filename", "")


def _save(answer: HTTPResponse, path: Path) -> None:
    with path.open("wb") as out:
        for piece in pieces_of(answer, calculate_chunk_size(answer.length or 0)):
            out.write(piece)


__getattr__ = missing_from(__name__)
