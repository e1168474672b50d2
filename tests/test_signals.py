"""What a signal handler raised is told from what the code that it interrupted raised by itself."""

from __future__ import annotations

import errno
import signal
import socket
import ssl
import threading
from functools import partial
from types import BuiltinFunctionType
from typing import TYPE_CHECKING

import pytest

from runpod_sdk._client import _shield
from runpod_sdk._http._message import TooLateError
from runpod_sdk._http._signals import from_outside, raised_by_handler
from runpod_sdk._http._sockets import slice_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    Handler = Callable[[int, FrameType | None], object]

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="no alarms here")


def plain(signum: int, frame: FrameType | None) -> None:
    raise TimeoutError("enough")


def takes_all(*_: object) -> None:
    raise TimeoutError("enough")


def drops(signum: int, frame: FrameType | None) -> None:
    del signum, frame
    raise TimeoutError("enough")


def takes_itself_out(signum: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    plain(signum, None)


def with_more(_more: str, signum: int, frame: FrameType | None) -> None:
    plain(signum, None)


class Callable_:  # noqa: N801
    def __call__(self, signum: int, frame: FrameType | None) -> None:
        self.limit(signum, frame)

    def limit(self, _signum: int, _frame: FrameType | None) -> None:
        self.enough()

    def dropped(self, *args: object) -> None:
        del args
        self.enough()

    @staticmethod
    def enough() -> None:
        raise TimeoutError("enough")


HANDLERS: dict[str, Handler] = {
    "function": plain,
    "any arguments": takes_all,
    "arguments dropped": drops,
    "one shot": takes_itself_out,
    "partial": partial(with_more, "more"),
    "lambda": lambda _signum, _frame: takes_all(),
    "callable": Callable_(),
    "method": Callable_().limit,
    "method, arguments dropped": Callable_().dropped,
}


@pytest.fixture(autouse=True)
def _handlers_restored() -> Iterator[None]:
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.signal(signal.SIGALRM, before)


def interrupted() -> None:
    """Be interrupted at work."""
    signal.raise_signal(signal.SIGALRM)


def as_it_is() -> None:
    interrupted()


def as_another() -> None:
    """Make another error of it, as transports do."""
    try:
        interrupted()
    except OSError as error:
        raise ConnectionError from error


def while_tidying_up() -> None:
    try:
        interrupted()
    finally:
        int("x")


def among_others() -> None:
    try:
        interrupted()
    except OSError as error:
        raise ExceptionGroup("no address answered", [ValueError(), error]) from None


def error_of(work: Callable[[], object]) -> Exception:
    try:
        work()
    except Exception as error:  # noqa: BLE001
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize("handler", HANDLERS.values(), ids=HANDLERS)
@pytest.mark.parametrize("work", [as_it_is, as_another, while_tidying_up, among_others])
def test_what_a_handler_raised_is_found(handler: Handler, work: Callable[[], None]) -> None:
    signal.signal(signal.SIGALRM, handler)
    found = raised_by_handler(error_of(work))
    assert isinstance(found, TimeoutError)
    assert str(found) == "enough"


def test_an_error_of_the_code_itself_is_none_of_a_handler() -> None:
    signal.signal(signal.SIGALRM, plain)

    def work() -> None:
        raise TimeoutError("the read timed out")

    assert raised_by_handler(error_of(work)) is None


def test_a_handler_that_raised_nothing_has_no_part_in_what_follows() -> None:
    signal.signal(signal.SIGALRM, lambda _signum, _frame: None)

    def work() -> None:
        interrupted()
        raise TimeoutError("the read timed out")

    assert raised_by_handler(error_of(work)) is None


def test_what_was_being_handled_before_is_not_found_again() -> None:
    """A call that is made in `except` has the exception of before as the context of its own."""
    signal.signal(signal.SIGALRM, plain)
    before = error_of(interrupted)
    try:
        raise before
    except TimeoutError:
        later = error_of(lambda: int("x"))
    assert later.__context__ is before
    assert raised_by_handler(later) is before
    assert raised_by_handler(later, before) is None


class JobTimeout(TimeoutError):  # noqa: N818
    """A time limit of the caller's."""

    def __init__(self) -> None:
        super().__init__("the job took too long")


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionError(), TimeoutError("enough"), JobTimeout()], ids=repr)
def test_what_another_thread_raised_is_found_in_what_was_made_of_it(error: OSError) -> None:
    """Such as `PyThreadState_SetAsyncExc` does it, which is given a class."""

    def work() -> None:
        try:
            raise error
        except OSError as caught:
            raise ValueError("the write failed") from caught

    assert from_outside(error) is error
    assert from_outside(error_of(work)) is error
    assert from_outside(error_of(work), handled=error) is None


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError(errno.ETIMEDOUT, "Connection timed out"),
        TimeoutError("timed out"),
        TimeoutError("The read operation timed out"),
        TooLateError("too little time is left"),
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        OSError("can't start new thread"),
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
        ssl.SSLCertVerificationError(1, "certificate verify failed"),
        ValueError(),
    ],
    ids=repr,
)
def test_what_a_socket_raised_is_nobody_elses(error: Exception) -> None:
    assert from_outside(error) is None


def test_handlers_are_asked_for_by_the_interpreters_own_function() -> None:
    """Each submit of a main thread asks for those of all 64 signals."""
    assert isinstance(_shield._getsignal, BuiltinFunctionType)


def test_threads_look_up_once_a_second_unless_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three hundred that wait would else take a hundredth of a core for nothing."""
    main, other = threading.main_thread(), threading.Thread()
    monkeypatch.setattr(threading, "active_count", lambda: 300)
    assert (slice_of(main), slice_of(other)) == (1.0, 15.0)
    monkeypatch.setattr(threading, "active_count", lambda: 8)
    assert (slice_of(main), slice_of(other)) == (1.0, 1.0)
