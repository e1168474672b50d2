"""What the site needs beyond its pages.

Links out of docs/, which only a checkout can follow, become plain words; and the OpenAPI document is put beside the
pages, for programs as it is and for readers as one page.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

_OUTWARD = re.compile(r"\[([^\]]+)\]\(\.\./([^)#]+)[^)]*\)")


_EDITION = Path(__file__).parents[1] / "generated" / "runpod-queue-3.0.openapi.json"
_SPEC = {"openapi.json": "--json", "api.html": "--html"}


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add what `runpod-sdk spec` prints."""
    for name, option in _SPEC.items():
        command = [sys.executable, "-m", "runpod_sdk", "spec", option]
        printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603  our own
        files.append(File.generated(config, name, content=printed))
    files.append(File.generated(config, "openapi-3.0.json", abs_src_path=str(_EDITION)))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Return the page with each link that leaves docs/ as its words, and the file's place where they do not say it."""
    del page
    return _OUTWARD.sub(_words, markdown)


def _words(link: re.Match[str]) -> str:
    words, place = link[1], link[2]
    return words if place in words or place.startswith("tests/") else f"{words} (`{place}`)"
