"""Deploys a declared endpoint: its queue in the hub, and its workers."""

from __future__ import annotations

import os
import threading
from random import Random
from types import NoneType
from typing import TYPE_CHECKING

from runpod_sdk.clock import AdjustableClock, VirtualClock
from runpod_sdk.emulator._doors._gateway import Gateway
from runpod_sdk.emulator._doors._rates import RateLimits
from runpod_sdk.emulator._hub import Hub
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._queue import Queue, job_ids
from runpod_sdk.emulator._record._injection import Faults
from runpod_sdk.emulator._routes._router import Router
from runpod_sdk.emulator._workers._callables import Pool
from runpod_sdk.emulator._workers._mock_handler import mock_handler_for
from runpod_sdk.emulator._workers._processes import WorkerProcesses, worker_id_from
from runpod_sdk.emulator._workers._programs import Program

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk.clock import ParkingClock
    from runpod_sdk.emulator._options import Options
    from runpod_sdk.emulator._store import Store
    from runpod_sdk.emulator._workers._endpoint import EmulatedEndpoint


def begun(default_clock: Callable[[], ParkingClock], store: Store | None) -> ParkingClock:
    """Return a clock; a virtual one goes on where the one before stood still."""
    if default_clock is VirtualClock and store is not None and store.time is not None:
        return VirtualClock(start=store.time)
    return default_clock()


def catch_up(clock: ParkingClock | None, store: Store | None) -> None:
    """Move a clock that can be moved on to where the one before was, if it is behind."""
    if isinstance(clock, AdjustableClock) and store is not None and store.time is not None:
        clock.advance(max(0.0, store.time - clock.time()))


def told(hub: Hub, endpoint_id: str, request: ask.Request) -> str:
    """Tell an endpoint something; return why that is refused, or ""."""
    return hub.tell(hub.endpoints[endpoint_id], request)


def check_serves(clock: ParkingClock) -> None:
    """Refuse a clock that is of no use on a socket."""
    if isinstance(clock, VirtualClock) and clock.auto_jump:
        raise ValueError(
            "serve: a clock that jumps by itself cannot know who waits on the other side of a socket; use "
            "SystemClock() or VirtualClock(auto_jump=False), or call serve() before transport, clock and connection"
        )


def fail_batch(hub: Hub, endpoint_id: str, batch_id: str) -> None:
    """Let a batch fail by itself.

    Raises:
        LookupError: there is no such endpoint, or no such batch that is being processed.
    """
    if endpoint_id not in hub.endpoints:
        raise LookupError(f"endpoint_id={endpoint_id!r}: not declared")
    reply = hub.ask(hub.endpoints[endpoint_id], ask.FailBatch(batch_id=batch_id))
    if not isinstance(reply, ask.Reply) or reply.kind is not ask.ReplyKind.DONE:
        raise LookupError(f"batch_id={batch_id!r}: not a batch that is being processed")


def gateway_to(
    clock: ParkingClock,
    faults: Faults,
    api_key: str,
    options: Options,
    has_worker: Callable[[str], bool],
    store: Store | None,
) -> Gateway:
    """Return what all doors lead to, and the hub behind it."""
    rates = RateLimits(options.rate_per_worker, threading.Lock()) if options.rate_limits else None
    router = Router(api_key, options, has_worker)
    hub = Hub(clock, faults, options, store)
    if store is not None and rates is not None:
        store.follow_rates(rates)
    return Gateway(hub, router, faults, rates, options.record)


def host(hub: Hub, endpoint: EmulatedEndpoint, options: Options, seed: int) -> Pool | None:
    """Open the queue of an endpoint, and let its workers ask for jobs; return those in this process.

    The ids of its jobs and workers come from the seed.
    """
    chance = Random(f"{seed}/{endpoint.id}/jobs")  # noqa: S311  ids that repeat are what is wanted
    worker_ids = Random(f"{seed}/{endpoint.id}/workers")  # noqa: S311  the same
    starts = Random(f"{0 if options.scaling is None else options.scaling.seed}/{endpoint.id}/starts")  # noqa: S311  the same
    hosted = hub.add(
        Queue(
            endpoint.id,
            new_id=job_ids(chance.getrandbits),
            options=options,
            made_at=hub.clock.monotonic(),
            epoch=hub.clock.time() - hub.clock.monotonic(),
            chance=starts.random,
        )
    )
    if endpoint.pool is not None:
        endpoint.pool.attach(hub, hosted)
        return None
    pool = Pool(
        hub,
        hosted,
        endpoint,
        mock_handler_for(hub.clock),
        size=endpoint.workers if endpoint.command is None else 0,
        new_worker_id=lambda: worker_id_from(worker_ids),
        as_official=endpoint.file is not None,
        captures=options.log_capture,
    )
    pool.start()
    return pool


def size_of(workers: int, options: Options) -> int:
    """Return how many of the requested workers there is room for."""
    return workers if options.scaling is None or not workers else options.scaling.max_workers


def faults_of(seed: int, store: Store | None) -> Faults:
    """Return the faults of an emulator, those of before too that last; the chance of each comes from the seed."""
    faults = Faults(lambda number: Random(f"{seed}/faults/{number}").random, threading.Lock())  # noqa: S311  as above
    if store is not None:
        store.resume(faults)
    return faults


def worker_processes(seed: int, api_key: str, options: Options) -> WorkerProcesses:
    """Return the worker processes of an emulator, of which there are none yet."""
    scales = options.scaling is not None
    return WorkerProcesses(seed, api_key, options.worker_grace, captures=options.log_capture, scales=scales)


def check_handler(handler: object) -> None:
    """Refuse what cannot run jobs; a file is looked at later."""
    if not (callable(handler) or isinstance(handler, (str, os.PathLike, Program, NoneType))):
        raise TypeError(f"handler={handler!r}: a function, the path of a worker's file, or None expected")


def runs_here(wish: bool | None) -> bool:  # noqa: FBT001  as the caller has it
    """Whether a file is run in this process: there are no worker processes without the process groups of POSIX."""
    if os.name != "posix" and wish is False:
        raise NotImplementedError("worker processes need the process groups of POSIX; use in_process=True")
    return os.name != "posix" if wish is None else wish
