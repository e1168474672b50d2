"""The state that sync and async bulk runs share: counts, failures, unknowns, and the journal."""

from __future__ import annotations

from asyncio import get_running_loop
from typing import TYPE_CHECKING, Any, Generic

from runpod_sdk._telemetry import NO_SPAN, logger
from runpod_sdk._values._arguments import checked_function
from runpod_sdk._values._hidden import Hidden
from runpod_sdk._values._words import counted
from runpod_sdk.errors import JournalError

from ._auto_window import AutoWindow
from ._line import Line
from ._map_inputs import by_key, expected, is_quick, items_of, until
from ._map_job import Runner, left_of
from ._map_progress import MapProgress
from ._map_report import MapReport, Tally, checked_price
from ._map_result import Kept, R
from ._map_span import end_of_map, map_span, told
from ._map_stop import Brake
from ._map_waiting import LOOK_EVERY, Waiting
from ._scheduler import Scheduler
from ._task_pool import Outbox

if TYPE_CHECKING:
    from asyncio import TimerHandle
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from runpod_sdk._client._async_shell import AsyncShell
    from runpod_sdk._client._journal._run import JournalRun
    from runpod_sdk.clock import Clock

    from ._map_inputs import Item
    from ._map_plan import Plan
    from ._sorter import Sorter

# Inputs that are taken before their results are handed out, as a multiple of `concurrency`: as many may be in line, or
# done and waiting for the caller, as are in flight. Ours.
_WINDOW = 2


class Book(Generic[R]):
    """What is kept of one run.

    Attributes:
        on_notice: called with remarks on how the run goes, beside its progress.
    """

    def __init__(self, plan: Plan[R], clock: Clock, on_result: Callable[[R], object] | None, *, progress: bool) -> None:
        checked_function("on_result", on_result)
        self.plan = plan
        self.on_result = on_result
        self.outbox: Outbox[R] = Outbox(ordered=plan.ordered, now=clock.monotonic if plan.journal is None else None)
        self.kept: Kept[R] = Kept()
        self.tally = Tally()
        self._clock = clock
        self._shown = progress
        self._progress: MapProgress | None = None
        self._succeeded = 0
        self._began: float | None = None
        self._ended: float | None = None
        self._run: JournalRun | None = None
        self._sorter: Sorter | None = None
        self._out: R | None = None
        self._held: list[R] | None = None
        self._brake = Brake(plan.stop, 0.0)
        self._span = NO_SPAN
        self._line: Line[Item, R] | None = None
        self._waiting = Waiting()
        self._timer: TimerHandle | None = None
        self.on_notice: Callable[[str], object] | None = None
        self._is_told = False
        self.pending: Iterator[Item | None] | AsyncIterator[Item | None] = iter(())

    def begin(self) -> None:
        """Note that the run begins; with a journal, open it."""
        plan = self.plan
        if plan.journal is not None:
            from ._sorter import Sorter

            self._run = plan.journal._begin(plan.endpoint_id, plan.endpoint_url)
            inputs = plan.inputs if plan.from_row is None else Hidden(())
            self._sorter = Sorter(self._run, plan.again, plan.handle, lambda: by_key(inputs.reveal()))
        self._began = self._clock.monotonic()
        self._brake = Brake(plan.stop, self._began)
        self._span = map_span(plan)
        if self._shown:
            title = f'map on endpoint "{self.plan.endpoint_id}"'
            self._progress = MapProgress(title, self.plan.total, self._clock.monotonic)

    def line(self, shell: AsyncShell, size: int) -> Line[Item, R]:
        """Return the line that works on the inputs, `size` at once, in the running loop; once, after `begin`."""
        plan, items = self.plan, self.pending
        window = AutoWindow(size) if plan.concurrency == "auto" else None
        begins = size if window is None else window.size
        self.pending = iter(())
        self._line = line = Line(
            items,
            self._work(shell),
            Scheduler(begins, _WINDOW * begins),
            self.outbox,
            self._first(),
            index_of=(lambda item: item.index) if plan.ordered else None,
            is_quick=is_quick(plan.inputs.reveal()) and plan.from_row is None and plan.journal is None,
            present=self._clock.participate,
        )
        self._look_again()
        if window is not None or self._progress is not None or self.on_notice is not None:
            from ._map_watch import watched

            line.beside(watched(shell, plan.endpoint_id, line, window, self._say))
        return line

    def _look_again(self) -> None:
        """Look now and then, also while the caller does not come back."""
        self._look()
        if self._ended is None:
            self._timer = get_running_loop().call_later(LOOK_EVERY, self._look_again)

    def _look(self) -> None:
        since, now, count = self.outbox.since, self._clock.monotonic(), len(self.outbox)
        warning = self._waiting.warning(self.plan.endpoint_id, since, now, count)
        if warning is not None:
            logger.warning(warning)
            self._say(f"{counted(count, 'result')} not taken yet, and soon in this process alone")

    def _say(self, notice: str) -> None:
        if self._progress is not None:
            self._progress.notice(notice)
        if self.on_notice is not None:
            self.on_notice(notice)

    def taken(self) -> Iterator[Item | None] | AsyncIterator[Item | None]:
        """Return the inputs that are to be worked on; None now and then, where many are left out."""
        items: Iterator[Item | None] | AsyncIterator[Item | None] = items_of(self.plan.inputs, self.plan.from_row)
        if self.plan.stop is not None:
            items = until(items, lambda: self._brake.is_on(self._clock.monotonic()))
        if self._sorter is not None:
            from ._sorter import sorted_out

            items = sorted_out(items, self._sorter)
        return items

    def items(self) -> Iterator[Item | None] | AsyncIterator[Item | None]:
        """Return them for who takes them without a line: the outbox is told of each."""
        return expected(self.taken(), self.outbox) if self.plan.ordered else self.taken()

    def _first(self) -> list[Item]:
        """Return what is worked on before: jobs of earlier runs, whose results the service keeps for a while only."""
        if self._run is None:
            return []
        from ._journaled import rescues_of

        return rescues_of(self._run)

    def _work(self, shell: AsyncShell) -> Callable[[Item], Coroutine[Any, Any, R | None]]:
        """Return what makes results of inputs."""
        if self._run is None or self._sorter is None or self.plan.journal is None:
            return told(Runner(shell, self.plan, self.kept, self.tally, self._brake).result, self._span)
        from ._journaled import JournaledRunner

        runner = JournaledRunner(shell, self.plan, self.kept, self.tally, self._run, self._sorter, self._brake)
        return told(runner.result, self._span)

    def asked(self) -> None:
        """Note that the caller asks for the next result: it has done with the one before."""
        self._look()
        out, self._out = self._out, None
        if out is None:
            return
        if self._held is None:
            self._handed([out])
        else:
            self._held.append(out)

    def hold(self) -> None:
        """From now on, what is asked for is not handed out before `hand`: it is to become one table."""
        self.asked()
        self._held = []

    def hand(self) -> None:
        """Note that all that is held has been handed out: all at once, or nothing of it."""
        held, self._held = self._held, None
        if held:
            self._handed(held)

    def _handed(self, results: list[R]) -> None:
        if self._run is not None and self._sorter is not None:
            from ._journaled import handed

            self._run.writer.put(handed(results, self._sorter))

    def note(self, result: R) -> R:
        """Count a result that is about to be handed out."""
        self._out = result
        self.tally.add(result.state, result.error, is_job=result.job is not None)
        self._succeeded += result.is_success
        if self._progress is not None:
            self._progress.update(self.tally.results, self.tally.results - self._succeeded)
        return result

    def tell(self, error: BaseException | None) -> None:
        """Say on what has ended a run with a journal early how to go on; once, and after its end.

        On an exception that is no interruption only where jobs go on, and not on the journal's own: it may know none.
        """
        if error is None or isinstance(error, JournalError) or self._is_told or self._began is None:
            return
        going_on = sum(result.state is None for result in self.kept.abandoned)
        if isinstance(error, Exception) and not going_on:
            return
        note = None if self.plan.journal is None else self.plan.journal._to_go_on(going_on)
        if note is not None:
            self._is_told = True
            error.add_note(note)

    def end(self) -> None:
        """Note that the run is over, and close its journal."""
        self._stop()
        run, self._run = self._run, None
        if run is not None:
            run.close()

    async def aend(self) -> None:
        """Do the same without keeping others from their work."""
        self._stop()
        run, self._run = self._run, None
        if run is not None:
            await run.aclose()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._held is not None:
            held, self._held, out, self._out = self._held, None, self._out, None
            self.kept.undelivered.extend(held if out is None else [*held, out])
        if self._line is not None:
            left = [left_of(self.plan, item) for item in self._line.left if item.index >= 0]
            self.kept.undelivered.extend(left)
            self._line = None
        self.kept.undelivered.extend(self.outbox.drain())
        if self._ended is None:
            self._ended = self._clock.monotonic()
            if self._progress is not None:
                self._progress.close()
            end_of_map(self._span, self.report)

    def report(self, price_per_second: float | None = None) -> MapReport:
        """Return the numbers so far."""
        checked_price(price_per_second)
        until = self._clock.monotonic() if self._ended is None else self._ended
        meter = self._brake.meter
        return self.tally.report(
            seconds=0.0 if self._began is None else until - self._began,
            abandoned=len(self.kept.abandoned),
            stopped=self._brake.reason,
            skipped=0 if self._sorter is None else self._sorter.skipped.total(),
            worker_seconds=None if meter is None else meter.seconds(until) or None,
            price_per_second=price_per_second,
        )
