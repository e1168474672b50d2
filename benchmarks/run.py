"""Every benchmark, one after the other, and the page that shows them: `nox -s bench`.

    python benchmarks/run.py [--quick] [--only NAME …] [--write]

Prints one table a benchmark. With `--write`: docs/performance.md (between its markers), docs/assets/bench.json, and the
charts as SVG beside it. The environments are named by BENCH_BASE_PYTHON, BENCH_FAST_PYTHON and RUNPOD_OFFICIAL_PYTHON
(`nox -s bench` makes them); what has none is measured in this one, or left out by name.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from rows import Row, row_from, table

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent / "docs"
PAGE, FIGURES = DOCS / "performance.md", DOCS / "assets" / "bench.json"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
# What is measured, in the order of the page: the module, and what the page says of it.
BENCHMARKS = {
    "startup": "Install, import, first request",
    "calls": "CPU of a call",
    "latency": "From the end of a job to its caller",
    "bulk": "Many jobs",
    "bodies": "Large bodies",
    "growth": "Growth",
    "emulator": "The emulator",
}


def measured(name: str, *, quick: bool) -> list[Row]:
    """Run one benchmark in a process of its own."""
    out = HERE / f".{name}.json"
    command = [sys.executable, str(HERE / f"{name}.py"), "--json", str(out), *(["--quick"] if quick else [])]
    try:
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)  # noqa: S603  a script beside this one
        return [row_from(facts) for facts in json.loads(out.read_text(encoding="utf-8"))]
    finally:
        out.unlink(missing_ok=True)


def machine() -> str:
    """Say what was measured on, in words that name no machine."""
    base = os.environ.get("BENCH_BASE_PYTHON", sys.executable)
    version = subprocess.run(  # noqa: S603  as above
        [base, "-c", "import platform; print(platform.python_version())"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()
    return f"Python {version}, {platform.system()}, {os.cpu_count()} cores"


def page(text: str, found: dict[str, list[Row]], when: str, *, quick: bool) -> str:
    """Return the page with the figures between its markers."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    kind = "`nox -s bench -- --quick`" if quick else "`nox -s bench`"
    parts = [f"Measured {when} by {kind}: {machine()}. Median, and (least … most) of the runs."]
    for name, rows in found.items():
        missed = [row for row in rows if row.is_met is False]
        kept = sum(row.is_met is True for row in rows)
        parts.append(
            f"### {BENCHMARKS[name]}\n\n`python benchmarks/{name}.py`: {kept} targets met, {len(missed)} missed."
        )
        parts += [f"![{alt}](assets/{file})" for file, alt in CHARTS.get(name, {}).items()]
        parts.append(table(rows))
    return f"{before}{BEGIN}\n\n" + "\n\n".join(parts) + f"\n\n{END}{after}"


# By benchmark: the files of its charts, and what each shows.
CHARTS = {
    "calls": {"calls.svg": "CPU of a call, by how many are at once"},
    "growth": {"growth.svg": "CPU of a call beside waiters, and of a job in bulk runs"},
}


def main(argv: list[str] | None = None) -> int:
    """Do what the command line says; the exit code says only whether everything could be measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less of everything: three minutes")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS), metavar="NAME")
    parser.add_argument("--write", action="store_true", help="write the page, the figures and the charts")
    asked = parser.parse_args(argv)
    found: dict[str, list[Row]] = {}
    for name in asked.only:
        began = time.monotonic()
        found[name] = measured(name, quick=asked.quick)
        print(f"\n{BENCHMARKS[name]} ({time.monotonic() - began:.0f} s)\n\n{table(found[name])}", flush=True)
    if asked.write:
        when = time.strftime("on %Y-%m-%d")
        PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), found, when, quick=asked.quick), encoding="utf-8")
        facts = {name: [asdict(row) for row in rows] for name, rows in found.items()}
        FIGURES.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        import_module("charts").write(found, FIGURES.parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
