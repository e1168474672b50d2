"""The report of the checks: lines to read, and a file to send in."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from runpod_sdk._values._version import __version__
from runpod_sdk._values._words import counted

if TYPE_CHECKING:
    from ._claims import Check, Finding


@dataclass(frozen=True, slots=True)
class Report:
    """The findings of one run.

    Attributes:
        base_url: of the service; only its host is shown.
        date: when it was, in ISO 8601.
        findings: what came of each check, in order.
    """

    base_url: str
    date: str
    findings: list[tuple[Check, Finding]]

    @property
    def counts(self) -> dict[str, int]:
        """Return how many checks came to each verdict."""
        counted = Counter(finding.verdict for _, finding in self.findings)
        return {"same": counted["same"], "differs": counted["differs"], "unclear": counted["unclear"]}

    def to_json(self) -> dict[str, Any]:
        """Return what can be sent in: no key, no endpoint, no ids, no input."""
        return {
            "tool": f"runpod-sdk verify {__version__}",
            "service": urlsplit(self.base_url).hostname,
            "date": self.date,
            "counts": self.counts,
            "checks": [
                {
                    "name": check.name,
                    "claim": check.claim,
                    "source": check.source,
                    "verdict": finding.verdict,
                    "seen": finding.seen,
                }
                for check, finding in self.findings
            ],
        }

    def summary(self) -> str:
        """Return the last line."""
        counts = self.counts
        told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        return f"\n{counted(len(self.findings), 'claim')}: {told}"

    def text(self) -> str:
        """Return the file."""
        return json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n"


def line(check: Check, finding: Finding) -> str:
    """Return what is printed of a check: what was seen, only where it is not what was claimed."""
    head = f"{finding.verdict:<8} {check.source:<16} {check.name:<24} {check.claim}"
    return head if finding.verdict == "same" else f"{head}\n{'':9}seen: {finding.seen}"
