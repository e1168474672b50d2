"""A process that is stopped for longer than its timeout reads what came meanwhile before it calls it unknown."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest

from tests.faults.server import Connection, FaultServer, response

pytestmark = [pytest.mark.skipif(not hasattr(os, "waitid"), reason="no process can be stopped here"), pytest.mark.slow]

# The client's timeout, and how long it is stopped at least, seconds. Both pass in real time, as a process that is
# stopped notices no other; and all processes are stopped at once.
TIMEOUT, STOPPED = 2.0, 2.3
# Endpoint ids; what carries its submit, and the size of the answer: a large one is read in several parts.
PROCESSES = {
    "small": ("async-h11", 10),
    **{wire: (wire, 100_000) for wire in ("h11", "async-h11", "httpx", "async-httpx", "async-given")},
}


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


def test_an_answer_that_came_while_the_process_was_stopped_is_read() -> None:
    are_started = threading.Event()
    started: dict[str, subprocess.Popen[str]] = {}

    def stop_and_answer(connection: Connection) -> None:
        arrival = connection.read()
        assert arrival is not None
        are_started.wait()
        pid, size = started[arrival.endpoint_id].pid, PROCESSES[arrival.endpoint_id][1]
        stop(pid)
        body = {"id": arrival.endpoint_id, "status": "IN_QUEUE", "more": "x" * size}
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * size + 10_000)
        connection.send(response(200, json.dumps(body).encode()))
        connection.server.released.wait(STOPPED)
        os.kill(pid, signal.SIGCONT)

    with ExitStack() as stack:
        server = stack.enter_context(FaultServer(default=stop_and_answer))
        for name, (wire, _) in PROCESSES.items():
            command = [sys.executable, "-m", "tests.faults.stopped", wire, server.url, name, str(TIMEOUT)]
            started[name] = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))  # noqa: S603  ours
            stack.callback(started[name].kill)
        are_started.set()
        printed = {name: process.communicate(timeout=120)[0].strip() for name, process in started.items()}
    assert printed == {name: name for name in PROCESSES}
