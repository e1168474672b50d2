"""Finds processes that a worker started and that outlived it, even after `setsid` or as daemons.

In production they end with the worker's container. Here each worker has a mark in its environment, which all that it
starts inherits, and by which they are found. Only Linux shows the environment of processes, in /proc.
"""

from __future__ import annotations

import itertools
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

VARIABLE = "RUNPOD_EMULATOR_MARK"
_PROCESSES = Path("/proc")
_NUMBERS = itertools.count(1)


def new_mark(family: str) -> str:
    """Return a mark that no other worker has; `family`: what those of one emulator share."""
    return f"{family}.{next(_NUMBERS)}."


def new_family() -> str:
    """Return what the marks of one emulator begin with, on this machine."""
    return f"{os.getpid()}.{time.monotonic_ns()}"


def kill_stragglers(mark: str) -> bool:
    """Kill all that has this mark; return whether there was any. What they started meanwhile is found the next time."""
    wanted = f"{VARIABLE}={mark}".encode()
    found = [pid for pid in _pids() if wanted in _environment_of(pid)]
    for pid in found:
        with suppress(OSError):  # it has ended
            process = os.pidfd_open(pid)
            try:
                if wanted in _environment_of(pid):  # it is still the one that was seen
                    signal.pidfd_send_signal(process, signal.SIGKILL)
            finally:
                os.close(process)
    return bool(found)


def is_group(group: int) -> bool:
    """Whether a process of this group still runs; dead ones count where the system does not show which are."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    pids = _pids()  # in a container, nobody may ever reap the dead
    return not pids or any(_runs_in(pid, group) for pid in pids)


def _runs_in(pid: int, group: int) -> bool:
    try:
        facts = (_PROCESSES / str(pid) / "stat").read_bytes()
    except OSError:
        return False
    state, _, of = facts.rpartition(b")")[2].split()[:3]
    return int(of) == group and state not in (b"Z", b"X")


def _pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir(_PROCESSES) if name.isdigit()]  # noqa: PTH208  names are wanted
    except OSError:  # not on Linux
        return []


def _environment_of(pid: int) -> bytes:
    try:
        return (_PROCESSES / str(pid) / "environ").read_bytes()
    except OSError:  # it has ended, or is somebody else's
        return b""
