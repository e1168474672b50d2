"""A bulk run with a journal: what is recorded before and after each submit.

What is known of an input is looked up where inputs are taken (`_sorter.py`). What it comes to is noted in its own task,
before its result goes out: a slow disk then holds up no other.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, cast

from runpod_sdk._client._journal import _changes
from runpod_sdk._client._journal._items import state_from, text_of
from runpod_sdk._client._journal._rows import EXPIRED, Stage, Todo
from runpod_sdk._flows._job_errors import error_of
from runpod_sdk._flows._jobs import Life
from runpod_sdk._values._hidden import Hidden
from runpod_sdk._values._status import JobStatus
from runpod_sdk.errors import JobExpiredError, NotFoundError, SubmissionUnknownError

from ._map_inputs import Item
from ._map_job import Runner, about
from ._map_result import R, Result

if TYPE_CHECKING:
    from runpod_sdk._client._async_shell import AsyncShell
    from runpod_sdk._client._journal._changes import Change
    from runpod_sdk._client._journal._rows import Key
    from runpod_sdk._client._journal._run import JournalRun, KeptOutcome
    from runpod_sdk._client._submission import Left

    from ._map_plan import Plan
    from ._map_report import Tally
    from ._map_result import Kept
    from ._map_stop import Brake
    from ._sorter import Sorter

# Why a submit is unknown of which the process that sent it has left no more than that.
_DIED = "the process that submitted it ended before it had noted an answer: the job may have been queued and may run"


class _Rescue(Generic[R]):
    """A job of an earlier run, which is asked for before anything is submitted.

    Attributes:
        item: its input, once that was met.
        result: what came of it, where that is not in the journal.
    """

    def __init__(self, submitted_at: float) -> None:
        self.submitted_at = submitted_at
        self.item: Item | None = None
        self.result: R | None = None


class JournaledRunner(Generic[R]):
    """Makes results of inputs, and notes them; what is known already it makes no request for.

    It is the `Log` of its runner.
    """

    def __init__(
        self,
        shell: AsyncShell,
        plan: Plan[R],
        kept: Kept[R],
        tally: Tally,
        run: JournalRun,
        sorter: Sorter,
        brake: Brake,
    ) -> None:
        self._shell = shell
        self._plan = plan
        self._kept = kept
        self._run = run
        self._sorter = sorter
        self._rescues: dict[Key, _Rescue[R]] = {one.row.key: _Rescue(one.submitted_at) for one in run.underway}
        self._runner: Runner[R] = Runner(shell, plan, kept, tally, brake, self)

    async def result(self, item: Item) -> R | None:
        """Return the result of an input; None if another task will return it."""
        known = item.known
        if known is None:  # of an earlier run
            return await self._rescued(item)
        if known.refusal is not None:
            self._sorter.strangers[item.index] = known.other
            return self._runner.refused(item, known.refusal)
        rescue = self._rescues.get(_name(item)) if known.todo is Todo.COLLECT else None
        if rescue is not None and rescue.result is None:
            rescue.item = item
            return None
        if rescue is not None and rescue.result is not None:
            del self._rescues[_name(item)]
            return _as_given(rescue.result, item)
        if known.todo is not Todo.SUBMIT:
            return await self._recalled(item)
        if isinstance(item.input.reveal(), self._plan.handle):
            await self._adopted(item, item.input.reveal(), known.digest)
        result = await self._runner.result(item)
        try:
            await self._note(item.key, result)
        except BaseException:
            self._kept.undelivered.append(result)
            raise
        return result

    # What the runner tells.

    async def intent(self, item: Item) -> None:
        """Note that an input is about to be sent."""
        if item.known is not None:
            note, row = self._run.note_of(item.input.reveal()), item.known.row
            known_as = None if row is None or row.key == item.key else row.key
            change = _changes.intent(item.key, item.known.digest, self._now, note=note, known_as=known_as)
            await self._written(change)

    def submitted(self, item: Item, job_id: str) -> None:
        """Note which job came of it."""
        self._run.writer.put(_changes.submitted(item.key, job_id, self._now))

    def left(self, item: Item, left: Left) -> None:
        """Note what an interruption leaves behind."""
        if left.record is not None:
            self._run.writer.put(_changes.unknown(item.key, self._now, str(left.record)))
        elif left.job is None or (left.end is not None and left.end.status == JobStatus.CANCELLED):
            self._run.writer.put(_changes.withdrawn(item.key, self._now, None))  # by us: the next run submits it again
        elif left.end is not None and left.end.is_final:
            self._run.writer.put(_changes.ended(item.key, left.end, self._now, text_of(left.end)))

    @property
    def _now(self) -> float:
        return self._shell._settings.clock.time()

    async def _adopted(self, item: Item, job: Any, digest: bytes) -> None:
        if job.endpoint_id == self._plan.endpoint_id:
            await self._written(_changes.adopted(item.key, digest, job.id, self._now))

    async def _written(self, change: Change) -> None:
        with self._shell._settings.clock.participate():  # no time passes at the disk
            await self._run.writer.written(change)
        if self._run.writer.failure is not None:
            raise self._run.writer.failure

    async def _note(self, key: Key, result: R) -> None:
        self._sorter.settled(key)
        change = change_of(key, result, self._now)
        if change is not None:
            await self._written(change)

    async def _rescued(self, item: Item) -> R | None:
        rescue = self._rescues[item.key]
        result = await self._collected(item, rescue.submitted_at)
        if result.state is None and rescue.item is None and not _is_gone(result):
            rescue.result = result  # no end of it is known, and the journal has it as it was
            return None
        del self._rescues[item.key]
        found = rescue.item
        return None if found is None else _as_given(result, found)

    async def _collected(self, item: Item, submitted_at: float) -> R:
        """Ask for a job of an earlier run by its id, and note its end."""
        settings, job_id = self._shell._settings, cast("str", item.input.reveal())
        life = Life(settings.now() - max(0.0, self._now - submitted_at))  # while it is young, a 404 is not believed
        job = self._plan.job_of(job_id, datetime.fromtimestamp(submitted_at, UTC), life)
        result = await self._runner.waited(replace(item, input=Hidden(None)), job._ref, job)
        await self._note(item.key, result)
        return result

    async def _recalled(self, item: Item) -> R:
        """Return what the journal has as the result of an input."""
        found = self._run.outcome(_name(item))
        if found.stage == Stage.SUBMITTED and found.job_id is not None:  # told by another process meanwhile
            known = replace(item, key=_name(item), input=Hidden(found.job_id))
            return _as_given(await self._collected(known, found.submitted_at or self._now), item)
        at = found.submitted_at if found.intent_at is None else found.intent_at
        job = None
        if found.job_id is not None:
            job = self._plan.job_of(found.job_id, datetime.fromtimestamp(at or 0.0, UTC), None)
        if found.stage == Stage.ENDED and found.status != EXPIRED:
            state = state_from(self._run.path, found.text, self._plan.endpoint_id)
            failure = error_of(state)
            return self._runner.of(item, job=job, state=state, error=None if failure is None else about(failure, job))
        return self._runner.of(item, job=job, error=self._error(item, found, at or 0.0, job))

    def _error(self, item: Item, found: KeptOutcome, at: float, job: Any) -> Exception:
        endpoint_id = self._plan.endpoint_id
        if found.stage == Stage.ENDED:
            text = found.text or "the service no longer knows it"
            return about(JobExpiredError(text, endpoint_id=endpoint_id, job_id=str(found.job_id)), job)
        sha256 = item.known.digest.hex() if item.known is not None else ""
        return SubmissionUnknownError(
            found.text or f'run on endpoint "{endpoint_id}": {_DIED} (input sha256 {sha256[:16]}…)',
            operation="run",
            endpoint_id=endpoint_id,
            input_sha256=sha256,
            submitted_at=datetime.fromtimestamp(at, UTC),
        )


def _name(item: Item) -> Key:
    """Return by what the journal knows an input of which something is known."""
    known = item.known
    return cast("Key", item.key) if known is None or known.row is None else known.row.key


def _as_given(result: R, item: Item) -> R:
    """Return the result of a job as that of the input that it came of."""
    return replace(result, key=item.key, index=item.index, input=item.input.reveal())


def rescues_of(run: JournalRun) -> list[Item]:
    """Return the jobs of earlier runs as what stands in line first."""
    return [Item(-1, one.row.key, Hidden(one.row.job_id)) for one in run.underway]


def change_of(key: Key, result: Result[Any], now: float) -> Change | None:
    """Return what is to be noted of a result; None where nothing new is known."""
    state, error = result.state, result.error
    if state is not None and state.is_final:
        return _changes.ended(key, state, now, text_of(state))
    if isinstance(error, SubmissionUnknownError):
        return _changes.unknown(key, now, str(error))
    if result.job is None:
        return _changes.withdrawn(key, now, str(error))
    if _is_gone(result):
        return _changes.expired(key, result.job.id, now, str(error))
    return None


def _is_gone(result: Result[Any]) -> bool:
    return result.job is not None and isinstance(result.error, JobExpiredError | NotFoundError)


def handed(results: list[Any], sorter: Sorter) -> Change:
    """Return the note that results were handed out, together."""
    if len(results) == 1:
        return _handed(results[0], sorter)
    return _changes.joined(_handed(result, sorter) for result in results)


def _handed(result: Result[Any], sorter: Sorter) -> Change:
    if result.index in sorter.strangers:
        del sorter.strangers[result.index]
        return _changes.NOTHING
    name = sorter.names.pop(result.index, result.key)
    return _changes.handed(name, is_unknown=isinstance(result.error, SubmissionUnknownError))
