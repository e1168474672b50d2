"""One slot for a worker process: its traffic, its death, and its replacement.

A process asks for jobs and reports through the hub like any other worker, so that leases, retries, faults and the
ledger see no difference. On a virtual clock it counts as at work from its start until it asks for a job, and again from
a job until it asks for the next one. All of this happens in the thread of the reactor.
"""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Any

from runpod_sdk.clock import Presence
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._workers import _events as events
from runpod_sdk.emulator._workers import _results as results
from runpod_sdk.emulator._workers._process import WorkerProcess

if TYPE_CHECKING:
    from runpod_sdk.emulator._workers._process_pool import ProcessPool

_LOG = logging.getLogger("runpod_sdk.emulator")
_FIRST_PAUSE = 0.5  # seconds before the start that follows two deaths in a row before they were ready; it doubles
_PAUSE_MAX = 3600.0


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
        self._is_halting = False  # its process was told to end, as the endpoint scales
        self._is_wanted = False  # and is to be followed by another
        self.is_cut = False

    # How it begins and ends.

    def start(self) -> None:
        """Start a process."""
        pool = self._pool
        if pool.is_closing:
            self.release()
            return
        self.worker_id = self.worker_id or pool.new_worker_id()
        self._is_ready = self._was_asked = self._is_taking = self._is_halting = self.is_cut = False
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
        if self._pool.scales and self.process is None:
            self._again()
            return
        self._ask(ask.Expect(worker_id=self.worker_id))
        if self._wanted:
            self._take(self._wanted)

    def power_up(self) -> None:
        """Run from now on."""
        self._is_wanted = True
        if self.process is None:
            self.start()
        elif self._is_taking and not self._is_halting:
            self.release()

    def power_down(self) -> None:
        """Run no more, until it is wanted again: the process ends, and what it has loaded is gone."""
        self._is_wanted = False
        if self.process is None:
            self.release()
        elif not self._is_halting:
            self._is_halting = self._was_asked = True
            self.process.send(["end"])
            self._pool.reactor.later(self._pool.grace, self.process.kill)

    def end(self, grace: float | None = None, presence: Presence | None = None) -> None:
        """Let the process finish its jobs and end; it is killed after the grace."""
        process = self.process
        if presence is not None:
            self.hold(presence)
        if process is None:
            self.release()
            return
        self._was_asked, self._is_halting = True, False
        self._ask(ask.Drain(worker_id=self.worker_id))
        process.send(["end"])
        self._pool.reactor.later(self._pool.grace if grace is None else grace, process.kill)

    def kill(self) -> None:
        """Kill the process where it stands."""
        self._was_asked, self._is_halting = True, False
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
        if self.is_cut or (self._is_halting and head[:1] in (["take"], ["full"])):
            return  # it is about to end
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
        if self._is_halting and not pool.is_closing:
            self._halted()
            return
        self._ask(ask.Leave(worker_id=worker_id))
        for presence in self._jobs.values():
            presence.leave()
        self._jobs.clear()
        self.worker_id = ""
        if pool.is_closing:
            self.release()
            pool.closed()
        elif self._is_ready or was_asked:
            self._again()
        else:
            self._failed(ended)

    def _halted(self) -> None:
        """Keep its name for when it is wanted again, which it may be by now."""
        self._is_halting = False
        for presence in self._jobs.values():
            presence.leave()
        self._jobs.clear()
        self._ask(ask.Halted(worker_id=self.worker_id))
        if self._is_wanted:
            self.start()
        else:
            self.release()

    def _again(self) -> None:
        """Start a process; where it scales, offer to."""
        pool = self._pool
        if not pool.scales or pool.hub is None:
            self.start()
            return
        self.worker_id = self.worker_id or pool.new_worker_id()
        self._is_wanted = False
        self._ask(ask.Expect(worker_id=self.worker_id))
        self.release()

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
            pool.reactor.later(pause, self._again)
            return
        self._ask(ask.Expect(worker_id=self.worker_id, healthy=False))

        def again() -> None:
            """Start; called in whatever thread moves the clock."""
            presence = Presence(hub.clock)

            def go_on() -> None:
                self.hold(presence)
                self._again()

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
