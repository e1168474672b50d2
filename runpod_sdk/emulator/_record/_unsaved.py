"""Which ledger rows survive a restart, and how unfinished rows are closed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsaved:
    """What is new in a ledger.

    Attributes:
        rows: as they are.
        accounts: of jobs, with the number of each, in the order of these.
        totals: what is counted.
        lists: what is listed beside it, where that has changed: it may be long.
        cut: up to which number rows and accounts are no longer kept.
    """

    rows: list[tuple[Any, ...]]
    accounts: list[tuple[str, int, dict[str, Any]]]
    totals: dict[str, Any]
    lists: dict[str, Any] | None
    cut: dict[str, int]


def unanswered(rows: list[tuple[Any, ...]]) -> list[tuple[int, str, str, str, str | None]]:
    """Return the submits among rows that have no answer: number, operation, endpoint, hash, and the job it became."""
    answered = {row[3] for row in rows if row[2] == "answer"}
    became = {row[3]: row[6] for row in rows if row[2] == "job" and row[4] == "submit"}
    return [
        (row[0], row[3], row[6] or "", row[8], became.get(row[0]))
        for row in rows
        if row[2] == "request" and row[8] is not None and row[0] not in answered
    ]
