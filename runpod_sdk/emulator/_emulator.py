"""The emulator: endpoints, clock and doors tied together."""

from __future__ import annotations

import os
import threading
from random import Random
from typing import TYPE_CHECKING, Any, Self

from runpod_sdk.clock import SystemClock, VirtualClock
from runpod_sdk.emulator._doors._asgi import App
from runpod_sdk.emulator._doors._control_api import ControlApi
from runpod_sdk.emulator._doors._gateway import Gateway
from runpod_sdk.emulator._doors._listener import Listener
from runpod_sdk.emulator._doors._rates import RateLimits
from runpod_sdk.emulator._hub import Hub
from runpod_sdk.emulator._options import Options, check_id, check_key, check_place
from runpod_sdk.emulator._queue._queue import Queue, job_ids
from runpod_sdk.emulator._record._injection import Faults, InjectedFault
from runpod_sdk.emulator._routes._router import Router
from runpod_sdk.emulator._server import Server
from runpod_sdk.emulator._workers._callables import HandlerLoop, Pool
from runpod_sdk.emulator._workers._endpoint import EmulatedEndpoint
from runpod_sdk.emulator._workers._handlers import HandlerFile, forget, load
from runpod_sdk.emulator._workers._mock_handler import mock_handler_for
from runpod_sdk.emulator._workers._processes import WorkerProcesses, worker_id_from
from runpod_sdk.emulator._workers._supervisor import command_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from runpod_sdk.clock import ParkingClock
    from runpod_sdk.emulator._doors._gateway import RequestRecord
    from runpod_sdk.emulator._doors._site import Site
    from runpod_sdk.emulator._doors._transport import Transport
    from runpod_sdk.emulator._queue._job import JobRecord
    from runpod_sdk.emulator._record._faults import Fault
    from runpod_sdk.emulator._record._ledger import Ledger
    from runpod_sdk.emulator._server import Binding
    from runpod_sdk.emulator._workers._callables import Handler

# What stands before the endpoint id, without a socket; .invalid can never be a real host (RFC 2606).
BASE_URL = "https://emulator.invalid/v2"


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

    Raises:
        ValueError: a key that no header carries.

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
    ) -> None:
        check_key(api_key)
        self.api_key = api_key
        self._seed = seed
        self._options = options or Options()
        self._given_clock = clock
        self._lock = threading.Lock()
        self._loop_thread = HandlerLoop()
        self._endpoints: dict[str, EmulatedEndpoint] = {}
        self._pools: list[Pool] = []
        self._servers: list[Server] = []
        self._gateway: Gateway | None = None
        self._transport: Transport | None = None
        self._closed = False
        self._processes = WorkerProcesses(seed, api_key, self._options.worker_grace)
        self.faults = Faults(self._chance, threading.Lock())

    def endpoint(
        self,
        endpoint_id: str,
        handler: Handler | str | os.PathLike[str] | None = None,
        *,
        workers: int = 1,
        return_aggregate_stream: bool | None = None,
        command: str | Sequence[str] | None = None,
    ) -> EmulatedEndpoint:
        """Declare an endpoint.

        Args:
            endpoint_id: its id, as in the URL.
            handler: what runs a job: a function, a coroutine function, a generator or an async generator, called with
                a dict of `id`, `input` and whatever else the service hands to a worker. It may raise, return
                `{"error": …}`, return `refresh_worker: True` beside its output, or call `progress_update`. To let
                virtual time pass, it sleeps on `emulator.clock`. A path: the file of a worker, unchanged, which calls
                `runpod.serverless.start` when it is run, or "file.py:function"; the official package need not be
                installed. None: the built-in handler, which does what the input of the official mock worker says
                (mock_return, mock_delay, mock_error, …).
            workers: how many jobs run at the same time (of a file with a `concurrency_modifier`, that many times more),
                or how many processes of `command`; 0: jobs stay in the queue, for workers that are started elsewhere
                with `Server.worker_environment()`.
            return_aggregate_stream: the chunks of a generator are also its output, otherwise `[]` is. None: as a file
                says; only those of the built-in handler are.
            command: what starts a real worker, such as "python handler.py" with the official library; POSIX only. Its
                processes begin with `serve()` and end with the server; one that dies is followed by another. Each has
                a log in `EmulatedEndpoint.logs`.

        Raises:
            ValueError: `endpoint_id` is none, or declared already; `workers` is negative; `command` names no program,
                or stands beside a handler.
            HandlerFileError: the file cannot be loaded.
            NotImplementedError: there is a command, and this system is not POSIX.
        """
        check_id(endpoint_id)
        if workers < 0:
            raise ValueError(f"workers={workers}: must not be negative")
        if command is not None and handler is not None:
            raise ValueError("command: an endpoint has a handler or a command, not both")
        words = None if command is None else command_of(command)
        file: HandlerFile | None = None
        if isinstance(handler, (str, os.PathLike)):
            file = load(os.fspath(handler))
            handler = file.handler
            workers *= file.concurrency
        endpoint = EmulatedEndpoint(
            endpoint_id,
            handler,
            workers=workers,
            aggregate=return_aggregate_stream,
            command=words,
            file=file,
            jobs=lambda: self.jobs,
            logs=self._processes.logs_of,
        )
        with self._lock:
            if endpoint_id in self._endpoints:
                raise ValueError(f"endpoint_id={endpoint_id!r}: declared already")
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
            raise ValueError(f"keyfile={os.fspath(keyfile)!r}: a certfile has to stand beside it")
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
            self._transport = Transport(gateway, ControlApi(gateway, self.api_key, self.reset))
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
    def endpoints(self) -> dict[str, EmulatedEndpoint]:
        """Every endpoint that was declared, by id."""
        return dict(self._endpoints)

    @property
    def jobs(self) -> dict[str, JobRecord]:
        """Every job that is still known, by id, as it is now."""
        return {} if self._gateway is None else {record.id: record for record in self._gateway.hub.records()}

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
        return self.faults.add(fault)

    def reset(self) -> None:
        """Forget every job, every request and every fault, and begin a new ledger; endpoints and workers stay.

        Jobs that run are told to stop. Ids are not given out again, and the clock goes on.
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
        self._processes.close()
        if self._gateway is not None:
            self._gateway.hub.close()
        for pool in self._pools:
            pool.close()
        self._loop_thread.close()
        for endpoint in self._endpoints.values():
            if endpoint.file is not None:
                forget(endpoint.file)

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
                options = self._options
                hub = Hub(self._given_clock or default_clock(), self.faults, options.ledger)
                router = Router(self.api_key, options, self._processes.has)
                rates = RateLimits(options.rate_per_worker, threading.Lock()) if options.rate_limits else None
                self._gateway = Gateway(hub, router, self.faults, rates, options.record)
                for endpoint in self._endpoints.values():
                    self._host(hub, endpoint)
            return self._gateway

    def _serve(self, bind: Callable[[App], Binding]) -> Server:
        gateway = self._open(SystemClock)
        clock = gateway.hub.clock
        if isinstance(clock, VirtualClock) and clock.auto_jump:
            raise ValueError(
                "serve: a clock that jumps by itself cannot know who waits on the other side of a socket; use "
                "SystemClock() or VirtualClock(auto_jump=False), or call serve() before transport, clock and connection"
            )
        app = self._app(gateway)
        server = Server(app, self.api_key, bind(app), self._processes.new_external_id)
        self._servers.append(server)
        self._start_workers(server)
        return server

    def _app(self, gateway: Gateway) -> App:
        return App(gateway, ControlApi(gateway, self.api_key, self.reset))

    def _chance(self, number: int) -> Callable[[], float]:
        return Random(f"{self._seed}/faults/{number}").random  # noqa: S311  chance that repeats is what is wanted

    def _host(self, hub: Hub, endpoint: EmulatedEndpoint) -> None:
        chance = Random(f"{self._seed}/{endpoint.id}/jobs")  # noqa: S311  ids that repeat are what is wanted
        worker_ids = Random(f"{self._seed}/{endpoint.id}/workers")  # noqa: S311  the same

        hosted = hub.add(Queue(endpoint.id, new_id=job_ids(chance.getrandbits), options=self._options))
        mock = mock_handler_for(hub.clock)
        pool = Pool(
            hub,
            hosted,
            lambda job: endpoint.handler or mock(job),
            size=endpoint.workers if endpoint.command is None else 0,
            new_worker_id=lambda: worker_id_from(worker_ids),
            loop_thread=self._loop_thread,
            aggregate=lambda: endpoint.aggregate,
        )
        self._pools.append(pool)
        pool.start()

    def _start_workers(self, server: Server) -> None:
        """Start the processes of each endpoint that has a command, and none yet; they live as long as the server."""
        hub = self._open(SystemClock).hub
        with self._lock:
            supervisors = self._processes.begin(hub, self._endpoints.values(), server.url)
        for supervisor in supervisors:
            server.supervise(supervisor)
