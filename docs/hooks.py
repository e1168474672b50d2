"""What the site needs beyond its pages: links out of docs/, which only a checkout can follow, become plain words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.structure.pages import Page

_OUTWARD = re.compile(r"\[([^\]]+)\]\(\.\./([^)#]+)[^)]*\)")


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Return the page with each link that leaves docs/ as its words, and the file's place where they do not say it."""
    del page
    return _OUTWARD.sub(_words, markdown)


def _words(link: re.Match[str]) -> str:
    words, place = link[1], link[2]
    return words if place in words or place.startswith("tests/") else f"{words} (`{place}`)"
