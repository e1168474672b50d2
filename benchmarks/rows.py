"""One measured figure of one client, with its target: what every benchmark gives, and how tables show it."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What some runs of one thing measured.

    Attributes:
        figure: what was measured, the same words for all that are compared.
        who: what it was measured on: the SDK, the official client, a floor.
        unit: of the values, such as "µs".
        values: one a run.
        most: the target, where less is better; None: this one has none.
        least: the target, where more is better.
    """

    figure: str
    who: str
    unit: str
    values: tuple[float, ...]
    most: float | None = None
    least: float | None = None

    @property
    def median(self) -> float:
        """The median of the runs."""
        return statistics.median(self.values)

    @property
    def is_met(self) -> bool | None:
        """Whether the median keeps the target; None without one."""
        if self.most is None and self.least is None:
            return None
        return (self.most is None or self.median <= self.most) and (self.least is None or self.median >= self.least)

    @property
    def target(self) -> str:
        """The target, as a table shows it."""
        if self.most is not None:
            return f"≤ {shown(self.most)}"
        return "" if self.least is None else f"≥ {shown(self.least)}"


def shown(value: float) -> str:
    """Return a number with three figures that count, and no more."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(rows: Iterable[Row]) -> str:
    """Return a Markdown table; the median, and the least and the most in brackets where there were several runs."""
    lines = ["| figure | of | measured | target | met |", "|---|---|---|---|---|"]
    for row in rows:
        spread = f" ({shown(min(row.values))} … {shown(max(row.values))})" if len(row.values) > 1 else ""
        met = {True: "yes", False: "**no**", None: ""}[row.is_met]
        lines.append(f"| {row.figure} | {row.who} | {shown(row.median)} {row.unit}{spread} | {row.target} | {met} |")
    return "\n".join(lines)


def write_json(path: Path, rows: Iterable[Row]) -> None:
    """Write the rows where another program can read them."""
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def row_from(facts: dict[str, Any]) -> Row:
    """Return the row that `write_json` wrote."""
    return Row(**{**facts, "values": tuple(facts["values"])})
