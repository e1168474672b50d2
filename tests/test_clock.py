"""The two clocks: who is waited for, and when a virtual clock moves."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from contextvars import Context
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk.clock import VIRTUAL_EPOCH, SystemClock, VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod_sdk.clock import ParkingClock

JOIN = 10  # real seconds after which a thread that should have ended counts as stuck


def in_threads(*bodies: Callable[[], object]) -> None:
    threads = [threading.Thread(target=body, daemon=True) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(JOIN)
    assert not any(thread.is_alive() for thread in threads), "the clock stands still"


# The virtual clock.


def test_time_starts_at_the_epoch_and_a_sleep_moves_it() -> None:
    clock = VirtualClock()
    assert (clock.monotonic(), clock.time()) == (0.0, VIRTUAL_EPOCH)
    clock.sleep(3600)
    assert (clock.monotonic(), clock.time()) == (3600.0, VIRTUAL_EPOCH + 3600)


def test_a_negative_sleep_does_not_go_back() -> None:
    clock = VirtualClock()
    clock.sleep(-5)
    assert clock.monotonic() == 0.0


def test_async_sleeps_overlap() -> None:
    clock = VirtualClock()
    ends: list[float] = []

    async def sleep(seconds: float) -> None:
        await clock.sleep_async(seconds)
        ends.append(clock.monotonic())

    async def main() -> None:
        await asyncio.gather(sleep(30), sleep(10), sleep(20))

    asyncio.run(main())
    assert ends == [10, 20, 30]


def test_a_busy_participant_stops_the_clock() -> None:
    clock = VirtualClock()
    at_work, done = threading.Event(), threading.Event()
    seen: list[float] = []

    def busy() -> None:
        with clock.participate("handler"):
            at_work.set()
            done.wait(JOIN)
            seen.append(clock.monotonic())

    def sleeper() -> None:
        at_work.wait(JOIN)
        with clock.participate():
            parking = clock.parking(5.0)
            done.set()
            parking.wait()

    in_threads(busy, sleeper)
    assert seen == [0.0]
    assert clock.monotonic() == 5.0


def test_handlers_alone_do_not_move_the_clock() -> None:
    clock = VirtualClock()
    parked = threading.Event()
    ended = threading.Event()

    def handler() -> None:
        with clock.participate("handler"):
            parking = clock.parking(50.0)
            clock.call_at(0.0, parked.set)
            parking.wait()
            ended.set()

    thread = threading.Thread(target=handler, daemon=True)
    thread.start()
    assert not ended.wait(0.01)
    assert clock.monotonic() == 0.0
    clock.sleep(60)
    thread.join(JOIN)
    assert ended.is_set()
    assert clock.monotonic() == 60.0


def test_a_wake_ends_a_wait_before_its_deadline() -> None:
    clock = VirtualClock()
    with clock.participate():
        parking = clock.parking(100.0)
        clock.call_at(7.0, parking.wake)
        assert parking.wait() is True
    assert clock.monotonic() == 7.0


def test_a_wake_before_the_wait_counts() -> None:
    clock = VirtualClock()
    with clock.participate():
        parking = clock.parking(100.0)
        parking.wake()
        assert parking.wait() is True
    assert clock.monotonic() == 0.0


def test_a_deadline_ends_a_wait() -> None:
    clock = VirtualClock()
    with clock.participate():
        assert clock.parking(3.0).wait() is False
    assert clock.monotonic() == 3.0


def test_timers_run_in_order_and_a_cancelled_one_does_not() -> None:
    clock = VirtualClock()
    ran: list[tuple[str, float]] = []
    clock.call_at(2.0, lambda: ran.append(("b", clock.monotonic())))
    clock.call_at(1.0, lambda: ran.append(("a", clock.monotonic())))
    clock.call_at(2.0, lambda: ran.append(("c", clock.monotonic())))
    clock.call_at(1.5, lambda: ran.append(("x", clock.monotonic()))).cancel()
    clock.sleep(5)
    assert ran == [("a", 1.0), ("b", 2.0), ("c", 2.0)]


def test_a_timer_may_set_another() -> None:
    clock = VirtualClock()
    ran: list[float] = []

    def first() -> None:
        clock.call_at(2.0, lambda: ran.append(clock.monotonic()))

    clock.call_at(1.0, first)
    clock.sleep(3)
    assert ran == [2.0]


@pytest.mark.parametrize("role", ["caller", "handler"])
def test_concurrent_waits_of_one_participant_keep_their_order(role: str) -> None:
    """What one of them does after waking must not be missed while the other is still parked."""
    clock = VirtualClock()
    seen: list[tuple[str, float]] = []

    async def twice() -> None:
        for _ in range(2):
            await clock.sleep_async(1)
            await asyncio.sleep(0)
        seen.append(("twice", clock.monotonic()))

    async def once() -> None:
        await clock.sleep_async(10)
        seen.append(("once", clock.monotonic()))

    async def both() -> None:
        with clock.participate("handler" if role == "handler" else "caller"):
            at_work.set()
            await asyncio.gather(twice(), once())

    def sleeper() -> None:
        assert at_work.wait(JOIN)
        clock.sleep(20)

    at_work = threading.Event()
    if role == "caller":
        asyncio.run(both())
    else:
        in_threads(lambda: asyncio.run(both()), sleeper)
    assert seen == [("twice", 2.0), ("once", 10.0)]


def test_work_that_outlives_its_participant_leaves_the_count_right() -> None:
    """A shielded request whose caller was cancelled goes on waiting, and then is gone."""
    clock = VirtualClock()

    async def inner() -> float:
        await clock.sleep_async(5)
        await clock.sleep_async(5)
        return clock.monotonic()

    async def main() -> None:
        started = asyncio.Event()
        work: list[asyncio.Task[float]] = []

        async def outer() -> None:
            with clock.participate():
                work.append(asyncio.create_task(inner()))
                started.set()
                await asyncio.shield(work[0])

        clock.auto_jump = False
        task = asyncio.create_task(outer())
        await started.wait()
        await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        clock.auto_jump = True
        end, _ = await asyncio.wait_for(asyncio.gather(work[0], clock.sleep_async(1)), JOIN)
        assert end == 10.0
        await asyncio.wait_for(clock.sleep_async(1), JOIN)

    asyncio.run(main())
    assert clock.monotonic() == 11.0


def test_a_cancelled_wait_is_at_work_again() -> None:
    clock = VirtualClock(auto_jump=False)

    async def main() -> None:
        task = asyncio.create_task(clock.sleep_async(100))
        await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        clock.auto_jump = True
        await clock.sleep_async(1)

    asyncio.run(main())
    assert clock.monotonic() == 1.0


def test_a_presence_may_begin_in_one_thread_and_end_in_another() -> None:
    clock = VirtualClock()
    context = Context()
    presence = context.run(clock.participate, "handler")
    context.run(presence.__enter__)
    seen: list[float] = []

    def work() -> None:
        seen.append(clock.monotonic())
        clock.sleep(4)
        presence.__exit__(None, None, None)

    def later() -> None:
        threading.Timer(0.01, lambda: context.run(work)).start()

    in_threads(later, lambda: clock.sleep(9))
    assert seen == [0.0]
    assert clock.monotonic() == 9.0


def test_a_manual_clock_moves_by_advance_only() -> None:
    clock = VirtualClock(auto_jump=False)
    ends: list[float] = []
    on_its_way = Context()
    presence = on_its_way.run(clock.participate, "handler")
    on_its_way.run(presence.__enter__)

    def handler() -> None:
        for _ in range(3):
            clock.sleep(10)
            ends.append(clock.monotonic())
        presence.__exit__(None, None, None)

    thread = threading.Thread(target=lambda: on_its_way.run(handler), daemon=True)
    thread.start()
    clock.advance(25)
    assert ends == [10, 20]
    assert clock.monotonic() == 25
    clock.advance(5)
    thread.join(JOIN)
    assert ends == [10, 20, 30]


def test_advance_waits_for_a_handler_that_is_still_on_its_way() -> None:
    """A job was assigned, but its thread has not yet come to its sleep."""
    clock = VirtualClock(auto_jump=False)
    context = Context()
    presence = context.run(clock.participate, "handler")
    context.run(presence.__enter__)
    ends: list[float] = []

    def work() -> None:
        clock.sleep(5)
        ends.append(clock.monotonic())
        presence.__exit__(None, None, None)

    threading.Timer(0.02, lambda: context.run(work)).start()
    clock.advance(10)
    assert ends == [5.0]


def test_advance_async_leaves_the_loop_free() -> None:
    clock = VirtualClock(auto_jump=False)
    ends: list[float] = []

    async def sleeper() -> None:
        for _ in range(3):
            await clock.sleep_async(10)
            ends.append(clock.monotonic())

    async def main() -> None:
        task = asyncio.create_task(sleeper())
        await clock.advance_async(20)
        assert ends == [10, 20]
        await clock.advance_async(10)
        await task

    asyncio.run(main())
    assert ends == [10, 20, 30]


def test_two_loops_and_a_thread_share_one_time() -> None:
    clock = VirtualClock()
    ends: list[float] = []

    def loop(seconds: float) -> None:
        async def main() -> None:
            with clock.participate():
                barrier.wait(JOIN)
                await clock.sleep_async(seconds)
                ends.append(clock.monotonic())

        asyncio.run(main())

    def thread() -> None:
        with clock.participate():
            barrier.wait(JOIN)
            clock.sleep(2)
            ends.append(clock.monotonic())

    barrier = threading.Barrier(3)
    in_threads(lambda: loop(1), lambda: loop(3), thread)
    assert ends == [1, 2, 3]


@pytest.mark.parametrize("clock", [VirtualClock(auto_jump=False), SystemClock()], ids=["virtual", "system"])
def test_a_wake_for_a_loop_that_is_gone_is_ignored(clock: ParkingClock) -> None:
    loop = asyncio.new_event_loop()
    parking = clock.parking(None)
    waiting = parking.wait_async()

    def begin() -> None:
        waiting.send(None)
        loop.stop()

    loop.call_soon(begin)
    loop.run_forever()
    loop.close()
    parking.wake()
    waiting.close()


# The system's clock: nothing here depends on how long anything takes.


def test_the_system_clock_runs_timers_in_order() -> None:
    clock = SystemClock()
    ran: list[str] = []
    done = threading.Event()
    now = clock.monotonic()
    clock.call_at(now + 0.02, lambda: ran.append("b"))
    clock.call_at(now + 0.02, done.set)
    clock.call_at(now + 0.01, lambda: ran.append("a"))
    clock.call_at(now + 0.015, lambda: ran.append("x")).cancel()
    assert done.wait(JOIN)
    assert ran == ["a", "b"]


def test_the_system_clock_sets_timers_again_after_a_pause() -> None:
    clock = SystemClock()
    for _ in range(2):
        done = threading.Event()
        clock.call_at(clock.monotonic(), done.set)
        assert done.wait(JOIN)


def test_a_system_wait_ends_by_wake_or_deadline() -> None:
    clock = SystemClock()
    woken = clock.parking(None)
    clock.call_at(clock.monotonic(), woken.wake)
    assert woken.wait() is True
    assert clock.parking(clock.monotonic()).wait() is False


def test_an_async_system_wait_ends_by_wake_or_deadline() -> None:
    clock = SystemClock()

    async def main() -> None:
        early = clock.parking(None)
        early.wake()
        assert await early.wait_async() is True
        woken = clock.parking(clock.monotonic() + JOIN)
        clock.call_at(clock.monotonic(), woken.wake)
        assert await woken.wait_async() is True
        assert await clock.parking(clock.monotonic()).wait_async() is False

    asyncio.run(main())


def test_system_sleeps_are_real() -> None:
    clock = SystemClock()
    before = clock.monotonic(), clock.time()
    clock.sleep(0.001)
    asyncio.run(clock.sleep_async(0.001))
    assert clock.monotonic() - before[0] >= 0.002
    assert clock.time() > before[1]
    with clock.participate("handler"):
        pass


class Watched:
    """A lock that tells when somebody reaches for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reached = threading.Event()

    def __enter__(self) -> None:
        self.reached.set()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    @property
    def is_held(self) -> bool:
        return self._lock.locked()


def test_who_is_woken_while_it_parks_is_counted_once() -> None:
    class Clock(VirtualClock):
        def _park(self, participant: Any, loop: Any) -> None:
            lock.reached.clear()
            waker.start()
            assert lock.reached.wait(JOIN)
            if not lock.is_held:  # nothing keeps it from waking what is not counted yet
                waker.join(JOIN)
            super()._park(participant, loop)

    clock, lock, raised = Clock(), Watched(), list[BaseException]()
    with clock.participate():
        parking: Any = clock.parking(None)
        parking._lock = lock

        def wake() -> None:
            try:
                parking.wake()
            except KeyError as error:
                raised.append(error)

        waker = threading.Thread(target=wake)
        lock.reached.clear()

        async def wait() -> bool:
            return bool(await parking.wait_async())

        assert asyncio.run(wait())
        waker.join(JOIN)
        assert (raised, clock._loops, clock._busy) == ([], {}, 1)
