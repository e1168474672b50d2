"""Time limits of task queues, greenlets and test runners end every call, and no job is forgotten.

Each of them is the real one, in a process of its own; the service stalls there. A limit is raised as it is, nothing is
asked again, and each submit that arrived is in the client's unknowns: on a busy machine one may not get as far.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.server import Connection, FaultServer, answer
from tests.frameworks.calls import CALLS, SUBMITS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent


def needs(*modules: str) -> None:
    """Skip by name what is not installed, unless it has to be (`nox -s frameworks`)."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing and os.environ.get("REQUIRE_FRAMEWORKS"):
        pytest.fail(f"not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def stall(connection: Connection) -> None:
    connection.read()
    connection.stall()


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """Provide a service that stalls on each endpoint that is named like a call."""
    with FaultServer() as server:
        for name in CALLS:
            server.script(name.replace(" ", "-"), *[stall] * 9)
        yield server


def program(*command: str, **environment: str) -> str:
    """Run a program of these tests, and return what it printed."""
    done = subprocess.run(  # noqa: S603  ours
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def check(lines: str, kind: str, server: FaultServer) -> None:
    """Check what was told of each call."""
    found: dict[str, dict[str, Any]] = {one["call"]: one for one in map(json.loads, lines.splitlines())}
    assert found.keys() == CALLS.keys()
    assert {name: one["raised"] for name, one in found.items()} == dict.fromkeys(CALLS, kind)
    for name, one in found.items():
        asked = server.operations(name.replace(" ", "-"))
        assert len(asked) <= 1, f"{name}: something is asked again"
        assert one["unknowns"] == (len(asked) if name in SUBMITS else 0), name
        if name in SUBMITS and name != "map" and asked:
            assert "submit was on its way" in one["notes"][0]
    assert server.arrivals


@pytest.mark.parametrize("kind", ["Timeout", "GiveUpError", "TimeoutError"])
@pytest.mark.parametrize("host", ["gevent", "eventlet"])
def test_a_timeout_of_greenlets_ends_every_call(server: FaultServer, host: str, kind: str) -> None:
    needs(host)
    check(program("-m", "tests.frameworks.programs.greenlets", host, kind, server.url), kind, server)


@pytest.fixture
def worker(server: FaultServer, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Run a worker of Celery; provide the environment of who sends to it."""
    needs("celery")
    for name in ("queue", "control", "results"):
        (tmp_path / name).mkdir()
    environment = {"FOLDER": str(tmp_path), "URL": server.url}
    options = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=ERROR")
    command = ("-m", "celery", "-A", "tests.frameworks.programs.tasks", "worker", "--pool=prefork", "--concurrency=4")
    with (tmp_path / "log").open("w") as log:
        running = subprocess.Popen(  # noqa: S603  Celery's own
            [sys.executable, *command, *options],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdout=log,
            stderr=log,
        )
        try:
            yield environment
            running.send_signal(signal.SIGTERM)
            running.wait(60)
        finally:
            running.kill()
            running.wait()


def test_a_soft_time_limit_of_celery_ends_every_call(server: FaultServer, worker: dict[str, str]) -> None:
    check(program("-m", "tests.frameworks.programs.tasks", **worker), "SoftTimeLimitExceeded", server)


def test_a_soft_time_limit_of_celery_cancels_the_job_that_is_waited_for(
    server: FaultServer, worker: dict[str, str]
) -> None:
    for name in SUBMITS:
        server.script(name.replace(" ", "-"), answer, *[stall_or_cancel] * 9, looks=9)
    program("-m", "tests.frameworks.programs.tasks", **worker)
    for name in SUBMITS.keys() - {"run"}:
        job, asked = server.jobs[name.replace(" ", "-")], server.operations(name.replace(" ", "-"))
        assert job.status == ("CANCELLED" if job.queued else "COMPLETED"), f"{name}: {asked}"
    assert any(job.queued for job in server.jobs.values())


def stall_or_cancel(connection: Connection) -> None:
    """Answer nothing but a cancel."""
    if b"/cancel/" in connection.peek().partition(b"\r\n")[0]:
        answer(connection)
    else:
        stall(connection)


def test_pytest_timeout_ends_every_call(server: FaultServer, tmp_path: Path) -> None:
    """By its own method: the alarm, whose handler fails the test."""
    needs("pytest_timeout")
    out = tmp_path / "out"
    options = ("-o", "addopts=", "-p", "no:cacheprovider", "-q", "--timeout=1", "--timeout-method=signal")
    done = subprocess.run(  # noqa: S603  pytest
        [sys.executable, "-m", "pytest", *options, "tests/frameworks/programs/timed_tests.py"],
        cwd=ROOT,
        env={**os.environ, "URL": server.url, "OUT": str(out)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert f"{len(CALLS)} failed" in done.stdout
    assert done.stdout.count("Failed: Timeout (>1.0s) from pytest-timeout.") >= len(CALLS)
    check(out.read_text(), "Failed", server)
