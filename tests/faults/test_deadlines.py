"""A request ends when its time does, whatever its way is: addresses, names, uploads. And an early answer is read."""

from __future__ import annotations

import signal
import socket
import threading
from contextlib import ExitStack
from time import monotonic
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk import APIConnectionError, APITimeoutError, Client, RetryPolicy, SubmissionUnknownError, SystemClock
from runpod_sdk._http._addresses import SocketAddress, interleaved
from runpod_sdk._http._sockets import Limit, connected
from runpod_sdk.errors import PayloadTooLargeError
from tests.faults.flavours import listed, settled
from tests.faults.obstacles import backlogged
from tests.faults.one_job import CHUNKS
from tests.faults.server import KEY, Connection, FaultServer, response
from tests.faults.table import GIVEN, OURS, TELLING, WIRES, choose

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

# Seconds for a request that only a stall ever reaches.
SHORT = 0.3
LARGE = "x" * 9_000_000
OWN = [name for name in OURS if "httpx" not in name]


@pytest.fixture(autouse=True)
def _chosen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "wire" in request.fixturenames:
        choose(request.getfixturevalue("wire"), monkeypatch)


def options_of(wire: str) -> dict[str, Any]:
    return {"transport": WIRES[wire].transport()} if wire in GIVEN else {}


# Names and addresses.


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], list[Any]]], None]:
    """Let the name `service.localhost` be looked up by a function."""
    real = socket.getaddrinfo

    def resolve(found: Callable[[], list[Any]]) -> None:
        def fake(host: Any, *args: Any, **kwargs: Any) -> Any:
            is_ours = host in ("service.localhost", b"service.localhost")
            return found() if is_ours else real(host, *args, **kwargs)

        monkeypatch.setattr(socket, "getaddrinfo", fake)

    return resolve


def at(host: str, port: int) -> SocketAddress:
    return SocketAddress(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))


@pytest.fixture
def dead() -> Generator[list[SocketAddress]]:
    """Four addresses with the same port, none of which answers."""
    with ExitStack() as stack:
        port = stack.enter_context(backlogged("127.0.0.1"))
        for host in ("127.0.0.2", "127.0.0.3", "127.0.0.4"):
            stack.enter_context(backlogged(host, port))
        yield [at(f"127.0.0.{number}", port) for number in (1, 2, 3, 4)]


@pytest.mark.slow
@pytest.mark.parametrize("wire", TELLING)
def test_four_dead_addresses_have_the_time_of_one(dead: list[SocketAddress], wire: str, resolve: Any) -> None:
    resolve(lambda: dead)
    port = dead[0].where[1]
    took: list[float] = []

    async def body(client: Any) -> None:
        began = monotonic()
        with pytest.raises(APITimeoutError):
            await settled(client.endpoint("e").run({}))
        took.append(monotonic() - began)
        assert client.unknowns == ()

    options = {"base_url": f"http://service.localhost:{port}/v2", "timeout": 2.0, "retry": None}
    WIRES[wire].play(None, body, **{**options, **options_of(wire)})
    assert took[0] < 6.0, "not four times as long"


@pytest.mark.one_in(4)
@pytest.mark.parametrize("wire", OWN)
def test_a_live_address_behind_dead_ones_is_found_soon(dead: list[SocketAddress], wire: str, resolve: Any) -> None:
    """Each has no more than a moment before the next is tried, not its share of a minute."""

    async def body(client: Any) -> None:
        assert (await settled(client.endpoint("e").run({}))).id == "j1"

    with FaultServer() as server:
        resolve(lambda: [*dead[:2], at("127.0.0.1", server.port)])
        WIRES[wire].play(server, body, base_url=f"http://service.localhost:{server.port}/v2")


@pytest.mark.slow
@pytest.mark.parametrize("wire", TELLING)
def test_a_name_that_is_looked_up_for_long_has_no_more_time(wire: str, resolve: Any) -> None:
    over = threading.Event()

    def slowly() -> list[Any]:
        over.wait()
        return []

    async def body(client: Any) -> None:
        for _ in range(3):
            with pytest.raises(APITimeoutError):
                await settled(client.endpoint("e").run({}))
        assert client.unknowns == ()
        lookups = [thread for thread in threading.enumerate() if thread.name == "runpod-sdk-lookup"]
        assert len(lookups) <= 1 or wire in ("httpx", "given"), "one lookup serves all"
        over.set()

    resolve(slowly)
    options = {"base_url": "http://service.localhost:9/v2", "timeout": SHORT, "retry": None}
    try:
        WIRES[wire].play(None, body, **{**options, **options_of(wire)})
    finally:
        over.set()


class LateClock(SystemClock):
    """Real time, and a start that can be added to."""

    start = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.start


@pytest.mark.parametrize("waited", [100.0, 59.5])
@pytest.mark.parametrize("wire", OURS)
def test_a_request_whose_turn_comes_too_late_is_not_sent(wire: str, waited: float, resolve: Any) -> None:
    """As where a crowd waits for few connections, and all that are in use are given up at once."""
    clock = LateClock()

    def slowly() -> list[Any]:
        clock.start += waited
        return [at("127.0.0.1", server.port)]

    async def body(client: Any) -> None:
        with pytest.raises(APITimeoutError):
            await settled(client.endpoint("e").run({}))
        assert client.unknowns == ()

    with FaultServer() as server:
        resolve(slowly)
        options = {"base_url": f"http://service.localhost:{server.port}/v2", "timeout": 60.0, "retry": None}
        WIRES[wire].play(server, body, clock=clock, **options)
    assert server.arrivals == []


@pytest.mark.parametrize("wire", OWN)
def test_a_read_that_waited_for_its_turn_is_not_begun_without_time_for_its_hold(wire: str, resolve: Any) -> None:
    """Its answer, with chunks in it, would come when nobody is there any more. Nothing was sent, so nothing is lost."""
    clock, late, repeats = LateClock(), [9.5], list[str]()

    def slowly() -> list[Any]:
        clock.start += late.pop() if late else 0.0
        return [at("127.0.0.1", server.port)]

    async def body(client: Any) -> None:
        stream = client.endpoint("e").job("j1").stream()
        assert await listed(stream) == list(CHUNKS)
        assert stream.gap is None

    with FaultServer() as server:
        resolve(slowly)
        retry = RetryPolicy(wait_max=0.0, on_retry=lambda retry: repeats.append(retry.operation))
        url = f"http://service.localhost:{server.port}/v2"
        WIRES[wire].play(server, body, clock=clock, base_url=url, timeout=60.0, retry=retry)
    assert repeats == ["stream"]


def test_families_take_turns() -> None:
    v6 = [SocketAddress(socket.AF_INET6, 1, 6, "", ("::1", port, 0, 0)) for port in range(3)]
    v4 = [at("127.0.0.1", port) for port in range(2)]
    assert interleaved([*v6, *v4]) == [v6[0], v4[0], v6[1], v4[1], v6[2]]
    assert interleaved([*v4, *v6]) == [v4[0], v6[0], v4[1], v6[1], v6[2]]
    assert interleaved([]) == []


def test_addresses_that_refuse_are_passed_over_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        refused = at("127.0.0.1", closed.getsockname()[1])
        with connected([refused, refused, at(*listener.getsockname())], Limit(60.0)) as found:
            assert found.getpeername() == listener.getsockname()
        with pytest.raises(httpx.ConnectError, match="refused") as caught:
            connected([refused, refused], Limit(60.0))
        assert str(caught.value).count("refused") == 1
        with pytest.raises(httpx.ConnectError, match="no address"):
            connected([], Limit(60.0))


# Uploads.


def reads_nothing(connection: Connection) -> None:
    connection.server.stalled.release()
    connection.server.released.wait()
    connection.close()


def reads_slowly(connection: Connection) -> None:
    """Read a little at a time, so that each write gets on."""
    while not connection.server.released.wait(0.01) and connection.socket.recv(1000):
        pass
    connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("wire", TELLING)
@pytest.mark.parametrize("act", [reads_nothing, reads_slowly])
def test_a_large_upload_to_a_slow_reader_ends_with_its_time(act: Any, wire: str) -> None:
    async def body(client: Any) -> None:
        with pytest.raises(SubmissionUnknownError):
            await settled(client.endpoint("e").run({"text": LARGE}))
        with pytest.raises(APIConnectionError):
            await settled(client.endpoint("e").health())
        server.released.set()
        assert len(client.unknowns) == 1, "some of it was sent"

    with FaultServer(default=act) as server:
        WIRES[wire].play(server, body, timeout=SHORT, retry=None, **options_of(wire))


@pytest.mark.parametrize("wire", OWN)
def test_an_answer_that_comes_before_the_request_is_out_is_read(wire: str) -> None:
    def refuse(connection: Connection) -> None:
        while b"\r\n\r\n" not in connection.socket.recv(100):
            pass
        connection.send(response(413, b'{"error": "too large"}'))
        connection.server.released.wait()

    async def body(client: Any) -> None:
        with pytest.raises(PayloadTooLargeError):
            await settled(client.endpoint("e").run({"text": LARGE}))
        server.released.set()
        assert client.unknowns == ()

    with FaultServer() as server:
        server.script("e", refuse)
        WIRES[wire].play(server, body, timeout=60.0)


# Ctrl-C, before and after the first byte.


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="Ctrl-C cannot be sent to one thread here")
@pytest.mark.parametrize(
    ("wire", "is_sent"),
    # httpx leaves the socket of a handshake that was interrupted to the garbage collection, which warns.
    [("h11", False), ("httptools", False), ("h11", True), ("httptools", True), ("httpx", True), ("given", True)],
)
def test_ctrl_c_leaves_a_record_of_what_was_sent_alone(
    wire: str,
    is_sent: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setattr("runpod_sdk._client._sync_shell.GRACE", 0.05)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background has it ignored
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    main = threading.main_thread().ident or 0

    def interrupt(connection: Connection) -> None:
        if is_sent:
            connection.read()
        signal.pthread_kill(main, signal.SIGINT)
        connection.stall()

    with FaultServer(default=interrupt) as server:
        base_url = server.url if is_sent else server.url.replace("http:", "https:")
        with Client(KEY, base_url=base_url, **options_of(wire)) as client:
            with pytest.raises(KeyboardInterrupt):
                client.endpoint("e").run({})
            assert len(client.unknowns) == is_sent


@pytest.mark.parametrize("wire", TELLING)
def test_tcp_keeps_every_connection_alive(wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every 30 s, so that nothing in between forgets a connection, and one that is gone is noticed."""
    options: list[tuple[Any, ...]] = []
    real = socket.socket.setsockopt

    def set_option(self: socket.socket, *option: Any) -> None:
        options.append(option)
        real(self, *option)

    monkeypatch.setattr(socket.socket, "setsockopt", set_option)

    async def body(client: Any) -> None:
        await settled(client.endpoint("e").health())

    with FaultServer() as server:
        WIRES[wire].play(server, body, **options_of(wire))
    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in options
    if hasattr(socket, "TCP_KEEPIDLE"):
        assert (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30) in options
