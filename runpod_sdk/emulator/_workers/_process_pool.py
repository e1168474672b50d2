"""The worker processes of one endpoint: started, stopped, killed and replaced.

Each place (`_place.py`) has one process at a time. What happens to them happens in the thread of the reactor; what the
hub calls, under its lock, only asks for it.
"""

from __future__ import annotations

import functools
import threading
import time
from typing import TYPE_CHECKING

from runpod_sdk.clock import Presence, passes
from runpod_sdk.emulator._workers._place import WorkerPlace
from runpod_sdk.emulator._workers._programs import HandlerFileError
from runpod_sdk.emulator._workers._trial import Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runpod_sdk.emulator._hub import Hub
    from runpod_sdk.emulator._hub_endpoint import HubEndpoint
    from runpod_sdk.emulator._workers._events import Feed
    from runpod_sdk.emulator._workers._guard import Guard
    from runpod_sdk.emulator._workers._programs import Program
    from runpod_sdk.emulator._workers._reactor import Reactor

_CLOSE_GRACE = 0.5  # real seconds that a process has to end when the emulator closes
_LOOK_EVERY = 1.0  # real seconds between two looks at who has been at work for long


class ProcessPool:
    """The worker processes of one endpoint.

    Args:
        program: what they run.
        endpoint_id: the endpoint.
        size: how many.
        scales: the endpoint scales: each runs while it is wanted.
        aggregate: the chunks of a generator are also its output; None: as the file says.
        new_worker_id: returns a fresh worker id; every process has its own.
        environment_for: returns what a worker finds in its environment.
        grace: real seconds that a process has to end by itself, and a job that was stopped.
        reactor: the thread.
        guard: what ends processes if this one is killed.
        feed: receives its events.

    Attributes:
        aggregates: what the file says of its generator; None before the first process is ready.
    """

    def __init__(
        self,
        program: Program,
        endpoint_id: str,
        *,
        size: int,
        scales: bool,
        aggregate: bool | None,
        new_worker_id: Callable[[], str],
        environment_for: Callable[[str], Mapping[str, str]],
        grace: float,
        reactor: Reactor,
        guard: Guard,
        feed: Feed,
    ) -> None:
        self.program = program
        self.endpoint_id = endpoint_id
        self.scales = scales
        self.aggregate = aggregate
        self.new_worker_id = new_worker_id
        self.environment_for = environment_for
        self.grace = grace
        self.reactor = reactor
        self.guard = guard
        self.feed = feed
        self.hub: Hub | None = None
        self.endpoint: HubEndpoint | None = None
        self.aggregates: bool | None = None
        self.is_closing = False
        self._places = [WorkerPlace(self) for _ in range(size)]
        self._settled = threading.Event()  # the first process is ready, or has failed
        self._closed = threading.Event()
        self._failure: str | None = None

    # What others call, from any thread.

    def start(self) -> None:
        """Start all, or where they scale the first one, to try it, and return when one is ready.

        Raises:
            HandlerFileError: the first to be settled has ended instead; all are stopped then.
        """
        if not self._places:
            return
        for place in self._places[:1] if self.scales else self._places:
            self.reactor.call(place.start)
        try:
            self._settled.wait()
        except BaseException:
            self.begin_close()
            raise
        if self._failure is not None:
            self.close()
            raise HandlerFileError(f"{self.program.path or self.program.named}: {self._failure}")

    def attach(self, hub: Hub, endpoint: HubEndpoint) -> None:
        """Let them take jobs. Called once, when the clock is known."""
        endpoint.stop = lambda worker_id, job_id: self._with(hub, worker_id, lambda place: place.stop(job_id))
        endpoint.replace = lambda worker_id: self._with(hub, worker_id, WorkerPlace.end, holds=True)
        endpoint.power = lambda worker_id, is_up: self._with(
            hub, worker_id, WorkerPlace.power_up if is_up else WorkerPlace.power_down, holds=True
        )
        endpoint.kill = lambda worker_id: self._kill(hub, worker_id)
        presences = [Presence(hub.clock) for _ in self._places]

        def act() -> None:
            self.hub, self.endpoint = hub, endpoint
            for place, presence in zip(self._places, presences, strict=True):
                place.attach(presence)
            if passes(hub.clock):
                self._look()

        self.reactor.call(act)

    def reload(self) -> None:
        """Replace all by processes that run the file as it is now, each as soon as it has delivered its jobs.

        Raises:
            HandlerFileError: one that was tried before did not become ready; all stay as they are.
        """
        trial = Trial(self)
        self.reactor.call(trial.start)
        trial.settled.wait()
        if trial.failure is not None:
            raise HandlerFileError(f"{self.program.path or self.program.named}: {trial.failure}")
        for place in self._places:
            presence = None if self.hub is None else Presence(self.hub.clock)
            self.reactor.call(functools.partial(place.end, presence=presence))

    def begin_close(self) -> None:
        """Ask all to end, and start none."""
        self.is_closing = True
        self.reactor.call(self._close)

    def close(self) -> None:
        """End all, within a second, and return when they and what they have started are gone."""
        self.begin_close()
        if self._places:
            self._closed.wait()

    @property
    def processes(self) -> dict[str, int]:
        """The running workers: their process ids, by worker id."""
        running = [(place.worker_id, place.process) for place in self._places]
        return {worker_id: process.pid for worker_id, process in running if process is not None}

    # What the hub calls, under its lock.

    def _kill(self, hub: Hub, worker_id: str) -> bool:
        """Kill a worker where it stands; its death is seen, and nothing is heard of it any more."""
        for place in self._places:
            if place.worker_id == worker_id:
                place.is_cut = True
        self._with(hub, worker_id, WorkerPlace.kill, holds=True)
        return False

    def _with(self, hub: Hub, worker_id: str, action: Callable[[WorkerPlace], None], *, holds: bool = False) -> None:
        """Let a slot act on its worker, if that is still there; `holds`: virtual time waits for the result."""
        presence = Presence(hub.clock) if holds else None

        def act() -> None:
            place = next((place for place in self._places if place.worker_id == worker_id), None)
            if place is not None:
                if presence is not None:
                    place.hold(presence)
                action(place)
            elif presence is not None:
                presence.leave()

        self.reactor.call(act)

    # What happens in the thread of the reactor.

    def settle(self, failure: str | None = None) -> None:
        """Note that the first process is ready; or why it is not, which ends it all."""
        if not self._settled.is_set():
            self._failure = failure
            self.is_closing = self.is_closing or failure is not None
            self._settled.set()

    def _look(self) -> None:
        now = time.monotonic()
        for place in self._places:
            place.let_pass(now)
        if not self._closed.is_set():
            self.reactor.later(_LOOK_EVERY, self._look)

    def _close(self) -> None:
        for place in self._places:
            place.end(_CLOSE_GRACE)
        self.closed()

    def closed(self) -> None:
        """Note that a place is empty."""
        if self.is_closing and all(place.process is None for place in self._places):
            self.settle("the emulator was closed")
            self._closed.set()
