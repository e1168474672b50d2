"""The Markdown that the document's descriptions use, as HTML: headings, lists, tables, bold, code, links.

Everything is escaped first, so that a text is never more than text.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_ITEM = re.compile(r"(?:[-*]|\d+\.) +")
_CODE = re.compile(r"`([^`]+)`")
_KEPT = re.compile("\x00(\\d+)\x00")
_BOLD = re.compile(r"\*\*(.+?)\*\*")
_LINK = re.compile(r"\[([^\]]+)\]\((https?://[^)\s]+)\)")


def html_from(text: str) -> str:
    """Return a description as HTML blocks."""
    blocks = re.split(r"\n\s*\n", text.strip())
    return "\n".join(_block(block.splitlines()) for block in blocks if block.strip())


def inline(text: str) -> str:
    """Return one run of text as HTML, without a block around it."""
    codes: list[str] = []

    def put_aside(found: re.Match[str]) -> str:  # nothing in code is anything else
        codes.append(f"<code>{found[1]}</code>")
        return f"\0{len(codes) - 1}\0"

    text = _CODE.sub(put_aside, escape(text.replace("\0", "")))
    text = _LINK.sub(r'<a href="\2">\1</a>', _BOLD.sub(r"<strong>\1</strong>", text))
    return _KEPT.sub(lambda found: codes[int(found[1])], text)


def _block(lines: list[str]) -> str:
    first = lines[0]
    if first.startswith("#"):
        marks, _, title = first.partition(" ")
        level = min(len(marks) + 1, 6)
        rest = _block(lines[1:]) if lines[1:] else ""
        return f"<h{level}>{inline(title)}</h{level}>{rest}"
    if first.startswith("|") and len(lines) > 1:
        return _table(lines)
    if _ITEM.match(first):
        return _list(lines)
    return f"<p>{inline(' '.join(line.strip() for line in lines))}</p>"


def _list(lines: list[str]) -> str:
    items: list[str] = []
    for line in lines:
        found = _ITEM.match(line)
        if found:
            items.append(line[found.end() :])
        else:
            items[-1] += " " + line.strip()
    tag = "ol" if lines[0][0].isdigit() else "ul"
    return f"<{tag}>{''.join(f'<li>{inline(item)}</li>' for item in items)}</{tag}>"


def _table(lines: list[str]) -> str:
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    head, body = rows[0], rows[2:]  # the second line is the rule between them
    return table_from([inline(cell) for cell in head], ([inline(cell) for cell in row] for row in body))


def table_from(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table of cells that are HTML already; a column without a word in it is left out."""
    columns = list(head)
    cells = [list(row) for row in rows]
    kept = [index for index in range(len(columns)) if any(len(row) > index and row[index] for row in cells)]
    top = "".join(f"<th>{columns[index]}</th>" for index in kept)
    body = "".join(f"<tr>{''.join(f'<td>{row[index]}</td>' for index in kept)}</tr>" for row in cells)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
