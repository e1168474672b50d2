"""What a connection of the fault server can do with a request, other than answer it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.server import Act, Connection, answer, response

if TYPE_CHECKING:
    from collections.abc import Callable


def unread(connection: Connection) -> None:
    connection.close()


def unread_reset(connection: Connection) -> None:
    connection.reset()


def not_tls(connection: Connection) -> None:
    """Answer the first bytes of a handshake in plain text."""
    connection.send(response(400, b"this is no TLS"))
    connection.close()


def cut(at: Callable[[bytes], int], end: Callable[[Connection], None] = Connection.close) -> Act:
    """Do what is asked, send the answer up to some byte, then end."""

    def act(connection: Connection) -> None:
        whole = connection.server.take(connection) or b""
        connection.send(whole[: at(whole)])
        end(connection)

    return act


def nothing(_whole: bytes) -> int:
    return 0


def in_the_headers(whole: bytes) -> int:
    return whole.index(b"content-type") + 4


def before_the_body(whole: bytes) -> int:
    return whole.index(b"\r\n\r\n") + 4


def in_the_body(whole: bytes) -> int:
    return before_the_body(whole) + 3


def instead(data: Callable[[bytes], bytes], end: Callable[[Connection], None] = Connection.close) -> Act:
    """Do what is asked, and answer with something made of the answer's body."""

    def act(connection: Connection) -> None:
        whole = connection.server.take(connection) or b""
        connection.send(data(whole.partition(b"\r\n\r\n")[2]))
        end(connection)

    return act


def always(data: bytes) -> Act:
    return instead(lambda _: data)


def of_length(difference: int) -> Act:
    # Says that it closes: else a next request might be on its way when it does.
    return instead(lambda body: response(200, body, "connection: close", length=len(body) + difference))


def status(code: int, *headers: str, is_done: bool = False) -> Act:
    """Answer with a status; only where `is_done`, what was asked for has been done all the same."""

    def act(connection: Connection) -> None:
        if is_done:
            connection.server.take(connection)
        else:
            connection.read()
        connection.send(response(code, b"{}", *headers))

    return act


def answer_and_close(connection: Connection) -> None:
    answer(connection)
    connection.close()


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
HEADERS = b"HTTP/1.1 200 OK\r\n" + b"".join(b"x-%06d: %s\r\n" % (number, b"x" * 100) for number in range(2000))
LENGTH_TWICE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}"


def endless_interim(connection: Connection) -> None:
    """Send 103 until the client hangs up."""
    connection.server.take(connection)
    connection.send(b"HTTP/1.1 103 Early Hints\r\n")
    connection.trickle(b"\r\nHTTP/1.1 103 Early Hints\r\n")


def twice(rest: bytes | None = None) -> Act:
    """Answer, and go on in the same packet: with the same answer, or with something else."""

    def act(connection: Connection) -> None:
        whole = connection.server.take(connection) or b""
        connection.send(whole + (whole if rest is None else rest))

    return act
