"""One lock and one clock for all endpoints: passes requests to queues, and carries out their effects.

This file decides who is woken and when deadlines are looked at. Nothing here waits: a caller parks on the `Waiter` it
was given, outside the lock, because leaving a wait may move a virtual clock, whose timers come back in here.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from runpod_sdk.emulator._hub_endpoint import NAMES, HubEndpoint
from runpod_sdk.emulator._options import Options
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._requests import Hold, Reply, ReplyKind
from runpod_sdk.emulator._record._faults import OF_WORKERS
from runpod_sdk.emulator._record._injection import disruption_of
from runpod_sdk.emulator._record._ledger import Ledger
from runpod_sdk.emulator._waiter import Waiter
from runpod_sdk.emulator._webhooks import WebhookSender

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk.clock import Parking, ParkingClock
    from runpod_sdk.emulator._queue._effects import Effects, Webhook
    from runpod_sdk.emulator._queue._job import JobRecord
    from runpod_sdk.emulator._queue._queue import Queue
    from runpod_sdk.emulator._queue._requests import Chunk, Finish, ReportProgress, Request, Take
    from runpod_sdk.emulator._record._faults import Kind
    from runpod_sdk.emulator._record._injection import Disruption, Faults
    from runpod_sdk.emulator._record._ledger import LoggedRequest
    from runpod_sdk.emulator._store import Store

_NOTHING = contextlib.nullcontext()


class HubCore:
    """What is asked of an emulator, by users and by workers, and what comes of it.

    Attributes:
        on_report: told of each chunk, and word of progress, that is taken in, under the lock.
    """

    def __init__(
        self,
        clock: ParkingClock,
        faults: Faults | None = None,
        options: Options | None = None,
        store: Store | None = None,
    ) -> None:
        options = options or Options()
        self._faults = faults
        self.clock = clock
        self.endpoints: dict[str, HubEndpoint] = {}
        self.closed = False
        self.on_report: Callable[[Chunk | ReportProgress], None] = lambda _report: None
        self._lock = threading.Lock()
        self.ledger = Ledger(clock.time, threading.Lock(), self._known, options.ledger)
        self._deliveries: dict[Hold, Callable[[Reply], None]] = {}
        self._waiters: dict[Waiter, HubEndpoint] = {}
        self._pauses: set[Parking] = set()
        self._effects: deque[tuple[HubEndpoint, Effects]] = deque()  # not carried out yet
        self._retakes: list[tuple[HubEndpoint, Take, Callable[[Reply], None]]] = []
        self._store = store
        if store is None:
            self.webhooks = WebhookSender(clock, self.ledger, options.webhook_timeout)
        else:
            self.webhooks = WebhookSender(clock, self.ledger, options.webhook_timeout, store.tried)
            store.begin(self.ledger, clock.time, clock.monotonic())
            for kept in store.webhooks():
                self.webhooks.resume(*kept)

    def add(self, queue: Queue) -> HubEndpoint:
        """Take in the queue of an endpoint."""
        with self._lock:
            endpoint = self.endpoints[queue.endpoint_id] = HubEndpoint(queue)
            if self._store is not None:
                self._accept(endpoint, self._store.restore(queue, self.clock.monotonic()))
                self._carry_out()
        return endpoint

    # What callers ask, who wait for the answer.

    def ask(
        self, endpoint: HubEndpoint, request: Request, patience: float = math.inf, logged: LoggedRequest | None = None
    ) -> Reply | Waiter:
        """Pass a caller's request in.

        Args:
            endpoint: the endpoint.
            request: what is asked.
            patience: the monotonic time until which the caller waits for an answer.
            logged: the request in the ledger.

        Returns:
            The reply, or a waiter: park on it, then call `conclude` (or `drop`, when the wait was interrupted).
        """
        with self._lock:
            if isinstance(request, ask.Finish | ask.ReportProgress | ask.Chunk):
                result = self._report(endpoint, request, logged)
            else:
                result = self._handle(endpoint, request, logged)
            if logged is not None and logged.job_id is None:
                logged.job_id = result.job_id if isinstance(result, Hold) else result.body.get("id")
            answer = self._waiter(endpoint, result, patience) if isinstance(result, Hold) else result
            self._carry_out()
            if self._store is not None:
                self._store.settle()
        return answer

    def conclude(self, waiter: Waiter) -> Reply | None:
        """Return the answer after a wait, or None if the caller's patience ended first."""
        with self._lock:
            endpoint, reply = self._forget(waiter), waiter.reply
            if reply is None:
                if waiter.hurried and not waiter.cut:
                    effects = endpoint.queue.hang_up(waiter.hold, self.clock.monotonic())
                else:
                    reply, effects = endpoint.queue.expire_hold(waiter.hold, self.clock.monotonic())
                self._accept(endpoint, effects)
                self._carry_out()
            if self._store is not None:
                self._store.settle()
            return reply

    def drop(self, waiter: Waiter) -> Reply | None:
        """Forget a caller that no longer waits; return the answer that it might have had."""
        with self._lock:
            endpoint = self._forget(waiter)
            if waiter.reply is None:
                self._accept(endpoint, endpoint.queue.hang_up(waiter.hold, self.clock.monotonic()))
                self._carry_out()
            if self._store is not None:
                self._store.settle()
            return waiter.reply

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

    # What workers in this process ask, who never wait.

    def take(self, endpoint: HubEndpoint, request: Take, deliver: Callable[[Reply], None]) -> None:
        """Let a worker take a job; `deliver` is called under the lock, now or later, and must not ask."""
        with self._lock:
            self._take(endpoint, request, deliver)
            self._carry_out()

    def tell(self, endpoint: HubEndpoint, request: Request) -> str:
        """Take in what a worker says; return why it is refused, or ""."""
        with self._lock:
            if isinstance(request, ask.Finish | ask.ReportProgress | ask.Chunk):
                reply = self._report(endpoint, request)
            else:
                reply = self._handle(endpoint, request)
            self._carry_out()
        return reply.message if isinstance(reply, Reply) and reply.kind is ReplyKind.REFUSED else ""

    # What faults do.

    def disruption(
        self, operation: str, endpoint: HubEndpoint, kinds: frozenset[Kind], logged: LoggedRequest | None = None
    ) -> Disruption | None:
        """Return what a fault of these kinds does to a request, and note it; None: none strikes."""
        if self._faults is None or not self._faults.injected:
            return None
        endpoint_id = endpoint.queue.endpoint_id
        struck = self._faults.strike(operation, endpoint_id, kinds)
        if self._store is not None:
            self._store.follow()
        if struck is None:
            return None
        if self.ledger.is_on:
            self.ledger.fault(logged or operation, struck.fault.kind, struck.number, struck.fault.when, endpoint_id)
        return disruption_of(struck.fault)

    def loses_work(
        self, endpoint: HubEndpoint, operation: str, worker_id: str, jobs: list[str], logged: LoggedRequest | None
    ) -> bool:
        """Whether a fault strikes jobs that are about to be handed over HTTP to a worker, which it may kill."""
        with self._lock:
            disruption = self.disruption(operation, endpoint, OF_WORKERS, logged)
            if disruption is not None:
                self.ledger.not_begun(worker_id, jobs)
            if disruption is not None and disruption.kills:
                self._kill(endpoint, worker_id)
                self._carry_out()
        return disruption is not None

    # What there is.

    def records(self) -> list[JobRecord]:
        """Return every job of every endpoint."""
        with self._lock:
            now = self.clock.monotonic()
            for endpoint in self.endpoints.values():
                self._accept(endpoint, endpoint.queue.advance(now))
                self._carry_out()
            return [record for endpoint in self.endpoints.values() for record in endpoint.queue.records()]

    def _known(self) -> int:
        """Return how many jobs are known, for the ledger."""
        return len(self.records())

    # All below is called under the lock.

    def _waiter(self, endpoint: HubEndpoint, hold: Hold, patience: float) -> Waiter:
        waiter = Waiter(self.clock, hold, patience)
        self._deliveries[hold] = waiter.deliver
        self._waiters[waiter] = endpoint
        if self.closed:
            waiter.cut_short()
        return waiter

    def _forget(self, waiter: Waiter) -> HubEndpoint:
        self._deliveries.pop(waiter.hold, None)
        return self._waiters.pop(waiter)

    def _handle(self, endpoint: HubEndpoint, request: Request, logged: LoggedRequest | None = None) -> Reply | Hold:
        if isinstance(request, ask.Lose):
            self.ledger.not_begun(request.worker_id, [request.job_id])
        answer, effects = endpoint.queue.handle(request, self.clock.monotonic())
        self._accept(endpoint, effects, logged or NAMES.get(type(request)))
        if isinstance(request, ask.Chunk | ask.ReportProgress) and any(
            each.before is not None for each in effects.changes
        ):
            self.on_report(request)
        return answer

    def _accept(self, endpoint: HubEndpoint, effects: Effects, cause: LoggedRequest | str | None = None) -> None:
        """Record what has happened, in order; effects are carried out once the request itself is recorded, too."""
        with _NOTHING if self._store is None else self._store.lock:
            if effects.changes and self.ledger.is_on:
                self.ledger.jobs(endpoint.queue.endpoint_id, effects, cause)
            if self._store is not None:
                self._store.note(endpoint.queue, effects)
        self._effects.append((endpoint, effects))

    def _carry_out(self) -> None:
        """Deliver answers, webhooks, stops and replacements, and set timers, until nothing is left to do."""
        while self._effects or self._retakes:
            if not self._effects:
                self._take(*self._retakes.pop())
                continue
            endpoint, effects = self._effects.popleft()
            for hold, reply in effects.answers:
                deliver = self._deliveries.pop(hold, None)
                if deliver is not None:
                    deliver(reply)
            if effects.webhooks:
                self._send(effects.webhooks)
            for worker_id, job_id in effects.stops:
                endpoint.stop(worker_id, job_id)
            for worker_id in effects.replacements:
                endpoint.replace(worker_id)
            for worker_id, is_up in effects.powers.items():
                endpoint.power(worker_id, is_up)
            if effects.next_deadline < endpoint.armed and not self.closed:
                self._arm(endpoint, effects.next_deadline)

    def _send(self, webhooks: list[Webhook]) -> None:
        if self._store is not None:
            self._store.settle()
        for webhook in webhooks:
            self.webhooks.deliver(webhook)

    def _arm(self, endpoint: HubEndpoint, due: float) -> None:
        if endpoint.timer is not None:
            endpoint.timer.cancel()
        endpoint.armed = due
        endpoint.timer = self.clock.call_at(due, lambda: self._tick(endpoint))

    def _tick(self, endpoint: HubEndpoint) -> None:
        """Apply what is due; called by the clock, without the lock."""
        with self._lock:
            endpoint.armed = math.inf
            endpoint.timer = None
            if not self.closed:
                self._accept(endpoint, endpoint.queue.advance(self.clock.monotonic()))
                self._carry_out()

    def _take(self, endpoint: HubEndpoint, request: Take, deliver: Callable[[Reply], None]) -> None:
        """Let a worker in this process take a job, unless a fault loses the job on its way or kills the worker."""

        def hand_over(reply: Reply) -> None:
            disruption = self.disruption(NAMES[ask.Take], endpoint, OF_WORKERS) if reply.body else None
            if disruption is None:
                deliver(reply)
                return
            jobs = [job["id"] for job in reply.body.get("jobs", [reply.body])]
            self.ledger.not_begun(request.worker_id, jobs)
            if disruption.kills and not self._kill(endpoint, request.worker_id):
                return
            if not disruption.kills:
                for job_id in jobs:
                    self._handle(endpoint, ask.Lose(worker_id=request.worker_id, job_id=job_id))
            # Not at once: of a thousand jobs each may be lost.
            self._retakes.append((endpoint, request, deliver))

        result = self._handle(endpoint, request)
        if isinstance(result, Hold):
            self._deliveries[result] = hand_over
        else:
            hand_over(result)

    def _report(
        self, endpoint: HubEndpoint, request: Chunk | Finish | ReportProgress, logged: LoggedRequest | None = None
    ) -> Reply | Hold:
        """Take in what a worker sends, as often and as late as faults say."""
        disruption = self.disruption(NAMES[type(request)], endpoint, OF_WORKERS, logged)
        if disruption is None:
            return self._handle(endpoint, request, logged)
        if disruption.late is not None:
            due = self.clock.monotonic() + disruption.late
            self.clock.call_at(due, lambda: self._arrive(endpoint, request))
        if disruption.kills:
            self._kill(endpoint, request.worker_id)
        if disruption.rejects and isinstance(request, ask.Finish):
            request = replace(request, is_refused=True)
        answer: Reply | Hold = Reply(ReplyKind.DONE)
        for _ in range(disruption.times):
            answer = self._handle(endpoint, request, logged)
        return answer

    def _arrive(self, endpoint: HubEndpoint, request: Request) -> None:
        """Take in what was late; called by the clock, without the lock."""
        with self._lock:
            if not self.closed:
                self._handle(endpoint, request)
                self._carry_out()

    def _kill(self, endpoint: HubEndpoint, worker_id: str) -> bool:
        """Kill a worker; True: it is dead, and another is there under its name, if any is."""
        if endpoint.kill is None or endpoint.kill(worker_id):
            self._handle(endpoint, ask.Leave(worker_id=worker_id))
            return True
        # It lives for a moment yet, and shall take nothing in it.
        self._handle(endpoint, ask.Drain(worker_id=worker_id))
        return False
