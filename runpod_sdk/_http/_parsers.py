"""Chooses the HTTP parser: httptools (extra `fast`) if installed, else h11."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._message import Transfer
    from ._parsing import Parser


def has_httptools() -> bool:
    """Whether httptools is installed."""
    return find_spec("httptools") is not None


def parser_class() -> Callable[[Transfer], Parser]:
    """Return what reads answers here."""
    if has_httptools():
        from ._httptools import HttptoolsParser  # noqa: PLC0415  an extra

        return HttptoolsParser
    from ._h11 import H11Parser  # noqa: PLC0415  not where the other is

    return H11Parser
