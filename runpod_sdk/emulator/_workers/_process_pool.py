"""The worker processes of one endpoint: who is started, what they take and send, who follows one that has ended.

Each place has one process at a time. A process asks for jobs and reports through the hub like any other worker, so that
leases, retries, faults and the ledger see no difference. On a virtual clock it counts as at work from its start until
it asks for a job, and again from a job until it asks for the next one. All of this happens in the thread of the
reactor; what the hub calls, under its lock, only asks for it.
"""

from __future__ import annotations

import functools
import json
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._workers import _events as events
from runpod_sdk.emulator._workers import _results as results
from runpod_sdk.emulator._workers._presence import Presence, passes
from runpod_sdk.emulator._workers._process import WorkerProcess
from runpod_sdk.emulator._workers._programs import HandlerFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runpod_sdk.emulator._hub import Hub, HubEndpoint
    from runpod_sdk.emulator._workers._events import Feed
    from runpod_sdk.emulator._workers._guard import Guard
    from runpod_sdk.emulator._workers._programs import Program
    from runpod_sdk.emulator._workers._reactor import Reactor

_LOG = logging.getLogger("runpod_sdk.emulator")
_FIRST_PAUSE = 0.5  # seconds before the start that follows two deaths in a row before they were ready; it doubles
_PAUSE_MAX = 3600.0
_CLOSE_GRACE = 0.5  # real seconds that a process has to end when the emulator closes
_LOOK_EVERY = 1.0  # real seconds between two looks at who has been at work for long


class ProcessPool:
    """The worker processes of one endpoint.

    Args:
        program: what they run.
        endpoint_id: the endpoint.
        size: how many.
        aggregate: the chunks of a generator are also its output; None: as the file says.
        new_worker_id: returns a fresh worker id; every process has its own.
        environment_for: returns what a worker finds in its environment.
        grace: real seconds that a process has to end by itself, and a job that was stopped.
        reactor: the thread.
        guard: what ends processes if this one is killed.
        feed: who is told.

    Attributes:
        aggregates: what the file says of its generator; None before the first process is ready.
    """

    def __init__(
        self,
        program: Program,
        endpoint_id: str,
        *,
        size: int,
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
        """Start all, and return when one is ready.

        Raises:
            HandlerFileError: the first to be settled has ended instead; all are stopped then.
        """
        if not self._places:
            return
        for place in self._places:
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
        trial = _Trial(self)
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
        """Let a place act on its worker, if that is still there; `holds`: time waits for what comes of it."""
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


class WorkerPlace:
    """One place for a worker: when its process has gone, the next one is started.

    Attributes:
        worker_id: what its worker is called, or the next one will be.
        process: its process, while it runs.
        is_cut: its process was killed on purpose: whatever it still says comes too late.
    """

    def __init__(self, pool: ProcessPool) -> None:
        self._pool = pool
        self.worker_id = ""
        self.process: WorkerProcess | None = None
        self._jobs: dict[str, Presence] = {}
        self._presence: Presence | None = None  # while it is neither waiting for a job nor running one
        self._wanted = 0  # how many jobs its process has asked for before there was a hub
        self._is_taking = False  # its process has asked for jobs, and none have come
        self._deaths = 0
        self._why = ""
        self._is_ready = False
        self._was_asked = False
        self.is_cut = False

    # How it begins and ends.

    def start(self) -> None:
        """Start a process."""
        pool = self._pool
        if pool.is_closing:
            self.release()
            return
        self.worker_id = self.worker_id or pool.new_worker_id()
        self._is_ready = self._was_asked = self._is_taking = self.is_cut = False
        self._why, self._wanted = "", 0
        self._ask(ask.Expect(worker_id=self.worker_id))
        try:
            environment = pool.environment_for(self.worker_id)
            self.process = WorkerProcess(self, pool.program, environment, pool.reactor, pool.guard)
        except OSError as error:
            self._why = f"its process cannot be started: {error}"
            self._follow(127, ())
            return
        pool.feed.tell(
            events.WorkerStarted(endpoint_id=pool.endpoint_id, worker_id=self.worker_id, pid=self.process.pid)
        )

    def attach(self, presence: Presence) -> None:
        """Go to work: there is a hub now."""
        self.hold(presence)
        self._ask(ask.Expect(worker_id=self.worker_id))
        if self._wanted:
            self._take(self._wanted)

    def end(self, grace: float | None = None, presence: Presence | None = None) -> None:
        """Let the process finish its jobs and end; it is killed after the grace."""
        process = self.process
        if presence is not None:
            self.hold(presence)
        if process is None:
            self.release()
            return
        self._was_asked = True
        self._ask(ask.Drain(worker_id=self.worker_id))
        process.send(["end"])
        self._pool.reactor.later(self._pool.grace if grace is None else grace, process.kill)

    def kill(self) -> None:
        """Kill the process where it stands."""
        self._was_asked = True
        if self.process is not None:
            self.process.kill()

    def stop(self, job_id: str) -> None:
        """Stop a job; a process that does not, because its handler blocks, is killed after the grace."""
        process = self.process
        presence = self._jobs.get(job_id)
        if process is None or presence is None:
            return
        process.send(["stop", job_id])

        def insist() -> None:
            if self._jobs.get(job_id) is presence:
                _LOG.warning("worker %s does not stop job %s: it is killed", self.worker_id, job_id)
                self.kill()

        self._pool.reactor.later(self._pool.grace, insist)

    # Its time on the clock.

    def hold(self, presence: Presence) -> None:
        """Be at work until it asks for a job."""
        if self._presence is None:
            self._presence = presence
        else:
            presence.leave()

    def release(self) -> None:
        """Be at work no more."""
        if self._presence is not None:
            self._presence.leave()
            self._presence = None

    def let_pass(self, now: float) -> None:
        """Let time pass for those at work for long."""
        for presence in [self._presence, *self._jobs.values()]:
            if presence is not None:
                presence.let_pass(now)

    # What its process says.

    def said(self, process: WorkerProcess, head: list[Any], body: bytes) -> None:
        """Take in a frame; see `_host/_loop.py` and `_host/_program.py` for what there is."""
        if self.is_cut:
            return
        match head:
            case ["take", int(wanted)]:
                self._take(wanted)
            case ["full"]:
                self.release()
            case ["ready", dict()]:
                self._ready(process, head[1])
            case ["failed", str(why)]:
                self._why = why
            case ["note", str(job_id), str(text)]:
                self._note(job_id, text)
            case ["chunk" | "progress" | "done", str(job_id)]:
                self._report(head[0], job_id, body)
            case ["lost", str(job_id), str(text)]:
                self._note(job_id, text)
                self._over(job_id)
            case ["stopped", str(job_id)]:
                self._over(job_id)
            case _:
                _LOG.warning("worker %s says what nobody understands: %r", self.worker_id, head)

    def printed(self, _: WorkerProcess, line: str) -> None:
        """Pass on a line."""
        pool = self._pool
        pool.feed.tell(events.WorkerPrinted(endpoint_id=pool.endpoint_id, worker_id=self.worker_id, text=line))

    def ended(self, process: WorkerProcess, exit_code: int) -> None:
        """Give back what it had taken, and let another follow."""
        self.process = None
        self._follow(exit_code, tuple(process.tail))

    def _ready(self, process: WorkerProcess, facts: dict[str, Any]) -> None:
        pool = self._pool
        self._is_ready = True
        self._deaths = 0
        pool.aggregates = bool(facts.get("aggregate"))
        pool.settle()
        seconds = time.monotonic() - process.started_at
        pool.feed.tell(events.WorkerReady(endpoint_id=pool.endpoint_id, worker_id=self.worker_id, seconds=seconds))

    def _follow(self, exit_code: int, tail: tuple[str, ...]) -> None:
        pool, worker_id = self._pool, self.worker_id
        was_asked = self._was_asked or pool.is_closing
        ended = events.WorkerEnded(
            endpoint_id=pool.endpoint_id,
            worker_id=worker_id,
            exit_code=exit_code,
            was_asked=was_asked,
            was_ready=self._is_ready,
            why=self._why,
            tail=tail,
        )
        pool.feed.tell(ended)
        if not was_asked:
            _LOG.warning("worker %s: %s", worker_id, ended.how, extra=events.TOLD)
        if pool.hub is not None:
            self.hold(Presence(pool.hub.clock))
        self._ask(ask.Leave(worker_id=worker_id))
        for presence in self._jobs.values():
            presence.leave()
        self._jobs.clear()
        self.worker_id = ""
        if pool.is_closing:
            self.release()
            pool.closed()
        elif self._is_ready or was_asked:
            self.start()
        else:
            self._failed(ended)

    def _failed(self, ended: events.WorkerEnded) -> None:
        """Start again, after a pause that grows, or say why there is nothing to start."""
        pool = self._pool
        self._deaths += 1
        pool.settle(ended.how)
        if not pool.is_closing:
            pool.feed.died(ended, self._deaths)
        pause = 0.0 if self._deaths < 2 else min(_FIRST_PAUSE * 2 ** (self._deaths - 2), _PAUSE_MAX)
        if pool.is_closing:
            self.release()
            pool.closed()
            return
        self.worker_id = pool.new_worker_id()
        pool.feed.tell(
            events.WorkerRestarting(
                endpoint_id=pool.endpoint_id, worker_id=self.worker_id, deaths=self._deaths, pause=pause
            )
        )
        hub = pool.hub
        if hub is None or not pause:
            pool.reactor.later(pause, self.start)
            return
        self._ask(ask.Expect(worker_id=self.worker_id, healthy=False))

        def again() -> None:
            """Start; called in whatever thread moves the clock."""
            presence = Presence(hub.clock)

            def go_on() -> None:
                self.hold(presence)
                self.start()

            pool.reactor.call(go_on)

        hub.clock.call_at(hub.clock.monotonic() + pause, again)
        self.release()

    # What it asks and reports.

    def _ask(self, request: ask.Request) -> str:
        """Tell the hub something; return why that is refused, or ""."""
        pool = self._pool
        if pool.hub is not None and pool.endpoint is not None and not pool.hub.closed:
            return pool.hub.tell(pool.endpoint, request)
        return ""

    def _take(self, wanted: int) -> None:
        pool = self._pool
        if pool.hub is None or pool.endpoint is None:
            self._wanted = wanted
            return
        if pool.hub.closed:
            self.release()
            return
        process, worker_id, hub = self.process, self.worker_id, pool.hub

        def deliver(reply: ask.Reply) -> None:
            """Pass jobs on; called under the hub's lock."""
            jobs: list[dict[str, Any]] = reply.body.get("jobs", [reply.body] if reply.body else [])
            if jobs:
                taken = [(job, Presence(hub.clock)) for job in jobs]
                pool.reactor.call(lambda: self._hand(process, worker_id, taken))

        self._is_taking = True
        batch = wanted if wanted > 1 else None
        hub.take(pool.endpoint, ask.Take(worker_id=worker_id, batch=batch), deliver)
        self.release()

    def _hand(
        self, process: WorkerProcess | None, worker_id: str, taken: list[tuple[dict[str, Any], Presence]]
    ) -> None:
        """Pass jobs on to the process that asked for them."""
        self._is_taking = False
        whole: list[dict[str, Any]] = []
        for job, presence in taken:
            if process is not self.process or process is None:
                presence.leave()  # it has ended meanwhile, and given back what it had taken
            elif "input" not in job:
                # live: the worker drops a job without input; the service gives it out once more, then gives up.
                # assumed: at once, where the service waits for a while.
                self.hold(presence)
                self._ask(ask.Lose(worker_id=worker_id, job_id=job["id"]))
            else:
                self._jobs[job["id"]] = presence
                whole.append(job)
        if process is not None and process is self.process:
            process.send(["jobs", self._pool.aggregate], json.dumps(whole).encode())

    def _report(self, kind: str, job_id: str, body: bytes) -> None:
        """Pass on what it sends."""
        try:
            value = results.decoded(body)
        except results.NotJSONError as error:
            self._note(job_id, f"what is sent is refused: {error}")
        else:
            refusal = self._ask(_request_of(kind, self.worker_id, job_id, value, len(body)))
            if refusal:
                self._note(job_id, refusal)
            self._was_asked = self._was_asked or (kind == "done" and value.get("stopPod") is True)
        if kind == "done":
            self._over(job_id)

    def _over(self, job_id: str) -> None:
        """Note the end of a job; time waits until the next one is asked for, if that is still to come."""
        presence = self._jobs.pop(job_id, None)
        if presence is not None and self._is_taking:
            presence.leave()
        elif presence is not None:
            self.hold(presence)

    def _note(self, job_id: str, text: str) -> None:
        pool = self._pool
        _LOG.warning("job %s on worker %s: %s", job_id, self.worker_id, text, extra=events.TOLD)
        pool.feed.tell(
            events.JobNoted(endpoint_id=pool.endpoint_id, worker_id=self.worker_id, job_id=job_id, text=text)
        )


class _Trial:
    """One process that is only to become ready."""

    def __init__(self, pool: ProcessPool) -> None:
        self._pool = pool
        self._worker_id = pool.new_worker_id()
        self._why = ""
        self.settled = threading.Event()
        self.failure: str | None = None

    def start(self) -> None:
        """Start it."""
        pool = self._pool
        try:
            WorkerProcess(self, pool.program, pool.environment_for(self._worker_id), pool.reactor, pool.guard)
        except OSError as error:
            self.failure = f"its process cannot be started: {error}"
            self.settled.set()

    def said(self, process: WorkerProcess, head: list[Any], _: bytes) -> None:
        """Note that it is ready, or why not."""
        if head[0] == "ready":
            self.settled.set()
            process.kill()
        elif head[0] == "failed":
            self._why = head[1]

    def printed(self, _: WorkerProcess, line: str) -> None:
        """Leave it: those print the same that follow, if any do."""

    def ended(self, process: WorkerProcess, exit_code: int) -> None:
        """Note that it was not ready, and pass on what it has printed."""
        pool = self._pool
        if not self.settled.is_set():
            for line in process.tail:
                pool.feed.tell(events.WorkerPrinted(endpoint_id=pool.endpoint_id, worker_id=self._worker_id, text=line))
            self.failure = events.WorkerEnded(
                endpoint_id=pool.endpoint_id,
                worker_id=self._worker_id,
                exit_code=exit_code,
                was_asked=False,
                was_ready=False,
                why=self._why,
                tail=tuple(process.tail),
            ).how
            self.settled.set()


def _request_of(
    kind: str, worker_id: str, job_id: str, value: Any, size: int
) -> ask.Finish | ask.Chunk | ask.ReportProgress:
    if kind == "chunk":
        return ask.Chunk(worker_id=worker_id, job_id=job_id, body=value)
    if kind == "progress":
        return ask.ReportProgress(worker_id=worker_id, job_id=job_id, output=value, size=size)
    return ask.Finish(
        worker_id=worker_id,
        job_id=job_id,
        output=value.get("output", ask.ABSENT),
        error=value.get("error"),
        stop_pod=value.get("stopPod") is True,
        size=size,
    )
