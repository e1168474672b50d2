"""Ctrl-C in a thread: a submit that is out comes home first, and whatever goes on is told in a note."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import Client
from tests.faults.server import KEY, Act, Connection, FaultServer, answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

pytestmark = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="Ctrl-C cannot be sent to one thread here")


def interrupt(connection: Connection) -> None:
    """Send Ctrl-C to the main thread, and go on as it would have been."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    answer(connection)


def interrupt_and_stall(connection: Connection) -> None:
    connection.read()
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    connection.stall()


def interrupt_twice_and_stall(connection: Connection) -> None:
    """Send a second Ctrl-C once the first has been held back."""
    connection.read()
    main = threading.main_thread().ident or 0
    held_back = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        held_back.set()
        signal.default_int_handler(number, frame)

    HANDLER.append(note)
    signal.pthread_kill(main, signal.SIGINT)
    while not held_back.is_set() and not any(isinstance(thread, threading.Timer) for thread in threading.enumerate()):
        connection.server.stalled.acquire(timeout=0.005)
    HANDLER.clear()
    signal.pthread_kill(main, signal.SIGINT)
    connection.stall()


# What Ctrl-C does, while it is not the usual.
HANDLER: list[Callable[[int, FrameType | None], None]] = []


def handle(number: int, frame: FrameType | None) -> None:
    (HANDLER[0] if HANDLER else signal.default_int_handler)(number, frame)


@pytest.fixture(params=["the usual handler", "one of the caller's"], autouse=True)
def _handler(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have what Ctrl-C does done by Python's own handler, and by another: a submit is kept from each in its own way."""
    own = handle if "caller" in request.param else signal.default_int_handler
    usual = signal.signal(signal.SIGINT, own)
    yield
    assert signal.signal(signal.SIGINT, usual) is own, "handlers are left as they were"


def ctrl_c(call: Callable[[Client], object], *acts: Act, **job: Any) -> tuple[KeyboardInterrupt, FaultServer, Client]:
    before = set(threading.enumerate())
    with FaultServer() as server:
        server.script("e", *acts, **job)
        with Client(KEY, base_url=server.url) as client, pytest.raises(KeyboardInterrupt) as caught:
            call(client)
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer) or thread.name == "runpod-sdk-submit":
            thread.join()
    assert set(threading.enumerate()) <= before, "no thread is left"
    return caught.value, server, client


def submit(client: Client) -> object:
    return client.endpoint("e").run({"n": 1})


def test_ctrl_c_lets_a_submit_come_home_and_cancels_the_job() -> None:
    error, server, client = ctrl_c(submit, interrupt)
    assert server.operations("e") == ["run", "cancel"]
    assert server.jobs["e"].status == "CANCELLED"
    assert error.__notes__ == ["The job was cancelled (j1)"]
    assert not client.unknowns


def test_ctrl_c_leaves_a_record_of_a_submit_that_does_not_come_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runpod_sdk._client._sync_shell.GRACE", 0.05)
    error, server, client = ctrl_c(submit, interrupt_and_stall)
    assert server.operations("e") == ["run"]
    [record] = client.unknowns
    assert (record.endpoint_id, record.operation, record.cause) == ("e", "run", "KeyboardInterrupt")
    assert record.input_sha256[:16] in error.__notes__[0]


def test_a_second_ctrl_c_is_not_held_back() -> None:
    error, server, client = ctrl_c(submit, interrupt_twice_and_stall)
    assert server.operations("e") == ["run"]
    assert len(client.unknowns) == 1
    assert "submit was on its way" in error.__notes__[0]


def test_ctrl_c_in_a_submit_that_is_refused_leaves_nothing() -> None:
    def refuse(connection: Connection) -> None:
        connection.read()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        connection.send(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}")

    error, server, client = ctrl_c(submit, refuse)
    assert server.operations("e") == ["run"]
    assert (client.unknowns, getattr(error, "__notes__", [])) == ((), [])


def test_ctrl_c_in_a_wait_tells_how_to_get_back_to_the_job() -> None:
    error, server, _ = ctrl_c(lambda client: client.endpoint("e").job("j1").wait(), interrupt_and_stall)
    assert server.operations("e") == ["status-sync"]
    assert error.__notes__ == ['The job goes on. Re-attach: client.endpoint("e").job("j1")']


def test_ctrl_c_in_run_sync_cancels_the_job() -> None:
    error, server, _ = ctrl_c(
        lambda client: client.endpoint("e").run_sync({"n": 1}), answer, interrupt_and_stall, looks=9
    )
    assert server.operations("e") == ["runsync", "status-sync", "cancel"]
    assert error.__notes__ == ["The job was cancelled (j1)"]


def test_ctrl_c_in_a_stream_cancels_the_job_that_it_began() -> None:
    error, server, _ = ctrl_c(lambda client: list(client.endpoint("e").stream({"n": 1})), answer, interrupt_and_stall)
    assert server.operations("e") == ["run", "stream", "cancel"]
    assert error.__notes__ == ["The job was cancelled (j1)"]


@pytest.mark.slow
def test_ctrl_c_in_a_waiting_program_ends_it_with_the_note() -> None:
    program = (
        "import sys; from runpod_sdk import Client\n"
        "Client('key', base_url=sys.argv[1]).endpoint('e').job('j1').output()"
    )

    def interrupt_program(connection: Connection) -> None:
        running.send_signal(signal.SIGINT)
        connection.stall()

    with FaultServer() as server:
        server.script("e", interrupt_program)
        running = subprocess.Popen([sys.executable, "-c", program, server.url], stderr=subprocess.PIPE, text=True)  # noqa: S603
        with running:
            _, said = running.communicate(timeout=60)
    assert running.returncode == -signal.SIGINT
    assert said.rstrip().endswith('KeyboardInterrupt\nThe job goes on. Re-attach: client.endpoint("e").job("j1")')
