"""A clock that jumps to the next timer when everyone waits; see the package's docstring."""

# The clock, its participants and their waits are one machine.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import heapq
import itertools
import math
import threading
from contextlib import nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING

from ._base import Due, Parking, Role, Timer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from contextvars import Token
    from types import TracebackType

# Where virtual time starts, so that two runs with one seed print the same timestamps: 2025-01-01T00:00:00Z.
VIRTUAL_EPOCH = 1_735_689_600.0
# Turns of an event loop without any activity before it counts as idle: with a look at its queue, and without one.
_QUIET_TURNS, _QUIET_TURNS_BLIND = 2, 25
_NOTHING = nullcontext()


class VirtualClock:
    """A clock that stands still until someone waits on it; see the package's docstring.

    Args:
        start: what `time()` says at the beginning, seconds since 1970 (UTC).
        auto_jump: False leaves every step to `advance`.

    Examples:
        >>> clock = VirtualClock()
        >>> clock.sleep(3600)
        >>> clock.monotonic()
        3600.0
    """

    def __init__(self, *, start: float = VIRTUAL_EPOCH, auto_jump: bool = True) -> None:
        self.auto_jump = auto_jump
        self._start = start
        self._now = 0.0
        self._lock = threading.Lock()
        self._quiet = threading.Condition(self._lock)
        self._heap: list[Due] = []
        self._order = itertools.count()
        self._busy = 0
        self._waiting = 0  # callers that are parked
        self._loops: dict[asyncio.AbstractEventLoop, int] = {}  # how many waits of tasks are under way in each
        self._activity = 0
        self._moving = False

    def monotonic(self) -> float:
        """Return virtual seconds since the clock was made."""
        return self._now

    def time(self) -> float:
        """Return virtual seconds since 1970-01-01T00:00:00Z."""
        return self._start + self._now

    def sleep(self, seconds: float) -> None:
        """Park the calling thread for virtual seconds."""
        with self.participate():
            self.parking(self._now + max(0.0, seconds)).wait()

    async def sleep_async(self, seconds: float) -> None:
        """Park the calling task for virtual seconds."""
        with self.participate():
            await self.parking(self._now + max(0.0, seconds)).wait_async()

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:  # noqa: ARG002  Clock's signature
        """Do nothing: what waits in virtual time is the emulator's transport, which has timeouts of its own."""
        return _NOTHING

    def participate(self, role: Role = "caller") -> AbstractContextManager[object]:
        """Count this thread or task as busy until the block ends; a block inside such a block changes nothing."""
        known = _CURRENT.get()
        here = known is not None and known.clock is self and not known.left
        return _NOTHING if here else _Participant(self, role)

    def parking(self, until: float | None) -> Parking:
        """Return a wait for the participant that this thread or task is."""
        return _VirtualParking(self, _CURRENT.get(), until)

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Run `callback` at virtual `when`, in the thread that moves the clock."""
        timer = Due(max(when, self._now), next(self._order), callback)
        with self._lock:
            heapq.heappush(self._heap, timer)
        return timer

    def advance(self, seconds: float) -> None:
        """Move time by hand: run every timer on the way, and let handlers that it wakes finish or park again.

        Blocks the thread; in an event loop use `advance_async`.
        """
        target = self._now + seconds
        going = True
        while going:
            with self._lock:
                self._quiet.wait_for(lambda: self._busy == 0)
            going = self._step(target)

    async def advance_async(self, seconds: float) -> None:
        """Like `advance`, leaving the event loop free to run what was woken."""
        import asyncio  # noqa: PLC0415  see SystemClock.sleep_async

        target = self._now + seconds
        going = True
        while going:
            for _ in range(_QUIET_TURNS_BLIND):
                await asyncio.sleep(0)
            while self._busy:  # noqa: ASYNC110  who is busy may be a thread, which sets no asyncio.Event
                await asyncio.sleep(0)
            going = self._step(target)

    # What follows is the machinery of participants; only the classes below call it.

    def _step(self, target: float) -> bool:
        """Run the next timer that is due by `target`; else stand at `target` and return False."""
        with self._lock:
            timer = self._pop(target)
            if timer is None:
                self._now = max(self._now, target)
        if timer is None:
            return False
        timer.fire()
        return True

    def _pop(self, target: float) -> Due | None:
        while self._heap and (self._heap[0].callback is None or self._heap[0].when <= target):
            timer = heapq.heappop(self._heap)
            if timer.callback is not None:
                self._now = max(self._now, timer.when)
                return timer
        return None

    def _enter(self) -> None:
        with self._lock:
            self._activity += 1
            self._busy += 1

    def _leave(self, participant: _Participant) -> None:
        with self._lock:
            if participant.left:
                return
            self._activity += 1
            participant.left = True
            # Parked work may outlive the block (a shielded task): its busy count has gone already.
            self._busy -= participant.parks == 0
            self._quiet.notify_all()
        self._move()

    def _park(self, participant: _Participant, loop: asyncio.AbstractEventLoop | None) -> None:
        with self._lock:
            self._activity += 1
            if loop is not None:
                self._loops[loop] = self._loops.get(loop, 0) + 1
            participant.parks += 1
            if participant.parks == 1:
                self._busy -= not participant.left
                self._waiting += participant.role == "caller"
            self._quiet.notify_all()

    def _unpark(self, participant: _Participant, loop: asyncio.AbstractEventLoop | None) -> None:
        with self._lock:
            self._activity += 1
            if loop is not None:
                self._loops[loop] -= 1
                if not self._loops[loop]:
                    del self._loops[loop]
            participant.parks -= 1
            if participant.parks == 0:
                self._busy += not participant.left
                self._waiting -= participant.role == "caller"

    def _may_jump(self) -> bool:
        return self.auto_jump and self._busy == 0 and self._waiting > 0 and bool(self._heap)

    def _move(self) -> None:
        """Jump now, or ask the event loops in which tasks wait to say when they are idle."""
        with self._lock:
            if self._moving or not self._may_jump():
                return
            self._moving = True
            loops = list(self._loops)
            activity = self._activity
        self._ask(loops, activity)

    def _ask(self, loops: list[asyncio.AbstractEventLoop], activity: int) -> None:
        """Have the first of `loops` settle; jump when none is left."""
        while loops:
            try:
                loops[0].call_soon_threadsafe(self._settle, loops, activity, 0)
            except RuntimeError:  # closed: nobody in it will ever go on
                if not loops[0].is_closed():
                    raise
                loops = loops[1:]
            else:
                return
        self._jump()

    def _settle(self, loops: list[asyncio.AbstractEventLoop], activity: int, quiet: int) -> None:
        """Wait until each loop has nothing left to run: tasks that are about to call must not miss the hour."""
        with self._lock:
            disturbed = activity != self._activity or not self._may_jump()
            if disturbed:
                self._moving = False
        if disturbed:
            self._move()
            return
        ready = getattr(loops[0], "_ready", None)  # CPython's loops have it; others are watched for longer
        quiet = 0 if ready else quiet + 1
        if quiet < (_QUIET_TURNS_BLIND if ready is None else _QUIET_TURNS):
            loops[0].call_soon(self._settle, loops, activity, quiet)
        else:
            self._ask(loops[1:], activity)

    def _jump(self) -> None:
        """Run timers in order of time, until a participant has something to do."""
        while True:
            with self._lock:
                timer = self._pop(math.inf) if self._may_jump() else None
                if timer is None:
                    self._moving = False
                    return
            timer.fire()  # without the lock: the emulator's own lock stands above ours
            with self._lock:
                # A participant with several waits is parked while one is left, but the task that was woken runs.
                woken = bool(self._loops)
                self._moving = self._moving and not woken
            if woken:
                self._move()
                return


class _Participant:
    """A caller or a handler at work; parked while at least one wait of it is under way. The clock keeps the count."""

    __slots__ = ("_token", "clock", "left", "parks", "role")

    def __init__(self, clock: VirtualClock, role: Role) -> None:
        self.clock = clock
        self.role = role
        self.parks = 0
        self.left = False
        self._token: Token[_Participant | None] | None = None

    def __enter__(self) -> None:
        self.clock._enter()
        self._token = _CURRENT.set(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _CURRENT.reset(self._token)
        self.leave()

    def leave(self) -> None:
        """Be at work no more, from any thread, though the block goes on; does nothing the second time."""
        self.clock._leave(self)


_CURRENT: ContextVar[_Participant | None] = ContextVar("runpod_sdk_participant", default=None)


class _VirtualParking:
    """The participant is busy again from the moment of `wake`, before its thread has noticed."""

    def __init__(self, clock: VirtualClock, participant: _Participant | None, until: float | None) -> None:
        self._clock = clock
        self._participant = participant
        self._until = until
        self._lock = threading.Lock()
        self._parked = False
        self._woken: bool | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._notify: Callable[[], object] = lambda: None

    def wake(self) -> None:
        self._end(woken=True)

    def _end(self, *, woken: bool) -> None:
        with self._lock:
            if self._woken is not None:
                return
            self._woken = woken
            if self._parked and self._participant is not None:
                self._clock._unpark(self._participant, self._loop)
        self._notify()

    def _begin(self, notify: Callable[[], object], loop: asyncio.AbstractEventLoop | None) -> Timer | None:
        """Park, unless woken already. Parking is atomic with respect to a wake-up at the same moment."""
        timer = None
        with self._lock:
            if self._woken is not None:
                return None
            self._notify, self._loop, self._parked = notify, loop, True
            if self._until is not None:
                timer = self._clock.call_at(self._until, lambda: self._end(woken=False))
            if self._participant is not None:
                self._clock._park(self._participant, loop)
        if self._participant is not None:
            self._clock._move()  # it may wake this one
        return timer

    def wait(self) -> bool:
        event = threading.Event()
        timer = self._begin(event.set, None)
        try:
            if self._woken is None:
                event.wait()
        finally:
            self._finish(timer)
        return bool(self._woken)

    async def wait_async(self) -> bool:
        import asyncio  # noqa: PLC0415  see SystemClock.sleep_async

        loop = asyncio.get_running_loop()
        over = asyncio.Event()

        def notify() -> None:
            try:
                loop.call_soon_threadsafe(over.set)
            except RuntimeError:  # closed: nobody in it waits any more
                if not loop.is_closed():
                    raise

        timer = self._begin(notify, loop)
        try:
            if self._woken is None:
                await over.wait()
        finally:
            self._finish(timer)
        return bool(self._woken)

    def _finish(self, timer: Timer | None) -> None:
        if timer is not None:
            timer.cancel()
        self._notify = lambda: None
        self._end(woken=False)  # interrupted or cancelled: at work again
