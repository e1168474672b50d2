"""The one thread that writes a journal. Everything that arrives during a commit goes into the next one.

So a slow disk costs each job its time, and not all of them one after the other.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from runpod_sdk._http._signals import let_pass
from runpod_sdk.errors import JournalError

from ._changes import NOTHING
from ._database import error_of, write_file

if TYPE_CHECKING:
    from pathlib import Path

    from ._changes import Change

    Future = asyncio.Future[None]


# What is kept free for the ids of jobs in flight when a disk is full, bytes: a page for each of 64, and some; ours.
RESERVE = 2**19


class Writer:
    """Writes changes in the order in which they come; for threads and for asyncio.

    Args:
        path: of the journal, for its errors.
        database: a connection that nobody else uses.

    Attributes:
        failure: the first error of a change that nobody waited for.
        lost: such changes that could not be written.
    """

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self.failure: JournalError | None = None
        self.lost: list[Change] = []
        self._path = path
        self._database = database
        self._reserve = path.with_name(path.name + ".reserve")
        self._reserve.write_bytes(b"\xa5" * RESERVE)
        self._line: deque[tuple[Change, Future | None]] = deque()
        self._news = threading.Event()
        self._is_closing = False
        self._pid = os.getpid()
        self._is_over = False
        self._closed: Future | None = None
        self._thread = threading.Thread(target=self._run, name="runpod-sdk-journal", daemon=True)
        handled = sys.exception()
        try:
            self._thread.start()
        except RuntimeError as error:  # there are no more
            database.close()
            self._reserve.unlink(missing_ok=True)
            let_pass(error, handled)
            raise JournalError(f"{path}: the journal cannot be written: {error}", path=str(path)) from error

    def put(self, change: Change) -> None:
        """Have a change written soon."""
        self._line.append((change, None))
        self._news.set()

    async def written(self, change: Change) -> None:
        """Return once a change is on the disk.

        Raises:
            JournalError: it is not.
        """
        future = asyncio.get_running_loop().create_future()
        self._line.append((change, future))
        self._news.set()
        if self._is_over:
            future.cancel()
            raise JournalError(f"{self._path}: the journal is closed", path=str(self._path))
        await future

    def close(self) -> None:
        """Write what is in line, try once more what was lost, and end; may be called twice."""
        if os.getpid() == self._pid:
            self._is_closing = True
            self._news.set()
            if threading.current_thread() is not self._thread:  # a garbage collection may call this there
                self._thread.join()

    async def aclose(self) -> None:
        """Do the same without keeping others from their work."""
        self._closed = closed = asyncio.get_running_loop().create_future()
        self._is_closing = True
        self._news.set()
        if not self._is_over:
            await closed
        self.close()

    def _run(self) -> None:
        try:
            while True:
                self._news.wait()
                self._news.clear()
                is_closing = self._is_closing  # before looking: what is put from now on wakes it up again
                batch = [self._line.popleft() for _ in range(len(self._line))]
                if batch:
                    self._commit(batch)
                if is_closing:
                    break
            self._try_again()
        finally:
            self._make_room()
            with suppress(sqlite3.Error):
                self._database.close()
            self._is_over = True
            end = JournalError(f"{self._path}: the journal is closed", path=str(self._path))
            self._tell([(*self._line.popleft(), end) for _ in range(len(self._line))])
            if self._closed is not None:
                self._tell([(NOTHING, self._closed, None)])

    def _commit(self, batch: list[tuple[Change, Future | None]]) -> None:
        error = self._tried([change for change, _ in batch])
        if error is None or len(batch) == 1:
            self._tell([(*entry, error) for entry in batch])
            return
        # Each alone: there may be room for some of them, and none is lost because of another.
        self._tell([(change, waiter, self._tried([change])) for change, waiter in batch])

    def _tried(self, changes: list[Change]) -> JournalError | None:
        try:
            for change in changes:
                write_file(self._path, change)
            self._database.execute("BEGIN IMMEDIATE")
            for change in changes:
                self._make(change)
            self._database.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  told to whoever waits: the thread has to go on
            with suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            return error_of(self._path, error)
        return None

    def _make(self, change: Change) -> None:
        count = 1
        for sql, values in change.statements:
            count = self._database.execute(sql, values).rowcount
        if change.must and count != 1:
            raise JournalError(
                f"{self._path}: an input is missing: is another program writing to it?", path=str(self._path)
            )

    def _tell(self, results: list[tuple[Change, Future | None, JournalError | None]]) -> None:
        futures: dict[asyncio.AbstractEventLoop, list[tuple[Future, JournalError | None]]] = {}
        for change, waiter, error in results:
            if waiter is None:
                if error is not None:
                    self.failure = self.failure or error
                    self.lost.append(change)
            else:
                futures.setdefault(waiter.get_loop(), []).append((waiter, error))
        for loop, settled in futures.items():
            with suppress(RuntimeError):  # closed: nobody in it waits any more
                loop.call_soon_threadsafe(_settle, settled)

    def _try_again(self) -> None:
        """Write what was lost: there is room again, for the ids of jobs above all. All at once takes the least."""
        if not self.lost:
            return
        self._make_room()
        if self._tried(self.lost) is None:
            self.lost = []
        self.lost = [change for change in self.lost if self._tried([change]) is not None]

    def _make_room(self) -> None:
        with suppress(OSError):
            self._reserve.unlink(missing_ok=True)


def _settle(settled: list[tuple[Future, JournalError | None]]) -> None:
    for future, error in settled:
        if future.done():  # cancelled
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
