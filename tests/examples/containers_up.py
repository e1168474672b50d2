"""Builds the image, runs it and examples/compose, and looks whether all is as docs/containers.md says.

`python containers_up.py ENGINE COMPOSE...`: docker and `docker compose`, say, or podman and podman-compose.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "examples" / "compose"
IMAGE = "runpod-emulator"
KEY = {"Authorization": "only-here"}
LIMIT = 900  # seconds for a build and a start, on a slow network
STRICT = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


def main(engine: str, *compose: str) -> int:
    """Return 0 if all is as the page says."""
    _run(engine, "build", *_docker_format(engine), "-f", str(ROOT / "docker" / "Dockerfile"), "-t", IMAGE, str(ROOT))
    found = {"image": _image(engine), "compose": _compose(*compose)}
    print(json.dumps(found, indent=2))  # noqa: T201  what was found is the result
    return 0 if all(value is True for part in found.values() for value in part.values()) else 1


def _image(engine: str) -> dict[str, bool]:
    """Run the image twice on one volume, with no init, no rights, and no root that it can write to."""
    name = f"emulator-{uuid.uuid4().hex[:8]}"
    found: dict[str, bool] = {}
    try:
        with _container(engine, name) as url:
            job = _ask(f"{url}/v2/shout/runsync", {"input": {"prompt": "hello"}})
            found["runs a job"] = job["output"] == "HELLO"
            found["shows the console"] = b"<!doctype html>" in _get(url)
            found["is nobody in particular"] = _run(engine, "exec", name, "id", "-u").strip() == "10001"
            found["says what guards it"] = "the key is all that guards it" in _logs(engine, name)
            found["is healthy"] = _until(lambda: _is_healthy(engine, name))
        found["ends on SIGTERM"] = _exit_code(engine, name) == 0
        _run(engine, "rm", name)
        with _container(engine, name) as url:
            found["keeps its state"] = _ask(f"{url}/v2/shout/status/{job['id']}") == job
    finally:
        _run(engine, "rm", "--force", name)
        _run(engine, "volume", "rm", name)
    return found


@contextmanager
def _container(engine: str, name: str) -> Generator[str]:
    """Start a container, return its URL when it is ready, and stop it."""
    volumes = ("-v", f"{FOLDER / 'handler.py'}:/worker/handler.py:ro", "-v", f"{name}:/state")
    words = ("handler.py", "--endpoint", "shout", "--api-key", KEY["Authorization"], "--db", "/state/emulator.db")
    _run(engine, "run", "-d", "--name", name, "-p", "127.0.0.1::8000", *STRICT, *volumes, IMAGE, *words)
    url = f"http://{_run(engine, 'port', name, '8000').split()[0]}"
    if not _until(lambda: _does_answer(f"{url}/_emulator/ready")):
        raise TimeoutError(_logs(engine, name))
    yield url
    _run(engine, "stop", name)


def _compose(*compose: str) -> dict[str, bool]:
    """Let the service in Node run a job on the emulator beside it."""
    wait = ("--wait",) if "podman" not in compose[0] else ("-d",)  # which waits by depends_on alone
    try:
        _run(*compose, "up", *wait)
        _until(lambda: _does_answer("http://127.0.0.1:3000"))
        answer = _ask("http://127.0.0.1:3000/shout", {"prompt": "hello"})
        verdict = _ask("http://127.0.0.1:8000/_emulator/verdict")
    finally:
        _run(*compose, "down", "--timeout", "10")
    return {
        "the service has its answer": answer == {"output": "HELLO"},
        "by one job": (verdict["clean"], verdict["submitted"]) == (True, 1),
    }


def _docker_format(engine: str) -> tuple[str, ...]:
    """Podman's own format has no health checks."""
    return ("--format", "docker") if "podman" in engine else ()


def _is_healthy(engine: str, name: str) -> bool:
    if "podman" in engine:  # it looks by a timer of systemd, which is not everywhere
        return not subprocess.run([engine, "healthcheck", "run", name], check=False, capture_output=True).returncode  # noqa: S603  ours
    return _run(engine, "inspect", "--format", "{{.State.Health.Status}}", name).strip() == "healthy"


def _does_answer(url: str) -> bool:
    try:
        _get(url)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def _until(is_so: Callable[[], bool]) -> bool:
    """Ask until it is so; False if it is not within a minute."""
    end = monotonic() + 60
    while not (so := is_so()) and monotonic() < end:
        sleep(0.5)
    return so


def _exit_code(engine: str, name: str) -> int:
    return int(_run(engine, "inspect", "--format", "{{.State.ExitCode}}", name))


def _logs(engine: str, name: str) -> str:
    ran = subprocess.run([engine, "logs", name], check=True, capture_output=True, text=True)  # noqa: S603  ours
    return ran.stdout + ran.stderr


def _run(*words: str) -> str:
    ran = subprocess.run(words, cwd=FOLDER, check=False, timeout=LIMIT, capture_output=True, text=True)  # noqa: S603  ours
    if ran.returncode:
        raise RuntimeError(f"{' '.join(words)}: {ran.stdout}{ran.stderr}")
    return ran.stdout


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  this machine's
        return bytes(answer.read())


def _ask(url: str, body: object = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, KEY), timeout=60) as answer:  # noqa: S310  this machine's
        found: dict[str, Any] = json.load(answer)
    return found


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
