"""`runpod.serverless.utils.rp_upload`: to a bucket, where the environment or the caller names one; else to a folder.

A bucket takes an address, an id and a secret: BUCKET_ENDPOINT_URL, BUCKET_ACCESS_KEY_ID, BUCKET_SECRET_ACCESS_KEY, or
`{"endpointUrl", "accessId", "accessSecret"}`. What is in it goes by the month, unless it is named.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..._missing import missing_from
from ._s3 import S3Bucket

_ENVIRONMENT = ("BUCKET_ENDPOINT_URL", "BUCKET_ACCESS_KEY_ID", "BUCKET_SECRET_ACCESS_KEY")
_HEADERS = {
    "ACL": "x-amz-acl",
    "CacheControl": "cache-control",
    "ContentDisposition": "content-disposition",
    "ContentEncoding": "content-encoding",
    "ContentLanguage": "content-language",
    "ContentType": "content-type",
    "StorageClass": "x-amz-storage-class",
    "Tagging": "x-amz-tagging",
}


def extract_region_from_url(endpoint_url: str) -> str | None:
    """Return the region that the address of a bucket names, if it does."""
    if ".s3." in endpoint_url:
        return endpoint_url.split(".s3.")[1].split(".", maxsplit=1)[0]
    if urlsplit(endpoint_url).netloc.endswith(".digitaloceanspaces.com"):
        return endpoint_url.split(".")[1]
    return None


def get_boto_client(bucket_creds: dict[str, Any] | None = None) -> tuple[Any, Any]:
    """Return a client of boto3 for the bucket, and its settings; None twice where boto3 is not installed."""
    try:
        client: Any = import_module("boto3").client
        settings: Any = import_module("boto3.s3.transfer").TransferConfig()
    except ImportError:
        return None, None
    bucket = _bucket(bucket_creds, None)
    if bucket is None:
        return None, settings
    return client(
        "s3",
        endpoint_url=bucket.endpoint,
        aws_access_key_id=bucket.access_id,
        aws_secret_access_key=bucket.secret,
        region_name=bucket.region,
    ), settings


def upload_image(
    job_id: str,
    image_location: str,
    result_index: int = 0,
    results_list: list[Any] | None = None,
    bucket_name: str | None = None,
) -> str:
    """Upload a file under a fresh name; without a bucket, copy it to `simulated_uploaded/`.

    Returns:
        A link that holds for a week, or the path.
    """
    extension = Path(image_location).suffix
    name = f"{str(uuid.uuid4())[:8]}{extension}"
    data = Path(image_location).read_bytes()
    bucket = _bucket(None, bucket_name)
    if bucket is None:
        kept = _kept(name, data, "simulated_uploaded")
    else:
        kept = _uploaded(bucket, f"{job_id}/{name}", data, {"content-type": f"image/{extension.lstrip('.')}"})
    if results_list is not None:
        results_list[result_index] = kept
    return kept


def files(job_id: str, file_list: list[str]) -> list[str]:
    """Upload each file, all at once; return where they are."""
    with ThreadPoolExecutor() as threads:
        return list(threads.map(partial(upload_image, job_id), file_list))


def bucket_upload(job_id: str, file_list: list[str], bucket_creds: dict[str, Any]) -> list[str]:
    """Upload files to the bucket `bucketName`; return where they are, without a signature."""
    bucket = _named(bucket_creds, str(bucket_creds["bucketName"]))
    for file in file_list:
        bucket.put(f"{job_id}/{file}", Path(file).read_bytes(), {})
    return [f"{bucket_creds['endpointUrl']}/{bucket_creds['bucketName']}/{job_id}/{file}" for file in file_list]


def upload_file_to_bucket(
    file_name: str,
    file_location: str,
    bucket_creds: dict[str, Any] | None = None,
    bucket_name: str | None = None,
    prefix: str | None = None,
    extra_args: dict[str, Any] | None = None,
) -> str:
    """Upload a file, and return a link that holds for a week; without a bucket, copy it to `local_upload/`.

    Raises:
        ValueError: `extra_args` has what is not known here.
    """
    bucket = _bucket(bucket_creds, bucket_name)
    if bucket is None:
        folder = _folder("local_upload")
        return shutil.copyfile(file_location, f"{folder}/{file_name}")
    key = f"{prefix}/{file_name}" if prefix else file_name
    return _uploaded(bucket, key, Path(file_location).read_bytes(), _headers_of(extra_args or {}))


def upload_in_memory_object(
    file_name: str,
    file_data: bytes,
    bucket_creds: dict[str, Any] | None = None,
    bucket_name: str | None = None,
    prefix: str | None = None,
) -> str:
    """Upload bytes, and return a link that holds for a week; without a bucket, write them to `local_upload/`."""
    bucket = _bucket(bucket_creds, bucket_name)
    if bucket is None:
        return _kept(file_name, file_data, "local_upload")
    return _uploaded(bucket, f"{prefix}/{file_name}" if prefix else file_name, file_data, {})


def _bucket(creds: dict[str, Any] | None, name: str | None) -> S3Bucket | None:
    """Return the bucket that there is, if there is one."""
    endpoint, access_id, secret = map(os.environ.get, _ENVIRONMENT)
    given = creds or {"endpointUrl": endpoint, "accessId": access_id, "accessSecret": secret}
    found = _named(given, name or time.strftime("%m-%y"))
    return found if found.endpoint and found.access_id and found.secret else None


def _named(creds: dict[str, Any], name: str) -> S3Bucket:
    endpoint = creds["endpointUrl"]
    region = extract_region_from_url(endpoint or "") or os.environ.get("AWS_DEFAULT_REGION", "us-east-1")
    return S3Bucket(
        endpoint=endpoint, access_id=creds["accessId"], secret=creds["accessSecret"], name=name, region=region
    )


def _uploaded(bucket: S3Bucket, key: str, data: bytes, headers: dict[str, str]) -> str:
    bucket.put(key, data, headers)
    return bucket.link(key)


def _headers_of(extra: dict[str, Any]) -> dict[str, str]:
    """Return what boto3 calls ExtraArgs as headers."""
    unknown = extra.keys() - _HEADERS.keys() - {"Metadata"}
    if unknown:
        raise ValueError(f"extra_args: {', '.join(sorted(unknown))}: not in the emulator's stand-in for runpod")
    headers = {_HEADERS[name]: str(value) for name, value in extra.items() if name in _HEADERS}
    return headers | {f"x-amz-meta-{name}": str(value) for name, value in extra.get("Metadata", {}).items()}


def _kept(file_name: str, data: bytes, folder: str) -> str:
    path = f"{_folder(folder)}/{file_name}"
    Path(path).write_bytes(data)
    return path


def _folder(name: str) -> str:
    sys.stderr.write(f"No bucket endpoint set, saving to disk folder '{name}'.\n")
    Path(name).mkdir(exist_ok=True)
    return name


__getattr__ = missing_from(__name__)
