"""What a process pays before it does anything: imports, the first request, `--help`; and what an install brings.

    python benchmarks/startup.py [--quick] [--json FILE]

CPU of whole processes, in turn, so that a busy machine slows all of them alike. An import is what it costs over the
bare interpreter of the same environment. BENCH_BASE_PYTHON names a Python that has the base install and nothing else,
RUNPOD_OFFICIAL_PYTHON one that has the official package; without them this Python is measured, and the official one
is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rows import Row, table, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

OURS, OFFICIAL, HTTPX = "runpod_sdk", "runpod (official)", "httpx"
NAMES = "from runpod_sdk import Client, AsyncClient, RunpodError, JobStatus"
FIRST_OURS = """
from runpod_sdk import Client
Client("key", base_url="{url}").endpoint("abc").run({{"prompt": "hello"}})
"""
FIRST_HTTPX = """
import httpx
client = httpx.Client(headers={{"authorization": "Bearer key"}})
client.post("{url}/abc/run", json={{"input": {{"prompt": "hello"}}}}).json()
"""
FIRST_OFFICIAL = """
import os
os.environ["RUNPOD_ENDPOINT_BASE_URL"] = "{url}"
import runpod
runpod.api_key = "key"
runpod.Endpoint("abc").run({{"prompt": "hello"}})
"""
FOOTPRINT = """
import json
from importlib.metadata import distributions
packages = [found for found in distributions() if found.name not in {"pip", "setuptools"}]
files = [file.locate() for found in packages for file in found.files or ()]
print(json.dumps([len(packages), sum(file.stat().st_size for file in files if file.exists())]))
"""


def cpu_of(python: str, code: str) -> float:
    """Run a program, and return the milliseconds of CPU that it took."""
    return cpu_of_command([python, "-I", "-c", code])


def cpu_of_command(command: Sequence[str]) -> float:
    """Run a command, and return the milliseconds of CPU that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)  # noqa: S603  programs of this file
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def footprint(python: str) -> tuple[int, float]:
    """Return how many packages an environment has beside pip, and their megabytes on disk."""
    printed = subprocess.run([python, "-I", "-c", FOOTPRINT], stdout=subprocess.PIPE, check=True).stdout  # noqa: S603
    packages, size = json.loads(printed)
    return packages, size / 1e6


def rows(*, quick: bool = False) -> list[Row]:
    """Measure all, in turn."""
    base = os.environ.get("BENCH_BASE_PYTHON", sys.executable)
    official = os.environ.get("RUNPOD_OFFICIAL_PYTHON")
    server = [sys.executable, str(Path(__file__).with_name("static_server.py"))]
    with subprocess.Popen(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        url = f"http://127.0.0.1:{int(process.stdout.readline())}/v2" if process.stdout else ""
        programs = {
            "bare": (base, "pass"),
            "package": (base, "import runpod_sdk"),
            "names": (base, NAMES),
            "httpx": (base, "import httpx"),
            "first": (base, FIRST_OURS.format(url=url)),
            "first httpx": (base, FIRST_HTTPX.format(url=url)),
        }
        if official:
            programs |= {
                "official bare": (official, "pass"),
                "official": (official, "import runpod"),
                "first official": (official, FIRST_OFFICIAL.format(url=url)),
            }
        found: dict[str, list[float]] = {}
        for name, (python, code) in programs.items():
            cpu_of(python, code)  # byte code, and files in memory
            found[name] = []
        helps: list[float] = []
        command = str(Path(base).with_name("runpod-sdk"))
        for _ in range(5 if quick else 21):
            for name, (python, code) in programs.items():
                found[name].append(cpu_of(python, code))
            helps.append(cpu_of_command([command, "--help"]))
        if process.stdin:
            process.stdin.close()

    def over(name: str, bare: str) -> tuple[float, ...]:
        return tuple(one - other for one, other in zip(found[name], found[bare], strict=True))

    packages, size = footprint(base)
    made = [
        Row(
            figure="import, over bare Python", who=f"import {OURS}", unit="ms", values=over("package", "bare"), most=20
        ),
        Row(figure="import, over bare Python", who=NAMES, unit="ms", values=over("names", "bare"), most=20),
        Row(figure="import, over bare Python", who=f"import {HTTPX}", unit="ms", values=over("httpx", "bare")),
        Row(
            figure="process to first answer, over bare Python, against httpx",
            who=OURS,
            unit="times",
            values=tuple(a / b for a, b in zip(over("first", "bare"), over("first httpx", "bare"), strict=True)),
            most=1.3,
        ),
        Row(figure="process to first answer", who=OURS, unit="ms", values=tuple(found["first"])),
        Row(figure="process to first answer", who=HTTPX, unit="ms", values=tuple(found["first httpx"])),
        Row(figure="runpod-sdk --help", who=OURS, unit="ms", values=tuple(helps), most=100),
        Row(figure="packages of the base install", who=OURS, unit="", values=(packages,), most=12),
        Row(figure="size of the base install", who=OURS, unit="MB", values=(size,), most=25),
    ]
    if official:
        packages, size = footprint(official)
        made += [
            Row(figure="import, over bare Python", who=OFFICIAL, unit="ms", values=over("official", "official bare")),
            Row(figure="process to first answer", who=OFFICIAL, unit="ms", values=tuple(found["first official"])),
            Row(figure="packages of the base install", who=OFFICIAL, unit="", values=(packages,)),
            Row(figure="size of the base install", who=OFFICIAL, unit="MB", values=(size,)),
        ]
    return made


def main(argv: list[str] | None = None) -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="five rounds")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args(argv)
    found = rows(quick=asked.quick)
    print(table(found))
    if asked.json:
        write_json(asked.json, found)


if __name__ == "__main__":
    main()
