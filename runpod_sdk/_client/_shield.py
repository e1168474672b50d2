"""Shields a submit from interruption (threads): until its answer arrives, nobody knows the job's id.

For threads. Python runs signal handlers in the main thread alone, and what they raise (Ctrl-C, `sys.exit` on SIGTERM,
an alarm) comes up at any instruction of what that thread does. So the exchange is made in another thread while the
main thread waits for it; where nothing but Ctrl-C can come up, that is held back instead, at a tenth of the cost.
Timeouts of gevent and its like come up in any of their threads, which are cheap.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from contextvars import copy_context
from typing import TYPE_CHECKING, Self, TypeVar

from runpod_sdk._http._signals import raised_by_handler
from runpod_sdk._values._outcomes import Failure, Result

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from runpod_sdk._http._message import Transfer

T = TypeVar("T")

# The interpreter's own: what is around it gives names to its answers, 70 µs for all signals, and they are asked for
# with each submit.
_getsignal: Callable[[int], object] = getattr(sys.modules.get("_signal"), "getsignal", signal.getsignal)
# A wait of a thread is looked after this often, seconds: Windows delivers Ctrl-C only between two waits.
_SLICE = 1.0


class ShieldedSend:
    """One exchange, made out of reach of what comes up in the thread that waits for it.

    Args:
        send: makes it.
        grace: how long it may take from an interruption on, seconds.

    Attributes:
        result: what came of it; None as long as nobody knows.
    """

    def __init__(self, send: Callable[[Transfer], Result], transfer: Transfer, grace: float) -> None:
        self.result: Result | None = None
        self._send = send
        self._transfer = transfer
        self._grace = grace
        self._error: BaseException | None = None
        self._turn, self._home = threading.Lock(), threading.Lock()
        self._home.acquire()
        self._is_home = self._is_withdrawn = False

    def run(self) -> Result:
        """Make the exchange, and return what came of it.

        Raises:
            BaseException: what the transport raised that is not its own, or what interrupted the wait.
        """
        if not _is_reached():
            self._work()
        elif _is_plain():
            with _CtrlC(self._grace) as ctrl_c:
                self._work()
            if ctrl_c.is_held and not isinstance(self._error, KeyboardInterrupt):
                raise KeyboardInterrupt from self._error
        else:
            _begin(self._work)
        while not self._is_home:
            self._home.acquire(timeout=_SLICE)
        if self.result is None:
            error, self._error = self._error, None
            try:
                raise error or RuntimeError("the submit was withdrawn")
            finally:
                del error  # it knows this frame
        return self.result

    def come_home(self) -> None:
        """Give it the time to end, after an interruption; what has not begun never does."""
        if self.result is None and self._turn.acquire(blocking=False):
            self._is_withdrawn = True
        elif not self._is_home:
            self._home.acquire(timeout=self._grace)

    def left(self, error: BaseException) -> Result | None:
        """Return what came of it, if `error` ends it now; None if it had not begun, and never will."""
        if self.result is not None or self._is_withdrawn:
            return self.result
        is_over = self._is_home or self._transfer.withdraw()
        return self._transfer.failure(error) if is_over else Failure(error)

    def _work(self) -> None:
        if not self._turn.acquire(blocking=False):
            return
        try:
            self.result = self._send(self._transfer)
        except BaseException as error:  # noqa: BLE001  raised in the thread that waits
            self._error = error
        finally:
            self._is_home = True
            self._home.release()


def out_of_reach(call: Callable[[], T]) -> T:
    """Make a short call of code that would swallow what a signal handler raises in its midst.

    asyncio's `call_soon_threadsafe` is of that kind: it drops each OSError, hence each TimeoutError. Such a call is
    made in a thread of its own, if this one can be reached.
    """
    if not _is_reached() or _is_plain():
        return call()
    results: list[T] = []
    errors: list[BaseException] = []
    over = threading.Lock()
    over.acquire()

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001  raised in the thread that waits
            errors.append(error)
        finally:
            over.release()

    _begin(work)
    over.acquire()
    if errors:
        raise errors[0]
    return results[0]


def _begin(work: Callable[[], object]) -> None:
    """Do some work in a thread of its own; in this one, where there are no more."""
    handled = sys.exception()
    try:
        # threading.Thread comes apart when a handler raises while one is started.
        _thread.start_new_thread(copy_context().run, (work,))
    except RuntimeError as error:  # no more threads, or the interpreter is about to end
        if raised_by_handler(error, handled) is not None:
            raise
        work()


def _is_reached() -> bool:
    """Whether exceptions from outside come up in this thread."""
    return _is_green() or threading.current_thread() is threading.main_thread()


def _is_green() -> bool:
    return threading.Lock.__module__ != "_thread"  # gevent and eventlet put theirs in its place


def _is_plain() -> bool:
    """Whether Ctrl-C is all that can come up here, and can be held back."""
    if _is_green() or not hasattr(signal, "pthread_kill"):
        return False
    handlers = [handler for handler in map(_getsignal, range(1, signal.NSIG)) if callable(handler)]
    return not handlers or handlers == [signal.default_int_handler]


class _CtrlC:
    """Holds back the first Ctrl-C inside the block for up to `grace` seconds; a second one is not held back.

    After the block, `is_held` says whether there was one; raising KeyboardInterrupt is then up to the caller.
    """

    def __init__(self, grace: float) -> None:
        self.is_held = False
        self._grace = grace
        self._timer: threading.Timer | None = None
        self._applies = _getsignal(signal.SIGINT) is signal.default_int_handler

    def __enter__(self) -> Self:
        if self._applies:
            signal.signal(signal.SIGINT, self._hold_back)
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._timer is not None:
            self._timer.cancel()  # first: its signal is meant for our handler
        if self._applies:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _hold_back(self, number: int, frame: FrameType | None) -> None:
        if self.is_held:
            signal.default_int_handler(number, frame)
        self.is_held = True
        # The second signal is ours: it breaks off a read that no longer has any hope.
        main = threading.main_thread().ident or 0
        self._timer = threading.Timer(self._grace, signal.pthread_kill, (main, signal.SIGINT))
        self._timer.daemon = True
        self._timer.start()
