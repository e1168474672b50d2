"""The frames between emulator and worker process: a JSON head and a body of bytes.

A frame travels in parts, each written at once. Where the system keeps what was written at once together (SEQPACKET, not
on macOS), an exception that a signal handler raises in the middle of a frame spoils that frame and no other; so do
processes that a worker has forked and that write, too.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import threading
from contextlib import suppress
from typing import Any

# Before each part: its length, the number of its frame, and whether it is the last one.
_HEADER = struct.Struct("!IQ?")
_PART = 1 << 16
_READ = 1 << 17  # more than a part with its header
_INCOMPLETE = 8  # frames that may be under way at once; more were torn, and their rest never comes

Frame = tuple[list[Any], bytes]


def pair() -> tuple[socket.socket, socket.socket]:
    """Return the two ends of a wire."""
    with suppress(OSError, AttributeError):
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return socket.socketpair()


def parts_of(number: int, head: list[Any], body: bytes) -> list[bytes]:
    """Return what is to be written for a frame, part by part."""
    data = json.dumps(head).encode() + b"\n" + body
    if len(data) <= _PART:
        return [_HEADER.pack(len(data), number, True) + data]
    starts = range(0, len(data), _PART)
    return [
        _HEADER.pack(min(_PART, len(data) - start), number, start + _PART >= len(data)) + data[start : start + _PART]
        for start in starts
    ]


class Assembly:
    """Frames out of what was read."""

    def __init__(self) -> None:
        self._read = bytearray()
        self._frames: dict[int, list[bytes]] = {}

    def feed(self, data: bytes) -> list[Frame]:
        """Take in what was read; return the frames that are whole now."""
        self._read += data
        whole: list[Frame] = []
        at = 0
        while len(self._read) - at >= _HEADER.size:
            length, number, is_last = _HEADER.unpack_from(self._read, at)
            begin = at + _HEADER.size
            if len(self._read) - begin < length:
                break
            at = begin + length
            part = bytes(self._read[begin:at])
            if is_last:
                whole.append(_frame(b"".join([*self._frames.pop(number, []), part])))
            else:
                self._frames.setdefault(number, []).append(part)
                if len(self._frames) > _INCOMPLETE:
                    self._frames.pop(next(iter(self._frames)))
        del self._read[:at]
        return whole


def _frame(data: bytes) -> Frame:
    head, _, body = data.partition(b"\n")
    found: list[Any] = json.loads(head)
    return found, body


def read_from(end: socket.socket, assembly: Assembly, reads: int = sys.maxsize) -> tuple[list[Frame], bool]:
    """Return the frames that have come, without waiting, and whether the other end is closed.

    Args:
        end: where they come.
        assembly: what has come of them before.
        reads: how often to read at most.
    """
    frames: list[Frame] = []
    for _ in range(reads):
        try:
            data = end.recv(_READ, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return frames, False
        except OSError:  # reset
            return frames, True
        if not data:
            return frames, True
        frames += assembly.feed(data)
    return frames, False


class Channel:
    """A worker's end. Any thread may send, and a forked process; only the worker's loop reads."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._lock = threading.RLock()  # a signal handler may send while the thread that it interrupts is sending
        self._number = 0
        self._held = b""
        self._assembly = Assembly()
        os.register_at_fork(after_in_child=self._after_fork)

    def fileno(self) -> int:
        """Return what a selector wants."""
        return self._end.fileno()

    def send(self, head: list[Any], body: bytes = b"", *, more: bool = False) -> None:
        """Write a frame, and wait until it is written. Nobody reads it any more: it is dropped.

        Args:
            head: what it is.
            body: what it carries.
            more: the next frame follows at once, so that both may be written together.
        """
        with self._lock:
            self._number += 1
            first, *rest = parts_of(os.getpid() << 32 | self._number, head, body)
            held, self._held = self._held, b""
            if more and not held and len(first) < _PART // 2:
                self._held = first
                return
            with suppress(BrokenPipeError, ConnectionResetError):
                if len(held) + len(first) <= _READ:
                    first = held + first
                elif held:
                    self._end.sendall(held)
                for part in (first, *rest):
                    self._end.sendall(part)

    def flush(self) -> None:
        """Write what is held back."""
        with self._lock, suppress(BrokenPipeError, ConnectionResetError):
            held, self._held = self._held, b""
            if held:
                self._end.sendall(held)

    def receive(self) -> tuple[list[Frame], bool]:
        """Return the frames that have come, and whether the emulator is gone."""
        return read_from(self._end, self._assembly)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()
        self._held = b""
