"""An exception that is raised in another thread, as time limits for threads do it: it is raised by the call.

It comes up as soon as that thread runs code again, so in the midst of anything: no job is forgotten all the same.
"""

from __future__ import annotations

import ctypes
import threading
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import Client
from tests.faults.server import KEY, Connection, FaultServer, answer
from tests.frameworks.calls import CALLS, SUBMITS, notes

if TYPE_CHECKING:
    from collections.abc import Callable


class StopError(Exception):
    """What a time limit of the caller's raises."""


class StopAll(BaseException):
    """As above, and not to be caught."""


class Limited:
    """A thread that makes a call, and what came of it."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self.problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self._call()
        except BaseException as error:  # noqa: BLE001  whatever it is
            self.problem = error

    def run(self) -> None:
        self._thread.start()
        self._thread.join()

    def stop(self, kind: type[BaseException]) -> None:
        """Raise in it."""
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread.ident or 0), ctypes.py_object(kind))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [StopError, StopAll])
@pytest.mark.parametrize("name", CALLS)
def test_what_is_raised_in_a_thread_is_raised_by_its_call(name: str, kind: type[BaseException]) -> None:
    limited: list[Limited] = []

    def stop_and_answer(connection: Connection) -> None:
        limited[0].stop(kind)
        answer(connection)

    with FaultServer() as server, Client(KEY, base_url=server.url) as client:
        job = server.script("e", stop_and_answer, looks=9)
        endpoint: Any = client.endpoint("e")
        limited.append(Limited(lambda: CALLS[name](endpoint)))
        limited[0].run()
        problem = limited[0].problem
    assert problem is not None
    assert type(problem) is kind
    is_told = '.job("j1")' in "".join(notes(problem))
    assert not job.queued or client.unknowns or job.status == "CANCELLED" or is_told or name not in SUBMITS
    assert job.queued <= 1
