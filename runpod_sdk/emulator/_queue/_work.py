"""Requests from workers. Pure.

A worker takes jobs, pings, reports and leaves. Who gets which job is decided in `_queue.py`, what happens to a job in
`_jobs.py`, how long a worker is believed in `_workers.py`.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._limits import DRAINING_HOLD
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._chunks import split
from runpod_sdk.emulator._queue._jobs import NOT_FOUND, read
from runpod_sdk.emulator._queue._machine import Event
from runpod_sdk.emulator._queue._requests import Hold, Reply, ReplyKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk.emulator._options import Options
    from runpod_sdk.emulator._queue._effects import Effects
    from runpod_sdk.emulator._queue._fleet import Fleet
    from runpod_sdk.emulator._queue._job import QueuedJob
    from runpod_sdk.emulator._queue._jobs import Jobs
    from runpod_sdk.emulator._queue._workers import KnownWorker, Workers

_NOTED = Reply(ReplyKind.DONE)
_NOT_SCALED = Reply(ReplyKind.REFUSED, message="the endpoint does not scale; see Options.scaling")


class Work:
    """The side of one endpoint that its workers see.

    Args:
        hand: returns what a take takes of the queued jobs.
        dispatch: gives queued jobs to idle workers; whatever frees a worker or queues a job ends in it.

    Attributes:
        handlers: what answers which request of workers.
    """

    def __init__(
        self,
        jobs: Jobs,
        workers: Workers,
        fleet: Fleet | None,
        options: Options,
        *,
        hand: Callable[[KnownWorker, Any, float, Effects], dict[str, Any]],
        dispatch: Callable[[float, Effects], None],
    ) -> None:
        self._jobs = jobs
        self._workers = workers
        self._fleet = fleet
        self._hand = hand
        self._dispatch = dispatch
        self._result_limit = math.inf if options.result_limit is None else options.result_limit
        self.handlers: dict[type[ask.Request], Callable[[Any, float, Effects], Reply | Hold]] = {
            ask.Take: self._take,
            ask.WatchStops: self._watch_stops,
            ask.Ping: self._ping,
            ask.Finish: self._finish,
            ask.ReportProgress: self._progress,
            ask.Chunk: self._chunk,
            ask.Lose: self._lose,
            ask.Leave: self._leave,
            ask.Expect: self._expect,
            ask.Drain: self._drain,
            ask.Halted: self._halted,
            ask.BarWorkers: self._bar,
            ask.UpdateWorkers: self._update,
        }

    # What each asks.

    def _take(self, request: ask.Take, now: float, effects: Effects) -> Reply | Hold:
        worker = self._workers.heartbeat(request.worker_id, request.lease, now)
        worker.has_asked = True
        wait = math.inf if request.wait is None else request.wait
        if worker.is_draining or (worker.is_ending and worker.is_remote):
            return Hold(request, now + min(wait, DRAINING_HOLD))
        hold = Hold(request, now + wait)
        if self._fleet is not None and not self._fleet.joined(worker):
            self._workers.put_aside[hold] = worker
        elif self._jobs.queued:
            return Reply(ReplyKind.DONE, self._hand(worker, request, now, effects))
        else:
            self._workers.takers[hold] = worker
        return hold

    def _watch_stops(self, request: ask.WatchStops, now: float, _: Effects) -> Reply | Hold:
        worker = self._workers.heartbeat(request.worker_id, request.lease, now)
        if worker.stops:
            return Reply(ReplyKind.DONE, worker.pop_stops())
        hold = Hold(request, now + min(request.wait, DRAINING_HOLD if worker.is_draining else math.inf))
        worker.watchers.append(hold)
        return hold

    def _ping(self, request: ask.Ping, now: float, _: Effects) -> Reply:
        worker = self._workers.find(request.worker_id)
        if worker is not None:
            for job_id in request.job_ids:
                worker.renew(job_id, now)
        return _NOTED

    def _finish(self, request: ask.Finish, now: float, effects: Effects) -> Reply:
        job = self._jobs.known.get(request.job_id)
        if job is None:
            return NOT_FOUND  # a late result, after the ttl
        refused = request.is_refused or request.size > self._result_limit
        # reported: the service refuses what is too large, and the job is COMPLETED all the same.
        failed = request.error is not None and not refused
        event = self._jobs.failure if failed else Event.SUCCEED
        # A late result is taken and ignored: sync handlers run on after a cancel.
        if job.worker_id != request.worker_id:
            self._jobs.ignore(job, event, effects)
        elif self._jobs.move(job, event, effects):
            job.output = ask.ABSENT if refused else request.output
            job.error = _text(request.error) if failed else None
            self._workers.release(job.worker_id, job.id, effects)
            self._jobs.end(job, now, effects)
        worker = self._workers.find(request.worker_id)
        if worker is not None:
            worker.stops.pop(job.id, None)
            if request.stop_pod and worker.is_supervised and not worker.is_draining:
                worker.is_draining = True
                effects.replacements.append(worker.id)
        if refused:
            text = f"job {job.id}: its result of {request.size} bytes is refused, and it ends without output"
            return Reply(ReplyKind.REFUSED, message=text)
        return _NOTED

    def _progress(self, request: ask.ReportProgress, now: float, effects: Effects) -> Reply:
        if request.size > self._result_limit:
            return Reply(
                ReplyKind.REFUSED, message=f"job {request.job_id}: progress of {request.size} bytes is refused"
            )
        job = self._reporting(request, now, effects)
        if job is not None:
            job.progress = request.output
        return _NOTED

    def _chunk(self, request: ask.Chunk, now: float, effects: Effects) -> Reply:
        job = self._reporting(request, now, effects)
        if job is not None:
            parts = split(request.body)
            job.chunks += parts
            effects.streams.append((job.id, parts))
            reader = next((hold for hold in job.holds if isinstance(hold.request, ask.ReadStream)), None)
            if reader is not None:
                job.holds.remove(reader)
                effects.answer(reader, read(job, effects))
        return _NOTED

    def _lose(self, request: ask.Lose, now: float, effects: Effects) -> Reply:
        worker = self._workers.find(request.worker_id)
        if worker is not None and request.job_id in worker.leases:
            self._workers.release(worker.id, request.job_id, effects)
            self._jobs.lose(self._jobs.known[request.job_id], now, effects)
            self._workers.forget_if_gone(worker)
            self._dispatch(now, effects)
        return _NOTED

    def _leave(self, request: ask.Leave, now: float, effects: Effects) -> Reply:
        worker = self._workers.leave(request.worker_id, effects)
        if worker is None:
            return _NOTED
        for job_id in worker.leases:
            self._jobs.lose(self._jobs.known[job_id], now, effects)
        self._dispatch(now, effects)
        return Reply(ReplyKind.DONE, {"was_ready": worker.has_asked})

    def _expect(self, request: ask.Expect, _: float, __: Effects) -> Reply:
        worker = self._workers.expect(request.worker_id, healthy=request.healthy)
        if self._fleet is not None and request.healthy:
            self._fleet.expected(worker)
        return _NOTED

    def _drain(self, request: ask.Drain, _: float, effects: Effects) -> Reply:
        self._workers.drain(request.worker_id, effects)
        return _NOTED

    def _halted(self, request: ask.Halted, now: float, effects: Effects) -> Reply:
        worker = self._workers.find(request.worker_id)
        if worker is not None:
            self._workers.silence(worker, effects)
            worker.has_asked = worker.is_draining = False
            for job_id in list(worker.leases):
                self._lose(ask.Lose(worker_id=worker.id, job_id=job_id), now, effects)
        return _NOTED

    def _bar(self, request: ask.BarWorkers, _: float, effects: Effects) -> Reply:
        if self._fleet is None:
            return _NOT_SCALED
        self._fleet.bar(request.throttled, request.unhealthy)
        effects.is_recounted = True
        return _NOTED

    def _update(self, _: ask.UpdateWorkers, __: float, ___: Effects) -> Reply:
        if self._fleet is None:
            return _NOT_SCALED
        self._fleet.update()
        return _NOTED

    def _reporting(self, request: ask.ReportProgress | ask.Chunk, now: float, effects: Effects) -> QueuedJob | None:
        """Return the job if this worker may still report on it."""
        job = self._jobs.known.get(request.job_id)
        if job is None or job.worker_id != request.worker_id or not self._jobs.move(job, Event.REPORT, effects):
            return None
        self._workers.job_heartbeat(request.worker_id, job.id, now)
        return job


def _text(error: Any) -> str:
    """Return an error as a string: the official Go client takes nothing else (assumed: JSON for other values)."""
    return error if isinstance(error, str) else json.dumps(error)
