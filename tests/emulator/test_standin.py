"""The stand-in for the official package: what public worker files use of it works, in a process and in this one."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import Client, JobFailedError
from runpod_sdk.emulator import Emulator, HandlerFileError
from runpod_sdk.emulator._workers._standin.runpod.serverless.utils._s3 import S3Bucket
from tests.files_server import FilesServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod_sdk import Endpoint

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="worker processes need process groups"),
    pytest.mark.skipif(find_spec("runpod") is not None, reason="the official package is installed"),
]

LIBRARY = str(Path(__file__).parents[1] / "official" / "workers" / "library.py")
SERVE = "\nimport runpod\nrunpod.serverless.start({'handler': handler})\n"


@pytest.fixture(scope="module")
def files() -> Iterator[FilesServer]:
    with FilesServer() as server:
        yield server


@pytest.fixture(scope="module")
def worker() -> Iterator[Endpoint]:
    with Emulator() as emulator, Client(**emulator.connection) as client:
        emulator.endpoint("e", LIBRARY)
        yield client.endpoint("e")


def do(worker: Endpoint, what: str, files: FilesServer | None = None) -> Any:
    return worker.run_sync({"what": what, "url": files.url if files else ""}, timeout=60)


def test_downloads_of_a_job(worker: Endpoint, files: FilesServer) -> None:
    folder = "jobs/job-1/downloaded_files"
    found = [[folder, suffix, "pixels"] for suffix in (".png", ".webp", "", ".txt")]
    assert do(worker, "download", files) == [*found, None, None]
    assert do(worker, "one_download", files) == ["pixels"]


def test_one_download(worker: Endpoint, files: FilesServer) -> None:
    assert do(worker, "single", files) == [
        ["job_files", "png", "plain.png", "pixels"],
        ["job_files", "webp", "its.name.webp", "pixels"],
        ["job_files", "", "bare", "pixels"],
        ["job_files", "zip", "archive.zip", ["one.txt", "two.txt"]],
    ]
    assert do(worker, "single_missing", files) == [True, True]


def test_downloads_that_are_refused(worker: Endpoint, files: FilesServer) -> None:
    assert do(worker, "refused", files) == [
        "host '127.0.0.1' resolves to non-public address 127.0.0.1",
        "blocked URL scheme 'ftp': ftp://127.0.0.1/x",
        "URL has no host: http:///x",
    ]
    sizes = ["download exceeds size cap: 6 > 3 bytes", "download exceeds size cap: >3 bytes"]
    assert do(worker, "too_large", files) == sizes
    assert do(worker, "addresses") == [True, *[False] * 9, True]


def test_uploads_without_a_bucket_stay_here(worker: Endpoint) -> None:
    assert do(worker, "upload_nowhere") == [
        ["simulated_uploaded/NAME.png", "pixels"],
        ["local_upload/kept.png", "pixels"],
        ["local_upload/kept.txt", "bytes"],
        ["simulated_uploaded/NAME.png", "pixels"],
    ]


def test_uploads_to_a_bucket_arrive(worker: Endpoint, files: FilesServer) -> None:
    files.refuses = 1  # it is tried again
    links = do(worker, "upload", files)
    assert [link[0] for link in links] == [
        "/kept/of/me/a%20b.png",
        "/kept/job/NAME.png",
        "/kept/n.txt",
        "/mine/job/out.png",
    ]
    assert [(kind, body) for kind, body, _ in files.uploads.values()] == [
        ("binary/octet-stream", b"pixels"),
        ("image/png", b"pixels"),
        ("binary/octet-stream", b"bytes"),
        ("binary/octet-stream", b"pixels"),
    ]
    assert all("Credential=me/" in authorization for _, _, authorization in files.uploads.values())


def test_a_link_is_signed_as_in_the_documentation_of_s3() -> None:
    """docs: docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html, the example."""
    bucket = S3Bucket(
        endpoint="https://examplebucket.s3.amazonaws.com",
        access_id="AKIAIOSFODNN7EXAMPLE",
        secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",  # noqa: S106  the documentation's
        name="",
    )
    link = bucket.link("test.txt", datetime(2013, 5, 24, tzinfo=UTC), seconds=86400)
    assert link.endswith("X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")


def test_timers_checks_and_what_else_files_use(worker: Endpoint) -> None:
    assert do(worker, "measured")[0::3] == ["worked", ["block", "work"]]
    assert do(worker, "measured")[0::3] == ["worked", ["block", "work"]]
    assert do(worker, "checks")[0] == {"validated_input": {"prompt": "a cat", "steps": 20, "scale": 1.0, "seed": None}}
    small = do(worker, "small")
    assert (small[0], small[4]) == (["sync", "async"], 1), "the checks that ran, and how many jobs do"


def test_a_check_that_fails_ends_the_worker(tmp_path: Path) -> None:
    file = tmp_path / "handler.py"
    check = "@runpod.serverless.register_fitness_check\ndef has_gpu():\n    raise OSError('no GPU')\n"
    file.write_text(f"import runpod\n{check}def handler(job): ..." + SERVE)
    with (
        Emulator() as emulator,
        pytest.raises(HandlerFileError, match=r"fitness check has_gpu failed: OSError: no GPU"),
    ):
        emulator.endpoint("e", file)


@pytest.mark.parametrize("in_process", [True, False])
def test_what_a_handler_sends_by_hand_arrives(tmp_path: Path, *, in_process: bool) -> None:
    file = tmp_path / "handler.py"
    file.write_text(
        """
from runpod.serverless.modules import rp_http
async def handler(job):
    await rp_http.stream_result(None, {"output": "first"}, job)
    await rp_http.send_result(None, {"status": "IN_PROGRESS", "output": "half"}, job, is_stream=False)
    await rp_http.send_result(None, {"output": "by hand"}, job)
    return "too late"
"""
        + SERVE
    )
    with Emulator() as emulator, Client(**emulator.connection) as client:
        emulator.endpoint("e", file, in_process=in_process)
        job = client.endpoint("e").run({"n": 1})
        assert job.output(timeout=60) == "by hand"
        with job.stream(timeout=60) as stream:
            assert list(stream) == ["first"]


def test_a_name_that_is_missing_is_said_in_the_job(tmp_path: Path) -> None:
    file = tmp_path / "handler.py"
    file.write_text("import runpod\ndef handler(job):\n    return runpod.serverless.utils.rp_warp.speed(9)" + SERVE)
    with Emulator() as emulator, Client(**emulator.connection) as client:
        emulator.endpoint("e", file)
        with pytest.raises(JobFailedError, match="rp_warp is not in the emulator's stand-in"):
            client.endpoint("e").run_sync({"n": 1}, timeout=60)
