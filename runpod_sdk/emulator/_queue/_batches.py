"""The batches of one endpoint, and the effect of each request on them. Pure; `_jobs.py` has their jobs.

Limits are documented; what is answered beyond them is not (assumed: 400, and 429 for what may fit later).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._limits import BATCH_REQUESTS_MAX, BATCHES_MAX, QUEUED_MAX
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._batch import BatchEntry, BatchStatus, QueuedBatch
from runpod_sdk.emulator._queue._effects import Webhook
from runpod_sdk.emulator._queue._machine import Event, State
from runpod_sdk.emulator._queue._requests import Reply, ReplyKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runpod_sdk.emulator._options import Options
    from runpod_sdk.emulator._queue._effects import Effects
    from runpod_sdk.emulator._queue._jobs import Jobs
    from runpod_sdk.emulator._queue._requests import Submit

_UNKNOWN = Reply(ReplyKind.NOT_FOUND, message="batch not found")


class QueuedBatches:
    """All batches of a queue.

    Args:
        endpoint_id: the endpoint.
        jobs: where requests become jobs.
        options: the emulator's choices.
        new_id: returns a fresh id.
        epoch: seconds since 1970 at monotonic 0.

    Attributes:
        cancelling: those that end as soon as nothing of them is in progress.
    """

    def __init__(self, endpoint_id: str, jobs: Jobs, options: Options, new_id: Callable[[], str], epoch: float) -> None:
        self._endpoint_id = endpoint_id
        self._jobs = jobs
        self._options = options
        self._new_id = new_id
        self._epoch = epoch
        self.clear()
        self.handlers: dict[type[ask.Request], Callable[[Any, float, Effects], Reply]] = {
            ask.CreateBatch: self._create,
            ask.ListBatches: self._list,
            ask.ReadBatch: self._read,
            ask.UpdateBatch: self._update,
            ask.AddToBatch: self._add,
            ask.ReadBatchRequests: self._page,
            ask.RemoveFromBatch: self._remove,
            ask.FinalizeBatch: self._finalize,
            ask.CancelBatch: self._cancel,
            ask.FailBatch: self._fail,
        }

    def clear(self) -> None:
        """Forget every batch."""
        self._known: dict[str, QueuedBatch] = {}
        self.cancelling: list[QueuedBatch] = []

    def restore(self, batches: list[QueuedBatch]) -> None:
        """Go on with batches that were kept, the oldest first."""
        self._known.update((batch.id, batch) for batch in batches)
        self.cancelling = [batch for batch in batches if batch.is_cancelling]

    def batch(self, batch_id: str) -> QueuedBatch:
        """Return a batch that is known."""
        return self._known[batch_id]

    def settle(self, effects: Effects) -> None:
        """End those that were cancelled, and of which nothing is in progress any more."""
        for batch in [batch for batch in self.cancelling if not batch.count("IN_PROGRESS")]:
            self.cancelling.remove(batch)
            batch.is_cancelling = False
            self._end(batch, BatchStatus.CANCELLED, effects)

    def _create(self, request: ask.CreateBatch, now: float, effects: Effects) -> Reply:
        if sum(batch.is_active for batch in self._known.values()) >= BATCHES_MAX:
            return Reply(ReplyKind.TOO_MANY, message=f"the endpoint has {BATCHES_MAX} active batches")
        batch = QueuedBatch(f"batch_{self._new_id()}", self._endpoint_id, now)
        refusal = self._fill(batch, request.submissions, effects)
        if refusal is not None:
            return refusal
        self._known[batch.id] = batch
        return _brief(batch)

    def _list(self, _: ask.ListBatches, __: float, ___: Effects) -> Reply:
        batches = [batch.view(self._epoch) for batch in reversed(self._known.values())]
        return Reply(ReplyKind.DONE, {"batches": batches})

    def _read(self, request: ask.ReadBatch, _: float, __: Effects) -> Reply:
        batch = self._known.get(request.batch_id)
        return _UNKNOWN if batch is None else Reply(ReplyKind.DONE, batch.view(self._epoch))

    def _update(self, request: ask.UpdateBatch, _: float, __: Effects) -> Reply:
        batch = self._known.get(request.batch_id)
        return _UNKNOWN if batch is None else _brief(batch)

    def _add(self, request: ask.AddToBatch, _: float, effects: Effects) -> Reply:
        batch = self._draft(request.batch_id)
        return batch if isinstance(batch, Reply) else self._fill(batch, request.submissions, effects) or _brief(batch)

    def _page(self, request: ask.ReadBatchRequests, _: float, __: Effects) -> Reply:
        batch = self._known.get(request.batch_id)
        if batch is None:
            return _UNKNOWN
        by_status = self._options.batch_order == "status"
        return Reply(ReplyKind.DONE, batch.page(request.offset, request.limit, self._epoch, by_status=by_status))

    def _remove(self, request: ask.RemoveFromBatch, _: float, effects: Effects) -> Reply:
        batch = self._draft(request.batch_id)
        if isinstance(batch, Reply):
            return batch
        if batch.entries.pop(request.request_id, None) is None:
            return Reply(ReplyKind.NOT_FOUND, message="request not found")
        effects.batches.append(batch.id)
        effects.entries.append((batch.id, request.request_id))
        return _brief(batch)

    def _finalize(self, request: ask.FinalizeBatch, now: float, effects: Effects) -> Reply:
        batch = self._draft(request.batch_id)
        if isinstance(batch, Reply):
            return batch
        if len(self._jobs.queued) + len(batch.entries) > QUEUED_MAX:
            return Reply(ReplyKind.TOO_MANY, message=f"more than {QUEUED_MAX} requests would be queued")
        batch.status = BatchStatus.FINALIZED
        for entry in batch.entries.values():
            entry.job = self._jobs.add(entry.id, entry.submission, now, effects)
            entry.job.is_of_batch = True
        effects.batches.append(batch.id)
        return _brief(batch)

    def _cancel(self, request: ask.CancelBatch, now: float, effects: Effects) -> Reply:
        batch = self._known.get(request.batch_id)
        if batch is None:
            return _UNKNOWN
        if batch.status is BatchStatus.DRAFT and self._options.batch_cancel_draft == "refused":
            return Reply(ReplyKind.REFUSED, message="batch is a DRAFT; it cannot be cancelled")
        if batch.status in (BatchStatus.DRAFT, BatchStatus.FINALIZED) and not batch.is_cancelling:
            self._drop_queued(batch, now, effects)
            batch.is_cancelling = True
            effects.batches.append(batch.id)
            self.cancelling.append(batch)
            self.settle(effects)
        return _brief(batch)

    def _fail(self, request: ask.FailBatch, now: float, effects: Effects) -> Reply:
        batch = self._known.get(request.batch_id)
        if batch is None:
            return _UNKNOWN
        if batch.status is not BatchStatus.FINALIZED:
            return Reply(ReplyKind.REFUSED, message=f"batch is {batch.status}; it cannot fail")
        self._drop_queued(batch, now, effects)
        self._end(batch, BatchStatus.FAILED, effects)
        return _brief(batch)

    def _draft(self, batch_id: str) -> QueuedBatch | Reply:
        """Return a batch that can still be changed, or why there is none."""
        batch = self._known.get(batch_id)
        if batch is None:
            return _UNKNOWN
        if batch.status is not BatchStatus.DRAFT:
            return Reply(ReplyKind.REFUSED, message=f"batch is {batch.status}; only a DRAFT can be changed")
        return batch

    def _fill(self, batch: QueuedBatch, submissions: Iterable[Submit], effects: Effects) -> Reply | None:
        """Add requests to a draft; all or, beyond the limit, none (assumed)."""
        entries = [BatchEntry(f"req_{self._new_id()}", submission) for submission in submissions]
        if len(batch.entries) + len(entries) > BATCH_REQUESTS_MAX:
            return Reply(ReplyKind.REFUSED, message=f"a batch has {BATCH_REQUESTS_MAX} requests at most")
        batch.entries.update((entry.id, entry) for entry in entries)
        effects.batches.append(batch.id)
        effects.entries += [(batch.id, entry.id) for entry in entries]
        return None

    def _drop_queued(self, batch: QueuedBatch, now: float, effects: Effects) -> None:
        for entry in batch.entries.values():
            job = entry.job
            if job is not None and job.state is State.IN_QUEUE and self._jobs.move(job, Event.CANCEL, effects):
                self._jobs.end(job, now, effects)

    def _end(self, batch: QueuedBatch, status: BatchStatus, effects: Effects) -> None:
        batch.status = status
        effects.batches.append(batch.id)
        if self._options.batch_webhook is not None:  # docs: of these two ends, and not of success
            effects.webhooks.append(Webhook(self._options.batch_webhook, batch.id, batch.view(self._epoch)))


def _brief(batch: QueuedBatch) -> Reply:
    return Reply(ReplyKind.DONE, {"id": batch.id, "status": batch.status.value})
