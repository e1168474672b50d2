"""Saves the state of an emulator: jobs, unread chunks, batches, webhooks, faults, counts, ledger, time.

A hub notes here what each request has changed, as its effects say, and before an answer leaves it sees to it that all
of this is in the file: what was acknowledged is there, whatever ends the process. What nobody waits for, such as the
ledger's rows, follows a moment later. How it is written is in `_state_file.py`.
"""

from __future__ import annotations

import json
import logging
import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from runpod_sdk.emulator import _state_file as file
from runpod_sdk.emulator._queue._effects import Webhook
from runpod_sdk.emulator._queue._kept import (
    batch_kept,
    batch_restored,
    restored,
    state_kept,
    submission_kept,
)
from runpod_sdk.emulator._queue._machine import Event
from runpod_sdk.emulator._queue._workers import Lease
from runpod_sdk.emulator._state_file import EmulatorFileError, StateFile, Statement

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from runpod_sdk.emulator._queue._batch import QueuedBatch
    from runpod_sdk.emulator._queue._effects import Effects
    from runpod_sdk.emulator._queue._job import QueuedJob
    from runpod_sdk.emulator._queue._queue import Queue
    from runpod_sdk.emulator._record._injection import Faults
    from runpod_sdk.emulator._record._ledger import Ledger

_LOG = logging.getLogger("runpod_sdk.emulator")
_PAUSE = 0.05  # seconds that rows nobody waits for are gathered; ours


class KeptRates(Protocol):
    """How often what was asked lately."""

    def unsaved(self, epoch: float) -> list[tuple[str, str, list[float]]] | None:
        """Return what is new since the last call, times as seconds since 1970; None: nothing is."""
        ...

    def restore(self, kept: list[tuple[str, str, list[float]]], epoch: float) -> None:
        """Go on with it."""
        ...


class Store:
    """What is kept, and what is still to be written of it.

    Args:
        path: where the file is; it is made where there is none.
        lease: seconds that a worker of before has to be heard of, or its job is given to another.

    Attributes:
        lock: what is done under it is in the file together, or not at all.
        boots: how often it was opened before.
        time: seconds since 1970, on the emulator's clock, when it was written last; None: never.

    Raises:
        EmulatorFileError: it is no such file, is in use by another emulator, or cannot be read or written.
    """

    def __init__(self, path: str | os.PathLike[str], lease: float) -> None:
        self._lease = lease
        self.lock = threading.RLock()
        self._todo: list[Statement] = []
        self._touched: dict[str, dict[str, Any]] = {}  # the counts of queues, by endpoint
        self._is_behind = threading.Event()
        self._closed = self._is_gone = False
        self._thread: threading.Thread | None = None
        self._ledger: Ledger | None = None
        self._faults: Faults | None = None
        self._rates: KeptRates | None = None
        self._now: Callable[[], float] = lambda: 0.0
        self._epoch = 0.0
        self._file = StateFile(path)
        facts = self._file.facts()
        self.boots = int(facts.get("boots", "0"))
        self.time = float(facts["time"]) if "time" in facts else None
        self._webhooks: int = self._file.read("SELECT coalesce(max(number), 0) FROM webhook")[0][0]
        self._file.write([(file.FACT, ("boots", str(self.boots + 1)))])

    # What was kept.

    def begin(self, ledger: Ledger, now: Callable[[], float], monotonic: float) -> None:
        """Go on where the file ends.

        Args:
            ledger: gets the rows and accounts that were kept, and is kept from now on.
            now: returns seconds since 1970 on the emulator's clock.
            monotonic: what is on it now, in monotonic seconds.
        """
        # On a clock that is behind, as a virtual one is that begins anew, no time has passed meanwhile.
        self._epoch = max(now(), self.time or 0.0) - monotonic
        behind = self._epoch + monotonic - now()
        self._now = lambda: now() + behind
        self._ledger, facts = ledger, self._facts()
        ledger.resume(
            [tuple(json.loads(row)) for (row,) in self._read("SELECT row FROM ledger ORDER BY number")],
            [(job, json.loads(facts)) for job, facts in self._read("SELECT job, facts FROM account ORDER BY number")],
            {**json.loads(facts["ledger"]), **json.loads(facts["ledger/lists"])} if "ledger" in facts else None,
        )
        self._thread = threading.Thread(target=self._follow, name="emulator-store", daemon=True)
        self._thread.start()

    def resume(self, faults: Faults) -> None:
        """Let the faults strike that were to last, and keep them from now on."""
        rows = self._read("SELECT number, state FROM fault ORDER BY number")
        faults.resume([(number, json.loads(state)) for number, state in rows])
        self._faults = faults

    def follow_rates(self, rates: KeptRates) -> None:
        """Let rate limits go on, and keep them from now on, a moment late; after `begin`."""
        rates.restore(json.loads(self._facts().get("rates", "[]")), self._epoch)
        self._rates = rates

    def restore(self, queue: Queue, monotonic: float) -> Effects:
        """Give a queue back what it had, and return what was due meanwhile; its workers have a lease to be heard of."""
        jobs = self._jobs_of(queue.endpoint_id, Lease(monotonic + self._lease))
        counts = json.loads(self._facts().get(f"counts/{queue.endpoint_id}", "{}"))
        return queue.restore(jobs, self._batches_of(queue.endpoint_id, jobs), counts, self._lease, monotonic)

    def webhooks(self) -> list[tuple[Webhook, int, float | None]]:
        """Return those that were still to be delivered: which try comes, and when, in monotonic seconds; None: now."""
        rows = self._read("SELECT number, url, job, body, attempt, due FROM webhook ORDER BY number")
        return [
            (Webhook(url, job, json.loads(body), number), attempt, None if due is None else due - self._epoch)
            for number, url, job, body, attempt, due in rows
        ]

    # What is noted.

    def note(self, queue: Queue, effects: Effects) -> None:
        """Note what has changed, and number the webhooks; it is in the file once `settle` returns."""
        todo: list[Statement] = []
        for job_id, parts in effects.streams:
            if parts is None:
                todo.append((file.DRAINED, (job_id,)))
            else:
                todo += [(file.CHUNK, (job_id, json.dumps(part))) for part in parts]
        if effects.batches:
            todo += self._of_batches(queue, effects)
        if effects.changes or effects.touched:
            todo += self._of_jobs(queue, effects)
        if effects.webhooks:
            todo += self._of_webhooks(effects)
        if not (todo or effects.is_recounted):
            return
        with self.lock:
            self._todo += todo
            self._touched[queue.endpoint_id] = queue.counts()
        self._is_behind.set()

    def recount(self, queue: Queue) -> None:
        """Note what a queue has counted, by now."""
        with self.lock:
            self._touched[queue.endpoint_id] = queue.counts()

    def tried(self, webhook: Webhook, attempt: int | None, due: float) -> None:
        """Note which try of a webhook comes next, and when, in monotonic seconds; None: none does."""
        with self.lock:
            if attempt is None:
                self._todo.append((file.WEBHOOK_OVER, (webhook.number,)))
            else:
                self._todo.append((file.WEBHOOK_TRIED, (attempt, due + self._epoch, webhook.number)))
        with suppress(EmulatorFileError):  # it is tried again, and whoever does says why
            self.settle()

    def follow(self) -> None:
        """Note that there is something new that nobody waits for."""
        self._is_behind.set()

    def settle(self) -> None:
        """Return when all that was noted of jobs is in the file.

        Raises:
            EmulatorFileError: it cannot be written; what was noted is tried again with the next.
        """
        with self.lock:  # what another thread writes just now is in the file, too
            is_behind = bool(self._todo)
        if is_behind:
            self.flush(whole=False)

    def flush(self, *, whole: bool = True) -> None:
        """Return when all is in the file, or, not `whole`, all that is worth a wait; the same errors."""
        with self.lock:
            if self._is_gone:
                return  # what comes later was acknowledged to nobody
            todo, self._todo = self._todo, []
            written = [*todo, *self._counts(), *self._fault_rows(), *self._ledger_rows()]
            if whole:
                written += self._rate_rows()
            if not written:
                return
            if self._ledger is not None:
                written.append((file.FACT, ("time", repr(self._now()))))
            try:
                self._file.write(written)
            except EmulatorFileError:
                self._todo = written
                raise

    def clear(self) -> None:
        """Forget all jobs, batches and webhooks, and the ledger."""
        with self.lock:
            self._todo = [*file.CLEARED]
        self.flush()

    def close(self) -> None:
        """Write what is left, and let go of the file; does nothing the second time."""
        if self._closed:
            return
        self._closed = True
        self._is_behind.set()
        if self._thread is not None:
            self._thread.join()
            self._todo.append((file.FACT, ("time", repr(self._now()))))
        try:
            self.flush()
        finally:
            with self.lock:
                self._is_gone = True
                self._file.close()

    # What is written of each.

    def _of_jobs(self, queue: Queue, effects: Effects) -> list[Statement]:
        todo: list[Statement] = []
        changed = {change.job_id: change.event is None for change in reversed(effects.changes)}
        for job_id in [*reversed(changed), *(job_id for job_id in effects.touched if job_id not in changed)]:
            job = queue.job(job_id)
            if job is None:
                todo += [(file.JOB_GONE, (job_id,)), (file.DRAINED, (job_id,))]
                continue
            state = json.dumps(state_kept(job, self._epoch))
            if changed.get(job_id):
                submission = json.dumps(submission_kept(job.submission))
                todo.append((file.NEW_JOB, (queue.endpoint_id, job_id, submission, state)))
            else:
                todo.append((file.JOB_STATE, (state, job_id)))
        if any(change.event is Event.RETRY for change in effects.changes):
            todo += [(file.DRAINED, (change.job_id,)) for change in effects.changes if change.event is Event.RETRY]
        return todo

    def _of_batches(self, queue: Queue, effects: Effects) -> list[Statement]:
        todo: list[Statement] = []
        for batch_id in dict.fromkeys(effects.batches):
            batch = queue.batch(batch_id)
            todo.append((file.BATCH, (queue.endpoint_id, batch_id, json.dumps(batch_kept(batch, self._epoch)))))
            if batch.has_jobs:
                todo.append((file.ENTRIES_QUEUED, (batch_id,)))
        for batch_id, entry_id in effects.entries:
            entry = queue.batch(batch_id).entries.get(entry_id)
            if entry is None:
                todo.append((file.ENTRY_GONE, (entry_id,)))
            else:
                todo.append((file.ENTRY, (batch_id, entry_id, json.dumps(submission_kept(entry.submission)))))
        return todo

    def _of_webhooks(self, effects: Effects) -> list[Statement]:
        first = self._webhooks + 1
        self._webhooks += len(effects.webhooks)
        effects.webhooks = [replace(each, number=number) for number, each in enumerate(effects.webhooks, first)]
        return [
            (file.WEBHOOK, (each.number, each.url, each.job_id, json.dumps(each.body))) for each in effects.webhooks
        ]

    def _counts(self) -> list[Statement]:
        touched, self._touched = self._touched, {}
        return [(file.FACT, (f"counts/{name}", json.dumps(counts))) for name, counts in touched.items()]

    def _fault_rows(self) -> list[Statement]:
        unsaved = () if self._faults is None else self._faults.unsaved()
        return [
            (file.FAULT_GONE, (number,)) if state is None else (file.FAULT, (number, json.dumps(state)))
            for number, state in unsaved
        ]

    def _rate_rows(self) -> list[Statement]:
        unsaved = None if self._rates is None else self._rates.unsaved(self._epoch)
        return [] if unsaved is None else [(file.FACT, ("rates", json.dumps(unsaved)))]

    def _ledger_rows(self) -> list[Statement]:
        unsaved = None if self._ledger is None else self._ledger.unsaved()
        if unsaved is None:
            return []
        rows: list[Statement] = [(file.ROW, (row[0], json.dumps(row))) for row in unsaved.rows]
        rows += [(file.ACCOUNT, (number, job, json.dumps(facts))) for job, number, facts in unsaved.accounts]
        rows.append((file.FACT, ("ledger", json.dumps(unsaved.totals))))
        if unsaved.lists is not None:
            rows.append((file.FACT, ("ledger/lists", json.dumps(unsaved.lists))))
        return [*rows, *((cut, (unsaved.cut[what],)) for cut, what in file.CUT if unsaved.cut[what] > 0)]

    def _follow(self) -> None:
        """Write what nobody waits for; the thread."""
        pause = threading.Event()
        while not self._closed:
            self._is_behind.wait(1.0)
            pause.wait(_PAUSE)
            self._is_behind.clear()
            try:
                self.flush()
            except EmulatorFileError:
                _LOG.exception("the state of the emulator is not kept")

    # How it is read.

    def _jobs_of(self, endpoint_id: str, lease: Lease) -> list[QueuedJob]:
        chunks: dict[str, list[dict[str, Any]]] = {}
        for job, body in self._read("SELECT job, body FROM chunk ORDER BY number"):
            chunks.setdefault(job, []).append(json.loads(body))
        rows = self._read("SELECT id, submission, state FROM job WHERE endpoint = ? ORDER BY number", endpoint_id)
        return [
            restored(job_id, json.loads(submission), json.loads(state), chunks.get(job_id, []), self._epoch, lease)
            for job_id, submission, state in rows
        ]

    def _batches_of(self, endpoint_id: str, jobs: list[QueuedJob]) -> list[QueuedBatch]:
        known = {job.id: job for job in jobs if job.is_of_batch}
        batches: list[QueuedBatch] = []
        for batch_id, state in self._read(
            "SELECT id, state FROM batch WHERE endpoint = ? ORDER BY number", endpoint_id
        ):
            rows = self._read("SELECT id, submission FROM entry WHERE batch = ? ORDER BY number", batch_id)
            entries = [(each, None if submission is None else json.loads(submission)) for each, submission in rows]
            batches.append(batch_restored(batch_id, endpoint_id, json.loads(state), entries, known, self._epoch))
        return batches

    def _facts(self) -> dict[str, str]:
        with self.lock:
            return self._file.facts()

    def _read(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.lock:
            return self._file.read(query, *values)
