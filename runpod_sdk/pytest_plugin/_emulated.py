"""The fixtures `runpod_emulator` and `runpod_server`: an emulator, a client, and worker files by name."""

from __future__ import annotations

import os
import re
import sys
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import Client
from runpod_sdk.clock import SystemClock, VirtualClock
from runpod_sdk.emulator import Emulator, HandlerFileError
from runpod_sdk.emulator._workers._programs import (
    folder_of_module,
    is_module,
    module_of,
    parted,
    program_of,
)
from runpod_sdk.emulator._workers._supervisor import command_of
from runpod_sdk.pytest_plugin._faults import forget, inject
from runpod_sdk.pytest_plugin._guard import away_from_the_service
from runpod_sdk.pytest_plugin._once import EMULATORS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from runpod_sdk import Endpoint
    from runpod_sdk.clock import ParkingClock
    from runpod_sdk.emulator import JobRecord, Ledger, RequestRecord, Server
    from runpod_sdk.emulator._doors._site import Site
    from runpod_sdk.emulator._workers._programs import Program

    Handler = Callable[[dict[str, Any]], Any]

_UNNAMED = "worker"  # the id of an endpoint whose handler has no name
_LOG_TAIL = 20_000  # characters of a worker's log that a failure shows


class EmulatorFixture:
    """The emulator of one test, in this process; its time is virtual.

    Attributes:
        emulator: the `Emulator`, for all that is not named here.
        api_key: the key that it lets in.
        endpoint: declares an endpoint; as `Emulator.endpoint`.
        inject: lets something go wrong from now on; as `Emulator.inject`.
        reset: forgets every job, request and fault; as `Emulator.reset`.
    """

    def __init__(self, emulator: Emulator, folders: Sequence[Path]) -> None:
        self._folders = folders
        self.emulator = emulator
        self.api_key = emulator.api_key
        self.endpoint = emulator.endpoint
        self.inject = emulator.inject
        self.reset = emulator.reset

    def serve(
        self,
        handler: Handler | str | os.PathLike[str] | None = None,
        endpoint_id: str | None = None,
        *,
        workers: int = 1,
        return_aggregate_stream: bool | None = None,
        arguments: Sequence[str] = (),
        in_process: bool | None = None,
    ) -> Endpoint[Any]:
        """Declare an endpoint, and return it as a client sees it; if a file runs its jobs, when its worker is ready.

        Args:
            handler: the file of a worker as it is, "file.py:function", or "-m package.module": looked for beside the
                test, then in pytest's rootdir. It is run in a process for each worker, anew with each call. Else a
                function, or None for the built-in handler.
            endpoint_id: its id; None: what the file or the function is called.
            workers: how many workers there are, each with a job at a time.
            return_aggregate_stream: as in `Emulator.endpoint`.
            arguments: what the file finds in `sys.argv` behind its path.
            in_process: True: the file is loaded in this process, as for monkeypatching and debuggers; see
                `Emulator.endpoint`.

        Raises:
            ValueError: `endpoint_id` is already declared.
            HandlerFileError: the file is not there, or its worker has ended before it was ready.
        """
        endpoint_id = endpoint_id or self._free(_name_of(handler))
        self.endpoint(
            endpoint_id,
            self._target(handler, arguments),
            workers=workers,
            return_aggregate_stream=return_aggregate_stream,
            arguments=arguments,
            in_process=in_process,
        )
        return self.client.endpoint(endpoint_id)

    @cached_property
    def client(self) -> Client:
        """A `Client` on it, the same each time; it is closed with the test."""
        return Client(**self.connection)

    @property
    def connection(self) -> dict[str, Any]:
        """What `Client(**…)` and `AsyncClient(**…)` need to talk to it."""
        return self.emulator.connection

    @property
    def clock(self) -> ParkingClock:
        """What time it is there; handlers sleep on it."""
        return self.emulator.clock

    @property
    def jobs(self) -> dict[str, JobRecord]:
        """Every job that is still known, by id, as it is now."""
        return self.emulator.jobs

    @property
    def requests(self) -> list[RequestRecord]:
        """The requests that were answered, the oldest first."""
        return self.emulator.requests

    @property
    def ledger(self) -> Ledger:
        """Everything that has happened, and `verdict()` on it."""
        return self.emulator.ledger

    def close(self) -> None:
        """Close the client and the emulator; the plugin calls it."""
        client = vars(self).get("client")
        if client is not None:
            client.close()
        self.emulator.close()

    def _target(
        self, handler: Handler | str | os.PathLike[str] | None, arguments: Sequence[str] = ()
    ) -> Handler | Program | None:
        if not isinstance(handler, (str, os.PathLike)):
            return handler
        target: str = os.fspath(handler)
        if not is_module(target):
            return program_of(self._found(target), tuple(arguments))
        return program_of(target, tuple(arguments), folder_of_module(target, self._folders))

    def _found(self, target: str) -> str:
        """Return a path with its folder: that of the test, or the next one that has such a file."""
        places = [str(folder / target) for folder in self._folders]
        for place in places:
            if parted(place)[0].is_file():
                return place
        raise HandlerFileError(f"{target}: no such file in {' or '.join(map(str, dict.fromkeys(self._folders)))}")

    def _free(self, name: str) -> str:
        """Return an id that no endpoint has: the name, or the name with a number."""
        taken = self.emulator.endpoints
        return next(each for each in (name, *(f"{name}-{n}" for n in range(2, len(taken) + 3))) if each not in taken)


class ServerFixture(EmulatorFixture):
    """The emulator of one test, at a URL of its own; its time is that of this machine.

    Attributes:
        url: the base URL, ending in /v2; what stands before the endpoint id.
        worker_environment: returns what a worker needs that is started elsewhere; as `Server.worker_environment`.
    """

    def __init__(self, emulator: Emulator, server: Server, folders: Sequence[Path]) -> None:
        super().__init__(emulator, folders)
        self._server = server
        self.url = server.url
        self.worker_environment = server.worker_environment

    def serve(
        self,
        handler: Handler | str | os.PathLike[str] | None = None,
        endpoint_id: str | None = None,
        *,
        workers: int = 1,
        return_aggregate_stream: bool | None = None,
        arguments: Sequence[str] = (),
        in_process: bool | None = None,
        command: str | Sequence[str] | None = None,
    ) -> Endpoint[Any]:
        """Declare an endpoint, and return it as a client sees it.

        Args:
            handler: as in `EmulatorFixture.serve`.
            endpoint_id: the same.
            workers: how many jobs run at the same time, or how many processes of `command`.
            return_aggregate_stream: as in `Emulator.endpoint`.
            arguments: as in `EmulatorFixture.serve`.
            in_process: the same.
            command: what starts a real worker, such as "python handler.py" with the official library; POSIX only. A
                Python file in it is looked for where handler files are. What its processes print, a failure shows.

        Raises:
            ValueError: `endpoint_id` is already declared, or there is no such command.
            HandlerFileError: the file is not there, or cannot be loaded.
        """
        if command is None:
            return super().serve(
                handler,
                endpoint_id,
                workers=workers,
                return_aggregate_stream=return_aggregate_stream,
                arguments=arguments,
                in_process=in_process,
            )
        words = [self._found(word) if word.endswith(".py") else word for word in command_of(command)]
        scripts = [word for word in words if word.endswith(".py")]
        endpoint_id = endpoint_id or self._free(_name_of(scripts[0] if scripts else None))
        self.endpoint(endpoint_id, handler and self._target(handler), workers=workers, command=words)
        return self.client.endpoint(endpoint_id)

    @property
    def connection(self) -> dict[str, Any]:
        """What `Client(**…)` and `AsyncClient(**…)` need to talk to it."""
        return self._server.connection

    @property
    def environment(self) -> dict[str, str]:
        """What clients look for in their environment; it is set while the test runs."""
        return {"RUNPOD_API_KEY": self.api_key, "RUNPOD_ENDPOINT_BASE_URL": self.url}

    @property
    def logs(self) -> dict[str, str]:
        """What each worker process has printed so far, by worker id."""
        return {
            path.stem: path.read_text(encoding="utf-8", errors="replace")
            for endpoint in self.emulator.endpoints.values()
            if endpoint.command is not None
            for path in sorted(endpoint.logs.glob("*.log"))
        }


@contextmanager
def emulator_for(request: pytest.FixtureRequest) -> Generator[EmulatorFixture]:
    """Open the emulator of a test, and close it."""
    fixture = EmulatorFixture(Emulator(clock=VirtualClock()), _folders(request))
    try:
        with _of_test(request.node, fixture.emulator):
            yield fixture
    finally:
        fixture.close()


@contextmanager
def shared_emulator_for(request: pytest.FixtureRequest) -> Generator[EmulatorFixture]:
    """Open an emulator that several tests share, and close it."""
    fixture = EmulatorFixture(Emulator(clock=VirtualClock()), _folders(request))
    emulators = request.node.stash.setdefault(EMULATORS, [])
    emulators.append(fixture.emulator)
    try:
        yield fixture
    finally:
        emulators.remove(fixture.emulator)
        fixture.close()


@contextmanager
def factory_for(request: pytest.FixtureRequest) -> Generator[Callable[..., EmulatorFixture]]:
    """Make emulators for a test, and close them."""
    with ExitStack() as made:

        def make(*, clock: ParkingClock | None = None, **arguments: Any) -> EmulatorFixture:
            """Open an emulator, with the arguments of `Emulator`; its time is virtual unless `clock` says otherwise."""
            fixture = EmulatorFixture(Emulator(clock=clock or VirtualClock(), **arguments), _folders(request))
            made.callback(fixture.close)
            made.enter_context(_of_test(request.node, fixture.emulator))
            return fixture

        yield make


@contextmanager
def server_for(request: pytest.FixtureRequest, site: Site) -> Generator[ServerFixture]:
    """Open the emulator of a test, mount it on the site, and close it."""
    emulator = Emulator(clock=SystemClock())
    fixture = ServerFixture(emulator, emulator.mount(site), _folders(request))
    try:
        with _of_test(request.node, emulator), away_from_the_service(), pytest.MonkeyPatch.context() as patch:
            for name, value in fixture.environment.items():
                patch.setenv(name, value)
            official = sys.modules.get("runpod")
            if hasattr(official, "endpoint_url_base"):  # it looks at its environment once, when it is imported
                patch.setattr(official, "endpoint_url_base", fixture.url)
                patch.setattr(official, "api_key", fixture.api_key)
            yield fixture
    finally:
        for worker_id, log in fixture.logs.items():
            request.node.add_report_section("teardown", f"log of worker {worker_id}", log[-_LOG_TAIL:])
        fixture.close()


@contextmanager
def _of_test(item: pytest.Item, emulator: Emulator) -> Generator[None]:
    """Let an emulator be judged with a test; not with the next run of the same, as some plugins repeat what fails."""
    emulators = item.stash.setdefault(EMULATORS, [])
    emulators.append(emulator)
    try:
        inject(item, emulator)
        yield
    finally:
        emulators.remove(emulator)
        forget(item)


def _folders(request: pytest.FixtureRequest) -> list[Path]:
    beside = [] if request.scope == "session" else [request.path.parent]
    return [*beside, request.config.rootpath]


def _name_of(handler: Handler | str | os.PathLike[str] | None) -> str:
    """Return what an endpoint may be called, after what runs its jobs."""
    if isinstance(handler, (str, os.PathLike)):
        target: str = os.fspath(handler)
        path, function = parted(target)
        name = function or (module_of(target) if is_module(target) else path.stem)
    else:
        name = getattr(handler, "__name__", "")
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or _UNNAMED
