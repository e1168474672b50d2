"""The emulator: ties endpoints, clock and entrances together."""

from __future__ import annotations

import os
import threading
from types import NoneType
from typing import TYPE_CHECKING, Any, Self

from runpod_sdk.clock import SystemClock, VirtualClock
from runpod_sdk.emulator import _hosting as hosting
from runpod_sdk.emulator._doors._asgi import App
from runpod_sdk.emulator._doors._callers import Callers
from runpod_sdk.emulator._doors._console import Seen
from runpod_sdk.emulator._doors._control_api import ControlApi
from runpod_sdk.emulator._doors._listener import Listener
from runpod_sdk.emulator._log import let_warnings_out
from runpod_sdk.emulator._options import (
    Options,
    check_given,
    check_id,
    check_key,
    check_pages,
    check_place,
    check_workers,
)
from runpod_sdk.emulator._record._faults import Fault
from runpod_sdk.emulator._server import Server
from runpod_sdk.emulator._store import Store
from runpod_sdk.emulator._workers._callables import close
from runpod_sdk.emulator._workers._endpoint import EmulatedEndpoint
from runpod_sdk.emulator._workers._events import print_lines
from runpod_sdk.emulator._workers._handlers import HandlerFile, load
from runpod_sdk.emulator._workers._processes import NOWHERE
from runpod_sdk.emulator._workers._programs import Program, program_of
from runpod_sdk.emulator._workers._supervisor import command_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from runpod_sdk.clock import ParkingClock
    from runpod_sdk.emulator._doors._gateway import Gateway, RequestRecord
    from runpod_sdk.emulator._doors._site import Site
    from runpod_sdk.emulator._doors._transport import Transport
    from runpod_sdk.emulator._hub import Hub
    from runpod_sdk.emulator._queue._job import JobRecord
    from runpod_sdk.emulator._record._injection import InjectedFault
    from runpod_sdk.emulator._record._ledger import Ledger
    from runpod_sdk.emulator._server import Binding
    from runpod_sdk.emulator._workers._callables import Pool
    from runpod_sdk.emulator._workers._events import Feed
    from runpod_sdk.emulator._workers._process_pool import ProcessPool
    from runpod_sdk.emulator._workers._run import Handler

BASE_URL = NOWHERE  # what stands before the endpoint id, without a socket


class Emulator:
    """The queue service in this process.

    Endpoints are declared first; one that was not is answered with 404. Two doors lead to the same state: `transport`
    for httpx in this process, and `serve()` for everybody, on a socket.

    Args:
        clock: what time it is. None: the system's clock if `serve` or `app` is used first, a virtual clock if
            `transport`, `clock` or `connection` is. Over a socket time cannot jump by itself, so `serve` takes the
            system's clock, or `VirtualClock(auto_jump=False)`.
        api_key: the only key that is let in, with or without "Bearer ".
        seed: of all ids: the same seed gives the same ids.
        options: choices where the service's behaviour is unknown; see `Options`.
        db: a file that keeps jobs, ledger and clock when the emulator ends, however it does; it is made where there is
            none. What was acknowledged is in it. One emulator has it at a time.
        echo: print on standard error what worker processes print, each line behind its worker's name.

    Raises:
        TypeError: an argument is of another type.
        ValueError: a key that no header carries; or an origin or a name in `options` that can be none.
        EmulatorFileError: `db` is no file of an emulator, is in use, or cannot be read or written.

    Examples:
        >>> import httpx
        >>> with Emulator() as emulator:
        ...     _ = emulator.endpoint("demo")
        ...     url = emulator.connection["base_url"] + "/demo/runsync"
        ...     with httpx.Client(transport=emulator.transport, headers={"authorization": "Bearer test"}) as client:
        ...         answer = client.post(url, json={"input": {"mock_return": 42, "mock_delay": 30}}, timeout=60).json()
        >>> answer["output"], answer["executionTime"]
        (42, 30000)
    """

    def __init__(
        self,
        *,
        clock: ParkingClock | None = None,
        api_key: str = "test",
        seed: int = 0,
        options: Options | None = None,
        db: str | os.PathLike[str] | None = None,
        echo: bool = True,
    ) -> None:
        let_warnings_out()
        check_key(api_key)
        check_given("options", options, (Options, NoneType), "Options, or None,")
        if clock is not None and not callable(getattr(clock, "parking", None)):
            raise TypeError(f"clock={clock!r}: a clock of runpod_sdk.clock, or None, expected")
        self.api_key = api_key
        self._options = options or Options()
        check_pages(self._options)
        self._store = None if db is None else Store(db, self._options.lease)
        hosting.catch_up(clock, self._store)
        # A second run of one seed gives other ids: those of the first are still known.
        self._seed = seed = seed + (0 if self._store is None else self._store.boots << 32)
        self._callers = Callers(self._options)
        self._given_clock = clock
        self._lock = threading.Lock()
        self._endpoints: dict[str, EmulatedEndpoint] = {}
        self._pools: list[Pool] = []
        self._servers: list[Server] = []
        self._gateway: Gateway | None = None
        self._transport: Transport | None = None
        self._closed = False
        self._processes = hosting.worker_processes(seed, api_key, self._options)
        if echo:
            self._processes.feed.subscribe(print_lines)
        self.faults = hosting.faults_of(seed, self._store)

    def endpoint(
        self,
        endpoint_id: str,
        handler: Handler | str | os.PathLike[str] | Program | None = None,
        *,
        workers: int = 1,
        return_aggregate_stream: bool | None = None,
        command: str | Sequence[str] | None = None,
        arguments: Sequence[str] = (),
        in_process: bool | None = None,
    ) -> EmulatedEndpoint:
        """Declare an endpoint; if a file runs its jobs, return when its first worker is ready.

        Args:
            endpoint_id: its id, as in the URL.
            handler: what runs a job. A function, a coroutine function, a generator or an async generator: called in
                this process with a dict of `id`, `input` and whatever else the service hands to a worker. It may raise,
                return `{"error": …}`, return `refresh_worker: True` beside its output, or call `progress_update`. To
                let virtual time pass, it sleeps on `emulator.clock`. A path: the file of a worker, unchanged, which
                calls `runpod.serverless.start` when it is run, as a program in a process of its own for each worker;
                "file.py:function"; "-m package.module"; the official package need not be installed. None: the built-in
                handler, which does what the input of the official mock worker says (mock_return, mock_delay, …).
            workers: how many jobs a function runs at the same time, or how many processes there are of a file or a
                `command`; 0: jobs stay in the queue, for workers that are started elsewhere
                with `Server.worker_environment()`. With `Options.scaling`, there are its `max_workers` instead.
            return_aggregate_stream: the chunks of a generator are also its output, otherwise `[]` is. None: as a file
                says; only those of the built-in handler are.
            command: what starts a real worker, such as "python handler.py" with the official library; POSIX only. Its
                processes begin with `serve()` and end with the server; one that dies is followed by another. Each has
                a log in `EmulatedEndpoint.logs`.
            arguments: what the file finds in `sys.argv` behind its path.
            in_process: True: the file is loaded in this process, as often as there are endpoints of it, and its handler
                runs here: for monkeypatching and debuggers. False: in a process. None: in a process, where there are
                process groups (POSIX).

        Raises:
            TypeError: `handler` can run no job, or `workers` is no whole number.
            ValueError: `endpoint_id` is none, or already declared; `workers` is negative; `command` names no program,
                or stands beside a handler; or `arguments` or `in_process` stand beside what is no file.
            HandlerFileError: there is no such file, or its worker has ended before it was ready.
            NotImplementedError: this system is not POSIX, and there is a command, or `in_process` is False.
        """
        check_id(endpoint_id)
        check_workers(workers)
        hosting.check_handler(handler)
        if command is not None and handler is not None:
            raise ValueError("command: an endpoint has a handler or a command, not both")
        workers = hosting.size_of(workers, self._options)
        words = None if command is None else command_of(command)
        if endpoint_id in self._endpoints:
            raise ValueError(f"endpoint_id={endpoint_id!r}: is already declared")
        file: HandlerFile | None = None
        processes: ProcessPool | None = None
        if isinstance(handler, (str, os.PathLike, Program)):
            program = handler if isinstance(handler, Program) else program_of(os.fspath(handler), tuple(arguments))
            if hosting.runs_here(in_process):
                file = load(program)
                workers *= file.concurrency
            else:
                processes = self._processes.start_pool(
                    endpoint_id, program, size=workers, aggregate=return_aggregate_stream
                )
            handler = None if file is None else file.handler
        elif arguments or in_process is False:
            raise ValueError("arguments, in_process: they are for files")
        endpoint = EmulatedEndpoint(
            endpoint_id,
            handler,
            workers=workers,
            aggregate=return_aggregate_stream,
            command=words,
            file=file,
            pool=processes,
            jobs=lambda: self.jobs,
            tell=lambda request: hosting.told(self._open(VirtualClock).hub, endpoint_id, request),
            logs=self._processes.logs_of,
        )
        with self._lock:
            if endpoint_id in self._endpoints:
                raise ValueError(f"endpoint_id={endpoint_id!r}: is already declared")
            self._endpoints[endpoint_id] = endpoint
            if self._gateway is not None:
                self._host(self._gateway.hub, endpoint)
        for server in [server for server in self._servers if server.is_open][:1]:
            self._start_workers(server)
        return endpoint

    def serve(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        certfile: str | os.PathLike[str] | None = None,
        keyfile: str | os.PathLike[str] | None = None,
    ) -> Server:
        """Serve on a socket, in a thread of its own, and return once it listens.

        Args:
            host: where to listen; other machines reach "0.0.0.0".
            port: 0: any that is free.
            certfile: a certificate in PEM, to serve over https. Clients have to be told to trust it, as in
                `Client(http_client=httpx.Client(verify=context))`.
            keyfile: its private key, if that is not in `certfile`.

        Raises:
            ModuleNotFoundError: uvicorn is not installed.
            OSError: the port is taken, or the certificate cannot be used.
            ValueError: the clock is a virtual one that jumps by itself; there is a key without a certificate; or the
                host or the port can be none.
        """
        check_place(host, port)
        if keyfile is not None and certfile is None:
            raise ValueError(f"keyfile={os.fspath(keyfile)!r}: it needs a certfile, too")
        return self._serve(lambda app: Listener(app, host, port, certfile=certfile, keyfile=keyfile))

    def mount(self, site: Site) -> Server:
        """Serve below a path of a socket that others use, too; the rest is as in `serve`."""
        return self._serve(site.mount)

    @property
    def app(self) -> App:
        """The emulator as an ASGI application, for any server."""
        return self._app(self._open(SystemClock))

    @property
    def transport(self) -> Transport:
        """The emulator as a transport for `httpx.Client` and `httpx.AsyncClient`."""
        from runpod_sdk.emulator._doors._transport import Transport  # noqa: PLC0415  who only serves needs no httpx

        gateway = self._open(VirtualClock)
        if self._transport is None:
            self._transport = Transport(gateway, self._control(gateway))
        return self._transport

    @property
    def clock(self) -> ParkingClock:
        """What time it is; handlers sleep on it."""
        return self._open(VirtualClock).hub.clock

    @property
    def connection(self) -> dict[str, Any]:
        """What `Client(**…)` needs to talk to this emulator without a socket."""
        return {
            "api_key": self.api_key,
            "base_url": BASE_URL,
            "transport": self.transport,
            "clock": self.clock,
            "trust_connect_errors": True,  # the transport raises them only where nothing was sent
        }

    @property
    def worker_events(self) -> Feed:
        """What happens to worker processes of files, as it happens; what they print goes to standard error, too."""
        return self._processes.feed

    @property
    def endpoints(self) -> dict[str, EmulatedEndpoint]:
        """Every endpoint that was declared, by id."""
        return dict(self._endpoints)

    @property
    def jobs(self) -> dict[str, JobRecord]:
        """Every job that is still known, by id, as it is now."""
        if self._gateway is None and self._store is None:
            return {}
        gateway = self._gateway or self._open(VirtualClock)  # which a closed emulator still has
        return {record.id: record for record in gateway.hub.records()}

    @property
    def requests(self) -> list[RequestRecord]:
        """The requests that were answered, the oldest first; the last `Options.record` of them."""
        return [] if self._gateway is None else list(self._gateway.records)

    @property
    def ledger(self) -> Ledger:
        """Everything that has happened, and `verdict()` on it."""
        return (self._gateway or self._open(VirtualClock)).hub.ledger

    def inject(self, fault: Fault) -> InjectedFault:
        """Let something go wrong from now on; the answer removes it again, also as a context manager.

        Raises:
            TypeError: it is no fault.

        Examples:
            >>> import httpx
            >>> from runpod_sdk.emulator import Fault
            >>> emulator = Emulator()
            >>> _ = emulator.endpoint("demo")
            >>> fault = emulator.inject(Fault.status(503, times=2, on="health"))
            >>> with httpx.Client(transport=emulator.transport, headers={"authorization": "test"}) as client:
            ...     [client.get(emulator.connection["base_url"] + "/demo/health").status_code for _ in range(3)]
            [503, 503, 200]
            >>> fault.struck
            2
        """
        check_given("fault", fault, Fault, "a Fault, such as Fault.status(503),")
        return self.faults.add(fault)

    def fail_batch(self, endpoint_id: str, batch_id: str) -> None:
        """Let a batch that is being processed fail by itself, as the service may: what is queued of it is cancelled.

        Raises:
            LookupError: there is no such endpoint, or no such batch that is being processed.
        """
        hosting.fail_batch(self._open(VirtualClock).hub, endpoint_id, batch_id)

    def reset(self) -> None:
        """Forget every job, every request and every fault, and begin a new ledger; endpoints and workers stay.

        Running jobs are told to stop. Ids are not reused, and the clock goes on.
        """
        self.faults.clear()
        if self._gateway is not None:
            self._gateway.hub.reset()
            self._gateway.records.clear()
            self._gateway.repeats.clear()

    def close(self) -> None:
        """Answer what is held, stop servers and workers; does nothing the second time."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        for server in self._servers:
            server.close()
        self._processes.begin_close()
        if self._gateway is not None:
            self._gateway.hub.close()
        close(self._pools)
        self._processes.close()
        for endpoint in self._endpoints.values():
            if endpoint.file is not None:
                endpoint.file.modules.forget()
        if self._store is not None:
            self._store.close()

    def __enter__(self) -> Self:
        """Return the emulator itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the emulator."""
        self.close()

    def _open(self, default_clock: Callable[[], ParkingClock]) -> Gateway:
        """Return what the doors lead to, made with the first use."""
        with self._lock:
            if self._closed:
                raise RuntimeError("the emulator is closed")
            if self._gateway is None:
                clock = self._given_clock or hosting.begun(default_clock, self._store)
                self._gateway = hosting.gateway_to(
                    clock, self.faults, self.api_key, self._options, self._processes.has, self._store
                )
                hub = self._gateway.hub
                self._processes.log.now = hub.clock.time
                for endpoint in self._endpoints.values():
                    self._host(hub, endpoint)
            return self._gateway

    def _serve(self, bind: Callable[[App], Binding]) -> Server:
        gateway = self._open(SystemClock)
        hosting.check_serves(gateway.hub.clock)
        app = self._app(gateway)
        server = Server(app, self.api_key, bind(app), self._processes.new_external_id)
        self._servers.append(server)
        self._start_workers(server)
        return server

    def _app(self, gateway: Gateway) -> App:
        return App(gateway, self._control(gateway), self._callers)

    def _control(self, gateway: Gateway) -> ControlApi:
        seen = Seen(lines=self._processes.log, tests=lambda name: self._endpoints[name].tests)
        return ControlApi(gateway, self.api_key, self.reset, self._callers, seen)

    def _host(self, hub: Hub, endpoint: EmulatedEndpoint) -> None:
        pool = hosting.host(hub, endpoint, self._options, self._seed)
        if pool is not None:
            self._pools.append(pool)

    def _start_workers(self, server: Server) -> None:
        """Start the processes of each endpoint that has a command, and none yet; they live as long as the server."""
        hub = self._open(SystemClock).hub
        with self._lock:
            supervisors = self._processes.begin(hub, self._endpoints.values(), server.url)
        for supervisor in supervisors:
            server.supervise(supervisor)
