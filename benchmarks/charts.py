"""The charts of docs/performance.md, as SVG; from the rows that the benchmarks give."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt
from processes import AIOHTTP, FAST, FLOOR, HTTPX, OFFICIAL, OURS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rows import Row

INK, GRID = "#808080", "#80808040"  # readable on a light page and on a dark one
COLOURS = {OURS: "#7e57c2", FAST: "#26a69a", OFFICIAL: "#ef6c00", HTTPX: "#e53935", AIOHTTP: "#1e88e5", FLOOR: INK}
# The same bytes from the same figures.
mpl.rcParams |= {
    "svg.hashsalt": "runpod-sdk",
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.grid": True,
    "grid.color": GRID,
    **dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "text.color", "xtick.color"), INK),
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
AT_ONCE = re.compile(r"^async call, (\d+) at once$")


def write(found: dict[str, list[Row]], folder: Path) -> None:
    """Write a chart for each benchmark that has one."""
    if "calls" in found:
        _save(folder / "calls.svg", _calls(found["calls"]))
    if "growth" in found:
        _save(folder / "growth.svg", _growth(found["growth"]))


def _calls(rows: Sequence[Row]) -> Figure:
    figure, axes = plt.subplots(figsize=(7.2, 3.8))
    for who, colour in COLOURS.items():
        points = [(int(at[1]), row.median) for row in rows if row.who == who and (at := AT_ONCE.match(row.figure))]
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", markersize=4, label=who, color=colour)
    axes.set(xscale="log", yscale="log", xlabel="async calls at once", ylabel="µs of CPU a call, log scale")
    _ticks(axes, (1, 16, 64, 200))
    axes.set_yticks((10, 30, 100, 300, 1_000, 3_000), ["10", "30", "100", "300", "1,000", "3,000"])
    axes.legend(fontsize=9, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _growth(rows: Sequence[Row]) -> Figure:
    figure, pair = plt.subplots(1, 2, figsize=(7.2, 3.0))
    shown = (("CPU of a call beside waiters", "waiters"), ("CPU of a job in bulk", "jobs"))
    for axes, (name, counted) in zip(pair, shown, strict=True):
        points = sorted(
            (int(size.replace(",", "")), row.median)
            for row in rows
            for size, kind in [row.who.split()[:2] if " " in row.who else ("0", "")]
            if row.figure == name and kind and counted.startswith(kind)
        )
        sizes = [size for size, _ in points]
        axes.plot(sizes, [cost for _, cost in points], marker="o", markersize=4, color=COLOURS[OURS])
        axes.set(xscale="log", title=name, xlabel=counted, ylabel="µs")
        axes.set_ylim(bottom=0, top=max([1.0, *(cost * 1.3 for _, cost in points)]))
        _ticks(axes, sizes)
    return figure


def _ticks(axes: Axes, at: Sequence[int]) -> None:
    axes.set_xticks(at, [f"{size:,}" for size in at])
    axes.minorticks_off()


def _save(path: Path, figure: Figure) -> None:
    figure.tight_layout()
    figure.savefig(path, format="svg", transparent=True, metadata={"Date": None})
    plt.close(figure)
