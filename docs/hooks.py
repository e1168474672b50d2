"""What the site needs beyond its pages.

The examples become pages; other links out of docs/, which only a checkout can follow, become plain words; and the
OpenAPI document is put beside the pages, for programs as it is and for readers as one page.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

from runpod_sdk._values._version import __version__

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

_OUTWARD = re.compile(r"\[([^\]]+)\]\(\.\./([^)#]+)[^)]*\)")


_ROOT = Path(__file__).parents[1]
_DOCUMENT = _ROOT / "runpod_sdk" / "emulator" / "openapi.json"
_EXAMPLES = sorted((_ROOT / "examples").rglob("*.py"))
_MENTIONING = ("reference.md", "performance.md", "fidelity.md", "examples/")
_EDITION = _ROOT / "generated" / "runpod-queue-3.0.openapi.json"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the version at the foot of each page."""
    config.copyright = f"runpod-sdk {__version__}. Independent, not affiliated with Runpod."
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the document, its edition for OpenAPI 3.0, and the page of it."""
    sys.path.append(str(_ROOT / "openapi"))  # here: mkdocs forgets what was added when it imported this file
    from page import page_from  # noqa: PLC0415

    text = _DOCUMENT.read_text(encoding="utf-8")
    files.append(File.generated(config, "openapi.json", content=text))
    files.append(File.generated(config, "openapi-3.0.json", content=_EDITION.read_text(encoding="utf-8")))
    files.append(File.generated(config, "api.html", content=page_from(json.loads(text))))
    for path in _EXAMPLES:
        files.append(File.generated(config, f"examples/{path.stem}.md", content=_example_page(path)))
    return files


def _example_page(path: Path) -> str:
    """Return an example as a page: what it says of itself, then all of it."""
    code = path.read_text(encoding="utf-8")
    said = (ast.get_docstring(ast.parse(code)) or "").split("\n")[0]
    name = path.relative_to(_ROOT / "examples").with_suffix("").as_posix()
    return f"# {path.name}\n\n{said}\n\n`runpod-sdk examples {name}` prints it.\n\n```python\n{code}```\n"


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Return the page with each link that leaves docs/ as its words, and the file's place where they do not say it.

    The search lists pages that explain before those that only mention a word.
    """
    if page.file.src_uri.startswith(_MENTIONING):
        page.meta.setdefault("search", {"boost": 0.25})
    depth = page.file.src_uri.count("/")
    return _OUTWARD.sub(partial(_words, "../" * depth), markdown)


def _words(top: str, link: re.Match[str]) -> str:
    words, place = link[1], link[2]
    if (_ROOT / place) in _EXAMPLES:
        return f"[{words}]({top}examples/{Path(place).stem}.md)"
    return words if place in words or place.startswith("tests/") else f"{words} (`{place}`)"
