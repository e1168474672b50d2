"""Nothing is left of what ran for a process that is killed by `kill -9`: `emulate`, pytest, a program."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

pytestmark = [pytest.mark.skipif(os.name != "posix", reason="it is killed by a signal"), pytest.mark.slow]

PATIENCE = 300  # seconds until something that must come is missed: a pytest on a busy machine takes its time
# Calls the test, never hangs up, and nor do its children, one of which has left its group: while it is loaded, as a
# command does, too, or in its handler.
WORKER = """
import os, socket, subprocess, sys, time
def hang(job=None):
    call = socket.create_connection(("127.0.0.1", int(os.environ["CALLED"])))
    subprocess.Popen(["sleep", "1000"], pass_fds=[call.fileno()])
    subprocess.Popen(["sleep", "1000"], pass_fds=[call.fileno()], start_new_session=sys.platform == "linux")
    call.sendall(b"!")
    time.sleep(1000)
if os.environ["HANGS"] == "loading":
    hang()
import runpod
runpod.serverless.start({"handler": hang})
"""
TEST = """
def test_it(runpod_emulator):
    runpod_emulator.serve("handler.py", workers=2).run_sync({"n": 1}, timeout=600)
"""
PROGRAM = """
from runpod_sdk import Client
from runpod_sdk.emulator import Emulator
emulator = Emulator()
emulator.endpoint("e", "handler.py", workers=2)
with Client(**emulator.connection) as client:
    client.endpoint("e").run({"n": 1})
    client.endpoint("e").run_sync({"n": 2}, timeout=600)
"""
EMULATE = ["-m", "runpod_sdk", "emulate", "--port", "0", "--workers", "2"]
HOSTS = {
    "emulate a file": [*EMULATE, "handler.py"],
    "emulate a command": [*EMULATE, "--worker", f"{sys.executable} handler.py"],
    "pytest": ["-m", "pytest", "-q", "test_it.py", "-p", "no:cacheprovider"],
    "a program": ["-c", PROGRAM],
}


@pytest.mark.parametrize(("host", "hangs"), [*((host, "loading") for host in HOSTS), ("a program", "in its handler")])
def test_nothing_is_left_of(host: str, hangs: str, tmp_path: Path) -> None:
    (tmp_path / "handler.py").write_text(WORKER)
    (tmp_path / "test_it.py").write_text(TEST)
    with socket.create_server(("127.0.0.1", 0)) as called, ExitStack() as calls:
        called.settimeout(PATIENCE)
        environment = {**os.environ, "CALLED": str(called.getsockname()[1]), "HANGS": hangs}
        with started([sys.executable, *HOSTS[host]], tmp_path, environment) as running:
            workers = [calls.enter_context(called.accept()[0]) for _ in range(2)]
            for worker in workers:
                worker.settimeout(PATIENCE)
            assert [worker.recv(1) for worker in workers] == [b"!"] * 2
            running.kill()
        # Nobody has hung up who is alive, neither the worker nor its children.
        assert [worker.recv(1) for worker in workers] == [b""] * 2


@contextmanager
def started(command: list[str], folder: Path, environment: dict[str, str]) -> Generator[subprocess.Popen[bytes]]:
    """Start a process, and kill it in any case: it waits for ever where the test has given up."""
    nothing = subprocess.DEVNULL
    running = subprocess.Popen(command, cwd=folder, env=environment, stdin=nothing, stdout=nothing, stderr=nothing)  # noqa: S603  ours
    with running:
        try:
            yield running
        finally:
            running.kill()
