"""Every benchmark, one after the other, and the page that shows them: `nox -s bench`.

    python benchmarks/run.py [--quick] [--only NAME …] [--write]

Prints one table a benchmark. With `--write`: docs/performance.md (between its markers), docs/assets/bench.json, and the
charts as SVG beside it; what `--only` leaves out stays as it was. processes.py says which environments are measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from processes import HERE, LIMITS, OFFICIAL, OURS, python_of
from rows import Row, row_from, table

DOCS = HERE.parent / "docs"
PAGE, FIGURES = DOCS / "performance.md", DOCS / "assets" / "bench.json"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What the page says of one."""

    title: str
    server: str
    chart: str | None = None
    words: str = ""


STATIC, EMULATOR = "a static server", "the emulator"
BENCHMARKS = {
    "startup": Benchmark("Install, import, first call", STATIC),
    "calls": Benchmark("CPU of a call", STATIC, "calls.svg", "CPU of a call, by how many are at once"),
    "latency": Benchmark("From the end of a job to its caller", EMULATOR),
    "bulk": Benchmark("Many jobs", EMULATOR),
    "resume": Benchmark("A run that is taken up", "no service: there is nothing to send"),
    "large": Benchmark("Large bodies", STATIC),
    "growth": Benchmark(
        "Growth", EMULATOR, "growth.svg", "CPU of a call beside more and more waiters, and of a job in longer runs"
    ),
    "emulator": Benchmark("The emulator", EMULATOR),
    "worker_file": Benchmark("A worker's file", EMULATOR),
}


def measured(name: str, *, quick: bool) -> list[Row]:
    """Run one benchmark in a process of its own."""
    with TemporaryDirectory() as folder:
        out = Path(folder, "rows.json")
        command = [sys.executable, str(HERE / f"{name}.py"), "--json", str(out), *(["--quick"] if quick else [])]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)  # noqa: S603  a script beside this one
        return [row_from(facts) for facts in json.loads(out.read_text(encoding="utf-8"))]


def machine() -> str:
    """Say what was measured on."""
    code = "import sys, platform; print(platform.python_version(), sys.base_prefix)"
    command = [python_of(OURS) or sys.executable, "-I", "-c", code]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603  as above
    version, prefix = printed.split()
    whose = ""
    if prefix == "/usr" and sys.platform == "linux":
        whose = f"{platform.freedesktop_os_release()['NAME'].split()[0]}'s "
    return f"{whose}Python {version}, {platform.system()} on {platform.machine()}, {os.cpu_count()} cores"


def of_page(found: dict[str, dict[str, Any]]) -> str:
    """Return what stands between the markers."""
    every = [row for entry in found.values() for row in entry["rows"]]
    judged = [row for row in every if row.is_met is not None]
    missed = [row for row in judged if not row.is_met]
    lines = [
        f"Limiter: `{LIMITS}`, the default, in every run. {len(judged) - len(missed)} of {len(judged)} targets are met."
    ]
    if missed:
        names = [f"- {row.figure}, {row.who}: {row.cell} {row.unit}, target {row.target}" for row in missed]
        lines.append("Missed, and why [below](#where-a-target-is-missed):\n\n" + "\n".join(names))
    for name, entry in found.items():
        benchmark = BENCHMARKS[name]
        lines.append(f"## {benchmark.title}")
        lines.append(f"`python benchmarks/{name}.py`, against {benchmark.server}. {entry['measured']}.")
        if benchmark.chart:
            lines.append(f"![{benchmark.words}](assets/{benchmark.chart})")
        lines.append(table(entry["rows"]))
    return "\n\n".join(lines)


def write(found: dict[str, dict[str, Any]]) -> None:
    """Write the page, the figures and the charts; of what was not measured now, with the figures from before."""
    if FIGURES.exists():
        for name, entry in json.loads(FIGURES.read_text(encoding="utf-8")).items():
            found.setdefault(name, {**entry, "rows": [row_from(facts) for facts in entry["rows"]]})
    found = {name: found[name] for name in BENCHMARKS if name in found}
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{of_page(found)}\n\n{END}{after}", encoding="utf-8")
    facts = {name: {**entry, "rows": [asdict(row) for row in entry["rows"]]} for name, entry in found.items()}
    FIGURES.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    import_module("charts").write({name: entry["rows"] for name, entry in found.items()}, FIGURES.parent)


def main(argv: list[str] | None = None) -> None:
    """Do what the command line says; a missed target is a figure, not a failure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less of everything: three minutes")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS), metavar="NAME")
    parser.add_argument("--write", action="store_true", help="write the page, the figures and the charts")
    asked = parser.parse_args(argv)
    kind = "with --quick, " if asked.quick else ""
    where = f"Measured {kind}{time.strftime('%Y-%m-%d')}, {machine()}"
    print(f"{where}; limiter: {LIMITS}" + ("" if python_of(OFFICIAL) else f"; {OFFICIAL} is left out"), flush=True)
    found: dict[str, dict[str, Any]] = {}
    for name in asked.only:
        began = time.monotonic()
        found[name] = {"measured": where, "limiter": LIMITS, "rows": measured(name, quick=asked.quick)}
        took = time.monotonic() - began
        print(f"\n{BENCHMARKS[name].title} ({took:.0f} s)\n\n{table(found[name]['rows'])}", flush=True)
    if asked.write:
        write(found)


if __name__ == "__main__":
    main()
