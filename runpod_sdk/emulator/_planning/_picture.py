"""Draws plans as SVG bar charts that work on light and dark pages."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    Row = tuple[str, float, str, float, str, tuple[float, float, float]]

_INK = "#808080"
_TIME = "#7e57c2"
_PARTS = (("execution", "#26a69a"), ("starting", "#ef6c00"), ("idle", "#80808066"))
_LEFT, _BAR, _GAP, _STEP, _TOP = 70, 270, 50, 44, 76  # pixels


def picture(title: str, rows: Sequence[Row]) -> str:
    """Return a picture of runs.

    Args:
        title: what they are of.
        rows: of each its window, its seconds, as a number and in words, its worker-seconds, as a number and in words,
            and the shares of execution, starts and idleness in them.
    """
    longest = max(row[1] for row in rows) or 1.0
    dearest = max(row[3] for row in rows) or 1.0
    second = _LEFT + _BAR + _GAP
    width, height = second + _BAR + 20, _TOP + _STEP * len(rows) + 10
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="sans-serif" fill="{_INK}">',
        f"<title>{escape(title)}</title>",
        _text(10, 20, title, size=14),
        _text(_LEFT, 46, "wall time"),
        _text(10, 66, "window"),
        *_legend(second),
    ]
    for number, (window, seconds, in_words, worker_seconds, said, shares) in enumerate(rows):
        top = _TOP + _STEP * number
        parts += [
            _text(10, top + 13, window),
            _bar(_LEFT, top, _BAR * seconds / longest, _TIME),
            _text(_LEFT, top + 31, in_words),
            _text(second, top + 31, said),
        ]
        left = float(second)
        for (_, colour), share in zip(_PARTS, shares, strict=True):
            wide = _BAR * worker_seconds / dearest * share
            parts.append(_bar(left, top, wide, colour))
            left += wide
    return "\n".join([*parts, "</svg>", ""])


def _legend(left: int) -> list[str]:
    parts = [_text(left, 46, "worker-seconds:")]
    for (name, colour), at in zip(_PARTS, (100, 180, 250), strict=True):
        parts += [_bar(left + at, 37, 10, colour, height=10), _text(left + at + 14, 46, name)]
    return parts


def _bar(left: float, top: float, width: float, colour: str, height: int = 18) -> str:
    return f'<rect x="{left:.1f}" y="{top}" width="{max(width, 0.0):.1f}" height="{height}" fill="{colour}"/>'


def _text(left: float, base: float, words: str, size: int = 12) -> str:
    return f'<text x="{left}" y="{base}" font-size="{size}">{escape(words)}</text>'
