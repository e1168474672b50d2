"""Non-blocking sockets for threads: wait for any of several, connect to the first of several addresses, TLS.

Each wait ends with the limit that its caller names.
"""

from __future__ import annotations

import errno
import math
import os
import select
import socket
import threading
from collections import deque
from concurrent.futures import wait
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

import httpx

from runpod_sdk.clock._base import LATE_MAX

from ._addresses import STAGGER, socket_to
from ._signals import from_outside

if TYPE_CHECKING:
    import ssl
    from collections.abc import Collection, Sequence

    from ._addresses import Resolver, SocketAddress

# What a connect that has begun says.
_UNDER_WAY = frozenset({0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR})
# Most seconds that a wait blocks at once: a signal that comes just before it is seen after it, and on Windows Ctrl-C is
# seen only between two waits. Other threads than the main one look up for what a time limit raises in them; each look
# takes 30 µs, so many threads share so many a second. Ours.
_SLICE, _LOOKS = 1.0, 20


class Limit:
    """When a request has to be over, `seconds` from now.

    Whoever looks late has stood still for a while: the process was stopped, or the machine asleep. What came meanwhile
    is to be read, so there is as much time again, once.
    """

    def __init__(self, seconds: float) -> None:
        self._at = monotonic() + seconds
        self._is_extended = False

    @property
    def left(self) -> float:
        """The seconds that are left; 0 or less where it is over."""
        now = monotonic()
        if now > self._at and not self._is_extended:
            self._is_extended = True
            self._at = now + min(now - self._at, LATE_MAX)
        return self._at - now


class Ready(NamedTuple):
    """The descriptors that can be read, and those that can be written."""

    readable: set[int]
    writable: set[int]


def ready(readers: Collection[int], writers: Collection[int], seconds: float) -> Ready:
    """Wait until one of these descriptors is ready, broken ones included; none is when the time is up."""
    until = monotonic() + seconds
    left, most = seconds, _SLICE
    while True:
        found = _polled(readers, writers, max(0.0, min(left, most)))
        if found.readable or found.writable or left <= most:
            return found
        left, most = until - monotonic(), slice_of(threading.current_thread())


def slice_of(thread: threading.Thread) -> float:
    """Return how long a thread may block at once, seconds."""
    if thread is threading.main_thread():
        return _SLICE
    return max(_SLICE, threading.active_count() / _LOOKS)


def _polled(readers: Collection[int], writers: Collection[int], seconds: float) -> Ready:
    if not hasattr(select, "poll"):  # Windows
        can_read, can_write, failed = select.select(readers, writers, writers, seconds)
        return Ready(set(can_read), {*can_write, *failed})
    poll = select.poll()
    for each in {*readers, *writers}:
        poll.register(each, (select.POLLIN if each in readers else 0) | (select.POLLOUT if each in writers else 0))
    broken = select.POLLERR | select.POLLHUP | select.POLLNVAL
    events = poll.poll(math.ceil(seconds * 1000))
    return Ready(
        {each for each, event in events if each in readers and event & (select.POLLIN | broken)},
        {each for each, event in events if each in writers and event & (select.POLLOUT | broken)},
    )


def looked_up(resolver: Resolver, seconds: float | None) -> list[SocketAddress]:
    """Return the addresses of a host.

    Raises:
        httpx.ConnectError: it has none.
        httpx.ConnectTimeout: they were not found in time.
    """
    try:
        found = resolver.lookup()
        if wait([found], seconds).not_done:
            raise httpx.ConnectTimeout("timed out looking up the host's name")
        return found.result()
    except (OSError, UnicodeError) as error:  # a name that cannot be one is a UnicodeError
        raise unreachable([error]) from error


def is_readable(descriptor: int) -> bool:
    """Whether something came, or the server has closed."""
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def connected(addresses: Sequence[SocketAddress], limit: Limit) -> socket.socket:
    """Return a socket that is connected to whichever of these addresses answers first.

    Raises:
        httpx.ConnectError: none can be reached.
        httpx.ConnectTimeout: none has answered.
    """
    line, trying = deque(addresses), dict[int, socket.socket]()
    problems: list[OSError] = []
    try:
        while line or trying:
            if line:
                try:
                    _begin(line.popleft(), trying)
                except OSError as error:
                    if from_outside(error) is not None:
                        raise
                    problems.append(error)
                    continue
            left = limit.left
            if left <= 0:
                raise httpx.ConnectTimeout("timed out")
            for each in ready((), trying, min(left, STAGGER) if line else left).writable:
                made = trying.pop(each)
                number = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if number == 0:
                    return made
                made.close()
                problems.append(OSError(number, os.strerror(number)))
    finally:
        for made in trying.values():
            made.close()
    raise unreachable(problems)


def _begin(address: SocketAddress, trying: dict[int, socket.socket]) -> None:
    made = socket_to(address)
    trying[made.fileno()] = made
    number = made.connect_ex(address.where)
    if number not in _UNDER_WAY:
        del trying[made.fileno()]
        made.close()
        raise OSError(number, os.strerror(number))


def unreachable(problems: Sequence[BaseException]) -> httpx.ConnectError:
    """Return the error for a host of which no address can be reached."""
    said = dict.fromkeys(str(problem) or type(problem).__name__ for problem in problems)
    error = httpx.ConnectError("; ".join(said) or "it has no address")
    error.__cause__ = problems[0] if problems else None
    return error


def secured(plain: socket.socket, context: ssl.SSLContext, host: str, limit: Limit) -> ssl.SSLSocket:
    """Return a socket that speaks TLS over this one, which it takes over.

    Raises:
        httpx.ConnectError: the handshake failed, or no certificate vouches for the host.
        httpx.ConnectTimeout: the server kept it waiting.
    """
    secure: ssl.SSLSocket | None = None
    try:
        secure = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
        _shake_hands(secure, limit)
    except BaseException as error:
        (secure or plain).close()
        if isinstance(error, OSError):
            raise httpx.ConnectError(str(error)) from error
        raise
    return secure


def _shake_hands(secure: ssl.SSLSocket, limit: Limit) -> None:
    import ssl  # noqa: PLC0415  15 ms that plain connections need not pay

    descriptor = secure.fileno()
    while True:
        try:
            secure.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as blocked:
            is_read = isinstance(blocked, ssl.SSLWantReadError)
        else:
            return
        left = limit.left
        if left <= 0:
            raise httpx.ConnectTimeout("timed out")
        ready([descriptor] if is_read else [], [] if is_read else [descriptor], left)
