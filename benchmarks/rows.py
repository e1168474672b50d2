"""What every benchmark gives: figures of one client each, with their targets; the table of them; the command line."""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from processes import ORDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


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

    @property
    def cell(self) -> str:
        """The median, bold where it misses the target; and half of the way from the least to the most, if it counts."""
        mark = "**" if self.is_met is False else ""
        half = float(f"{(max(self.values) - min(self.values)) / 2:.2g}")
        spread = f"±{shown(half)}" if shown(half) != "0" and half >= abs(self.median) / 100 else ""
        return f"{mark}{shown(self.median)}{mark}{spread}"


def shown(value: float) -> str:
    """Return a number with three figures that count, and no more."""
    if abs(value) < 0.005:
        return "0"
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 1 else f"{value:.3g}"


def table(rows: Iterable[Row]) -> str:
    """Return Markdown: a line a figure, a column for each that it was measured on; a table where they are others."""
    figures: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        figures.setdefault((row.figure, row.unit), {})[row.who] = row
    groups: list[list[dict[str, Row]]] = []
    for across in figures.values():
        if groups and any(across.keys() & other.keys() for other in groups[-1]):
            groups[-1].append(across)
        else:
            groups.append([across])
    return "\n\n".join(map(_table, groups))


def _table(lines: Sequence[dict[str, Row]]) -> str:
    columns = list(dict.fromkeys(who for across in lines for who in across))
    columns.sort(key=lambda who: ORDER.index(who) if who in ORDER else len(ORDER))
    made = [f"| figure | {' | '.join(columns)} | target | met |", "|---|" + "--:|" * len(columns) + "---|---|"]
    for across in lines:
        first = next(iter(across.values()))
        cells = [across[who].cell if who in across else "" for who in columns]
        targets = dict.fromkeys(row.target for row in across.values() if row.target)
        judged = [row.is_met for row in across.values() if row.is_met is not None]
        met = ("yes" if all(judged) else "**no**") if judged else ""
        name = f"{first.figure}, {first.unit}" if first.unit else first.figure
        made.append(f"| {name} | {' | '.join(cells)} | {', '.join(targets)} | {met} |")
    return "\n".join(made)


def write_json(path: Path, rows: Iterable[Row]) -> None:
    """Write the rows where another program can read them."""
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def row_from(facts: dict[str, Any]) -> Row:
    """Return the row that `write_json` wrote."""
    return replace(Row(**facts), values=tuple(facts["values"]))


def main(rows: Callable[[bool], Sequence[Row]], doc: str | None, argv: Sequence[str] | None = None) -> None:
    """Measure as the command line says: print the table, and write JSON where it is asked for."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and less in each")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file, too")
    asked = parser.parse_args(argv)
    found = rows(asked.quick)
    print(table(found))
    if asked.json:
        write_json(asked.json, found)
