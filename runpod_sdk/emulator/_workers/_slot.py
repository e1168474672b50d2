"""One place for a supervised worker: its process is started, watched, ended and followed by the next.

What becomes of a job whose worker dies is decided in `_queue/_jobs.py`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._requests import Reply
from runpod_sdk.emulator._workers import _events as events
from runpod_sdk.emulator._workers._environment import whole_environment
from runpod_sdk.emulator._workers._output import LoggedOutput
from runpod_sdk.emulator._workers._stragglers import VARIABLE, kill_stragglers, new_mark

if TYPE_CHECKING:
    from pathlib import Path

    from runpod_sdk.emulator._workers._supervisor import Supervisor

_LOG = logging.getLogger("runpod_sdk.emulator")
# Seconds before the next start, by how many workers in a row died before they asked for a job.
_PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
_LOOKS = 20  # for what has left the group of its worker, until nothing is found
_OUTPUT_PATIENCE = 0.5  # real seconds that are waited for the last words of a worker
_TAIL, _TAIL_BYTES = 20, 1 << 14  # of a log: lines that are told, and bytes that are looked at for them


class ProcessSlot:
    """One place for a worker: when its process has gone, the next one is started.

    Attributes:
        worker_id: what its worker is called, or the next one will be.
        wanted: where the endpoint scales, a worker is to run here.
        running: its worker, with its process, while it runs.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self.worker_id = ""
        self.wanted = threading.Event()
        self._is_halting = False
        self.running: tuple[str, subprocess.Popen[bytes]] | None = None
        self._lock = threading.Lock()  # nobody signals a process that is being reaped
        self._thread = threading.Thread(target=self._watch, name="emulator-supervisor", daemon=True)
        self._killer: threading.Timer | None = None
        self._was_asked = False
        self._output: LoggedOutput | None = None
        self._mark = ""

    def start(self) -> None:
        self._begin(self._supervisor.new_worker_id())
        self._thread.start()

    def halt(self) -> None:
        """End the worker's process, unless it is wanted again by now."""
        with self._lock:
            if self.running is not None and not self.wanted.is_set() and self._killer is None:
                self._is_halting = self._was_asked = True
                self._terminate(self.running[1])

    def stop(self) -> None:
        """Ask the worker to end, and kill it after the grace."""
        running = self.running
        if running is None:
            return
        worker_id, process = running
        self._was_asked = True
        self._ask(ask.Drain(worker_id=worker_id))
        with self._lock:
            self._is_halting = False
            if self.running is running and self._killer is None:
                self._terminate(process)

    def join(self) -> None:
        if self._thread.ident is not None:
            self._thread.join()

    def _terminate(self, process: subprocess.Popen[bytes]) -> None:
        """Tell a process to end, and kill it after the grace; under the lock."""
        _terminate(process)
        self._killer = threading.Timer(self._supervisor.grace, self.kill, [process])
        self._killer.daemon = True
        self._killer.start()

    def _watch(self) -> None:
        deaths = 0
        while (running := self._awaited()) is not None:
            worker_id, process = running
            _wait(process)
            with self._lock:
                self.running = None
                if self._killer is not None:
                    self._killer.cancel()
                    self._killer = None
                _kill_group(process)  # before it is reaped: until then nobody else can have its number
                self._supervisor.guard.remove(process.pid)
                exit_code = process.wait()
            # At once: until then its request for a job may still be answered, and that job would have to run again.
            has_halted = self._is_halting and not self._supervisor.closing.is_set()
            if has_halted:
                self._ask(ask.Halted(worker_id=worker_id))
                was_ready = True
            else:
                was_ready = self._ask(ask.Leave(worker_id=worker_id)).get("was_ready", False)
            for _ in range(_LOOKS):
                if not kill_stragglers(self._mark):
                    break
            if self._output is not None:
                self._output.finish(_OUTPUT_PATIENCE)
            deaths = 0 if was_ready else deaths + 1
            self._tell_of_end(worker_id, exit_code, deaths)
            if not has_halted:
                self._follow(deaths)

    def _awaited(self) -> tuple[str, subprocess.Popen[bytes]] | None:
        """Return the worker that runs, where the endpoint scales once it is wanted; None: none will."""
        supervisor = self._supervisor
        while self.running is None and supervisor.scales and not supervisor.closing.is_set():
            self.wanted.wait()
            if supervisor.closing.is_set():
                break
            try:
                self._spawn(self.worker_id)
            except OSError as error:
                _LOG.warning("worker %s cannot be started: %s", self.worker_id, error)
                self._ask(ask.Leave(worker_id=self.worker_id))
                self._follow(1)
                continue
            self.halt()  # unless it is still wanted
        if self.running is None and supervisor.scales:
            self._ask(ask.Leave(worker_id=self.worker_id))
        return self.running

    def _tell_of_end(self, worker_id: str, exit_code: int, deaths: int) -> None:
        """Say how a worker has ended."""
        supervisor = self._supervisor
        log = supervisor.logs / f"{worker_id}.log"
        ended = events.WorkerEnded(
            endpoint_id=supervisor.endpoint.queue.endpoint_id,
            worker_id=worker_id,
            exit_code=exit_code,
            was_asked=self._was_asked or supervisor.closing.is_set(),
            was_ready=deaths == 0,
            why="",
            tail=_tail_of(log),
            log=str(log),
        )
        if not ended.was_asked:
            supervisor.keep(log)
            _LOG.warning("worker %s: %s; its log: %s", worker_id, ended.how, log, extra=events.TOLD)
        supervisor.feed.tell(ended)
        if deaths and not ended.was_asked:
            supervisor.feed.died(ended, deaths)

    def _follow(self, deaths: int) -> None:
        """Start the next worker, after a pause if the last ones died before they were ready."""
        supervisor = self._supervisor
        has_begun = False
        while not has_begun:
            worker_id = supervisor.new_worker_id()
            pause = _PAUSES[min(deaths, len(_PAUSES) - 1)]
            if pause:
                self._ask(ask.Expect(worker_id=worker_id, healthy=False))
            if deaths and not supervisor.closing.is_set():
                supervisor.feed.tell(
                    events.WorkerRestarting(
                        endpoint_id=supervisor.endpoint.queue.endpoint_id,
                        worker_id=worker_id,
                        deaths=deaths,
                        pause=pause,
                    )
                )
            if supervisor.closing.wait(pause):
                self._ask(ask.Leave(worker_id=worker_id))
                return
            try:
                self._begin(worker_id)
                has_begun = True
            except OSError as error:
                _LOG.warning("worker %s cannot be started: %s", worker_id, error)
                self._ask(ask.Leave(worker_id=worker_id))
                deaths += 1
        if supervisor.closing.is_set():
            self.stop()

    def _begin(self, worker_id: str) -> None:
        """Start a worker; where the endpoint scales, offer to."""
        self.worker_id = worker_id
        if self._supervisor.scales:
            self.wanted.clear()
            self._ask(ask.Expect(worker_id=worker_id))
        else:
            self._spawn(worker_id)

    def _spawn(self, worker_id: str) -> None:
        supervisor = self._supervisor
        self._ask(ask.Expect(worker_id=worker_id))
        self._mark = new_mark(supervisor.guard.family)
        process = subprocess.Popen(  # noqa: S603  the user's own command
            supervisor.command,
            bufsize=0,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=whole_environment({**supervisor.environment_for(worker_id), VARIABLE: self._mark}),
            start_new_session=True,
        )
        supervisor.guard.add(process.pid)
        self._was_asked = self._is_halting = False
        self.running = worker_id, process
        endpoint_id = supervisor.endpoint.queue.endpoint_id
        supervisor.feed.tell(events.WorkerStarted(endpoint_id=endpoint_id, worker_id=worker_id, pid=process.pid))
        if process.stdout is not None:
            log = supervisor.logs / f"{worker_id}.log"
            self._output = LoggedOutput(process.stdout, log, partial(self._printed, worker_id))

    def _printed(self, worker_id: str, line: str) -> None:
        endpoint_id = self._supervisor.endpoint.queue.endpoint_id
        self._supervisor.feed.tell(events.WorkerPrinted(endpoint_id=endpoint_id, worker_id=worker_id, text=line))

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            if self.running is not None and self.running[1] is process:
                self._was_asked = True
                _kill_group(process)

    def _ask(self, request: ask.Request) -> dict[str, Any]:
        reply = self._supervisor.hub.ask(self._supervisor.endpoint, request)
        return reply.body if isinstance(reply, Reply) else {}


def _tail_of(log: Path) -> tuple[str, ...]:
    """Return the last lines of a log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:  # somebody has removed it
        return ()
    return tuple(text.splitlines()[-_TAIL:])


def _terminate(process: subprocess.Popen[bytes]) -> None:
    """Tell a process to end; a dead one is not reaped, else its watcher would wait for what is gone."""
    if hasattr(os, "waitid"):
        os.kill(process.pid, signal.SIGTERM)
    else:  # there the watcher reaps, and `send_signal` knows of it
        process.send_signal(signal.SIGTERM)


def _wait(process: subprocess.Popen[bytes]) -> None:
    """Return when a process has ended; where the system can, without reaping it."""
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    else:  # macOS before Python 3.13
        process.wait()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says EPERM of a group of the dead
        os.killpg(process.pid, signal.SIGKILL)
