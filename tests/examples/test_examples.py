"""Each example runs as its first lines say, in a process of its own, against the emulator on a socket."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from runpod_sdk import Client
from runpod_sdk.emulator import Emulator, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
# A picture of one grey pixel, as PNG.
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==")


def needs(*modules: str) -> None:
    """Skip by name what is not installed, unless it has to be (`nox -s examples`)."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing and os.environ.get("REQUIRE_EXAMPLES"):
        pytest.fail(f"not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Serve the example workers on a socket, where a client without arguments finds them."""
    with Emulator() as emulator:
        emulator.endpoint("abc123", EXAMPLES / "worker.py", workers=3)
        with emulator.serve() as server:
            monkeypatch.setenv("RUNPOD_API_KEY", server.api_key)
            monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", server.url)
            yield emulator


def run_example(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  an example of ours
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        input="\n",
    )


def test_quickstart_waits_for_one_job_and_streams_another(emulator: Emulator) -> None:
    done = run_example("quickstart.py", "abc123", "Tell me about whales")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "['Tell ', 'me ', 'about ', 'whales ']\nTell me about whales \n"


def test_quickstart_says_why_a_job_failed(emulator: Emulator) -> None:
    def handler(job: object) -> None:
        raise ValueError("bad prompt")

    emulator.endpoint("broken", handler)
    done = run_example("quickstart.py", "broken", "anything")
    assert done.returncode == 1
    assert "ValueError: bad prompt" in done.stderr


def test_reattach_collects_in_another_process_what_one_submitted(emulator: Emulator, tmp_path: Path) -> None:
    book = tmp_path / "jobs.db"
    submitted = run_example("reattach.py", "submit", "abc123", book, "first prompt", "second")
    assert submitted.returncode == 0, submitted.stderr
    collected = run_example("reattach.py", "collect", book)
    assert collected.returncode == 0, collected.stderr
    assert sorted(re.findall(r"submitted (\S+)", submitted.stdout)) == sorted(
        re.findall(r"COMPLETED (\S+)", collected.stdout)
    )
    assert run_example("reattach.py", "collect", book).stdout == ""


def test_bulk_webhooks_take_what_was_lost_on_the_way(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_TOKEN", "a token, & more")
    emulator.inject(Fault.drop("after", times=3, on="run"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ("abc123", tmp_path / "run.sqlite", f"http://127.0.0.1:{port}/runpod", port)
    first = run_example("bulk_webhooks.py", *arguments)
    assert first.returncode == 0, first.stderr
    second = run_example("bulk_webhooks.py", *arguments)
    assert second.returncode == 0, second.stderr
    assert len(re.findall("^prompt-", first.stdout, re.MULTILINE)) == 20
    assert len(emulator.jobs) == 20, "whatever has come meanwhile, nothing is submitted again"


def test_telemetry_prints_the_spans_and_metrics_of_a_bulk_run() -> None:
    needs("opentelemetry.sdk")
    done = run_example("telemetry.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert "spans: {'runpod run': 200, 'runpod wait': 199, 'runpod map': 1} of the run: 399" in done.stdout
    assert "runpod.jobs [{job}]  runpod.endpoint_id=pictures runpod.status=FAILED  4" in done.stdout


def test_batch_images_makes_every_picture_once_and_names_the_bad_one(emulator: Emulator, tmp_path: Path) -> None:
    needs("PIL")
    emulator.endpoint("thumbnails", EXAMPLES / "image_worker.py", workers=2)
    pictures, made = tmp_path / "pictures", tmp_path / "made"
    pictures.mkdir()
    for number in range(3):
        (pictures / f"{number}.png").write_bytes(PIXEL)
    (pictures / "torn.png").write_bytes(PIXEL[:20])

    first = run_example("batch_images.py", "thumbnails", pictures, made)
    assert first.returncode == 1
    assert "torn.png: job" in first.stderr
    assert sorted(path.name for path in made.iterdir()) == ["0.png", "1.png", "2.png"]

    (pictures / "torn.png").unlink()
    again = run_example("batch_images.py", "thumbnails", pictures, made)
    assert again.returncode == 0, again.stderr
    assert len(emulator.jobs) == 4


@pytest.fixture
def backend(emulator: Emulator) -> Iterator[httpx.Client]:
    """Run the FastAPI example, and provide a client on it."""
    needs("fastapi", "uvicorn")
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES), "fastapi_stream:app", "--port", "0"]
    environment = {**os.environ, "ENDPOINT_ID": "abc123"}
    with subprocess.Popen(  # noqa: S603  a command of ours
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment
    ) as server:
        assert server.stderr is not None
        try:
            line = next((line for line in server.stderr if "running on" in line), "")
            found = re.search(r"http://[\d.]+:\d+", line)
            assert found, line
            with httpx.Client(base_url=found[0], timeout=60) as client:
                yield client
        finally:
            server.terminate()
            server.stderr.read()


def test_the_backend_streams_each_chunk_as_an_event(backend: httpx.Client) -> None:
    answer = backend.get("/say", params={"prompt": "hello there"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text == 'data: "hello "\n\ndata: "there "\n\nevent: end\ndata: {}\n\n'
    assert "EventSource" in backend.get("/").text


def test_the_backend_cancels_the_job_of_a_browser_that_leaves(backend: httpx.Client, emulator: Emulator) -> None:
    with backend.stream("GET", "/say", params={"prompt": "word " * 2000}) as answer:
        assert next(answer.iter_lines()) == 'data: "word "'
    [job] = emulator.jobs.values()
    with Client() as client:
        assert client.endpoint("abc123").job(job.id).wait(timeout=60).status == "CANCELLED"


def test_the_notebook_runs_from_top_to_bottom(emulator: Emulator, tmp_path: Path) -> None:
    needs("nbclient", "nbformat", "ipykernel")
    done = subprocess.run(  # noqa: S603  a command of ours
        [sys.executable, "-c", _RUN_NOTEBOOK, str(EXAMPLES / "notebook.ipynb"), str(tmp_path / "run.ipynb")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    cells = json.loads((tmp_path / "run.ipynb").read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output["output_type"] == "error"]
    shown = "".join(line for output in outputs for line in output.get("data", {}).get("text/html", []))
    assert "COMPLETED" in shown


_RUN_NOTEBOOK = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=100, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[2])
"""
