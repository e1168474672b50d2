"""A server with files to download and a bucket to upload to, for workers that do both."""

from __future__ import annotations

import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Self


class FilesServer:
    """Serves on loopback until it is left.

    Attributes:
        url: where.
        uploads: what was put, by path: content type, body and authorization.
        refuses: how many of the next uploads are answered with 503.
    """

    def __init__(self) -> None:
        self.uploads: dict[str, tuple[str | None, bytes, str]] = {}
        self.refuses = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:  # noqa: C901  a class of few lines
        files = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                name = self.path.partition("?")[0]
                if name.startswith("/missing"):
                    self._answer(404, b"no such file")
                elif name == "/moved.txt":
                    self._answer(302, b"", location="/plain.png")
                elif name == "/elsewhere":
                    self._answer(302, b"", location="ftp://127.0.0.1/x")
                elif name == "/garbage":
                    self.close_connection = True
                    self.wfile.write(b"no HTTP\r\n\r\n")
                elif name == "/short":
                    self._answer(200, b"pixels", whole=False, content_length="10")
                elif name == "/named":
                    self._answer(200, b"pixels", content_disposition='attachment; filename="its.name.webp"')
                else:
                    self._answer(200, _archive() if name.endswith(".zip") else b"pixels", whole=name != "/no-length")

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                if files.refuses:
                    files.refuses -= 1
                    self._answer(503, b"slow down")
                    return
                sent = self.headers.get("content-type"), body, self.headers.get("authorization", "")
                files.uploads[self.path] = sent
                self._answer(200, b"", etag='"x"')

            def _answer(self, status: int, body: bytes, *, whole: bool = True, **headers: str) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                if whole:
                    self.send_header("content-length", str(len(body)))
                else:
                    self.close_connection = True
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its signature
                pass

        return Handler


def _archive() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("one.txt", "1")
        archive.writestr("two.txt", "2")
    return packed.getvalue()
