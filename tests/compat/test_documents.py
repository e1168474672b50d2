"""Every sample of the service's documentation that is written for Python or a shell runs here as it stands.

Three allowances: the module `runpod` is `runpod_sdk.compat`, `os` is there also where a sample forgets to import it,
and sleeps pass on the emulator's clock. Of curl's samples only what a reader replaces is replaced.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk import compat
from runpod_sdk.emulator import Emulator
from tests.compat.documents import Sample, params, samples
from tests.compat.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.compat.service import Service

CLIENTS = [sample for sample in samples() if sample.language == "python" and not sample.is_worker]
WORKERS = [sample for sample in samples() if sample.is_worker]
CURL = [sample for sample in samples() if sample.is_curl]

DONE = r"\{'text': 'HELLO, WORLD!'\}"
# What a sample prints, by the operation that it is about.
PRINTS = {
    "/runsync": DONE,
    "/run": rf"Initial job status: IN_(QUEUE|PROGRESS)\nJob output: {DONE}",
    "/status": rf"Initial job status: IN_(QUEUE|PROGRESS)\nJob output: {DONE}",
    "/stream": r"Hello,\n ?world!",
    "/cancel": rf"(Current job status: IN_(QUEUE|PROGRESS)\n)+Current job status: COMPLETED\nJob output: {DONE}",
    "/purge-queue": "",
    "/health": r'\{\n  "jobs": \{\n    "completed": 0,(?s:.*)"throttled": 0(?s:.*)\n  \}\n\}',
}


def handler_for(service: Service, section: str) -> Callable[[dict[str, Any]], Any]:
    """Return a handler that takes twenty seconds, or yields, as the section is about."""

    def slow(job: dict[str, Any]) -> dict[str, str]:
        service.emulator.clock.sleep(20)
        return {"text": job["input"]["prompt"].upper()}

    def words(job: dict[str, Any]) -> Iterator[str]:
        yield from job["input"]["prompt"].split()

    return words if section == "/stream" else slow


@pytest.fixture
def run(service: Service, monkeypatch: pytest.MonkeyPatch) -> Callable[[Sample], None]:
    """Return what runs a sample, with the three allowances."""

    def run(sample: Sample) -> None:
        service.emulator.endpoint("e", handler_for(service, sample.section))
        monkeypatch.setenv("RUNPOD_API_KEY", service.emulator.api_key)
        monkeypatch.setenv("ENDPOINT_ID", "e")
        monkeypatch.setitem(sys.modules, "runpod", compat)
        code = compile(sample.code, f"{sample.document}:{sample.line}", "exec")
        exec(code, {"__name__": "__main__", "os": os})  # noqa: S102  that is the test

    monkeypatch.setattr(time, "sleep", service.emulator.clock.sleep)
    return run


@pytest.mark.parametrize("sample", params(CLIENTS))
def test_a_client_sample_does_what_it_is_about(
    sample: Sample, run: Callable[[Sample], None], service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    run(sample)
    printed = capsys.readouterr().out.strip()
    assert re.fullmatch(PRINTS[sample.section], printed), printed
    assert sample.section.removeprefix("/") in {*service.operations, "cancel"}
    assert set(service.ends) <= {"COMPLETED"}


@pytest.mark.parametrize("sample", params([sample for sample in CLIENTS if "KeyboardInterrupt" in sample.code]))
def test_a_client_sample_that_is_interrupted_cancels_its_job(
    sample: Sample,
    run: Callable[[Sample], None],
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    run(sample)
    assert capsys.readouterr().out.endswith("Job canceled.\n")
    assert service.ends == ["CANCELLED"]


@pytest.mark.parametrize("sample", params([sample for sample in CLIENTS if "TimeoutError" in sample.code]))
def test_a_client_sample_that_catches_its_timeout_does(
    sample: Sample, service: Service, run: Callable[[Sample], None], capsys: pytest.CaptureFixture[str]
) -> None:
    code = sample.code.replace('os.getenv("ENDPOINT_ID")', '"nobody"')
    service.emulator.endpoint("nobody", workers=0)
    run(Sample(sample.document, sample.line, sample.section, sample.language, code))
    assert capsys.readouterr().out == "Job timed out.\n"


@pytest.mark.parametrize("sample", params(WORKERS))
def test_a_worker_sample_runs_in_the_emulator(
    sample: Sample, tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "handler.py"
    file.write_text(sample.code, encoding="utf-8")
    monkeypatch.setattr(time, "sleep", service.emulator.clock.sleep)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    service.emulator.endpoint("e", file, in_process=True)
    endpoint = compat.Endpoint("e")
    job = endpoint.run({"prompt": "Hello, World!"})
    assert list(job.stream()) == list("Hello, World!")
    assert job.output() == list("Hello, World!")
    assert service.now >= len("Hello, World!"), "a second for each letter"


CURL_ANSWERS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "run": lambda answer: answer["status"] == "IN_QUEUE",
    "runsync": lambda answer: answer["output"] == {"text": "HELLO, WORLD!"},
    "status": lambda answer: answer["status"] == "COMPLETED",
    "stream": lambda answer: answer == {"status": "COMPLETED", "stream": []},
    "cancel": lambda answer: answer["status"] == "CANCELLED",
    "retry": lambda answer: answer["status"] == "IN_QUEUE",
    "purge-queue": lambda answer: answer == {"removed": 0, "status": "completed"},
    "health": lambda answer: answer["jobs"]["inQueue"] == 0,
}


@pytest.mark.one_in(5)
@pytest.mark.skipif(not (shutil.which("curl") and Path("/bin/sh").exists()), reason="no curl, or no /bin/sh")
@pytest.mark.parametrize("sample", params(CURL))
def test_a_curl_sample_runs_in_a_shell(sample: Sample, tmp_path: Path) -> None:
    operation = re.search(r"v2/(?:\$ENDPOINT_ID|\{endpoint\})/([\w-]+)", sample.code)
    assert operation is not None

    def upper(job: dict[str, Any]) -> dict[str, str]:
        if operation[1] == "retry":
            raise ValueError("bad prompt")
        return {"text": job["input"]["prompt"].upper()}

    with Emulator() as emulator:
        is_cancel = operation[1] == "cancel"
        emulator.endpoint("e", upper, workers=0 if is_cancel else 1)
        server = emulator.serve()
        with httpx.Client(base_url=f"{server.url}/e", headers={"authorization": server.api_key}, timeout=60) as http:
            job_id = http.post("/run", json={"input": {"prompt": "Hello, world!"}}).json()["id"]
            if not is_cancel:
                http.get(f"/status-sync/{job_id}").raise_for_status()
        replaced = {
            "https://api.runpod.ai/v2": server.url,
            "YOUR_JOB_ID": job_id,
            "{job_id}": job_id,
            "{endpoint}": "e",
            "{API key}": server.api_key,
        }
        code = sample.code
        for word, ours in replaced.items():
            code = code.replace(word, ours)
        (tmp_path / ".curlrc").write_text("silent\nfail-with-body\n", encoding="utf-8")
        environment = {"CURL_HOME": str(tmp_path), "ENDPOINT_ID": "e", "RUNPOD_API_KEY": server.api_key}
        done = subprocess.run(  # noqa: S603  a sample of the documentation
            ["/bin/sh", "-c", code],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert CURL_ANSWERS[operation[1]](json.loads(done.stdout)), done.stdout


@pytest.mark.skipif(not samples(), reason="there are no documents")
def test_the_documents_have_samples_of_every_kind() -> None:
    assert {sample.section for sample in CLIENTS} >= PRINTS.keys()
    assert len(WORKERS) >= 1
    assert len(CURL) >= len(CURL_ANSWERS)
