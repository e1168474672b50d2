"""A worker's repository as the official templates have it: one result, whichever way its tests are run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="worker processes are POSIX")

FILES = {
    "handler.py": """
import runpod
from runpod.serverless.utils import rp_cleanup
from runpod.serverless.utils.rp_validator import validate
from src.model import Model
from src.rp_schema import INPUT_SCHEMA

MODEL = Model()

def handler(job):
    checked = validate(job["input"], INPUT_SCHEMA)
    if "errors" in checked:
        return {"error": checked["errors"]}
    wanted = checked["validated_input"]
    runpod.serverless.progress_update(job, "halfway")
    if wanted["how"] == "raise":
        raise RuntimeError("out of memory")
    text = MODEL.say(wanted["name"], wanted["times"])
    rp_cleanup.clean(["made"])
    return text if wanted["how"] == "text" else {"text": text, "refresh_worker": True}

runpod.serverless.start({"handler": handler})
""",
    "src/__init__.py": "",
    "src/model.py": """
import pathlib

class Model:
    def __init__(self):
        self.greeting = pathlib.Path("greeting.txt").read_text().strip()

    def say(self, name, times):
        return ", ".join([f"{self.greeting} {name}"] * times)
""",
    "src/rp_schema.py": """
INPUT_SCHEMA = {
    "name": {"type": str, "required": True, "constraints": lambda name: name != "nobody"},
    "times": {"type": int, "required": False, "default": 1},
    "how": {"type": str, "required": False, "default": "text"},
}
""",
    "greeting.txt": "Hello,\n",
    "test_input.json": json.dumps({"input": {"name": "you"}}),
    ".runpod/hub.json": json.dumps({"title": "A worker", "type": "serverless", "config": {"runsOn": "GPU"}}),
    ".runpod/tests.json": json.dumps(
        {
            "tests": [
                {"name": "basic", "input": {"name": "you"}, "timeout": 10000, "expected_output": "Hello, you"},
                {"name": "another", "input": {"name": "me", "times": 2}, "expected_output": "Hello, you"},
                {"name": "refused", "input": {"name": "nobody", "times": "two"}},
                {"name": "raises", "input": {"name": "you", "how": "raise"}},
                {
                    "name": "refreshes",
                    "input": {"name": "you", "how": "refresh"},
                    "expected_output": {"text": "Hello, you"},
                },
            ],
            "config": {"gpuTypeId": "NVIDIA GeForce RTX 4090", "gpuCount": 1},
        }
    ),
    "test_worker.py": """
import json
import pytest

@pytest.mark.runpod_test_inputs("handler.py")
def test_it(runpod_test_input, request):
    try:
        found = runpod_test_input.check()
    except BaseException as error:
        found = None
        problem = str(error)
    else:
        problem = None
    with open("ends.jsonl", "a") as ends:
        print(json.dumps([request.node.callspec.id, problem, found]), file=ends)
""",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def emulated(repository: Path, *arguments: str) -> list[dict[str, Any]]:
    """Return how each test ended, without what differs from run to run."""
    command = [sys.executable, "-m", "runpod_sdk", "emulate", *arguments, "--test-inputs", "--json"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603  ours
    assert done.returncode == 1, done.stderr
    return [{**test, "seconds": 0} for test in json.loads(done.stdout)["tests"]]


def test_emulate_pytest_and_the_official_worker_say_the_same(repository: Path, official_python: str) -> None:
    here = emulated(repository, "handler.py")
    assert emulated(repository, "--worker", f"{official_python} handler.py") == here
    assert [(test["name"], test["status"], test["output"]) for test in here] == [
        ("test_input.json", "COMPLETED", "Hello, you"),
        ("basic", "COMPLETED", "Hello, you"),
        ("another", "COMPLETED", "Hello, me, Hello, me"),
        ("refused", "FAILED", None),
        ("raises", "FAILED", None),
        ("refreshes", "COMPLETED", {"text": "Hello, you"}),
    ]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_worker.py"]
    subprocess.run(command, cwd=repository, capture_output=True, timeout=120, check=True)  # noqa: S603  ours
    seen = [json.loads(line) for line in (repository / "ends.jsonl").read_text().splitlines()]
    assert [name for name, _, _ in seen] == [test["name"] for test in here]
    assert [problem is None for _, problem, _ in seen] == [test["problem"] is None for test in here]
    assert [found for _, problem, found in seen if problem is None] == [
        test["output"] for test in here if test["problem"] is None
    ]
