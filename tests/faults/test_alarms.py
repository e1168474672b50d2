"""What a signal handler raises while a call waits is raised by that call: it is not taken for the transport's."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk import Client, as_completed
from tests.faults.acts import status, unread
from tests.faults.flavours import ImpatientClock
from tests.faults.server import KEY, Connection, FaultServer, answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signal to one thread here")


class SoftTimeLimit(Exception):  # noqa: N818
    """As task queues raise it."""


class HardTimeLimit(BaseException):
    """As test runners raise it."""


RAISED = [
    SoftTimeLimit,
    HardTimeLimit,
    SystemExit,
    TimeoutError,
    ConnectionResetError,
    httpx.ReadTimeout,
    RuntimeError,
    ValueError,
]


def alarm(connection: Connection) -> None:
    """Let the alarm ring in the main thread, once it waits for this answer; which never comes."""
    connection.read()
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
    connection.stall()


@pytest.fixture
def raising() -> Iterator[Callable[[type[BaseException]], None]]:
    """Provide what installs a handler that raises."""

    def install(kind: type[BaseException]) -> None:
        def ring(_signum: int, _frame: object) -> None:
            raise kind("enough")

        signal.signal(signal.SIGALRM, ring)

    before = signal.getsignal(signal.SIGALRM)
    yield install
    signal.signal(signal.SIGALRM, before)


CALLS: dict[str, Callable[[Client], object]] = {
    "status": lambda client: client.endpoint("e").job("j1").status(),
    "wait": lambda client: client.endpoint("e").job("j1").wait(),
    "output": lambda client: client.endpoint("e").job("j1").output(timeout=60),
    "watched": lambda client: client.endpoint("e").job("j1").output(on_update=lambda _: None),
    "stream": lambda client: list(client.endpoint("e").job("j1").stream()),
    "cancel": lambda client: client.endpoint("e").job("j1").cancel(),
    "retry": lambda client: client.endpoint("e").job("j1").retry(),
    "health": lambda client: client.endpoint("e").health(),
    "purge_queue": lambda client: client.endpoint("e").purge_queue(),
    "as_completed": lambda client: list(as_completed([client.endpoint("e").job("j1")])),
    "run": lambda client: client.endpoint("e").run({"n": 1}),
    "run_sync": lambda client: client.endpoint("e").run_sync({"n": 1}),
    "map": lambda client: list(client.endpoint("e").map([{"n": 1}])),
}


def struck(call: Callable[[Client], object], kind: type[BaseException], *acts: Any) -> tuple[BaseException, list[str]]:
    with FaultServer() as server:
        server.script("e", *acts, looks=9)
        with Client(KEY, base_url=server.url) as client, pytest.raises(kind, match="enough") as caught:
            call(client)
    return caught.value, server.operations("e")


@pytest.mark.parametrize("kind", RAISED)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_a_handler_raises_is_raised_by_the_call(
    raising: Callable[[type[BaseException]], None],
    monkeypatch: pytest.MonkeyPatch,
    call: Callable[[Client], object],
    kind: type[BaseException],
) -> None:
    for shell in ("_shield", "_async_shell"):
        monkeypatch.setattr(f"runpod_sdk._client.{shell}.GRACE", 0.05)
    raising(kind)
    error, operations = struck(call, kind, alarm)
    assert len([one for one in operations if one != "cancel"]) <= 1, "nothing is asked again"
    assert error.__cause__ is None
    assert not isinstance(error.__context__, httpx.HTTPError), "what a transport made of it is not in its way"


def test_it_is_raised_in_a_pause_between_two_requests_too(raising: Callable[[type[BaseException]], None]) -> None:
    def busy(connection: Connection) -> None:
        status(429, "retry-after: 30")(connection)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)

    raising(TimeoutError)
    _, operations = struck(CALLS["health"], TimeoutError, busy)
    assert operations == ["health"]


def test_a_handler_that_raises_nothing_disturbs_nothing() -> None:
    rung: list[int] = []

    def ring_and_answer(connection: Connection) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
        answer(connection)

    before = signal.signal(signal.SIGALRM, lambda signum, _frame: rung.append(signum))
    try:
        with FaultServer() as server, Client(KEY, base_url=server.url) as client:
            server.script("e", *[ring_and_answer] * 5, looks=1)
            assert client.endpoint("e").run_sync({"n": 1})
            assert list(client.endpoint("e").map([{"n": 2}]))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert rung
    assert len(client.unknowns) == 0


def test_a_call_in_the_handling_of_an_alarm_has_failures_of_its_own(
    raising: Callable[[type[BaseException]], None],
) -> None:
    """The alarm is the context of whatever is raised there, and no part of it."""
    raising(TimeoutError)
    with FaultServer() as server:
        server.script("e", unread)
        with Client(KEY, base_url=server.url, clock=ImpatientClock()) as client:
            try:
                signal.raise_signal(signal.SIGALRM)
            except TimeoutError:
                assert client.endpoint("e").health(), "asked again, as ever"
    assert server.operations("e") == ["health", "health"]
