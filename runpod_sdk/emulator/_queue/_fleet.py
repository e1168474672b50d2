"""Which workers of an endpoint are up: started on demand, stopped when idle. Pure.

A worker that asks for jobs for the first time is stopped: it gets none before it was started, which takes a while. The
process of one that is ours is started and ended with it; what somebody else runs, or a thread, only gets no jobs. Being
up is what the service would say of it, and what is paid for. Chance comes in as a function, and all that is due as
`next_deadline`, together with that of the jobs.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import OrderedDict
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from runpod_sdk.emulator._queue._effects import Effects
from runpod_sdk.emulator._queue._machine import State
from runpod_sdk.emulator._queue._workers import Power
from runpod_sdk.emulator._scaling import drawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk.emulator._queue._jobs import Jobs
    from runpod_sdk.emulator._queue._workers import KnownWorker, Workers
    from runpod_sdk.emulator._scaling import Scaling

Bar = Literal[Power.THROTTLED, Power.UNHEALTHY]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the workers of an endpoint have cost, from their start until they stopped, or until now.

    Attributes:
        seconds: of all workers.
        billed: the same, each start rounded up to whole seconds.  # docs: pricing
        starting: seconds of starts.
        cold: how many starts were cold; `warm` the others.
        up: how many are up or starting.
        peak: how many were at the most.
    """

    seconds: float = 0.0
    billed: float = 0.0
    starting: float = 0.0
    cold: int = 0
    warm: int = 0
    up: int = 0
    peak: int = 0


@dataclass(slots=True, eq=False)
class Berth:
    """One worker of the fleet.

    Attributes:
        worker: the worker, whose `power` is where it is.
        since: when its start began.
        ready_at: when its start is, or was, over.
        idle_since: since when it has had no job; None: it has one, or is not up.
        stopped_at: when it stopped last.
        due: when to look at it again.
        is_outdated: it is replaced once it has no job.
    """

    worker: KnownWorker
    since: float = 0.0
    ready_at: float = 0.0
    idle_since: float | None = None
    stopped_at: float = -math.inf
    due: float = math.inf
    is_outdated: bool = False


class Fleet:
    """All workers of an endpoint that scales.

    Args:
        scaling: how.
        jobs: whose number decides.
        workers: who is there.
        chance: returns a number between 0 and 1.

    Attributes:
        now: the moment of what is being handled; the queue sets it.
        effects: what is to happen besides; the same.
    """

    def __init__(self, scaling: Scaling, jobs: Jobs, workers: Workers, chance: Callable[[], float]) -> None:
        self._scaling = scaling
        self._jobs = jobs
        self._workers = workers
        self._chance = chance
        self._idle_timeout = scaling.idle_timeout
        if scaling.scaler == "request_count" and scaling.surplus == "at_once":
            self._idle_timeout = 0.0
        self._places: dict[str, Berth] = {}
        self._stopped: OrderedDict[Berth, None] = OrderedDict()  # the last to stop is the first to start
        self._spare: OrderedDict[Berth, None] = OrderedDict()  # idle for long, and still wanted
        self._barred: dict[Bar, list[Berth]] = {Power.THROTTLED: [], Power.UNHEALTHY: []}
        self._demanded: dict[Bar, int] = {Power.THROTTLED: 0, Power.UNHEALTHY: 0}
        self._starting = self._count = 0  # those that start; these and those that are up
        self._due: list[tuple[float, int, Berth]] = []  # a heap; `Berth.due` says which row counts
        self._order = itertools.count()
        self._look_at = math.inf  # when the next job has waited for too long
        self._step_at = -math.inf  # no worker is added before
        self._used = Usage()
        self.now = 0.0
        self.effects = Effects()
        workers.watcher = self

    # What is told of workers.

    def joined(self, worker: KnownWorker) -> bool:
        """Note that a worker asks for a job; False: it is not up."""
        place = self._places.get(worker.id) or self._join(worker)
        if worker.power is Power.UP and not worker.leases:
            self._rest(place)
        return worker.power is Power.UP and not place.is_outdated

    def expected(self, worker: KnownWorker) -> None:
        """Note a process that is to run when it is wanted; one that runs already ends, if it is not."""
        if worker.id not in self._places:
            self._end(self._join(worker))

    def busy(self, worker: KnownWorker) -> None:
        """Note that a worker has got a job."""
        place = self._places[worker.id]
        place.idle_since = None
        place.due = math.inf
        self._spare.pop(place, None)

    def freed(self, worker: KnownWorker) -> None:
        """Note that a worker has no job any more."""
        place = self._places.get(worker.id)
        if place is None or worker.power is not Power.UP:
            return
        self._rest(place)
        if place.is_outdated:
            self._stop(place)
            place.stopped_at = -math.inf  # what it kept warm is of the version before

    def left(self, worker: KnownWorker) -> None:
        """Note that a worker is gone."""
        place = self._places.pop(worker.id, None)
        if place is None:
            return
        if worker.power in (Power.UP, Power.STARTING):
            self._stop(place)
        for barred in self._barred.values():
            if place in barred:
                barred.remove(place)
        self._stopped.pop(place, None)
        place.due = math.inf

    def bar(self, throttled: int | None, unhealthy: int | None) -> None:
        """Set how many workers are throttled and unhealthy from now on; None: as many as before."""
        if throttled is not None:
            self._demanded[Power.THROTTLED] = throttled
        if unhealthy is not None:
            self._demanded[Power.UNHEALTHY] = unhealthy

    def update(self) -> None:
        """Replace all workers: those without a job at once, the others after it.  # docs: rolling-releases."""
        for place in self._places.values():
            place.stopped_at = -math.inf
            if place.worker.power is Power.UP and place.worker.leases:
                place.is_outdated = True
                self._workers.put_off(place.worker)
            elif place.worker.power in (Power.UP, Power.STARTING):
                place.is_outdated = True
                self._stop(place)
                place.stopped_at = -math.inf
            elif place.worker.power is Power.STOPPED:
                self._end(place)

    # What time does.

    def next_deadline(self) -> float:
        """Return when to call `advance`, or infinity."""
        while self._due and self._due[0][2].due != self._due[0][0]:
            heapq.heappop(self._due)
        return min(self._due[0][0] if self._due else math.inf, self._look_at)

    def advance(self) -> None:
        """Do what is due now: starts that are over, and workers that were idle for long."""
        while self._due and self._due[0][0] <= self.now:
            due, _, place = heapq.heappop(self._due)
            if place.due != due:
                continue
            place.due = math.inf
            if place.worker.power is Power.STARTING:
                self._ready(place)
            elif place.worker.power is Power.STOPPED:
                self._end(place)  # it is warm no more
            elif self._workers.is_asking(place.worker):
                self._spare[place] = None
            else:
                place.idle_since = None  # it still runs what nobody waits for; its rest begins when it asks again

    def settle(self) -> None:
        """Start and stop workers until there are as many as are wanted."""
        if any(self._demanded.values()) or any(self._barred.values()):
            self._keep_out()
        floor, goal = self._wanted()
        while self._count < goal and (place := self._next_stopped()) is not None:
            self._start(place)
        while self._count > floor and self._spare:
            place, _ = self._spare.popitem(last=False)
            self._stop(place)

    def usage(self) -> Usage:
        """Return what all have cost by now."""
        used = replace(self._used, up=self._count)
        for place in self._places.values():
            if place.worker.power in (Power.UP, Power.STARTING):
                used = _with(used, place, self.now)
        return used

    # What outlives it.

    def kept(self) -> dict[str, Any]:
        """Return what all have cost by now, and how many are kept out; who is up is not kept: their processes end."""
        demanded = {power.value: count for power, count in self._demanded.items()}
        return {"used": asdict(replace(self.usage(), up=0)), "demanded": demanded}

    def restore(self, kept: dict[str, Any]) -> None:
        """Go on with what was kept, if there is anything."""
        if kept:
            self._used = Usage(**kept["used"])
            self.bar(*(kept["demanded"][power.value] for power in (Power.THROTTLED, Power.UNHEALTHY)))

    # How many are wanted.

    def _wanted(self) -> tuple[int, int]:
        """Return below how many none is stopped, and up to how many are started."""
        scaling, jobs = self._scaling, self._jobs
        if scaling.scaler == "request_count":
            present, low = jobs.present, jobs.low
            queued, running = State.IN_QUEUE, State.IN_PROGRESS
            load = present[queued] - low[queued] + present[running] - low[running]
            count = max(scaling.min_workers, min(scaling.max_workers, math.ceil(load / scaling.scaler_value)))
            return count, count
        added = self._late() - self._starting
        if added > 0 and self.now < self._step_at:
            added, self._look_at = 0, self._step_at
        elif added > 0 and scaling.step is not None:
            added = min(added, scaling.step)
            self._step_at = self._look_at = self.now + scaling.scaler_value
        goal = self._count + added if added > 0 else 0
        return scaling.min_workers, max(scaling.min_workers, min(scaling.max_workers, goal))

    def _late(self) -> int:
        """Count jobs that have waited for too long, as many as matter, and note when the next one has."""
        self._look_at = math.inf
        room = self._scaling.max_workers - self._count
        jobs = self._jobs
        if room <= 0 or not self._stopped or jobs.present[State.IN_QUEUE] == jobs.low[State.IN_QUEUE]:
            return 0
        late = 0
        for job in jobs.queued.values():
            if job.submission.low_priority:
                continue
            due = job.queued_at + self._scaling.scaler_value
            if due > self.now:
                self._look_at = due
                break
            late += 1
            if late >= self._starting + room:
                break
        return late

    def _next_stopped(self) -> Berth | None:
        """Return a worker to start, and take it off the list."""
        while self._stopped:
            place, _ = self._stopped.popitem()
            if not place.worker.is_draining:
                return place
        return None

    # The life of one worker.

    def _join(self, worker: KnownWorker) -> Berth:
        place = self._places[worker.id] = Berth(worker)
        worker.power = Power.STOPPED
        self._stopped[place] = None
        return place

    def _end(self, place: Berth) -> None:
        """Let the process of a worker that is not up end, if there is one: what it has loaded is gone."""
        place.due = math.inf
        if place.worker.is_supervised:
            place.worker.is_ending = True
            self._workers.silence(place.worker, self.effects)
            self.effects.powers[place.worker.id] = False

    def _start(self, place: Berth) -> None:
        if place.worker.is_supervised:
            place.worker.is_ending = False
            self.effects.powers[place.worker.id] = True
        is_warm = self.now - place.stopped_at < self._scaling.warm_for
        times = self._scaling.warm_start if is_warm else self._scaling.cold_start
        place.worker.power = Power.STARTING
        place.since = self.now
        place.ready_at = self.now + drawn(times, self._chance())
        self._look_again(place, place.ready_at)
        self._starting += 1
        self._count += 1
        used = self._used
        self._used = replace(
            used, cold=used.cold + (not is_warm), warm=used.warm + is_warm, peak=max(used.peak, self._count)
        )

    def _ready(self, place: Berth) -> None:
        place.worker.power = Power.UP
        self._starting -= 1
        self._workers.admit(place.worker)
        self._rest(place)

    def _rest(self, place: Berth) -> None:
        """Let a worker be idle, since now unless it was before."""
        if place.idle_since is None:
            place.idle_since = self.now
            self._look_again(place, self.now + self._idle_timeout)

    def _stop(self, place: Berth, power: Power = Power.STOPPED) -> None:
        """Stop a worker that is up or starting."""
        self._used = _with(self._used, place, self.now)
        self._starting -= place.worker.power is Power.STARTING
        self._count -= 1
        self._spare.pop(place, None)
        place.worker.power = power
        place.idle_since = None
        stays_warm = power is Power.STOPPED and self._scaling.warm_for > 0 and not place.is_outdated
        place.is_outdated = False
        place.due = math.inf
        place.stopped_at = self.now
        self._workers.put_off(place.worker)
        if not stays_warm:
            self._end(place)
        elif place.worker.is_supervised:
            self._look_again(place, self.now + self._scaling.warm_for)
        if power is Power.STOPPED:
            self._stopped[place] = None

    def _look_again(self, place: Berth, due: float) -> None:
        place.due = due
        heapq.heappush(self._due, (due, next(self._order), place))

    # Those that are kept out on demand.

    def _keep_out(self) -> None:
        """Bar as many as was demanded; one with a job comes when it has none."""
        for power, barred in self._barred.items():
            while len(barred) > self._demanded[power]:
                let_in = barred.pop()
                let_in.worker.power = Power.STOPPED
                self._stopped[let_in] = None
            while len(barred) < self._demanded[power] and (place := self._free()) is not None:
                if place in self._stopped:
                    del self._stopped[place]
                    place.worker.power = power
                    self._end(place)
                else:
                    self._stop(place, power)
                barred.append(place)

    def _free(self) -> Berth | None:
        """Return a worker without a job: a stopped one, else one that starts, else one that is idle."""
        if self._stopped:
            return next(iter(self._stopped))
        for power in (Power.STARTING, Power.UP):
            for place in self._places.values():
                if place.worker.power is power and not place.worker.leases:
                    return place
        return None


def _with(used: Usage, place: Berth, now: float) -> Usage:
    """Add what one worker has cost since its start."""
    seconds = now - place.since
    return replace(
        used,
        seconds=used.seconds + seconds,
        billed=used.billed + math.ceil(seconds),
        starting=used.starting + min(seconds, place.ready_at - place.since),
    )
