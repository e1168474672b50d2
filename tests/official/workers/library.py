"""A worker that uses what the official package has beside `start`, and says what came of it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import runpod
from runpod.error import AuthenticationError, QueryError, RunPodError
from runpod.serverless.modules import rp_fitness, rp_handler, rp_http, rp_tips
from runpod.serverless.modules.rp_logger import RunPodLogger
from runpod.serverless.modules.rp_progress import progress_update
from runpod.serverless.modules.worker_state import JobsProgress
from runpod.serverless.utils import (
    download_files_from_urls,
    rp_cleanup,
    rp_cuda,
    rp_debugger,
    rp_download,
    rp_upload,
    upload_file_to_bucket,
    upload_in_memory_object,
)
from runpod.serverless.utils.rp_download import file as rp_file
from runpod.serverless.utils.rp_model_cache import resolve_model_cache_path_from_hugginface_repository as cached
from runpod.serverless.utils.rp_ssrf import SSRFError, is_safe_address, max_download_bytes
from runpod.serverless.utils.rp_validator import validate
from runpod.serverless.utils.rp_volume_cache import VolumeCache

if TYPE_CHECKING:
    from collections.abc import Callable

os.chdir(tempfile.mkdtemp())
CHECKED: list[str] = []
CREDENTIALS = ("BUCKET_ENDPOINT_URL", "BUCKET_ACCESS_KEY_ID", "BUCKET_SECRET_ACCESS_KEY")
SCHEMA: dict[str, Any] = {
    "prompt": {"type": str, "required": True, "constraints": lambda prompt: prompt != "bad"},
    "steps": {"type": int, "required": False, "default": 20},
    "scale": {"type": float, "required": False, "default": 1.0},
    "seed": {"type": int, "required": False, "default": None},
}
INPUTS: list[dict[str, Any]] = [
    {"prompt": "a cat"},
    {"prompt": "bad", "steps": "many"},
    {"prompt": 1, "scale": 3, "more": True},
    {"steps": 1.5},
    {"prompt": "a", "seed": "x"},
]
# Schemas that are odd, each with an input.
ODD: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"a": 200}, {"a": {"type": int, "required": False, "default": 20, "constraints": lambda a: a < 100}}),
    ({"a": "b"}, {"a": {"type": int, "required": False, "default": 20, "constraints": lambda a: a == "c"}}),
    ({}, {"a": {"type": int, "required": True, "constraints": lambda a: a is not None}}),
    ({"a": True}, {"a": {"type": float, "required": True}}),
    ({"a": 1}, {"a": {"required": True}}),
    ({}, {"a": {"type": int}}),
    ({}, {"a": {"required": False}}),
    ({}, {"a": '{"type": "int", "required": false, "default": 2}'}),
    ({"a": 1}, {"a": '{"type": "int", "required": true}'}),
    ({"a": 1}, {"a": "no JSON"}),
    ({"a": 1}, {"a": "[1]"}),
    ({"a": 1}, {"a": 3}),
]


@runpod.serverless.register_fitness_check
def is_fit() -> None:
    CHECKED.append("sync")


@rp_fitness.register_fitness_check
async def is_fit_too() -> None:
    CHECKED.append("async")


def download(url: str) -> Any:
    named = [f"{url}/plain.png?size=1", f"{url}/named", f"{url}/bare", f"{url}/moved.txt", None, f"{url}/missing.jpg"]
    found = download_files_from_urls("job-1", named)  # type: ignore[arg-type, unused-ignore]
    return [path and [_folder(path), Path(path).suffix, Path(path).read_text()] for path in found]


def one_download(url: str) -> Any:
    return [path and Path(path).read_text() for path in download_files_from_urls("job-2", f"{url}/a blank.txt")]


def single(url: str) -> Any:
    return [_single(f"{url}/{name}") for name in ("plain.png", "named", "bare", "archive.zip")]


def _single(url: str) -> Any:
    found = rp_file(url)
    place = found["extracted_path"]
    names = sorted(os.listdir(place)) if place else Path(found["file_path"]).read_text()  # noqa: PTH208  both
    return [_folder(found["file_path"]), found["type"], found["original_name"], names]


def single_missing(url: str) -> Any:
    try:
        rp_download.file(f"{url}/missing.png")
    except OSError as error:
        return [isinstance(error, OSError), "404" in str(error)]
    return "nothing raised"


def refused(url: str) -> Any:
    return [_refusal(url, "false"), _refusal("ftp://127.0.0.1/x", "true"), _refusal("http:///x", "true")]


def _refusal(url: str, allowed: str) -> Any:
    before = os.environ.get("RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS")
    os.environ["RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS"] = allowed
    try:
        download_files_from_urls("job-3", url)
    except SSRFError as error:
        return str(error)
    finally:
        os.environ["RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS"] = before or ""
    return "nothing raised"


def too_large(url: str) -> Any:
    os.environ["RUNPOD_MAX_DOWNLOAD_BYTES"] = "3"
    try:
        return [_too_large(f"{url}/plain.png"), _too_large(f"{url}/no-length")]
    finally:
        del os.environ["RUNPOD_MAX_DOWNLOAD_BYTES"]


def _too_large(url: str) -> Any:
    try:
        rp_file(url)
    except SSRFError as error:
        return str(error)
    return "nothing raised"


def addresses(_: str) -> Any:
    given = "8.8.8.8 127.0.0.1 10.1.2.3 169.254.169.254 100.64.0.1 ::1 ::ffff:10.0.0.1 224.0.0.1 240.0.0.1 x 2606::1"
    return [is_safe_address(address) for address in given.split()]


def upload_nowhere(_: str) -> Any:
    Path("out.png").write_text("pixels")
    places = [
        rp_upload.upload_image("job", "out.png"),
        upload_file_to_bucket("kept.png", "out.png"),
        upload_in_memory_object("kept.txt", b"bytes"),
        *rp_upload.files("job", ["out.png"]),
    ]
    return [[re.sub(r"[0-9a-f]{8}", "NAME", place), Path(place).read_text()] for place in places]


def upload(url: str) -> Any:
    os.environ.update(zip(CREDENTIALS, (url, "me", "secret"), strict=True))
    Path("out.png").write_text("pixels")
    try:
        links = [
            upload_file_to_bucket("a b.png", "out.png", bucket_name="kept", prefix="of/me"),
            rp_upload.upload_image("job", "out.png", bucket_name="kept"),
            upload_file_to_bucket("t.txt", "out.png", bucket_name="kept", extra_args={"ContentType": "text/plain"}),
        ]
    finally:
        for name in CREDENTIALS:
            del os.environ[name]
    creds = {"endpointUrl": url, "accessId": "me", "accessSecret": "secret", "bucketName": "mine"}
    links += [upload_in_memory_object("n.txt", b"bytes", creds, bucket_name="kept")]
    links += rp_upload.bucket_upload("job", ["out.png"], creds)
    return [_link(link) for link in links]


def _link(link: str) -> Any:
    parts = urlsplit(link)
    query = {name: value[0] for name, value in parse_qs(parts.query).items()}
    fixed = {name: query.get(name) for name in ("X-Amz-Algorithm", "X-Amz-Expires", "X-Amz-SignedHeaders")}
    return [re.sub(r"[0-9a-f]{8}", "NAME", parts.path), fixed, sorted(query)]


def checks(_: str) -> Any:
    return [validate(given, dict(SCHEMA)) for given in INPUTS] + [_checked(given, schema) for given, schema in ODD]


def _checked(given: dict[str, Any], schema: dict[str, Any]) -> Any:
    try:
        return validate(given, dict(schema))
    except Exception as error:  # noqa: BLE001  it is told
        return f"{type(error).__name__}: {error}"


def volume(_: str) -> Any:
    """Keep a folder on a volume, change it, and let the next worker have it."""
    home = Path(tempfile.mkdtemp()).resolve()
    folder, other = home / "models", home / "volume"
    other.mkdir()
    cache = VolumeCache(folder, namespace="abc", volume_path=other)
    found: list[Any] = [cache.available, cache.hydrate()]
    for name in ("org/weights", "refs/main", "weights.lock", "half.rpvc.tmp", "logs.tmp", "gone"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    cache.sync(background=False)
    (folder / "gone").unlink()
    cache.sync(background=False)
    found += [cache.hydrate(), _texts(folder)]
    shutil.rmtree(folder)
    (folder / "org").mkdir(parents=True)
    (folder / "org" / "weights").write_text("half")
    os.utime(folder / "org" / "weights", (1e9, 1e9))
    found += [cache.hydrate(), _texts(folder)]
    found += [_refused_cache(namespace="a/b"), _refused_cache(namespace=".."), _refused_cache(max_workers=0)]
    return [*found, VolumeCache(folder, namespace="abc", volume_path=home / "none").available]


def _texts(folder: Path) -> Any:
    return sorted([str(path.relative_to(folder)), path.read_text()] for path in folder.rglob("*") if path.is_file())


def _refused_cache(**options: Any) -> str:
    try:
        VolumeCache("models", **options)
    except ValueError as error:
        return str(error)
    return "nothing raised"


def measured(_: str) -> Any:
    @rp_debugger.FunctionTimer
    def work() -> str:
        return "worked"

    with rp_debugger.LineTimer("block"):
        found = work()
    try:
        rp_debugger.Checkpoints().add("block")
    except KeyError as error:
        again = str(error)
    points = rp_debugger.get_debugger_output()["timestamps"]
    rp_debugger.Checkpoints().add("block")  # as all is forgotten by now
    return [found, again, [sorted(point) for point in points], sorted(point["name"] for point in points)]


def small(_: str) -> Any:
    rp_tips.check_return_size("x")
    for folder in ("input_objects", "job_files", "mine"):
        Path(folder).mkdir(exist_ok=True)
    rp_cleanup.clean(["mine"])
    return [
        CHECKED,
        rp_cuda.is_available(),
        [cached(name) for name in ("org/model", "org/model:v2", "model", ":v2", "a:b:c")],
        rp_handler.is_generator(small),
        JobsProgress().get_job_count(),
        [issubclass(kind, RunPodError) for kind in (AuthenticationError, QueryError)],
        sorted({"input_objects", "job_files", "mine"} & set(os.listdir())),  # noqa: PTH208  names are wanted
        isinstance(runpod.serverless.runpod_version, str),
        rp_download.calculate_chunk_size(5_000_000),
        rp_download.extract_disposition_params('attachment; filename="a.png"; Size=3'),
    ]


def more(_: str) -> Any:
    running = JobsProgress()
    for job in ("job-a", {"id": "job-b", "input": {"n": 1}}, "job-a"):
        running.add(job)
    listed = sorted((running.get_job_list() or "").split(","))
    found: list[Any] = [running.get(name) and running.get(name).id for name in ("job-a", "job-x")]
    running.remove("job-a")
    running.remove({"id": "job-b"})
    log = RunPodLogger()
    log.set_level("warn")
    levels = [RunPodLogger().level]
    log.set_level(2)
    log.secret("token", "abcdef")
    sizes = [_largest(given) for given in ("7", "-1", "many")]
    regions = ["https://a.s3.eu-1.amazonaws.com", "https://ams3.digitaloceanspaces.com", "https://example.org"]
    return [
        found,
        [name in listed for name in ("job-a", "job-b")],
        sum("job-" in job.id for job in running),
        [*levels, log.level],
        _raised(lambda: running.add(3)),
        [_raised(partial(log.set_level, level)) for level in ("loud", 6, -1)],
        _raised(lambda: rp_debugger.Checkpoints().start("none")),
        _raised(lambda: rp_debugger.Checkpoints().stop("none")),
        sizes,
        [rp_upload.extract_region_from_url(region) for region in regions],
        [rp_download.calculate_chunk_size(size) for size in (1, 5_000_000, 5_000_000_000)],
        [
            str(RunPodError("why")),
            QueryError("why", "query").query,
            runpod.version.get_version().split(".")[0].isdigit(),
        ],
    ]


def _largest(given: str) -> int:
    os.environ["RUNPOD_MAX_DOWNLOAD_BYTES"] = given
    try:
        return max_download_bytes()
    finally:
        del os.environ["RUNPOD_MAX_DOWNLOAD_BYTES"]


def _raised(call: Callable[[], object]) -> Any:
    try:
        call()
    except Exception as error:  # noqa: BLE001  it is told
        return f"{type(error).__name__}: {error}"
    return "nothing raised"


def imports(lines: list[str]) -> Any:
    return [_failure(line) for line in lines]


def _failure(line: str) -> str | None:
    try:
        exec(line, {})  # noqa: S102  the test's own
    except Exception as error:  # noqa: BLE001  it is told
        return f"{line}: {error!r}"
    return None


def _folder(path: str) -> str:
    return str(Path(path).parent.relative_to(os.getcwd()))  # noqa: PTH109  a string is wanted


def by_hand(job: dict[str, Any]) -> str:
    """Send progress without `progress_update`, as some files do."""
    progress_update(job, "a quarter")
    asyncio.get_running_loop().create_task(rp_http.send_result(None, {"status": "IN_PROGRESS", "output": "half"}, job))
    return "sent"


def handler(job: dict[str, Any]) -> Any:
    what, url = job["input"]["what"], job["input"].get("url", "")
    return by_hand(job) if what == "by_hand" else globals()[what](url)


if __name__ == "__main__":
    sys.stdout.flush()
    runpod.serverless.start({"handler": handler})
