"""An emulator and the small model of `model.py`, told the same things, step by step, and compared after each.

The rules are what users, workers and time can do; each returns whether it had an effect. What is asked goes through a
`Door`: straight into a queue, or over HTTP.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, Protocol

from runpod_sdk.emulator._queue import _requests as ask
from tests.emulator.model import FINAL, NEVER, NOT_FOUND, REFUSED, Model, ModelHold, ModelJob

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from tests.emulator.model import Seen

    Kind = Literal["here", "outside", "watched"]

OUTPUTS: tuple[Any, ...] = (None, 0, "", [], {"x": 1}, "text")
LEASE, HOLD = 8.0, 20.0  # seconds
TTLS, TIMEOUTS = (12.0, 300.0, 2_400.0), (5.0, 40.0, 600.0)
RUN_RETENTION, RUNSYNC_RETENTION = 1_800.0, 60.0  # documented
# How often each rule shall have an effect, next to the others; a job needs several takes in its life.
RULES: dict[str, float] = {
    "submit": 2.5,
    "take": 4.0,
    "finish": 1.0,
    "late": 1.0,
    "sign of life": 1.0,
    "look": 1.0,
    "vanish": 1.0,
    "cancel": 1.0,
    "retry": 1.0,
    "purge": 1.0,
    "over ttl": 1.0,
    "over timeout": 1.0,
    "over retention": 1.0,
    "over lease": 1.0,
}
MIN_SHARE = 0.05  # of the steps, for each rule
# By how many effects a rule may be ahead of another; within that, chance decides.
_SPREAD = 4.0
# In turns, so many steps each: everything may happen; jobs and workers gather, and none ends.
_PHASE = 12
_GATHERING = ("submit", "take", "sign of life", "look", "vanish", "late")


class Door(Protocol):
    """The way into an emulator."""

    @property
    def workers(self) -> Mapping[str, Kind]: ...

    def now(self) -> float: ...

    def advance(self, until: float) -> None:
        """Let time pass; what is held until then is answered."""

    def tell(self, ticket: int, request: ask.Request) -> None:
        """Ask; the answer is found in `answers`, now or later, under the ticket."""

    def hang_up(self, ticket: int) -> None:
        """Close the connection of a request that is held."""

    def leave(self, worker: str) -> None:
        """Let a worker die, so that it is seen."""

    def lose(self, worker: str, job_id: str) -> bool:
        """Let a job not reach its worker; False where that cannot be done."""
        ...

    def answers(self) -> list[tuple[int, Seen]]:
        """Return what was answered since the last call."""
        ...

    def jobs(self) -> dict[str, dict[str, Any]]:
        """Return what /status would say of each job that is known, the oldest first."""
        ...

    def health(self) -> dict[str, dict[str, int]]: ...

    def side_effects(self) -> tuple[list[Any], list[Any]] | None:
        """Return the webhooks, and the jobs that workers were told to stop, since the last call; None: not seen."""
        ...


class Lockstep:
    """An emulator behind a door, and a model; `effects` counts what each rule has done."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.model = Model(LEASE)
        self.effects: Counter[str] = Counter()
        self.ids: list[str] = []
        self.steps = self.tickets = 0
        self.rules: dict[str, Callable[[int, int], bool]] = {
            "submit": self.submit,
            "take": self.take,
            "finish": self.finish,
            "late": self.late,
            "sign of life": self.sign,
            "look": self.look,
            "vanish": self.vanish,
            "cancel": self.cancel,
            "retry": self.retry,
            "purge": self.purge,
            "over ttl": self.over_ttl,
            "over timeout": self.over_timeout,
            "over retention": self.over_retention,
            "over lease": self.over_lease,
        }

    @property
    def now(self) -> float:
        return self.door.now()

    def walk(self, chance: Random) -> None:
        """Take one step that has an effect, mostly of a rule that had few; then compare."""
        self.steps += 1
        allowed = _GATHERING if self.steps // _PHASE % 2 else tuple(self.rules)
        order = sorted(allowed, key=lambda name: (self.effects[name] + chance.random() * _SPREAD) / RULES[name])
        for name in order:
            if self.step(name, chance.randrange(1 << 20), chance.randrange(1 << 20)):
                return
        raise AssertionError("nothing can be done any more")

    def step(self, name: str, first: int, second: int) -> bool:
        """Apply a rule to whom the numbers choose, and compare; return whether it had an effect."""
        self.advance(self.now + (1 + second % 97) / 9_700)  # hardly two things happen at one moment
        done = self.rules[name](first, second)
        self.effects[name] += done
        self.compare()
        return done

    # What users do.

    def submit(self, first: int, second: int) -> bool:
        for number in range(1 + first % 4):
            self.advance(self.now + 0.000_1)  # so that no two end at one moment
            self.submit_one(first // 4 + number, second + number)
        return True

    def submit_one(self, first: int, second: int) -> None:
        ttl, timeout = TTLS[first % 3], TIMEOUTS[second % 3]
        wait = HOLD if second % 2 else None
        retention = RUN_RETENTION if wait is None else RUNSYNC_RETENTION
        asked: dict[str, Any] = {"ttl": ttl, "execution_timeout": timeout, "retention": retention, "wait": wait}
        ticket = self.tell(ask.Submit(input={"n": first % 100}, webhook="https://example.com", **asked))
        job_id = list(self.door.jobs())[-1]
        if wait is None:
            self.expect(ticket, {"id": job_id, "status": "IN_QUEUE"})
        else:
            self.model.holds.append(ModelHold(ticket, self.now + wait, "end", job_id))
        self.model.submit(ModelJob(job_id, {"n": first % 100}, self.now, ttl, timeout, retention))
        self.ids.append(job_id)

    def look(self, first: int, second: int) -> bool:
        """Read the state or the stream of a job, held or not; or set its ttl."""
        job = self.job(first, "IN_PROGRESS", "IN_QUEUE", "COMPLETED")
        if job is None:
            return False
        kind = second % 5
        if kind == 0:
            ttl = (30.0, 300.0)[first % 2]
            ticket = self.tell(ask.Status(job_id=job.id, ttl=ttl))
            job.ttl = ttl
            self.model.pass_time(self.now)
            self.expect(ticket, job.view() if job.id in self.model.jobs else NOT_FOUND)
        elif kind == 1:
            ticket = self.tell(ask.Status(job_id=job.id))
            self.expect(ticket, job.view())
        elif kind == 2:
            ticket = self.tell(ask.Status(job_id=job.id, wait=HOLD))
            if job.status in FINAL:
                self.expect(ticket, job.view())
            else:
                self.model.holds.append(ModelHold(ticket, self.now + HOLD, "end", job.id))
        else:
            unread = [each for each in self.model.jobs.values() if each.chunks]
            for _ in range(2):
                self.read(unread[first % len(unread)] if unread else job)
        return True

    def read(self, job: ModelJob) -> None:
        ticket = self.tell(ask.ReadStream(job_id=job.id, wait=HOLD))
        if job.status in FINAL or job.chunks:
            self.expect(ticket, job.read())
        else:
            self.model.holds.append(ModelHold(ticket, self.now + HOLD, "chunk", job.id))

    def cancel(self, first: int, second: int) -> bool:
        job = self.job(first, "IN_PROGRESS" if second % 3 == 0 else "IN_QUEUE")
        if job is None:
            return False
        was_final = job.status in FINAL
        ticket = self.tell(ask.Cancel(job_id=job.id))
        self.model.cancel(job, self.now)
        self.expect(ticket, job.view())
        return not was_final

    def retry(self, first: int, _: int) -> bool:
        job = self.job(first, "FAILED")
        if job is None:
            return False
        ticket = self.tell(ask.RetryJob(job_id=job.id))
        accepted = self.model.retry(job, self.now)
        self.expect(ticket, {"id": job.id, "status": "IN_QUEUE"} if accepted else REFUSED)
        return accepted

    def purge(self, _: int, __: int) -> bool:
        ticket = self.tell(ask.Purge())
        removed = self.model.purge(self.now)
        self.expect(ticket, {"removed": removed, "status": "completed"})
        return removed > 0

    # What workers do.

    def take(self, first: int, second: int) -> bool:
        worker = self.worker(first)
        busy = [name for name in self.model.workers if self.model.jobs_of(name)]
        if second % 2 and busy:
            worker = busy[first % len(busy)]  # it runs several at once
        if sum(hold.worker == worker for hold in self.model.holds) >= 2:
            return False
        self.take_as(worker, second)
        return True

    def take_as(self, worker: str, second: int) -> None:
        kind = self.door.workers[worker]
        here = kind == "here"
        batch = None if here or second % 3 == 0 else 4
        wait, lease = (None, None) if here else (HOLD, LEASE)
        ticket = self.tell(ask.Take(worker_id=worker, wait=wait, batch=batch, lease=lease))
        until = NEVER if here else self.now + HOLD
        self.model.take(ModelHold(ticket, until, "job", worker=worker, batch=batch), kind, self.now)

    def finish(self, first: int, second: int) -> bool:
        job = self.running(first)
        if job is None or job.worker is None:
            return False
        output, error = OUTPUTS[second % len(OUTPUTS)], "boom" if second % 2 else None
        ticket = self.tell(ask.Finish(worker_id=job.worker, job_id=job.id, output=output, error=error))
        self.model.finish(job, self.now, output, error)
        self.expect(ticket, {})
        return True

    def late(self, first: int, second: int) -> bool:
        """Send a result late, twice, or for somebody else's job: nothing may change."""
        if not self.ids:
            return False
        worker, job_id = self.worker(second), self.ids[-1 - first % min(len(self.ids), 40)]
        if second % 2 and job_id in self.model.jobs:
            worker = self.model.jobs[job_id].worker or worker  # its own worker, once more
        if self.model.running(worker, job_id) is not None:
            return False
        result = self.tell(ask.Finish(worker_id=worker, job_id=job_id, output="late", error=None))
        self.expect(result, {} if job_id in self.model.jobs else NOT_FOUND)
        self.expect(self.tell(ask.ReportProgress(worker_id=worker, job_id=job_id, output="late")), {})
        self.expect(self.tell(ask.Chunk(worker_id=worker, job_id=job_id, body={"output": "late"})), {})
        return True

    def sign(self, first: int, second: int) -> bool:
        """Ping, or send progress or chunks."""
        job = self.running(first)
        if job is None or job.worker is None:
            return False
        if second % 3 == 0 and self.model.workers[job.worker].kind != "here":
            self.ping(job)
        elif second % 3 == 1:
            self.expect(self.tell(ask.ReportProgress(worker_id=job.worker, job_id=job.id, output=second)), {})
            self.model.report(job, self.now)
            job.progress = second
        else:
            for number in range(1 + second % 2 * 2):
                self.expect(self.tell(ask.Chunk(worker_id=job.worker, job_id=job.id, body={"output": number})), {})
                self.model.chunk(job, number, self.now)
        return True

    def ping(self, job: ModelJob) -> None:
        self.expect(self.tell(ask.Ping(worker_id=job.worker or "", job_ids=("other", job.id))), {})
        self.model.renew(job, self.now)

    def vanish(self, first: int, second: int) -> bool:
        """Close a connection that is held, let a worker die, or let a job not reach its worker."""
        holds = [hold for hold in self.model.holds if hold.until < NEVER]
        losing = [hold for hold in holds if self.model.jobs_of(hold.worker)]  # of a worker that has something to lose
        if losing or (second % 2 and holds):
            holds = losing or holds
            hold = holds[first % len(holds)]
            self.door.hang_up(hold.key)
            self.model.hang_up(hold, self.now)
            if hold.worker and second % 5 < 3:  # it comes back at once
                self.take_as(hold.worker, second)
            elif self.door.workers.get(hold.worker) == "outside":  # what outlived it still pings
                for job in self.model.jobs_of(hold.worker):
                    self.ping(job)
            return True
        lost = self.running(first)
        if second % 4 and lost is not None and lost.worker is not None and self.door.lose(lost.worker, lost.id):
            worker = lost.worker
            self.model.lose(lost, self.now)
            self.model.drop_if_gone(worker)
            self.model.hand_out(self.now)
            return True
        worker = self.worker(first)
        known = worker in self.model.workers
        self.door.leave(worker)
        self.model.leave(worker, self.now)
        return known

    # What time does: each goes to the very moment at which the first job of its kind is due.

    def over_ttl(self, _: int, __: int) -> bool:
        known = self.model.jobs.values()
        return self.pass_to([job.submitted + job.ttl for job in known if job.expires() == job.submitted + job.ttl])

    def over_retention(self, _: int, __: int) -> bool:
        known = self.model.jobs.values()
        return self.pass_to([job.expires() for job in known if job.expires() < job.submitted + job.ttl])

    def over_timeout(self, _: int, __: int) -> bool:
        return self.pass_to([job.overruns() for job in self.model.jobs.values() if job.due() == job.overruns()])

    def over_lease(self, _: int, __: int) -> bool:
        return self.pass_to([job.lease for job in self.model.jobs.values() if job.due() == job.lease])

    def pass_to(self, moments: list[float]) -> bool:
        if not moments:
            return False
        self.advance(min(moments))
        return True

    def advance(self, until: float) -> None:
        """Let time pass, from one end of a hold to the next."""
        while True:
            first = min((hold.until for hold in self.model.holds), default=NEVER)
            self.door.advance(min(first, until))
            self.model.pass_time(self.now)
            for hold in [hold for hold in self.model.holds if hold.until <= self.now]:
                self.model.expire(hold)
            if self.now >= until or first > until:
                return

    # What is compared, and how things are found.

    def compare(self) -> None:
        expected, self.model.answers = dict(self.model.answers), []
        answered = self.door.answers()
        assert len(answered) == len(dict(answered)), "answered twice"
        assert dict(answered) == expected
        jobs = self.door.jobs()
        assert jobs == {job_id: job.view() for job_id, job in self.model.jobs.items()}
        assert self.door.health() == {"jobs": self.model.counts(), "workers": self.model.gauges(self.now)}
        side_effects = self.door.side_effects()
        if side_effects is not None:
            webhooks, stops = side_effects
            assert dict(webhooks) == dict(self.model.notices)
            assert (len(webhooks), sorted(stops)) == (len(self.model.notices), sorted(self.model.stops))
        self.model.notices, self.model.stops = [], []
        assert self.model.submitted == len(jobs) + self.model.expired, "conservation"

    def tell(self, request: ask.Request) -> int:
        self.tickets += 1
        self.door.tell(self.tickets, request)
        return self.tickets

    def expect(self, ticket: int, seen: Seen) -> None:
        self.model.answers.append((ticket, seen))

    def worker(self, chosen: int) -> str:
        return list(self.door.workers)[chosen % len(self.door.workers)]

    def job(self, chosen: int, *statuses: str) -> ModelJob | None:
        """Return a known job, one with such a status if there is one."""
        known = list(self.model.jobs.values())
        wanted = [job for job in known if job.status in statuses] or known
        return wanted[chosen % len(wanted)] if wanted else None

    def running(self, chosen: int) -> ModelJob | None:
        job = self.job(chosen, "IN_PROGRESS")
        return job if job is not None and job.status == "IN_PROGRESS" else None
