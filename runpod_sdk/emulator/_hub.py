"""One lock, one clock, all endpoints: requests go in to the queues, replies come out to whoever waits for them.

This file decides who is woken and when deadlines are looked at. Nothing here waits: a caller parks on the `Waiter` it
was given, outside the lock, because leaving a wait may move a virtual clock, whose timers come back in here.
"""

from __future__ import annotations

import contextlib
import math
import threading
from typing import TYPE_CHECKING

from runpod_sdk.emulator import _requests as ask
from runpod_sdk.emulator._ledger import Ledger
from runpod_sdk.emulator._requests import Hold, Outcome, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk.clock import Parking, ParkingClock, Timer
    from runpod_sdk.emulator._jobs import JobRecord
    from runpod_sdk.emulator._ledger import Exchange
    from runpod_sdk.emulator._queue import Queue
    from runpod_sdk.emulator._requests import Request

# What a held request is told when its job was forgotten.
GONE = Reply(Outcome.NOT_FOUND, message="job not found")  # reported: the wording
# The causes that a ledger names, of what workers ask.
_NAMES: dict[type[Request], str] = {
    ask.Take: "job-take",
    ask.Finish: "job-done",
    ask.Lose: "lost",
    ask.Leave: "left",
}


class Room:
    """One endpoint in the hub: its queue, and who is told to stop a running job, and to replace a worker."""

    __slots__ = ("armed", "queue", "replace", "stop", "timer")

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.stop: Callable[[str, str], None] = lambda _worker_id, _job_id: None
        self.replace: Callable[[str], None] = lambda _worker_id: None
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

    def __init__(self, clock: ParkingClock, ledger_limit: int = 0) -> None:
        self.clock = clock
        self.rooms: dict[str, Room] = {}
        self.closed = False
        self._lock = threading.Lock()
        self.ledger = Ledger(clock.time, threading.Lock(), self._known, ledger_limit)
        self._waiting: dict[Hold, Callable[[Reply], None]] = {}
        self._waiters: set[Waiter] = set()
        self._pauses: set[Parking] = set()

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
            self.ledger.cause = exchange
            result = room.queue.handle(request, self.clock.monotonic())
            if exchange is not None and exchange.job_id is None:
                exchange.job_id = _job_id(result)
            answer = self._waiter(room, result, patience) if isinstance(result, Hold) else result
            self._settle(room)
        return answer

    def ask_for_worker(self, room: Room, request: Request, deliver: Callable[[Reply], None]) -> None:
        """Pass a worker's request in; `deliver` is called under the lock, now or later, and must not ask."""
        with self._lock:
            self.ledger.cause = _NAMES.get(type(request), "worker")
            result = room.queue.handle(request, self.clock.monotonic())
            if isinstance(result, Hold):
                self._waiting[result] = deliver
            else:
                deliver(result)
            self._settle(room)

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
            reply = waiter.room.queue.expire_hold(waiter.hold, self.clock.monotonic())
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
            now = self.clock.monotonic()
            for room in self.rooms.values():
                self.ledger.cause = None
                room.queue.advance(now)
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
        for hold, reply in queue.released():
            deliver = self._waiting.pop(hold, None)
            if deliver is not None:
                deliver(reply)
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

    def _tick(self, room: Room) -> None:
        with self._lock:
            room.armed = math.inf
            room.timer = None
            if not self.closed:
                room.queue.advance(self.clock.monotonic())
                self._settle(room)


def _job_id(result: Reply | Hold) -> str | None:
    """Return the job that a submit became."""
    if isinstance(result, Hold):
        return None if result.job is None else result.job.id
    found: str | None = result.body.get("id")
    return found
