"""How far a bulk run goes: counting, tasks at work, inputs that are slow to come, the order of results; and no jobs."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_sdk._client._bulk._line import Line
from runpod_sdk._client._bulk._scheduler import Scheduler
from runpod_sdk._client._bulk._task_pool import Outbox, TaskPool
from runpod_sdk.clock import VirtualClock
from tests.scale import scaled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    Work = Callable[[int], Coroutine[Any, Any, "Result"]]

# Whoever waits for a thread waits for an event of it, and for this long at most, seconds.
LONG = 30.0


@dataclass(frozen=True)
class Result:
    index: int


class Desk:
    """Work that ends when a test says so."""

    def __init__(self) -> None:
        self.begun: dict[int, asyncio.Future[None]] = {}
        self.cancelled: list[int] = []

    async def work(self, index: int) -> Result:
        self.begun[index] = asyncio.get_running_loop().create_future()
        try:
            await self.begun[index]
        except asyncio.CancelledError:
            self.cancelled.append(index)
            raise
        return Result(index)

    @property
    def at_work(self) -> set[int]:
        return {index for index, end in self.begun.items() if not end.done()}


async def turns() -> None:
    """Let the loop do all that it can do by itself."""
    for _ in range(10):
        await asyncio.sleep(0)


def line_of(items: Any, work: Work, size: int, window: int, **options: Any) -> Line[int, Result]:
    return Line(items, work, Scheduler(size, window), Outbox(ordered=False), **options)


async def until(happened: Callable[[], object]) -> None:
    """Wait for what a thread does."""
    while not happened():  # noqa: ASYNC110  no event of a loop
        await asyncio.sleep(0.001)


async def settled(line: Line[int, Result]) -> None:
    """Wait until nothing more comes of it by itself, its thread included."""
    await turns()
    intake = line._intake
    if intake is not None:
        await until(lambda: intake._is_over or not (intake._is_taking or intake._wanted > 0))
    await turns()


# Counting.

EVENTS = st.sampled_from(["take", "begin", "end", "hand", "fed", "grow", "shrink"])


@given(st.integers(1, 5), st.integers(1, 12), st.integers(0, 3), st.lists(EVENTS, max_size=80))
def test_limits_hold_whatever_happens_and_something_can_always_happen(
    limit: int, window: int, first: int, events: list[str]
) -> None:
    scheduler = Scheduler(limit, window)
    scheduler.put_first(first)
    line, at_work, ready, out, is_fed = first, 0, 0, 0, False
    for event in [*events, *["begin", "end", "hand"] * 200, "fed", *["begin", "end", "hand"] * 50]:
        if event == "take" and scheduler.room:
            assert not is_fed
            assert out < window, "no more are taken than the window"
            scheduler.took()
            line, out = line + 1, out + 1
        elif event == "begin" and line and scheduler.places:
            assert at_work < limit, "no more are at work than there are places"
            scheduler.began()
            line, at_work = line - 1, at_work + 1
        elif event == "end" and at_work:
            scheduler.ended()
            at_work, ready = at_work - 1, ready + 1
        elif event == "hand" and ready and out:
            scheduler.handed()
            ready, out = ready - 1, out - 1
        elif event == "fed":
            scheduler.fed()
            is_fed = True
        elif event in ("grow", "shrink"):
            limit, window = (limit + 1, window + 2) if event == "grow" else (max(1, limit - 1), max(1, window - 2))
            scheduler.resize(limit, window)
        assert (scheduler.in_flight, scheduler.in_line) == (at_work, line)
        assert scheduler.is_over == (is_fed and not line and not at_work)
        may_go_on = (line and scheduler.places) or at_work or scheduler.room or (ready and out) or is_fed
        assert may_go_on, "it is never stuck"
    assert scheduler.is_over


# The order in which results go out.


@given(st.permutations(range(12)))
def test_unordered_results_go_out_as_they_come(ends: list[int]) -> None:
    outbox: Outbox[Result] = Outbox(ordered=False)
    for end in ends:
        outbox.put(Result(end))
        assert outbox
        assert outbox.get() == Result(end)
    assert outbox.get() is None


@given(st.permutations(range(12)))
def test_ordered_results_go_out_in_order_and_as_early_as_that_allows(ends: list[int]) -> None:
    outbox: Outbox[Result] = Outbox(ordered=True)
    for index in range(12):
        outbox.expect(index)
    out: list[int] = []
    for count, end in enumerate(ends, 1):
        outbox.put(Result(end))
        while (result := outbox.get()) is not None:
            out.append(result.index)
        whole = next(index for index in range(13) if index not in ends[:count])
        assert out == list(range(whole))
        assert not outbox


def test_what_has_not_gone_out_is_not_forgotten() -> None:
    outbox: Outbox[Result] = Outbox(ordered=True)
    for index in range(4):
        outbox.expect(index)
    for index in (0, 2, 3):
        outbox.put(Result(index))
    assert outbox.get() == Result(0)
    assert sorted(one.index for one in outbox.drain()) == [2, 3]
    assert outbox.drain() == []


# The window.


@pytest.mark.parametrize("is_quick", [True, False])
@given(ends=st.permutations(range(9)), size=st.integers(1, 4), window=st.integers(1, 9))
def test_no_more_are_at_work_than_there_are_places_and_no_more_taken_than_the_window(
    is_quick: bool,  # noqa: FBT001  a parameter
    ends: list[int],
    size: int,
    window: int,
) -> None:
    asyncio.run(_windowed(ends, size, window, is_quick=is_quick))


async def _windowed(ends: list[int], size: int, window: int, *, is_quick: bool) -> None:
    desk, taken, handed = Desk(), 0, 0

    def inputs() -> Iterator[int]:
        nonlocal taken
        for index in range(9):
            taken += 1
            yield index

    line = line_of(inputs(), desk.work, size, window, is_quick=is_quick)
    out: list[int] = []
    while len(out) < 9:
        await settled(line)
        assert len(desk.at_work) == min(size, taken - handed, 9 - handed)
        assert taken == min(9, handed + window)
        index = next(index for index in ends if index in desk.at_work)
        desk.begun[index].set_result(None)
        result = await line.get()
        assert result == Result(index)
        out.append(index)
        handed += 1
        line.release()
    assert await line.get() is None
    assert sorted(out) == list(range(9))
    await line.close()


def test_results_that_nobody_takes_stop_the_work() -> None:
    async def main() -> None:
        desk = Desk()
        line = line_of(iter(range(100)), desk.work, 4, 6)
        for _ in range(20):
            await turns()
            for end in desk.begun.values():
                if not end.done():
                    end.set_result(None)
        assert sorted(desk.begun) == list(range(6))
        await line.close()

    asyncio.run(main())


def test_inputs_may_come_late_without_holding_back_results() -> None:
    async def main() -> None:
        desk, more = Desk(), asyncio.Event()

        async def inputs() -> AsyncIterator[int]:
            yield 0
            await more.wait()
            yield 1

        line = line_of(inputs(), desk.work, 4, 8)
        for index in range(2):
            await turns()
            assert list(desk.at_work) == [index]
            desk.begun[index].set_result(None)
            assert await line.get() == Result(index)
            line.release()
            more.set()
        assert await line.get() is None

    asyncio.run(main())


def test_an_error_of_the_inputs_is_kept_until_what_was_taken_is_done() -> None:
    async def main() -> None:
        desk = Desk()

        def inputs() -> Iterator[int]:
            yield 0
            raise KeyError("row")

        line = line_of(inputs(), desk.work, 4, 8)
        await turns()
        assert isinstance(line.inputs_error, KeyError)
        desk.begun[0].set_result(None)
        assert await line.get() == Result(0)
        assert await line.get() is None

    asyncio.run(main())


def test_an_exception_of_the_work_is_raised_and_what_else_is_at_work_goes_on_until_close() -> None:
    async def main() -> None:
        desk = Desk()
        line = line_of(iter(range(3)), desk.work, 3, 6)
        await turns()
        desk.begun[1].set_exception(LookupError("ours"))
        with pytest.raises(LookupError, match="ours"):
            await line.get()
        assert desk.at_work == {0, 2}
        await line.close()
        assert sorted(desk.cancelled) == [0, 2]

    asyncio.run(main())


def test_stop_waits_for_those_who_take_their_time_to_go() -> None:
    async def main() -> None:
        gone: list[int] = []

        async def work(index: int) -> Result:
            try:
                await asyncio.Event().wait()
            finally:
                await turns()
                gone.append(index)
            return Result(index)

        pool = TaskPool(work, Scheduler(2, 9), lambda _: None, lambda _: None)
        pool.add(range(5))
        await turns()
        await pool.stop()
        assert sorted(gone) == [0, 1]
        assert pool.left == [2, 3, 4]

    asyncio.run(main())


# Inputs that are slow to come.


def test_results_are_handed_out_while_an_iterator_blocks() -> None:
    async def main() -> None:
        desk, gate = Desk(), threading.Event()

        def inputs() -> Iterator[int]:
            yield 0
            assert gate.wait(LONG)
            yield 1

        line = line_of(inputs(), desk.work, 4, 8, is_quick=False)
        await until(lambda: 0 in desk.begun)
        desk.begun[0].set_result(None)
        assert await line.get() == Result(0)
        gate.set()
        await until(lambda: 1 in desk.begun)
        desk.begun[1].set_result(None)
        assert await line.get() == Result(1)
        assert await line.get() is None
        await line.close()

    asyncio.run(main())


def test_an_iterator_may_wait_for_results_of_its_own_run() -> None:
    async def main() -> None:
        answers: queue.Queue[int] = queue.Queue()

        async def work(index: int) -> Result:
            return Result(index)

        def inputs() -> Iterator[int]:
            yield 0
            while (last := answers.get(timeout=LONG)) < 5:
                yield last + 1

        line = line_of(inputs(), work, 4, 8, is_quick=False)
        seen: list[int] = []
        while (result := await line.get()) is not None:
            seen.append(result.index)
            line.release()
            answers.put(result.index)
        assert seen == [0, 1, 2, 3, 4, 5]

    asyncio.run(main())


def test_an_error_of_an_iterator_in_its_thread_is_kept_until_what_was_taken_is_done() -> None:
    async def main() -> None:
        desk = Desk()

        def inputs() -> Iterator[int]:
            yield 0
            raise KeyError("row")

        line = line_of(inputs(), desk.work, 4, 8, is_quick=False)
        await until(lambda: line.inputs_error and 0 in desk.begun)
        assert isinstance(line.inputs_error, KeyError)
        desk.begun[0].set_result(None)
        assert await line.get() == Result(0)
        assert await line.get() is None

    asyncio.run(main())


def test_an_iterator_that_is_bound_to_its_thread_is_told_of_ours() -> None:
    async def main() -> None:
        database = sqlite3.connect(":memory:")
        rows = database.execute("SELECT 1")
        line = line_of((row[0] for row in rows), Desk().work, 4, 8, is_quick=False)
        assert await line.get() is None
        assert isinstance(line.inputs_error, sqlite3.ProgrammingError)
        assert "read them into a list" in line.inputs_error.__notes__[0]
        database.close()

    asyncio.run(main())


def test_what_is_no_exception_of_an_iterator_ends_the_run_at_once() -> None:
    async def main() -> None:
        desk = Desk()

        def inputs() -> Iterator[int]:
            yield 0
            raise SystemExit(3)

        line = line_of(inputs(), desk.work, 4, 8, is_quick=False)
        with pytest.raises(SystemExit):
            await line.get()
        await line.close()
        assert desk.cancelled in ([0], [])

    asyncio.run(main())


def test_an_iterator_that_never_comes_back_does_not_keep_a_line_from_closing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runpod_sdk._client._bulk._intake.LEAVE", 0.01)

    async def main() -> None:
        desk, gate, went = Desk(), threading.Event(), threading.Event()

        def inputs() -> Iterator[int]:
            try:
                yield 0
                gate.wait(LONG)
                yield 1
            finally:
                went.set()

        line = line_of(inputs(), desk.work, 4, 8, is_quick=False)
        await until(lambda: 0 in desk.begun)
        await line.close()
        assert desk.cancelled == [0]
        gate.set()
        assert went.wait(LONG), "its thread ends, and cleans up, once it comes back"

    asyncio.run(main())


def test_a_closed_line_knows_what_it_took_and_never_began() -> None:
    async def main() -> None:
        desk = Desk()
        line = line_of(iter(range(20)), desk.work, 2, 6, is_quick=False)
        await settled(line)
        await line.close()
        assert sorted(desk.cancelled) == [0, 1]
        assert sorted(line.left) == [2, 3, 4, 5]

    asyncio.run(main())


def test_no_virtual_time_passes_while_an_iterator_is_at_work_but_what_it_waits_for_itself() -> None:
    async def main() -> None:
        clock = VirtualClock()
        begun: list[float] = []

        async def work(index: int) -> Result:
            begun.append(clock.monotonic())
            await clock.sleep_async(10)
            return Result(index)

        def inputs() -> Iterator[int]:
            yield from range(3)
            clock.sleep(4)
            yield 3

        line = line_of(inputs(), work, 9, 18, is_quick=False, present=clock.participate)
        results = [await line.get() for _ in range(4)]
        assert begun == [0, 0, 0, 4]
        assert results == [Result(0), Result(1), Result(2), Result(3)]
        await line.close()

    asyncio.run(main())


def test_virtual_time_passes_where_an_iterator_waits_for_what_takes_some() -> None:
    async def main() -> None:
        clock, first = VirtualClock(), threading.Event()

        async def work(index: int) -> Result:
            await clock.sleep_async(10)
            first.set()
            return Result(index)

        def inputs() -> Iterator[int]:
            yield 0
            assert first.wait(LONG)
            yield 1

        line = line_of(inputs(), work, 9, 18, is_quick=False, present=clock.participate)
        assert await line.get() == Result(0)
        assert await line.get() == Result(1)
        assert clock.monotonic() == 20
        await line.close()

    asyncio.run(main())


# Other limits on the way.


def test_a_line_grows_at_once_and_shrinks_as_what_is_at_work_ends() -> None:
    async def main() -> None:
        desk = Desk()
        line = line_of(iter(range(100)), desk.work, 2, 4)
        await turns()
        assert desk.at_work == {0, 1}
        line.resize(5, 10)
        await turns()
        assert desk.at_work == {0, 1, 2, 3, 4}
        line.resize(2, 4)
        for index in range(3):
            desk.begun[index].set_result(None)
            assert await line.get() == Result(index)
            line.release()
        await turns()
        assert desk.at_work == {3, 4}
        desk.begun[3].set_result(None)
        await turns()
        assert desk.at_work == {4, 5}
        await line.close()

    asyncio.run(main())


@pytest.mark.slow
@pytest.mark.parametrize("is_quick", [True, False])
def test_thousands_of_items_in_virtual_time(is_quick: bool) -> None:  # noqa: FBT001  a parameter
    """All places are busy all the time, and no more is held than the window, from the first item to the last."""
    count, size, window = scaled(5_000, most=100_000), 100, 200
    seconds = [4.0 + index % 5 for index in range(count)]

    async def main() -> None:
        clock = VirtualClock()
        taken = handed = most = 0

        async def work(index: int) -> Result:
            await clock.sleep_async(seconds[index])
            return Result(index)

        def inputs() -> Iterator[int]:
            nonlocal taken, most
            for index in range(count):
                taken += 1
                most = max(most, taken - handed)
                yield index

        line = line_of(inputs(), work, size, window, is_quick=is_quick, present=clock.participate)
        seen = bytearray(count)
        while (result := await line.get()) is not None:
            seen[result.index] += 1
            handed += 1
            line.release()
        assert seen == bytearray(b"\1") * count, "each once"
        assert most <= window
        # But for the last ones; and a thread that is kept from its work, on a busy machine, lets a little time pass.
        assert clock.monotonic() == pytest.approx(sum(seconds) / size, rel=0.0 if is_quick else 0.02, abs=max(seconds))

    asyncio.run(main())
