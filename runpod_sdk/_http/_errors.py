"""Which exceptions count as transport errors. Any other says nothing about the request.

What passes through: an alarm or a time limit that a signal handler raised, whatever its class, and what code of the
caller's raises inside a transport of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpod_sdk._http._signals import raised_by_handler
from runpod_sdk._values._hidden import chain, hide_frames
from runpod_sdk._values._outcomes import BodyTooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

# Where a request is sent from: the lowest frame of ours that is shown.
_SENDER = "runpod_sdk._http._wire"

# Whose classes are known; zlib and its like decompress. All others that carry requests raise OSError, or httpx's.
_PACKAGES = frozenset(
    {
        "aiohttp",
        "anyio",
        "asyncio",
        "brotli",
        "brotlicffi",
        "h11",
        "h2",
        "hpack",
        "httpcore",
        "httpx",
        "hyperframe",
        "socksio",
        "ssl",
        "zlib",
        "zstandard",
    }
)
# TimeoutError and all errors of sockets and TLS are OSError; EOFError is asyncio's end of a stream; a host name that
# cannot be written down is a UnicodeError.
_CLASSES = (OSError, EOFError, UnicodeError, BodyTooLargeError)
# Where built-in classes are a transport's own as well: a descriptor that another thread has closed is a ValueError
# there, a thread that cannot be started a RuntimeError.
_MODULES = _PACKAGES | {"concurrent", "encodings", "idna", "selectors", "socket", "threading", "uvloop"}
_BUILT_IN = (ValueError, RuntimeError, TypeError, AttributeError, LookupError, AssertionError)


class Passing(BaseException):
    """Carries an exception past code that would take it for an error of its own."""

    def __init__(self, foreign: BaseException) -> None:
        super().__init__(foreign)
        self.foreign = foreign


def transports_own(
    error: Exception | Passing,
    handled: BaseException | None,
    foreign_in: Callable[[BaseException, BaseException | None], BaseException | None] = raised_by_handler,
) -> Exception:
    """Return an error that is the transport's own, and raise any other as it was raised.

    `handled` is what was being handled before the request was made (`sys.exception()`); `foreign_in` finds what came
    from outside in the midst of it.
    """
    if isinstance(error, Passing):
        foreign: BaseException = error.foreign
    else:
        found = foreign_in(error, handled)
        if found is None and _is_known(error):
            return error
        foreign = found or error
    context = foreign.__context__
    try:
        raise foreign
    finally:
        foreign.__context__ = context  # not what a transport made of it
        del foreign, error  # they know this frame


def _is_known(error: Exception) -> bool:
    if isinstance(error, _CLASSES):
        return True
    if any(kind.__module__.partition(".")[0] in _PACKAGES for kind in type(error).__mro__):
        return True
    is_built_in = type(error).__module__ == "builtins" and isinstance(error, _BUILT_IN)
    return is_built_in and _where(error.__traceback__) in _MODULES


def _where(trace: TracebackType | None) -> str:
    """Return the package in which an exception was raised."""
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    name: str = trace.tb_frame.f_globals.get("__name__", "")
    return name.partition(".")[0]


# Whose frames hold what is written, as bytes: a traceback that shows locals would show the key in them. Those that
# raise are the transport's own errors, whose messages say what happened.
_WRITERS = _MODULES | {"contextlib", "http", "yarl", "zlib"}


def hide_writers(error: BaseException) -> None:
    """Take the frames of those that carry requests out of the traceback of an exception, and of those behind it."""
    hide_frames(error, _is_writers)


def cut_messages(error: BaseException, cut: Callable[[str], str]) -> None:
    """Take what it quotes out of an error of a transport's, and of those behind it: a line that is no HTTP, say."""
    for each in chain(error):
        # aiohttp's knows the whole request, and shows its headers; ours is made of its words.
        if hasattr(each.__cause__, "request_info"):
            each.__cause__ = None
        if hasattr(each.__context__, "request_info"):
            each.__context__ = None
        if isinstance(each, Exception):
            found = tuple(cut(word) if isinstance(word, str) else word for word in each.args)
            if found != each.args:
                each.args = found


def _is_writers(module: str) -> bool:
    if module.startswith("runpod_sdk."):
        return module.startswith("runpod_sdk.emulator") or (
            module.startswith("runpod_sdk._http.") and module != _SENDER
        )
    return module.partition(".")[0] in _WRITERS
