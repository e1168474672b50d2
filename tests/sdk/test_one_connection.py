"""One connection for threads, and how one is made: what a far side does to it, without a server."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from runpod_sdk._flows import _api
from runpod_sdk._http import _async_connections
from runpod_sdk._http._addresses import Resolver, SocketAddress, interleaved
from runpod_sdk._http._connections import Connection
from runpod_sdk._http._message import Address, Transfer
from runpod_sdk._http._parsers import parser_class
from runpod_sdk._http._sockets import Limit, connected, looked_up, secured
from runpod_sdk._values._hidden import Hidden
from runpod_sdk._values._service import Service
from runpod_sdk.clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    Connect = Callable[[list[SocketAddress]], int]

ADDRESS = Address(Service.resolve(Hidden("key"), "http://localhost:1/v2", allow_http=True), is_ours=True)
LARGE = "x" * 4_000_000
NONE = Limit(0.0)


@contextmanager
def pair() -> Generator[tuple[Connection, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with closing(ours), closing(theirs):
        yield Connection(ours), theirs


def submit(text: str = "a cat") -> Transfer:
    clock = VirtualClock()
    return ADDRESS.transfer(_api.run("abc", {"prompt": text}, {}), clock, clock.monotonic() + 60, 0.0)


def carry(connection: Connection, transfer: Transfer, seconds: float = 30.0) -> None:
    connection.carry(transfer, ADDRESS.head(transfer), parser_class()(transfer), Limit(seconds))


def test_what_the_far_side_does_not_read_ends_with_the_limit_and_is_counted() -> None:
    with pair() as (connection, _):
        transfer = submit(LARGE)
        with pytest.raises(httpx.WriteTimeout):
            carry(connection, transfer, 0.0)
        assert 0 < transfer.sent < len(LARGE)
        assert not connection.is_clean


def test_an_answer_that_never_comes_ends_with_the_limit() -> None:
    with pair() as (connection, _), pytest.raises(httpx.ReadTimeout):
        carry(connection, submit(), 0.0)


def test_nothing_was_sent_where_the_far_side_is_gone() -> None:
    with pair() as (connection, theirs):
        theirs.close()
        transfer = submit()
        with pytest.raises(httpx.WriteError):
            carry(connection, transfer)
        assert transfer.sent == 0


def test_a_reset_while_the_answer_is_awaited_is_an_error_of_reading() -> None:
    with pair() as (connection, theirs):
        transfer = submit()

        def throw_away() -> None:
            theirs.recv(1)
            theirs.close()

        thread = threading.Thread(target=throw_away)
        thread.start()
        with pytest.raises(httpx.ReadError):
            carry(connection, transfer)
        thread.join()
        assert transfer.sent > 0


@pytest.mark.parametrize("act", ["speaks", "closes", "resets"])
def test_a_far_side_that_does_not_wait_to_be_asked_is_refused(act: str) -> None:
    with pair() as (connection, theirs):
        connection.check_silence()
        if act == "speaks":
            theirs.send(b"HTTP/1.1 200 OK\r\n\r\n")
        elif act == "resets":
            connection._socket.send(b"what nobody reads")
        if act != "speaks":
            theirs.close()
        assert not connection.is_silent
        with pytest.raises(httpx.ConnectError) as caught:
            connection.check_silence()
        assert isinstance(caught.value.__cause__, ConnectionResetError) == (act == "resets")


# How one is made.


def addressed(port: int, host: str = "127.0.0.1") -> SocketAddress:
    return SocketAddress(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))


@contextmanager
def ports() -> Generator[tuple[SocketAddress, SocketAddress, SocketAddress]]:
    """Provide addresses of one that listens, of one that refuses, and of one to which there is no way."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield (
            addressed(server.getsockname()[1]),
            addressed(bound.getsockname()[1]),
            addressed(9, "255.255.255.255"),
        )


def for_threads(addresses: list[SocketAddress]) -> int:
    with connected(addresses, Limit(30.0)) as made:
        return int(made.getpeername()[1])


def for_tasks(addresses: list[SocketAddress]) -> int:
    async def main() -> int:
        with await _async_connections.connected(addresses, asyncio.get_running_loop()) as made:
            return int(made.getpeername()[1])

    return asyncio.run(main())


@pytest.mark.parametrize("connect", [for_threads, for_tasks])
def test_the_first_address_that_answers_is_taken(connect: Connect) -> None:
    with ports() as (good, refused, unreachable):
        assert connect([good, good]) == good.where[1]
        assert connect([refused, unreachable, good]) == good.where[1]


@pytest.mark.parametrize("connect", [for_threads, for_tasks])
def test_where_no_address_answers_each_says_why(connect: Connect) -> None:
    with ports() as (_, refused, unreachable):
        with pytest.raises(httpx.ConnectError, match=r"Errno \d+\] .*; \[Errno \d+\] "):
            connect([refused, unreachable])
        with pytest.raises(httpx.ConnectError, match=r"Errno \d+\] "):
            connect([refused])
    with pytest.raises(httpx.ConnectError, match="it has no address"):
        connect([])


def test_a_name_that_cannot_be_one_has_no_address() -> None:
    with pytest.raises(httpx.ConnectError):
        looked_up(Resolver("a" * 70 + ".invalid", 80), 30.0)


def test_a_name_is_looked_up_once_for_all_who_ask_and_its_families_take_turns() -> None:
    assert {each.where[1] for each in looked_up(Resolver("localhost", 80), 30.0)} == {80}
    six = SocketAddress(socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("::1", 80, 0, 0))
    four = addressed(80)
    assert interleaved([six, six, four]) == [six, four, six]


def test_a_far_side_that_says_nothing_in_a_handshake_ends_it_with_the_limit() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with closing(theirs), pytest.raises(httpx.ConnectTimeout):
        secured(ours, httpx.create_ssl_context(), "localhost", NONE)
    assert ours.fileno() == -1


def test_a_far_side_that_speaks_no_tls_is_refused() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with closing(theirs):
        theirs.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(httpx.ConnectError):
            secured(ours, httpx.create_ssl_context(), "localhost", Limit(30.0))
    assert ours.fileno() == -1
