"""The samples of the service's own documentation, taken out of the documents as they stand.

The documents are not part of the repository: RUNPOD_SDK_DOCUMENTS names their folder, or they are beside the checkout.
"""

from __future__ import annotations

import os
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

_VARIABLE = "RUNPOD_SDK_DOCUMENTS"
_BESIDE = Path(__file__).parents[3] / "shared" / "reference" / "seeds"
_FENCE = re.compile(r"^(?P<indent>[ \t]*)```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^[ \t]*```", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#{1,3} (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sample:
    """One block of a document: where it stands, under which heading, and its text without the page's indentation."""

    document: str
    line: int
    section: str
    language: str
    code: str

    @property
    def is_worker(self) -> bool:
        """Claim that it is a worker's file."""
        return "runpod.serverless.start" in self.code

    @property
    def is_curl(self) -> bool:
        """Claim that it is a call of curl."""
        return self.code.startswith("curl ")


def samples() -> list[Sample]:
    """Return every block of every document; none where there are no documents."""
    folder = Path(os.environ.get(_VARIABLE) or _BESIDE)
    return [sample for path in sorted(folder.glob("*.txt")) for sample in _of(path)]


def params(chosen: list[Sample]) -> list[object]:
    """Return the samples as parameters; without documents one that is skipped and says so."""
    if not samples():
        why = f"there are no documents beside the checkout, and {_VARIABLE} names no folder with any"
        return [pytest.param(None, marks=pytest.mark.skip(reason=why), id="no documents")]
    return [pytest.param(sample, id=f"{sample.document}:{sample.line}") for sample in chosen]


def _of(path: Path) -> list[Sample]:
    text = path.read_text(encoding="utf-8")
    found: list[Sample] = []
    for block in _FENCE.finditer(text):
        headings = list(_HEADING.finditer(text, 0, block.start()))
        found.append(
            Sample(
                document=path.name[:3],
                line=text.count("\n", 0, block.start("code")) + 1,
                section=headings[-1][1] if headings else "",
                language=block["language"],
                code=textwrap.dedent(block["code"]),
            )
        )
    return found
