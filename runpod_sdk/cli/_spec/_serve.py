"""Serves the page and the document on this machine, until it is stopped."""

from __future__ import annotations

from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_HOST = "127.0.0.1"
# Nothing of the page may load anything: neither from elsewhere nor a script.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def serve(files: Mapping[str, tuple[str, str]], port: int, announce: Callable[[str], None]) -> None:
    """Serve `files`, by path as (media type, text), on the loopback interface until Ctrl-C.

    Args:
        files: what is served; everything else is 404.
        port: 0 takes one that is free.
        announce: called with the URL once it is served.

    Raises:
        OSError: the port cannot be had.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, text = files.get(self.path.partition("?")[0], ("", ""))
            body = text.encode()
            self.send_response(200 if kind else 404)
            self.send_header("Content-Type", f"{kind or 'text/plain'}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", _POLICY)
            self.end_headers()
            with suppress(ConnectionError):  # a browser that has gone on
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name that http.server has
            """Say nothing: what was fetched is nobody's business."""

    with ThreadingHTTPServer((_HOST, port), Handler) as server, suppress(KeyboardInterrupt):
        announce(f"http://{_HOST}:{server.server_port}/")
        server.serve_forever()
