"""The examples of backends: tasks in a real worker of Celery, views in a real server of Django."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk.emulator import Emulator
from tests.examples.test_examples import EXAMPLES, needs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

# Sends what each line says to the worker, and prints what comes of it.
SENDER = """
import os, sys
from celery.exceptions import SoftTimeLimitExceeded
from celery_tasks import app, draw
from sender import settings
app.conf.update(settings)
for line in sys.stdin:
    prompt, task_id, limit = line.split()
    try:
        print(draw.apply_async((prompt,), task_id=task_id, soft_time_limit=float(limit)).get(timeout=60, interval=0.05))
    except SoftTimeLimitExceeded as error:
        print(type(error).__name__)
"""
SETTINGS = """
import os
from pathlib import Path
folder = Path(os.environ["FOLDER"])
(folder / "queue").mkdir(exist_ok=True)
settings = dict(
    broker_url="filesystem://",
    broker_transport_options={"data_folder_in": str(folder / "queue"), "data_folder_out": str(folder / "queue"),
                              "control_folder": str(folder / "control")},
    result_backend=f"file://{folder}",
)
"""
WORKER = "from celery_tasks import app\nfrom sender import settings\napp.conf.update(settings)\n"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as made:

        def handler(job: dict[str, Any]) -> str:
            if job["input"]["prompt"] == "forever":
                made.clock.sleep(3600)
            return str(job["input"]["prompt"]).upper()

        made.endpoint("abc123", handler, workers=2)
        yield made


@pytest.fixture
def environment(emulator: Emulator, tmp_path: Path) -> Iterator[dict[str, str]]:
    with emulator.serve() as server:
        yield {
            **os.environ,
            "RUNPOD_API_KEY": server.api_key,
            "RUNPOD_ENDPOINT_BASE_URL": server.url,
            "ENDPOINT_ID": "abc123",
            "WEBHOOK_TOKEN": "a-token",
            "FOLDER": str(tmp_path),
            "JOBS": str(tmp_path / "jobs"),
            "PYTHONPATH": os.pathsep.join([str(EXAMPLES), str(tmp_path)]),
        }


def test_a_task_of_celery_has_one_job_and_its_time_limit_cancels_it(
    emulator: Emulator, environment: dict[str, str], tmp_path: Path
) -> None:
    needs("celery")
    for name, text in (("sender.py", SETTINGS), ("worker.py", WORKER)):
        (tmp_path / name).write_text(text)
    options = ["--pool=prefork", "--concurrency=2", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    command = [sys.executable, "-m", "celery", "-A", "worker", "worker", *options]
    with subprocess.Popen(  # noqa: S603  ours
        command, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as worker:
        try:
            sent = "hello one 60\nhello one 60\nforever two 1\n"
            done = subprocess.run(  # noqa: S603  ours
                [sys.executable, "-c", SENDER],
                env=environment,
                cwd=tmp_path,
                input=sent,
                capture_output=True,
                text=True,
                timeout=180,
                check=False,
            )
            assert done.stdout.splitlines() == ["HELLO", "HELLO", "SoftTimeLimitExceeded"], done.stderr
        finally:
            worker.send_signal(signal.SIGTERM)
    assert [str(job.status) for job in emulator.jobs.values()] == ["COMPLETED", "CANCELLED"]


def test_views_of_django_submit_and_tell_and_believe_no_stranger(
    emulator: Emulator, environment: dict[str, str]
) -> None:
    needs("django")
    command = [sys.executable, "-u", str(EXAMPLES / "django_jobs.py"), "runserver", "127.0.0.1:0", "--noreload"]
    with subprocess.Popen(  # noqa: S603  ours
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            line = next(line for line in process.stdout if "127.0.0.1:" in line)
            [url] = re.findall(r"http://127\.0\.0\.1:\d+", line)
            with httpx.Client(base_url=url, timeout=60) as client:
                job = client.post("/jobs", data={"prompt": "hello"}).json()
                while (seen := client.get(f"/jobs/{job['id']}").json())["status"] != "COMPLETED":
                    pass
                assert seen == {"id": job["id"], "status": "COMPLETED", "output": "HELLO", "error": None}
                body = {"id": job["id"], "status": "COMPLETED", "output": "a lie"}
                assert client.post("/ended?token=guess", json=body).status_code == 403
                assert client.post("/ended?token=a-token", json=body).status_code == 200
                assert client.get(f"/jobs/{job['id']}").json()["output"] == "HELLO"
                assert client.get("/jobs/unknown").status_code == 404
        finally:
            process.terminate()
    assert len(emulator.jobs) == 1
