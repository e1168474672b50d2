"""One worker process: starting it, talking to it, and ending it with all its children.

It leads a group of its own, which is killed when it has gone: what it has started ends with it, and what has left the
group, too. What its words mean is decided in `_place.py`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from runpod_sdk.emulator._workers._environment import whole_environment
from runpod_sdk.emulator._workers._host import _wire as wire
from runpod_sdk.emulator._workers._output import Lines
from runpod_sdk.emulator._workers._stragglers import VARIABLE, is_group, kill_stragglers, new_mark

if TYPE_CHECKING:
    from collections.abc import Mapping
    from socket import socket

    from runpod_sdk.emulator._workers._guard import Guard
    from runpod_sdk.emulator._workers._programs import Program
    from runpod_sdk.emulator._workers._reactor import Reactor

_HOST = str(Path(__file__).with_name("_host") / "__main__.py")
_READ = 1 << 16
_READS_AT_ONCE = 64  # of one process, before the others have their turn
_TAIL = 50  # lines
_LOOK_EVERY, _LOOKS = 0.005, 60  # real seconds between two looks whether a killed group is gone; how many at most


class Owner(Protocol):
    """Receives events about a process, in the reactor's thread."""

    def said(self, process: WorkerProcess, head: list[Any], body: bytes, /) -> None:
        """Take in what it says."""
        ...

    def printed(self, process: WorkerProcess, line: str, /) -> None:
        """Take in a line that it prints."""
        ...

    def ended(self, process: WorkerProcess, exit_code: int, /) -> None:
        """Take in its end; it says and prints nothing any more, and what it had started is gone."""
        ...


class WorkerProcess:
    """A process that runs a user's program as a worker; made, and called, in the thread of the reactor.

    Args:
        owner: receives its events.
        program: what it runs.
        environment: what it finds beside what this process has.
        reactor: the thread.
        guard: what ends it if this process is killed.

    Attributes:
        pid: its process id, and the id of its group.
        tail: the last lines that it printed.
        started_at: monotonic, in real seconds.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(
        self, owner: Owner, program: Program, environment: Mapping[str, str], reactor: Reactor, guard: Guard
    ) -> None:
        self._owner = owner
        self._reactor = reactor
        self._guard = guard
        self.tail: deque[str] = deque(maxlen=_TAIL)
        self.started_at = time.monotonic()
        self._assembly = wire.Assembly()
        self._outbox: deque[bytes] = deque()
        self._frames = 0
        self._lines = Lines()
        self._lock = threading.Lock()  # nobody signals a process that is being reaped
        self._is_gone = False
        self._end, theirs = wire.pair()
        self._mark = new_mark(guard.family)
        with theirs:
            self._process = _started(program, {**environment, VARIABLE: self._mark}, theirs)
        self.pid = self._process.pid
        guard.add(self.pid)
        if self._process.stdout is None:
            raise RuntimeError("a worker process has no output")
        self._output = self._process.stdout.fileno()
        os.set_blocking(self._output, False)
        self._end.setblocking(False)
        reactor.watch(self._end.fileno(), self._talk)
        reactor.watch(self._output, self._listen)
        self._exit = _watch_exit(self._process, reactor, self._ended)

    def send(self, head: list[Any], body: bytes = b"") -> None:
        """Say something, now or when there is room."""
        self._frames += 1
        self._outbox.extend(wire.parts_of(self._frames, head, body))
        self._flush()

    def kill(self) -> None:
        """Kill it where it stands, with all that it has started; any thread may."""
        with self._lock:
            if not self._is_gone:
                _kill_group(self.pid)

    def _flush(self) -> None:
        while self._outbox:
            try:
                sent = self._end.send(self._outbox[0])
            except BlockingIOError:
                self._reactor.watch(self._end.fileno(), self._talk, writing=True)
                return
            except OSError:  # it is about to be seen as ended
                self._outbox.clear()
                return
            if sent == len(self._outbox[0]):
                self._outbox.popleft()
            else:
                self._outbox[0] = self._outbox[0][sent:]

    def _talk(self) -> None:
        if self._outbox:
            self._flush()
            if not self._outbox and not self._is_gone:
                self._reactor.watch(self._end.fileno(), self._talk)
        self._hear()

    def _hear(self, reads: int = _READS_AT_ONCE) -> None:
        frames, is_closed = wire.read_from(self._end, self._assembly, reads)
        if frames or is_closed:
            self._listen(reads)  # it printed before it said this
        if is_closed:
            self._reactor.forget(self._end.fileno())
        for head, body in frames:
            self._owner.said(self, head, body)

    def _listen(self, reads: int = _READS_AT_ONCE) -> None:
        """Read what it prints."""
        for _ in range(reads):
            try:
                data = os.read(self._output, _READ)
            except BlockingIOError:
                return
            if not data:
                self._reactor.forget(self._output)
                return
            self._print(self._lines.feed(data))

    def _print(self, lines: list[str]) -> None:
        for line in lines:
            self.tail.append(line)
            self._owner.printed(self, line)

    def _ended(self) -> None:
        self._exit()
        with self._lock:
            _kill_group(self.pid)  # before it is reaped: until then nobody else can have its number
            self._guard.remove(self.pid)
            exit_code = self._process.wait()
            self._is_gone = True
        self._leave(exit_code, _LOOKS)

    def _leave(self, exit_code: int, looks: int, *, has_strays: bool = True) -> None:
        """Take in its last words, when all that it has started is gone; nobody but init can tell when that is."""
        has_strays = has_strays and kill_stragglers(self._mark)
        if looks and (has_strays or is_group(self.pid)):
            self._reactor.later(_LOOK_EVERY, lambda: self._leave(exit_code, looks - 1, has_strays=has_strays))
            return
        self._hear(sys.maxsize)
        self._listen(sys.maxsize)
        self._print(self._lines.rest())
        self._close()
        self._owner.ended(self, exit_code)

    def _close(self) -> None:
        self._reactor.forget(self._end.fileno())
        self._reactor.forget(self._output)
        self._end.close()
        if self._process.stdout is not None:
            self._process.stdout.close()


def _started(program: Program, environment: Mapping[str, str], end: socket) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  the user's own file
        [sys.executable, _HOST, str(end.fileno()), program.kind, program.target, *program.arguments],
        bufsize=0,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=program.folder,
        env=whole_environment(environment),
        pass_fds=[end.fileno()],
        start_new_session=True,
    )


def _watch_exit(process: subprocess.Popen[bytes], reactor: Reactor, ended: Any) -> Any:
    """Call `ended` in the reactor when a process has ended, before it is reaped; return what ends the watch."""
    with contextlib.suppress(AttributeError, OSError):  # no Linux, or one that knows no pidfd
        fd = os.pidfd_open(process.pid)
        reactor.watch(fd, ended)

        def forget() -> None:
            reactor.forget(fd)
            os.close(fd)

        return forget

    def wait() -> None:
        if hasattr(os, "waitid"):
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        else:  # macOS before Python 3.13
            process.wait()
        reactor.call(ended)

    threading.Thread(target=wait, name="emulator-exit", daemon=True).start()
    return lambda: None


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says EPERM of a group of the dead
        os.killpg(group, signal.SIGKILL)
