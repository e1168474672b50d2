"""The stand-in for the official package: what public worker files use of it works, in a process and in this one."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import Client, JobFailedError
from runpod_sdk.emulator import Emulator, HandlerFileError
from runpod_sdk.emulator._workers._standin.runpod.serverless.modules import rp_fitness
from runpod_sdk.emulator._workers._standin.runpod.serverless.modules.rp_logger import RunPodLogger
from runpod_sdk.emulator._workers._standin.runpod.serverless.modules.rp_tips import check_return_size
from runpod_sdk.emulator._workers._standin.runpod.serverless.utils import rp_ssrf
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


@pytest.mark.slow
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
        "/kept/t.txt",
        "/kept/n.txt",
        "/mine/job/out.png",
    ]
    assert [(kind, body) for kind, body, _ in files.uploads.values()] == [
        ("binary/octet-stream", b"pixels"),
        ("image/png", b"pixels"),
        ("text/plain", b"pixels"),
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


def test_inputs_are_checked_as_the_official_package_checks_them(worker: Endpoint) -> None:
    missing, required = "Schema error, missing type for a.", "a is a required input."
    assert do(worker, "checks")[-12:] == [
        {"validated_input": {"a": 200}},  # of its default's type, so nobody asks the constraints
        {"errors": ["a should be <class 'int'> type, not <class 'str'>.", "a does not meet the constraints."]},
        {"errors": [required, "a does not meet the constraints."]},
        {"errors": ["a should be <class 'float'> type, not <class 'bool'>."]},
        "KeyError: 'type'",
        {"errors": [required]},
        {"errors": [missing, "Schema error, missing default value for a."]},
        {"validated_input": {"a": 2}},
        "TypeError: isinstance() arg 2 must be a type, a tuple of types, or a union",
        {"errors": ["Schema error, a is not a dictionary.", missing, required]},
        {"errors": [missing, required]},
        "TypeError: the JSON object must be str, bytes or bytearray, not int",
    ]


def test_a_folder_on_a_volume_and_the_rest_of_the_package(worker: Endpoint) -> None:
    kept = [["logs.tmp", "logs.tmp"], ["org/weights", "org/weights"]]
    assert do(worker, "volume")[4:6] == [2, kept]
    found = do(worker, "more")
    assert found[:4] == [["job-a", None], [True, True], 0, ["WARN", "DEBUG"]]
    assert found[5][0] == "ValueError: Invalid debug level: LOUD"


def test_a_logger_writes_what_is_grave_enough(capsys: pytest.CaptureFixture[str]) -> None:
    written = RunPodLogger()
    written.set_level("ERROR")
    for write in (written.trace, written.debug, written.info, written.warn):
        write("not grave")
    written.error("grave", "job-1")
    check_return_size(b"small")
    check_return_size(bytes(21_000_000))
    written.set_level("NOTSET")
    written.error("nothing")
    written.tip("nothing")
    written.set_level("DEBUG")
    written.secret("token", "abcdef")
    grave, tip, *others = capsys.readouterr().err.splitlines()
    assert grave == "ERROR  | job-1 | grave"
    assert tip.startswith("TIP    | Your return body is 21.00 MB")
    assert others == ["INFO   | Log level set to DEBUG", "INFO   | token: a****f"]


def test_checks_run_in_order_until_one_fails(capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[str] = []

    async def second() -> None:
        ran.append("second")

    def third() -> None:
        raise OSError("no GPU")

    rp_fitness.clear_fitness_checks()
    try:
        rp_fitness.register_fitness_check(lambda: ran.append("first"))
        rp_fitness.register_fitness_check(second)
        asyncio.run(rp_fitness.run_fitness_checks())
        rp_fitness.register_fitness_check(third)
        with pytest.raises(SystemExit):
            asyncio.run(rp_fitness.run_fitness_checks())
    finally:
        rp_fitness.clear_fitness_checks()
    assert ran == ["first", "second"] * 2
    assert "Fitness check failed: third | OSError: no GPU" in capsys.readouterr().err


def test_what_cannot_be_downloaded_says_why(files: FilesServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS", "true")
    with pytest.raises(ConnectionError, match="BadStatusLine"):
        rp_ssrf.opened(f"{files.url}/garbage", 30, {})
    with pytest.raises(rp_ssrf.SSRFError, match="blocked URL scheme 'ftp'"):
        rp_ssrf.opened(f"{files.url}/elsewhere", 30, {})
    with pytest.raises(ConnectionResetError, match="4 bytes of the body have not come"):
        list(rp_ssrf.pieces_of(rp_ssrf.opened(f"{files.url}/short", 30, {}), 100))
    monkeypatch.setenv("RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS", "false")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(rp_ssrf.SSRFError, match="through a proxy"):
        rp_ssrf.opened("http://example.com/x", 30, {})


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


IMPORTS = """
from runpod import RunPodLogger
from runpod.serverless import start, progress_update
from runpod.serverless.modules import rp_http
from runpod.serverless.modules.rp_http import send_result, stream_result
from runpod.serverless.modules.rp_logger import RunPodLogger
from runpod.serverless.modules.rp_progress import progress_update
from runpod.serverless.modules.worker_state import JobsProgress, WORKER_ID
from runpod.serverless.utils import rp_cleanup, rp_debugger, rp_download, rp_upload
from runpod.serverless.utils import download_files_from_urls, upload_file_to_bucket, upload_in_memory_object
from runpod.serverless.utils.rp_cuda import is_available
from runpod.serverless.utils.rp_download import file as rp_file, download_files_from_urls
from runpod.serverless.utils.rp_upload import files, upload_image, get_boto_client, bucket_upload
from runpod.serverless.utils.rp_validator import validate
import runpod.serverless.modules.rp_http as rp_http; rp_http._transmit, rp_http.JOB_DONE_URL
import runpod; runpod.serverless.utils.rp_cleanup.clean, runpod.serverless.utils.rp_upload.upload_image
import runpod; runpod.serverless.modules.rp_logger.RunPodLogger().tip("a tip")
""".strip().splitlines()


def test_every_way_in_which_worker_files_import_it(worker: Endpoint) -> None:
    found = worker.run_sync({"what": "imports", "url": IMPORTS}, timeout=60)
    assert found == [None] * len(IMPORTS)


GPU_WORKER = {
    "torch.py": "class cuda:\n    is_available = staticmethod(lambda: False)\nfloat16 = 'float16'\n",
    "diffusers.py": """
import pathlib
class Image:
    def __init__(self, text):
        self.text = text
    def save(self, path):
        pathlib.Path(path).write_text(self.text)
class StableDiffusionXLPipeline:
    @classmethod
    def from_pretrained(cls, name, torch_dtype):
        return cls()
    def to(self, device):
        return self
    def __call__(self, prompt, image, num_inference_steps):
        return [Image(f"{prompt} of {image} in {num_inference_steps}")]
""",
    "rp_schemas.py": """
INPUT_SCHEMA = {
    "prompt": {"type": str, "required": True, "constraints": lambda prompt: prompt != "bad"},
    "image_url": {"type": str, "required": True},
    "steps": {"type": int, "required": False, "default": 25},
}
""",
    "rp_handler.py": """
import argparse, os
import runpod
import torch
from diffusers import StableDiffusionXLPipeline
from runpod.serverless.utils import rp_cleanup, rp_debugger, rp_download, rp_upload
from runpod.serverless.utils.rp_validator import validate
from rp_schemas import INPUT_SCHEMA

parser = argparse.ArgumentParser()
parser.add_argument("--model", default="sdxl")

class ModelHandler:
    def __init__(self, name):
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.base = StableDiffusionXLPipeline.from_pretrained(name, torch_dtype=torch.float16).to(device)

@rp_debugger.FunctionTimer
def generate(job):
    checked = validate(job["input"], INPUT_SCHEMA)
    if "errors" in checked:
        return {"error": checked["errors"]}
    wanted = checked["validated_input"]
    with rp_debugger.LineTimer("download"):
        [image] = rp_download.download_files_from_urls(job["id"], [wanted["image_url"]])
    runpod.serverless.progress_update(job, "downloaded")
    [made] = MODELS.base(wanted["prompt"], open(image).read(), num_inference_steps=wanted["steps"])
    made.save("out.png")
    url = rp_upload.upload_image(job["id"], "out.png")
    kept = open(url).read()
    rp_cleanup.clean(["jobs", "simulated_uploaded"])
    return {"image": kept, "left": sorted(os.listdir()), "refresh_worker": False}

if __name__ == "__main__":
    MODELS = ModelHandler(parser.parse_args().model)
    runpod.serverless.start({"handler": generate})
""",
}


def test_a_worker_for_images_as_public_repositories_have_them(tmp_path: Path, files: FilesServer) -> None:
    for name, text in GPU_WORKER.items():
        (tmp_path / name).write_text(text)
    with Emulator() as emulator, Client(**emulator.connection) as client:
        emulator.endpoint("e", tmp_path / "rp_handler.py", arguments=["--model", "xl"])
        wanted = {"prompt": "a cat", "image_url": f"{files.url}/cat.png"}
        for steps in (20, 30):  # a second job measures anew
            output = client.endpoint("e").run_sync({**wanted, "steps": steps}, timeout=60)
            assert output["image"] == f"a cat of pixels in {steps}"
            assert {"jobs", "simulated_uploaded"} & set(output["left"]) == set()
        with pytest.raises(JobFailedError, match="prompt does not meet the constraints"):
            client.endpoint("e").run_sync({**wanted, "prompt": "bad"}, timeout=60)


def test_a_name_that_is_missing_is_said_in_the_job(tmp_path: Path) -> None:
    file = tmp_path / "handler.py"
    file.write_text("import runpod\ndef handler(job):\n    return runpod.serverless.utils.rp_warp.speed(9)" + SERVE)
    with Emulator() as emulator, Client(**emulator.connection) as client:
        emulator.endpoint("e", file)
        with pytest.raises(JobFailedError, match="rp_warp is not in the emulator's stand-in"):
            client.endpoint("e").run_sync({"n": 1}, timeout=60)
