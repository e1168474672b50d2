"""One endpoint as declared: what runs its jobs, and what can be observed of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._workers._handlers import load
from runpod_sdk.emulator._workers._worker_tests import folders_above, worker_tests

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runpod_sdk.emulator._queue._job import JobRecord
    from runpod_sdk.emulator._workers._handlers import HandlerFile
    from runpod_sdk.emulator._workers._process_pool import ProcessPool
    from runpod_sdk.emulator._workers._programs import Program
    from runpod_sdk.emulator._workers._run import Handler
    from runpod_sdk.emulator._workers._supervisor import Supervisor
    from runpod_sdk.emulator._workers._worker_tests import WorkerTest


class EmulatedEndpoint:
    """An endpoint of an emulator.

    Attributes:
        id: its id.
        handler: what runs its jobs; None: the built-in handler.
        workers: how many jobs run at the same time.
        command: what starts its workers, as words; None: they are in this process.
        file: the handler file that was loaded in this process.
        refreshes: a worker in this process is replaced after each job.
        pool: the worker processes of a file.
        supervisor: what watches them, from the first `serve()` on.
    """

    def __init__(
        self,
        endpoint_id: str,
        handler: Handler | None,
        *,
        workers: int,
        aggregate: bool | None,
        command: Sequence[str] | None,
        file: HandlerFile | None,
        pool: ProcessPool | None,
        jobs: Callable[[], Mapping[str, JobRecord]],
        tell: Callable[[ask.Request], str],
        logs: Callable[[str], Path],
    ) -> None:
        self.id = endpoint_id
        self.handler = handler
        self.workers = workers
        self.command = command
        self.file = file
        self.refreshes = file is not None and file.refresh_worker
        self.pool = pool
        self.supervisor: Supervisor | None = None
        self._aggregate = aggregate
        self._jobs = jobs
        self._tell = tell
        self._logs = logs

    @property
    def aggregate(self) -> bool:
        """Whether the chunks of a generator are also its output."""
        if self._aggregate is not None:
            return self._aggregate
        if self.pool is not None:
            return bool(self.pool.aggregates)
        return self.handler is None if self.file is None else self.file.return_aggregate_stream

    @property
    def program(self) -> Program | None:
        """What a worker's file is run as."""
        if self.pool is not None:
            return self.pool.program
        return None if self.file is None else self.file.program

    @property
    def processes(self) -> dict[str, int]:
        """Its running worker processes: their process ids, by worker id."""
        running = self.pool or self.supervisor
        return {} if running is None else running.processes

    def reload(self) -> None:
        """Load its handler file again for the jobs to come, or replace its worker processes.

        How many jobs run at the same time stays as it was.

        Raises:
            HandlerFileError: the file cannot be loaded; the handler stays as it was.
        """
        if self.supervisor is not None:
            self.supervisor.restart()
        if self.pool is not None:
            self.pool.reload()
        if self.file is not None:
            former, self.file = self.file, load(self.file.program)
            former.modules.forget()
            self.handler, self.refreshes = self.file.handler, self.file.refresh_worker
            self._tell(ask.UpdateWorkers())  # refused where the endpoint does not scale

    def bar_workers(self, *, throttled: int | None = None, unhealthy: int | None = None) -> None:
        """Set how many workers are throttled and unhealthy from now on, as `/health` then reports.

        A worker that has a job keeps it, and is kept out after it.

        Args:
            throttled: how many find no machine; 0: none any more. None: as many as before.
            unhealthy: how many are broken; the same.

        Raises:
            ValueError: a number is negative, or the endpoint does not scale (`Options.scaling`).
        """
        for name, count in (("throttled", throttled), ("unhealthy", unhealthy)):
            if count is not None and count < 0:
                raise ValueError(f"{name}={count}: must not be negative")
        self._change(ask.BarWorkers(throttled=throttled, unhealthy=unhealthy))

    def update_workers(self) -> None:
        """Replace all workers, as a release does: those without a job at once, the others after it; all start cold.

        Raises:
            ValueError: the endpoint does not scale (`Options.scaling`).
        """
        self._change(ask.UpdateWorkers())

    def _change(self, request: ask.BarWorkers | ask.UpdateWorkers) -> None:
        refusal = self._tell(request)
        if refusal:
            raise ValueError(refusal)

    @property
    def logs(self) -> Path:
        """The folder with a log of each worker process."""
        return self._logs(self.id)

    @property
    def tests(self) -> list[WorkerTest]:
        """The inputs that its file's repository is tested with, as they stand there now.

        Raises:
            ValueError: there are none, or they cannot be read.
        """
        program, here = self.program, Path.cwd()
        if program is None and self.command is None:
            raise ValueError("no file runs its jobs")
        return worker_tests([here] if program is None else folders_above(program, here))

    @property
    def jobs(self) -> dict[str, JobRecord]:
        """Its jobs that are still known, by id."""
        return {job_id: job for job_id, job in self._jobs().items() if job.endpoint_id == self.id}
