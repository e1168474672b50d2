"""Tells exceptions from signal handlers or other threads from those of the code they interrupted.

A handler of the caller's (an alarm, the soft time limit of a task queue) runs in the midst of whatever the main thread
is doing, and what it raises looks like an error of that: a TimeoutError in a read could be either's. Its traceback
tells. Another thread may raise one in any (`PyThreadState_SetAsyncExc`), which leaves no trace; but it says nothing,
while the system names what failed.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType, TracebackType

_TAKES_REST = 0x04  # inspect.CO_VARARGS, whose import would take 5 ms
# Whose errors of sockets are real ones; TLS, names and timeouts are among them.
_SYSTEM = frozenset({"builtins", "eventlet", "gevent", "runpod_sdk", "select", "socket", "ssl"})


def raised_by_handler(error: BaseException, handled: BaseException | None = None) -> BaseException | None:
    """Return the exception of a signal handler's that this is, or was made of; None if no handler had a part in it.

    `handled` is what was being handled when the code in question began (`sys.exception()`): not of its making.
    """
    installed = _installed()
    return next((one for one in _behind(error, handled) if _has_passed_handler(one.__traceback__, installed)), None)


def from_outside(error: BaseException, handled: BaseException | None = None) -> BaseException | None:
    """Return the same, or what another thread raised in this one. For sockets of a thread that are our own.

    A task has no use for it: its time limits say nothing either.
    """
    by_handler = raised_by_handler(error, handled)
    return by_handler or next((one for one in _behind(error, handled) if _is_put_in(one)), None)


def _is_put_in(error: BaseException) -> bool:
    """Whether an error that looks like one of a socket is none."""
    if not isinstance(error, OSError):
        return False
    if type(error).__module__.partition(".")[0] not in _SYSTEM or not error.args:
        return True
    return isinstance(error, TimeoutError) and error.errno is None and "time" not in str(error)


def _behind(error: BaseException, handled: BaseException | None) -> Iterator[BaseException]:
    """Return an exception and those that it was made of."""
    seen: set[int] = set() if handled is None else {id(handled)}
    line: list[BaseException | None] = [error]
    while line:
        one = line.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        line += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]


def let_pass(error: BaseException, handled: BaseException | None = None) -> None:
    """Raise what a signal handler raised, as it was raised, if this is it or was made of it."""
    foreign = raised_by_handler(error, handled)
    if foreign is None:
        return
    context = foreign.__context__
    try:
        raise foreign
    finally:
        foreign.__context__ = context  # not what was made of it
        del foreign, error  # they know this frame


def _has_passed_handler(trace: TracebackType | None, installed: set[CodeType]) -> bool:
    """Whether one of the frames is a handler's: of a function that was given the very frame that called it."""
    before: FrameType | None = None
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_code in installed or (before is not None and _was_given(frame, before)):
            return True
        before, trace = frame, trace.tb_next
    return False


def _was_given(frame: FrameType, caller: FrameType) -> bool:
    code = frame.f_code
    takes_rest = bool(code.co_flags & _TAKES_REST)
    if code.co_argcount < 2 and not takes_rest:  # the signal's number comes first
        return False
    known = frame.f_locals
    given = [known.get(name) for name in code.co_varnames[: code.co_argcount]]
    if takes_rest:
        given += known.get(code.co_varnames[code.co_argcount + code.co_kwonlyargcount], ())
    return any(one is caller for one in given)


def _installed() -> set[CodeType]:
    """Return the code of the handlers that are installed now, in case one has dropped its arguments."""
    found: set[CodeType] = set()
    for number in range(1, signal.NSIG):
        installed = signal.getsignal(number)
        if not callable(installed):
            continue
        handler: Any = installed
        while hasattr(handler, "func"):  # functools.partial
            handler = handler.func
        handler = getattr(handler, "__func__", handler)
        code = getattr(handler, "__code__", None) or getattr(type(handler).__call__, "__code__", None)
        if code is not None:
            found.add(code)
    return found
