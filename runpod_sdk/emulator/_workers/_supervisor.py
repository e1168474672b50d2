"""Supervises worker commands: starts, watches, replaces and stops them with all their children.

The official worker starts a pinger that outlives it, so every worker has a process group of its own, and the group is
killed when its worker has gone. A worker is told by SIGTERM to end; it exits when its held requests are answered and
its job is delivered, which is why it is drained first. What happens to its job when it dies is decided in `_jobs.py`.
"""

from __future__ import annotations

import os
import shlex
import threading
from typing import TYPE_CHECKING

from runpod_sdk.emulator._workers._slot import ProcessSlot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from runpod_sdk.emulator._hub import Hub
    from runpod_sdk.emulator._hub_endpoint import HubEndpoint
    from runpod_sdk.emulator._workers._events import Feed
    from runpod_sdk.emulator._workers._guard import Guard


def command_of(command: str | Sequence[str]) -> list[str]:
    """Return a command as a list of words.

    Raises:
        ValueError: it is empty, or there is no such program.
        NotImplementedError: this system has no process groups.
    """
    from shutil import which  # noqa: PLC0415  it imports every kind of archive, and few need it

    words = shlex.split(command) if isinstance(command, str) else list(command)
    if os.name != "posix":
        raise NotImplementedError(
            "supervised workers need the process groups of POSIX; declare the endpoint with workers=0, and start "
            "its worker yourself with Server.worker_environment()"
        )
    if not words or which(words[0]) is None:
        raise ValueError(f"command={command!r}: no such program")
    return words


class Supervisor:
    """The worker processes of one endpoint.

    Args:
        hub: where requests go.
        endpoint: the endpoint.
        command: what is started, as words.
        size: how many are kept running.
        scales: the endpoint scales: each runs while it is wanted.
        new_worker_id: returns a fresh worker id; every process has its own.
        environment_for: returns what a worker finds in its environment beside ours.
        logs: the folder of the logs, one a process, named by its worker id.
        grace: seconds that a worker has to end by itself.
        guard: what ends workers if this process is killed.
        feed: receives its events.
        keep: called with the log of a worker that has failed.
    """

    def __init__(
        self,
        hub: Hub,
        endpoint: HubEndpoint,
        command: Sequence[str],
        *,
        size: int,
        scales: bool,
        new_worker_id: Callable[[], str],
        environment_for: Callable[[str], Mapping[str, str]],
        logs: Path,
        grace: float,
        guard: Guard,
        feed: Feed,
        keep: Callable[[Path], None],
    ) -> None:
        self.hub = hub
        self.endpoint = endpoint
        self.command = command
        self.scales = scales
        self.new_worker_id = new_worker_id
        self.environment_for = environment_for
        self.logs = logs
        self.grace = grace
        self.guard = guard
        self.feed = feed
        self.keep = keep
        self.closing = threading.Event()
        self._slots = [ProcessSlot(self) for _ in range(size)]
        endpoint.replace = self._replace
        endpoint.power = self._power
        endpoint.kill = self._kill

    def start(self) -> None:
        """Start every worker."""
        self.logs.mkdir(parents=True, exist_ok=True)
        for slot in self._slots:
            slot.start()

    def restart(self) -> None:
        """Replace every worker, each as soon as it has delivered its job."""
        for slot in self._slots:
            slot.stop()

    def begin_close(self) -> None:
        """Ask every worker to end, and start none."""
        self.closing.set()
        for slot in self._slots:
            slot.wanted.set()
        self.restart()

    def close(self) -> None:
        """Stop every worker, and return when they and all they have started are gone."""
        self.begin_close()
        for slot in self._slots:
            slot.join()

    def kill(self) -> None:
        """Kill every worker where it stands; may be called from a signal handler."""
        for worker_id in self.processes:
            self._kill(worker_id)

    @property
    def processes(self) -> dict[str, int]:
        """The running workers: their process ids, which are also those of their groups, by worker id."""
        running = [slot.running for slot in self._slots]
        return {worker_id: process.pid for worker_id, process in filter(None, running)}

    def _kill(self, worker_id: str) -> bool:
        """Kill a worker where it stands, as a fault wants; its death is seen. Returns True if it is none of these."""
        for slot in self._slots:
            running = slot.running
            if running is not None and running[0] == worker_id:
                threading.Thread(target=slot.kill, args=[running[1]], daemon=True).start()
                return False
        return True

    def _replace(self, worker_id: str) -> None:
        """Stop a worker that asked for it, not in this thread: it is called under the hub's lock."""
        for slot in self._slots:
            running = slot.running
            if running is not None and running[0] == worker_id:
                threading.Thread(target=slot.stop, name=f"emulator-stop-{worker_id}", daemon=True).start()

    def _power(self, worker_id: str, is_up: bool) -> None:  # noqa: FBT001  as the hub calls it
        """Let a worker run from now on, or end; called under the hub's lock."""
        for slot in self._slots:
            if slot.worker_id == worker_id and is_up:
                slot.wanted.set()
            elif slot.worker_id == worker_id:
                slot.wanted.clear()
                threading.Thread(target=slot.halt, name=f"emulator-stop-{worker_id}", daemon=True).start()
