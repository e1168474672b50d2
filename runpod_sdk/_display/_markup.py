"""HTML tables for notebooks. Everything is escaped, outputs are shortened, keys and inputs are never shown."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# The longest text in a cell, characters.
CELL_MAX = 200


def table(title: str, rows: Iterable[tuple[str, object]]) -> str:
    """Return a table of names and values; a value that is None has no row."""
    cells = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left">{_cell(value)}</td></tr>'
        for name, value in rows
        if value is not None
    )
    return f'<table><caption style="text-align:left">{escape(title)}</caption>{cells}</table>'


def _cell(value: object) -> str:
    shown = cut(value if isinstance(value, str) else repr(value))
    # A lone surrogate, half of a character that a worker has cut in two, is no UTF-8: the whole cell would fail.
    return escape(shown.encode("utf-8", "backslashreplace").decode())


def cut(text: str) -> str:
    """Return as much of a text as a cell shows."""
    return text if len(text) <= CELL_MAX else text[:CELL_MAX] + "…"


def progress_html(text: str, done: int, total: int) -> str:
    """Show one line with a bar."""
    return f'<div><small>{_cell(text)}</small> <progress value="{done}" max="{max(total, 1)}"></progress></div>'


def line_html(text: str) -> str:
    """Show one line, cut like a cell."""
    return f"<div><small>{_cell(text)}</small></div>"
