"""One lock, one clock, all endpoints: requests go in to the queues, replies come out to whoever waits for them.

This file decides who is woken and when deadlines are looked at. Nothing here waits: a caller parks on the `Waiter` it
was given, outside the lock, because leaving a wait may move a virtual clock, whose timers come back in here.
"""

from __future__ import annotations

import contextlib
import math
import threading
from typing import TYPE_CHECKING

from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._requests import Hold, Outcome, Reply
from runpod_sdk.emulator._record._faults import OF_WORKERS
from runpod_sdk.emulator._record._ledger import Ledger
from runpod_sdk.emulator._webhooks import Courier

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk.clock import Parking, ParkingClock, Timer
    from runpod_sdk.emulator._queue._jobs import JobRecord
    from runpod_sdk.emulator._queue._queue import Queue
    from runpod_sdk.emulator._queue._requests import Chunk, Finish, Progress, Request, Take
    from runpod_sdk.emulator._record._faults import Faults, InjectedFault
    from runpod_sdk.emulator._record._ledger import Exchange

# What a held request is told when its job was forgotten.
GONE = Reply(Outcome.NOT_FOUND, message="job not found")  # reported: the wording
# The causes that a ledger names, of what workers ask.
_NAMES: dict[type[Request], str] = {
    ask.Take: "job-take",
    ask.Finish: "job-done",
    ask.Progress: "job-progress",
    ask.Chunk: "job-stream",
    ask.Lose: "lost",
    ask.Leave: "left",
}


class Room:
    """One endpoint in the hub: its queue, and those who run its jobs, who are called under the hub's lock.

    Attributes:
        stop: told (worker id, job id) of a job that is to be stopped.
        replace: told the id of a worker that asked to be replaced.
        kill: told the id of a worker that is to die where it stands. Returns False where its death will be seen; else
            the hub says that it has left. None: workers whose processes nobody here knows.
    """

    __slots__ = ("armed", "kill", "queue", "replace", "stop", "timer")

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.stop: Callable[[str, str], None] = lambda _worker_id, _job_id: None
        self.replace: Callable[[str], None] = lambda _worker_id: None
        self.kill: Callable[[str], bool] | None = None
        self.armed = math.inf
        self.timer: Timer | None = None


class Waiter:
    """One held request of a caller.

    Attributes:
        parking: where the caller waits; it ends with the answer, with the hold, or with the caller's patience.
        hurried: the caller's patience ends before the hold does.
    """

    __slots__ = ("cut", "hold", "hurried", "parking", "reply", "room")

    def __init__(self, clock: ParkingClock, room: Room, hold: Hold, patience: float) -> None:
        self.room = room
        self.hold = hold
        self.hurried = patience < hold.until
        self.parking = clock.parking(min(patience, hold.until))
        self.reply: Reply | None = None
        self.cut = False

    def deliver(self, reply: Reply) -> None:
        """Wake the caller with its answer."""
        self.reply = reply
        # The caller's event loop may be gone, and its wait with it.
        with contextlib.suppress(RuntimeError):
            self.parking.wake()


class Hub:
    """The state behind every door of an emulator."""

    def __init__(self, clock: ParkingClock, faults: Faults | None = None, ledger_limit: int = 0) -> None:
        self._faults = faults
        self.clock = clock
        self.rooms: dict[str, Room] = {}
        self.closed = False
        self._lock = threading.Lock()
        self.ledger = Ledger(clock.time, threading.Lock(), self._known, ledger_limit)
        self._waiting: dict[Hold, Callable[[Reply], None]] = {}
        self._waiters: set[Waiter] = set()
        self._pauses: set[Parking] = set()
        self._retakes: list[tuple[Room, Take, Callable[[Reply], None]]] = []
        self.courier = Courier(clock, self.ledger)

    def add(self, queue: Queue) -> Room:
        """Open a room for an endpoint."""
        with self._lock:
            room = self.rooms[queue.endpoint_id] = Room(queue)
        return room

    def ask(
        self, room: Room, request: Request, patience: float = math.inf, exchange: Exchange | None = None
    ) -> Reply | Waiter:
        """Pass a caller's request in.

        Args:
            room: the endpoint.
            request: what is asked.
            patience: the monotonic time until which the caller waits for an answer.
            exchange: the request in the ledger.

        Returns:
            The reply, or a waiter: park on it, then call `conclude` (or `drop`, when the wait was interrupted).
        """
        with self._lock:
            if isinstance(request, ask.Finish | ask.Progress | ask.Chunk):
                result = self._report(room, request, exchange)
            else:
                result = self._handle(room, request, exchange)
            if exchange is not None and exchange.job_id is None:
                exchange.job_id = _job_id(result)
            answer = self._waiter(room, result, patience) if isinstance(result, Hold) else result
            self._settle(room)
        return answer

    def ask_for_worker(self, room: Room, request: Request, deliver: Callable[[Reply], None]) -> None:
        """Pass a worker's request in; `deliver` is called under the lock, now or later, and must not ask."""
        with self._lock:
            if isinstance(request, ask.Take):
                self._take(room, request, deliver)
            elif isinstance(request, ask.Finish | ask.Progress | ask.Chunk):
                _deliver(self._report(room, request), deliver)
            else:
                _deliver(self._handle(room, request), deliver)
            self._settle(room)

    def lose(self, room: Room, call: str, worker_id: str, exchange: Exchange | None) -> bool:
        """Claim that a fault strikes jobs that are about to be handed over HTTP to a worker; kill it if it says so."""
        with self._lock:
            struck = self._struck(room, call, exchange)
            if struck is not None and struck.fault.kind == "kill":
                self._kill(room, worker_id)
                self._settle(room)
        return struck is not None

    def conclude(self, waiter: Waiter) -> Reply | None:
        """Return the answer after a wait, or None if the caller's patience ended first."""
        with self._lock:
            self._forget(waiter)
            if waiter.reply is not None:
                return waiter.reply
            if waiter.hurried and not waiter.cut:
                waiter.room.queue.hang_up(waiter.hold, self.clock.monotonic())
                self._settle(waiter.room)
                return None
            reply = waiter.room.queue.expire_hold(waiter.hold, self._let_pass(waiter.room))
            self._settle(waiter.room)
            return reply

    def drop(self, waiter: Waiter) -> Reply | None:
        """Forget a caller that no longer waits; return the answer that it might have had."""
        with self._lock:
            self._forget(waiter)
            if waiter.reply is None:
                waiter.room.queue.hang_up(waiter.hold, self.clock.monotonic())
                self._settle(waiter.room)
            return waiter.reply

    def cut(self, waiter: Waiter) -> None:
        """End a wait early, as if its hold had run out."""
        waiter.cut = True
        with contextlib.suppress(RuntimeError):
            waiter.parking.wake()

    def pause(self, until: float) -> Parking:
        """Return a wait that ends at monotonic `until`, or when the hub closes; give it back with `resume`."""
        parking = self.clock.parking(None if math.isinf(until) else until)
        with self._lock:
            self._pauses.add(parking)
            closed = self.closed
        if closed:
            parking.wake()
        return parking

    def resume(self, parking: Parking) -> None:
        """Forget a wait that is over."""
        with self._lock:
            self._pauses.discard(parking)

    def reset(self) -> None:
        """Forget every job, and begin a new ledger; who waits for a job is told 404, workers and endpoints stay."""
        with self._lock:
            self.ledger.reset()
            for room in self.rooms.values():
                room.queue.clear()
                if room.timer is not None:
                    room.timer.cancel()
                room.timer, room.armed = None, math.inf
                self._settle(room)
            for waiter in self._waiters:
                if waiter.hold.job is not None:
                    waiter.hold.reply = GONE
                    waiter.deliver(GONE)

    def records(self) -> list[JobRecord]:
        """Return every job of every endpoint."""
        with self._lock:
            for room in self.rooms.values():
                self._let_pass(room)
                self._settle(room)
            return [record for room in self.rooms.values() for record in room.queue.records()]

    def close(self) -> None:
        """Answer everybody who waits, and look at no deadline any more."""
        with self._lock:
            self.closed = True
            waiters, pauses = list(self._waiters), list(self._pauses)
            for room in self.rooms.values():
                if room.timer is not None:
                    room.timer.cancel()
        self.courier.close()
        for waiter in waiters:
            self.cut(waiter)
        for parking in pauses:
            with contextlib.suppress(RuntimeError):
                parking.wake()

    def _known(self) -> int:
        """Return how many jobs are known, for the ledger."""
        return len(self.records())

    def _waiter(self, room: Room, hold: Hold, patience: float) -> Waiter:
        waiter = Waiter(self.clock, room, hold, patience)
        self._waiting[hold] = waiter.deliver
        self._waiters.add(waiter)
        if self.closed:
            self.cut(waiter)
        return waiter

    def _forget(self, waiter: Waiter) -> None:
        self._waiting.pop(waiter.hold, None)
        self._waiters.discard(waiter)

    def _settle(self, room: Room) -> None:
        """Deliver what a change released, and set the timer for the next deadline."""
        queue = room.queue
        while True:
            for hold, reply in queue.released():
                deliver = self._waiting.pop(hold, None)
                if deliver is not None:
                    deliver(reply)
            if not self._retakes:
                break
            self._take(*self._retakes.pop())
        for notice in queue.notices():
            self.courier.deliver(notice)
        for worker_id, job_id in queue.stopped():
            room.stop(worker_id, job_id)
        for worker_id in queue.replaced():
            room.replace(worker_id)
        due = queue.next_deadline()
        if due is not None and due < room.armed and not self.closed:
            if room.timer is not None:
                room.timer.cancel()
            room.armed = due
            room.timer = self.clock.call_at(due, lambda: self._tick(room))

    # What workers ask, and what faults make of it.

    def _handle(self, room: Room, request: Request, exchange: Exchange | None = None) -> Reply | Hold:
        now = self._let_pass(room)
        self.ledger.cause = exchange or _NAMES.get(type(request))
        return room.queue.handle(request, now)

    def _let_pass(self, room: Room) -> float:
        """Apply what is due, with its true cause in the ledger: nobody has asked for it. Return what time it is."""
        now = self.clock.monotonic()
        self.ledger.cause = "deadline"
        room.queue.advance(now)
        return now

    def _take(self, room: Room, request: Take, deliver: Callable[[Reply], None]) -> None:
        """Let a worker in this process take a job, unless a fault loses the job on its way or kills the worker."""

        def hand_over(reply: Reply) -> None:
            struck = self._struck(room, "job-take") if reply.body else None
            if struck is None:
                deliver(reply)
                return
            if struck.fault.kind == "kill":
                self._kill(room, request.worker_id)
            else:
                self._handle(room, ask.Lose(worker_id=request.worker_id, job_id=reply.body["id"]))
            # Not at once: of a thousand jobs each may be lost.
            self._retakes.append((room, request, deliver))

        result = self._handle(room, request)
        if isinstance(result, Hold):
            self._waiting[result] = hand_over
        else:
            hand_over(result)

    def _report(self, room: Room, request: Chunk | Finish | Progress, exchange: Exchange | None = None) -> Reply | Hold:
        """Take in what a worker sends, as often and as late as faults say."""
        struck = self._struck(room, _NAMES[type(request)], exchange)
        kind = None if struck is None else struck.fault.kind
        if struck is not None and kind == "late":
            due = self.clock.monotonic() + struck.fault.seconds
            self.clock.call_at(due, lambda: self._arrive(room, request))
        elif kind == "kill":
            self._kill(room, request.worker_id)
        elif kind != "lose":
            if kind == "duplicate":
                self._handle(room, request, exchange)
            return self._handle(room, request, exchange)
        return Reply(Outcome.DONE)

    def _arrive(self, room: Room, request: Request) -> None:
        """Take in what was late."""
        with self._lock:
            if not self.closed:
                self._handle(room, request)
                self._settle(room)

    def _kill(self, room: Room, worker_id: str) -> None:
        if room.kill is None or room.kill(worker_id):
            self._handle(room, ask.Leave(worker_id=worker_id))
        else:  # it lives for a moment yet, and shall take nothing in it
            self._handle(room, ask.Drain(worker_id=worker_id))

    def _struck(self, room: Room, operation: str, exchange: Exchange | None = None) -> InjectedFault | None:
        """Return the fault that strikes what a worker does, and note it."""
        if self._faults is None:
            return None
        endpoint_id = room.queue.endpoint_id
        struck = self._faults.strike(operation, endpoint_id, OF_WORKERS)
        if struck is not None and self.ledger.is_on:
            fault = struck.fault
            self.ledger.fault(exchange or operation, fault.kind, struck.number, fault.when, endpoint_id)
        return struck

    def _tick(self, room: Room) -> None:
        with self._lock:
            room.armed = math.inf
            room.timer = None
            if not self.closed:
                self._let_pass(room)
                self._settle(room)


def _job_id(result: Reply | Hold) -> str | None:
    """Return the job that a submit became."""
    if isinstance(result, Hold):
        return None if result.job is None else result.job.id
    found: str | None = result.body.get("id")
    return found


def _deliver(result: Reply | Hold, deliver: Callable[[Reply], None]) -> None:
    """Pass on an answer to what no queue holds."""
    if isinstance(result, Reply):
        deliver(result)
