"""The emulator as a service for other programs: the Node service of examples/compose, and what the page says for CI.

Without containers: each is run as it stands, on this machine, with the addresses that it has here. `nox -s image`
builds the image and runs compose itself, where there is Docker or Podman.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Generator

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
COMPOSE = ROOT / "examples" / "compose"
SERVICES: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]
PAGE = (ROOT / "docs" / "containers.md").read_text()
COMMAND = str(Path(sys.executable).with_name("runpod-sdk"))
KEY = {"authorization": SERVICES["service"]["environment"]["RUNPOD_API_KEY"]}
JOIN = 60


@contextmanager
def running(*words: str, folder: Path, **environment: str) -> Generator[dict[str, Any]]:
    """Start a program that says in a line of JSON that it is ready, and end it as `docker stop` does."""
    with subprocess.Popen(  # noqa: S603  ours
        words, cwd=folder, stdout=subprocess.PIPE, text=True, env=os.environ | environment
    ) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
            process.send_signal(signal.SIGTERM)
            assert process.wait(JOIN) == 0
        finally:
            process.kill()


@pytest.fixture
def emulator() -> Generator[str]:
    """Start the emulator by the words of compose, and return its base URL."""
    words = [COMMAND, "emulate", *SERVICES["emulator"]["command"], "--port", "0", "--json", "--quiet"]
    with running(*words, folder=COMPOSE) as ready:
        yield ready["url"]


@pytest.fixture
def service(emulator: str) -> Generator[str]:
    """Start the service by the words of compose, and return its address."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node")
    said: dict[str, str] = SERVICES["service"]["environment"]
    assert said["RUNPOD_ENDPOINT_BASE_URL"] == "http://emulator:8000/v2"
    here = said | {"RUNPOD_ENDPOINT_BASE_URL": emulator, "HOST": "127.0.0.1", "PORT": "0"}
    script = SERVICES["service"]["command"][1]
    with running(node, script, folder=COMPOSE / "service", **here) as ready:
        yield f"http://127.0.0.1:{ready['port']}"


def test_a_service_in_node_lets_the_emulator_do_its_work(emulator: str, service: str) -> None:
    with httpx.Client(base_url=service, timeout=JOIN) as client:
        for prompt in ("hello", "hi"):
            answer = client.post("/shout", json={"prompt": prompt})
            assert (answer.status_code, answer.json()) == (200, {"output": prompt.upper()})
        failed = client.post("/shout", json={"prompt": ""})
        assert failed.status_code == 502
        assert failed.json()["error"].endswith(": FAILED")
        assert client.post("/shout", content=b"{").status_code == 400
        assert client.get("/").status_code == 404
    verdict = httpx.get(emulator.removesuffix("v2") + "_emulator/verdict").json()
    assert (verdict["clean"], verdict["submitted"]) == (True, 3)
    fault = [{"kind": "status", "on": ["run"], "code": 503, "times": 1}]
    httpx.post(emulator.removesuffix("v2") + "_emulator/faults", json=fault)
    refused = httpx.post(f"{service}/shout", json={"prompt": "hello again"}, timeout=JOIN)
    assert (refused.status_code, refused.json()) == (502, {"error": "run: HTTP 503"})


def block(title: str) -> Any:
    """Return what a block of the page says, as YAML."""
    found = re.search(rf'^```yaml title="{title}"\n(.*?)^```$', PAGE, re.DOTALL | re.MULTILINE)
    assert found is not None
    return yaml.safe_load(found[1])


def test_compose_on_the_page_is_that_of_the_example() -> None:
    shown = block("compose.yaml")["services"]
    for name, says in shown.items():
        for what, value in says.items():
            real = SERVICES[name][what]
            if what == "environment":
                real = {each: real[each] for each in value}
            assert value == real, f"{name}: {what}"


def run_script(script: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a pipeline's words, with something in place of what they fetch, and of a project's own tests."""
    tools = folder / "bin"
    tools.mkdir()
    call = 'curl --silent --fail -H "Authorization: $RUNPOD_API_KEY" -d \'{"input": {"prompt": "hello"}}\''
    for name, text in {
        "uvx": f'shift 3; echo $$ > "{folder}/pid"; exec "{COMMAND}" "$@" --port "$PORT"',
        "npm": f'{call} "$RUNPOD_ENDPOINT_BASE_URL/shout/runsync" | grep HELLO',
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    return subprocess.run(  # noqa: S603  the page's own words
        ["bash", "-euo", "pipefail", "-c", script],  # noqa: S607  as a runner has it
        cwd=folder,
        env=os.environ | environment | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=JOIN,
        check=False,
    )


def test_the_job_for_gitlab_runs_as_it_stands(emulator: str, tmp_path: Path) -> None:
    job = block("gitlab.yml")["test"]
    assert job["services"][0]["command"] == SERVICES["emulator"]["command"]
    root = emulator.removesuffix("/v2")
    environment = {name: value.replace("http://emulator:8000", root) for name, value in job["variables"].items()}
    script = "\n".join(job["script"]).replace("http://emulator:8000", root)
    ran = run_script(script, tmp_path, environment)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert httpx.get(f"{root}/_emulator/verdict").json()["executions"] == 1
    (tmp_path / "again").mkdir()
    again = run_script(script, tmp_path / "again", environment)
    assert again.returncode == 1, "one input, submitted twice: the verdict fails the job"


def test_the_steps_for_github_run_as_they_stand(tmp_path: Path) -> None:
    shutil.copy(COMPOSE / "handler.py", tmp_path)
    job = block("github.yml")["jobs"]["test"]
    script = "\n".join(step["run"] for step in job["steps"] if "run" in step and "if" not in step)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    environment = {name: value.replace("8000", port) for name, value in job["env"].items()}
    try:
        ran = run_script(script.replace("8000", port), tmp_path, environment | {"PORT": port})
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
    assert ran.returncode == 0, ran.stdout + ran.stderr + (tmp_path / "emulator.log").read_text()
    assert json.loads((tmp_path / "verdict.json").read_text())["executions"] == 1
