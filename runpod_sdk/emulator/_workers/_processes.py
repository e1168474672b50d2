"""All worker processes of an emulator: which to start, their names and their logs."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from runpod_sdk.emulator._workers._environment import worker_environment
from runpod_sdk.emulator._workers._events import Feed
from runpod_sdk.emulator._workers._guard import Guard
from runpod_sdk.emulator._workers._process_pool import ProcessPool
from runpod_sdk.emulator._workers._reactor import Reactor
from runpod_sdk.emulator._workers._supervisor import Supervisor
from runpod_sdk.emulator._workers._worker_log import WorkerLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runpod_sdk.emulator._hub import Hub
    from runpod_sdk.emulator._workers._endpoint import EmulatedEndpoint
    from runpod_sdk.emulator._workers._programs import Program

# The base URL that a worker finds which is spoken to over a socket of its own; .invalid is no host (RFC 2606).
NOWHERE = "https://emulator.invalid/v2"
_ID_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_ID_LENGTH = 14  # live: z3jr9rv2k3tt2y


def worker_id_from(chance: Random) -> str:
    """Return a fresh worker id."""
    return "".join(chance.choices(_ID_ALPHABET, k=_ID_LENGTH))


class WorkerProcesses:
    """The worker processes of all endpoints of an emulator.

    Args:
        seed: of their ids.
        api_key: what they send.
        grace: seconds that each has to end by itself.
        captures: workers send what a failing handler has printed.
        scales: each runs while its endpoint wants it.
    """

    def __init__(self, seed: int, api_key: str, grace: float, *, captures: bool, scales: bool) -> None:
        self._seed = seed
        self._api_key = api_key
        self._grace = grace
        self._captures = captures
        self._scales = scales
        self._external_ids = Random(f"{seed}/workers")  # noqa: S311  ids that repeat are what is wanted
        self._ids: dict[str, Random] = {}
        self._known: set[str] = set()
        self._folder: Path | None = None
        self._kept: set[Path] = set()
        self._reactor = Reactor()
        self._guard = Guard()
        self._pools: list[ProcessPool] = []
        self.feed = Feed()
        self.log = WorkerLog()
        self.feed.subscribe(self.log.add)

    def start_pool(self, endpoint_id: str, program: Program, *, size: int, aggregate: bool | None) -> ProcessPool:
        """Start worker processes that run a program, and return when one is ready.

        Raises:
            HandlerFileError: it ended instead.
        """
        pool = ProcessPool(
            program,
            endpoint_id,
            size=size,
            scales=self._scales,
            aggregate=aggregate,
            new_worker_id=self._ids_for(endpoint_id),
            environment_for=lambda worker_id: self._environment(NOWHERE, endpoint_id, worker_id),
            grace=self._grace,
            reactor=self._reactor,
            guard=self._guard,
            feed=self.feed,
        )
        self._pools.append(pool)
        pool.start()
        return pool

    def has(self, worker_id: str) -> bool:
        """Whether this is a process of ours, and not one started by others."""
        return worker_id in self._known

    def new_external_id(self) -> str:
        """Return an id for a worker that is started elsewhere."""
        return worker_id_from(self._external_ids)

    def begin(self, hub: Hub, endpoints: Iterable[EmulatedEndpoint], url: str) -> list[Supervisor]:
        """Return a supervisor, not yet started, for each endpoint that has a command and no running one."""
        idle = [
            endpoint
            for endpoint in endpoints
            if endpoint.command and (endpoint.supervisor is None or endpoint.supervisor.closing.is_set())
        ]
        supervisors = [self._supervisor(hub, endpoint, url) for endpoint in idle]
        for endpoint, supervisor in zip(idle, supervisors, strict=True):
            endpoint.supervisor = supervisor
        return supervisors

    def logs_of(self, endpoint_id: str) -> Path:
        """Return the folder for the logs of an endpoint's processes; `close` leaves those of failed ones."""
        from tempfile import mkdtemp  # noqa: PLC0415  it costs 10 ms, and few need it

        if self._folder is None:
            self._folder = Path(mkdtemp(prefix="runpod-emulator-"))
        return self._folder / endpoint_id

    def begin_close(self) -> None:
        """Let every worker process of a file end; none is started any more."""
        for pool in self._pools:
            pool.begin_close()

    def close(self) -> None:
        """Wait, a second at most, until they are gone with all that they have started; remove the logs."""
        for pool in self._pools:
            pool.close()
        self._reactor.close()
        self._guard.close()
        if self._folder is not None:
            self._clear(self._folder)

    def _clear(self, folder: Path) -> None:
        """Remove all logs but those that are kept."""
        with suppress(OSError):
            for path in sorted(folder.rglob("*"), reverse=True):
                if path.is_dir():
                    with suppress(OSError):  # there is still something in it
                        path.rmdir()
                elif path not in self._kept:
                    path.unlink()
            folder.rmdir()

    def _supervisor(self, hub: Hub, endpoint: EmulatedEndpoint, url: str) -> Supervisor:
        return Supervisor(
            hub,
            hub.endpoints[endpoint.id],
            endpoint.command or [],
            size=endpoint.workers,
            scales=self._scales,
            new_worker_id=self._ids_for(endpoint.id),
            environment_for=lambda worker_id: self._environment(url, endpoint.id, worker_id),
            logs=endpoint.logs,
            grace=self._grace,
            guard=self._guard,
            feed=self.feed,
            keep=self._kept.add,
        )

    def _environment(self, url: str, endpoint_id: str, worker_id: str) -> dict[str, str]:
        environment = worker_environment(url, self._api_key, endpoint_id, worker_id)
        return {**environment, "RUNPOD_LOG_CAPTURE": "all"} if self._captures else environment

    def _ids_for(self, endpoint_id: str) -> Callable[[], str]:
        """Return what gives a worker of an endpoint its id."""
        seed = f"{self._seed}/{endpoint_id}/workers"
        ids = self._ids.setdefault(endpoint_id, Random(seed))  # noqa: S311  ids that repeat are what is wanted

        def new_worker_id() -> str:
            worker_id = worker_id_from(ids)
            self._known.add(worker_id)
            return worker_id

        return new_worker_id
