"""Keeps tests away from the real service: Runpod's hosts cannot be resolved while one runs.

Programs have the address of the service written into them, and so do most packages that call it. A name that is not
found is what each HTTP library bears, whatever it is; what is patched is the one function that all of them ask.
"""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

_DOMAINS = ("runpod.ai", "runpod.io", "runpod.net")


@contextmanager
def away_from_the_service() -> Generator[None]:
    """Let no name of Runpod's be found."""
    find = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if _is_of_runpod(host):
            raise socket.gaierror(socket.EAI_NONAME, f"runpod_server: this test does not reach {_text(host)}")
        return find(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield


def _is_of_runpod(host: Any) -> bool:
    name = _text(host).rstrip(".").lower()
    return any(name == domain or name.endswith(f".{domain}") for domain in _DOMAINS)


def _text(host: Any) -> str:
    return host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
