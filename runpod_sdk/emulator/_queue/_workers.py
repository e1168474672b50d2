"""The workers of one endpoint: their leases, their jobs, and pending messages to them. Pure.

A worker in this process is never doubted: its jobs are its own until it says otherwise. A *remote* worker speaks HTTP
and may vanish without a word, so it holds each job on a lease, which its pings, progress and chunks renew. A remote
worker that hangs up while it is held is suspect: its pings prove nothing any more, because the official worker's pinger
is a process of its own and outlives it. What happens to a job whose lease is over is decided in `_jobs.py`.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Literal, Protocol

from runpod_sdk.emulator._limits import HANG_UP_GRACE
from runpod_sdk.emulator._queue._requests import Reply, ReplyKind

if TYPE_CHECKING:
    from runpod_sdk.emulator._queue._effects import Effects
    from runpod_sdk.emulator._queue._requests import Hold


class Power(Enum):
    """Whether a worker is up; in an endpoint that does not scale, all are. `_fleet.py` decides it."""

    STOPPED = "stopped"
    STARTING = "initializing"
    UP = "up"
    THROTTLED = "throttled"
    UNHEALTHY = "unhealthy"


class Watcher(Protocol):
    """Receives events about workers."""

    def freed(self, worker: KnownWorker) -> None:
        """A worker has no job any more."""
        ...

    def left(self, worker: KnownWorker) -> None:
        """A worker is forgotten."""
        ...


@dataclass(slots=True, eq=False)
class Lease:
    """How long a worker is believed to be running a job.

    Attributes:
        ends: when that is over.
        uncut: when it would have been over, if the worker had not hung up; None: it has not.
    """

    ends: float
    uncut: float | None = None


@dataclass(slots=True, eq=False)
class KnownWorker:
    """One worker, as its queue knows it.

    Attributes:
        leases: what it has taken, by the id of the job.
        is_remote: it is outside of this process, and speaks HTTP.
        lease: seconds that a job of a remote worker is believed to be running without a sign of it.
        seen: when it last asked for something.
        stops: jobs that it is still to be told to stop, in order.
        watchers: its held questions for such jobs.
        has_asked: it has asked for a job: until then it is initializing.
        is_supervised: its process is watched, so its death is seen, and a hang-up means nothing.
        is_suspect: it has hung up, and only itself can prove that it lives.
        is_draining: it gets no job any more.
        is_unhealthy: it died before it was ready.
        power: whether it is up, and may have jobs.
        is_ending: its process was told to end, as its endpoint scales.
    """

    id: str
    leases: dict[str, Lease] = field(default_factory=dict[str, Lease])
    is_remote: bool = False
    lease: float = math.inf
    seen: float = -math.inf
    stops: dict[str, None] = field(default_factory=dict[str, None])
    watchers: list[Hold] = field(default_factory=list["Hold"])
    has_asked: bool = False
    is_supervised: bool = False
    is_suspect: bool = False
    is_draining: bool = False
    is_unhealthy: bool = False
    power: Power = Power.UP
    is_ending: bool = False

    def pop_stops(self) -> dict[str, list[str]]:
        """Return the jobs to stop, for the last time."""
        stops, self.stops = self.stops, {}
        return {"jobsToStop": list(stops)}

    def suspect(self, until: float) -> None:
        """Believe no job of it beyond `until`, unless it is heard before."""
        self.is_suspect = True
        for lease in self.leases.values():
            if lease.uncut is None:
                lease.uncut = lease.ends
            lease.ends = min(lease.ends, until)

    def trust(self) -> None:
        """Believe it again, as if it had never hung up."""
        self.is_suspect = False
        for lease in self.leases.values():
            if lease.uncut is not None:
                lease.ends, lease.uncut = max(lease.ends, lease.uncut), None

    def renew(self, job_id: str, now: float) -> None:
        """Believe for another lease that it is running a job."""
        if not self.is_suspect and job_id in self.leases:
            self.leases[job_id].ends = now + self.lease


class Workers:
    """All workers of a queue.

    Attributes:
        takers: who waits for a job, the longest idle first.
        put_aside: who waits for one, and is not up.
        watcher: receives events about workers, if given.
    """

    def __init__(self) -> None:
        self.takers: OrderedDict[Hold, KnownWorker] = OrderedDict()
        self.put_aside: dict[Hold, KnownWorker] = {}
        self.watcher: Watcher | None = None
        self._known: dict[str, KnownWorker] = {}

    def find(self, worker_id: str | None) -> KnownWorker | None:
        """Return a worker that is known."""
        return self._known.get(worker_id or "")

    def count(self) -> int:
        """Return how many can take a job, now or when they are done."""
        return sum(
            worker.has_asked and not worker.is_draining and worker.power is Power.UP for worker in self._known.values()
        )

    def is_asking(self, worker: KnownWorker) -> bool:
        """Whether it waits for a job, and may have it."""
        return worker in self.takers.values()

    def admit(self, worker: KnownWorker) -> None:
        """Let a worker have jobs."""
        for hold in [hold for hold, taker in self.put_aside.items() if taker is worker]:
            self.takers[hold] = self.put_aside.pop(hold)

    def put_off(self, worker: KnownWorker) -> None:
        """Let a worker wait in vain, until it is admitted."""
        for hold in [hold for hold, taker in self.takers.items() if taker is worker]:
            self.put_aside[hold] = self.takers.pop(hold)

    def expect(self, worker_id: str, *, healthy: bool) -> KnownWorker:
        """Count a process that is starting, or that is to start again."""
        worker = self._known.setdefault(worker_id, KnownWorker(worker_id))
        worker.is_supervised = True
        worker.is_unhealthy = not healthy
        return worker

    def restore(self, worker_id: str, job_id: str, lease: Lease, seconds: float, now: float) -> None:
        """Believe for a lease that a worker of before still runs a job, wherever it is."""
        worker = self._known.setdefault(worker_id, KnownWorker(worker_id, is_remote=True, lease=seconds, seen=now))
        worker.has_asked = True
        worker.leases[job_id] = lease

    def heartbeat(self, worker_id: str, lease: float | None, now: float) -> KnownWorker:
        """Return the worker that asks for something itself, which proves that it lives."""
        worker = self._known.get(worker_id)
        if worker is None:
            worker = self._known[worker_id] = KnownWorker(worker_id)
        worker.is_remote = lease is not None
        worker.lease = math.inf if lease is None else lease
        worker.seen = now
        worker.is_unhealthy = False
        if worker.is_suspect:
            worker.trust()
        return worker

    def job_heartbeat(self, worker_id: str, job_id: str, now: float) -> None:
        """Note a sign of a job from its worker itself."""
        worker = self._known.get(worker_id)
        if worker is not None:
            worker.trust()
            worker.renew(job_id, now)

    def release(self, worker_id: str | None, job_id: str, effects: Effects, *, stop: bool = False) -> None:
        """Take a job off its worker; `stop`: the worker does not know yet, and is to be told."""
        worker = self._known.get(worker_id or "")
        if worker is None or worker.leases.pop(job_id, None) is None:
            return
        if self.watcher is not None and not worker.leases:
            self.watcher.freed(worker)
        if not stop:
            return
        if not worker.is_remote:
            effects.stops.append((worker.id, job_id))
            return
        worker.stops[job_id] = None
        if worker.watchers:
            effects.answer(worker.watchers.pop(0), Reply(ReplyKind.DONE, worker.pop_stops()))

    def hang_up(self, hold: Hold, worker_id: str, now: float) -> list[str]:
        """Note that a held worker has closed its connection; return the jobs whose lease that has cut."""
        self.drop(hold)
        worker = self._known.get(worker_id)
        if worker is None or worker.is_supervised or not worker.is_remote:
            return []
        if not worker.leases:
            self.forget_if_gone(worker)
        worker.suspect(now + HANG_UP_GRACE)
        return list(worker.leases)

    def forget_if_gone(self, worker: KnownWorker) -> None:
        """Forget a worker outside that asks for nothing and runs nothing: if it lives, it asks again."""
        asks = worker.watchers or worker in self.takers.values() or worker in self.put_aside.values()
        if worker.is_remote and not worker.is_supervised and not worker.leases and not asks:
            self._forget(worker.id)

    def leave(self, worker_id: str, effects: Effects) -> KnownWorker | None:
        """Forget a worker, answer what it is held for, and return it, with what it had taken."""
        self.drain(worker_id, effects)
        return self._forget(worker_id)

    def _forget(self, worker_id: str) -> KnownWorker | None:
        worker = self._known.pop(worker_id, None)
        if worker is not None and self.watcher is not None:
            self.watcher.left(worker)
        return worker

    def drain(self, worker_id: str, effects: Effects) -> None:
        """Give a worker no job any more, and answer what it is held for."""
        worker = self._known.get(worker_id)
        if worker is None:
            return
        worker.is_draining = True
        self.silence(worker, effects)

    def silence(self, worker: KnownWorker, effects: Effects) -> None:
        """Answer all that a worker is held for, with nothing."""
        self.put_off(worker)
        taking = [hold for hold, taker in self.put_aside.items() if taker is worker]
        watching, worker.watchers = worker.watchers, []
        for hold in taking:
            del self.put_aside[hold]
        for hold in taking + watching:
            effects.answer(hold, Reply(ReplyKind.DONE))

    def drop(self, hold: Hold) -> None:
        """Forget a held worker's question."""
        if self.takers.pop(hold, None) is None and self.put_aside.pop(hold, None) is None:
            for worker in self._known.values():
                if hold in worker.watchers:
                    worker.watchers.remove(hold)

    def gauges(self, now: float, stopped: Literal["uncounted", "idle"] = "uncounted") -> dict[str, int]:
        """Count workers by what they do; `ready` overlaps `idle`, as on the service."""
        for worker in list(self._known.values()):
            if now - worker.seen > worker.lease:
                self.forget_if_gone(worker)
        taking = {worker.id for worker in self.takers.values()}
        kinds = [_kind(worker, is_taking=worker.id in taking) for worker in self._known.values()]
        kinds = [stopped if kind == Power.STOPPED.value else kind for kind in kinds]
        counts = {kind: kinds.count(kind) for kind in ("idle", "initializing", "running", "throttled", "unhealthy")}
        return {**counts, "ready": counts["idle"]}


def _kind(worker: KnownWorker, *, is_taking: bool) -> str:
    if worker.is_unhealthy:
        return "unhealthy"
    if worker.power is not Power.UP:
        return str(worker.power.value)
    if not worker.has_asked:
        return "initializing"
    # One in this process that is not asking still runs what nobody waits for any more.
    return "running" if worker.leases or not (is_taking or worker.is_remote) else "idle"
