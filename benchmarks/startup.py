"""What a process pays before it does anything: imports, the first call, `--help`; and what an install brings.

    python benchmarks/startup.py [--quick] [--json FILE]

CPU of whole processes, in turn, so that a busy machine slows all of them alike. An import is what it costs over the
bare interpreter of the same environment. httpx is that of the base install: it imports rich and click where they are,
which would flatter the SDK. The extra `fast` changes nothing here.
"""

from __future__ import annotations

import json
import resource
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from processes import HTTPX, OFFICIAL, OURS, python_of, serving
from rows import Row, main

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = "from runpod_sdk import Client, AsyncClient, RunpodError, JobStatus"
FIRST_OURS = """
from runpod_sdk import Client
Client("key", base_url="{url}").endpoint("abc").run({{"prompt": "hello"}})
"""
FIRST_OURS_ASYNC = """
import asyncio
from runpod_sdk import AsyncClient
async def main():
    async with AsyncClient("key", base_url="{url}") as client:
        await client.endpoint("abc").run({{"prompt": "hello"}})
asyncio.run(main())
"""
FIRST_HTTPX = """
import httpx
client = httpx.Client(headers={{"authorization": "Bearer key"}})
client.post("{url}/abc/run", json={{"input": {{"prompt": "hello"}}}}).json()
"""
FIRST_HTTPX_ASYNC = """
import asyncio, httpx
async def main():
    async with httpx.AsyncClient(headers={{"authorization": "Bearer key"}}) as client:
        (await client.post("{url}/abc/run", json={{"input": {{"prompt": "hello"}}}})).json()
asyncio.run(main())
"""
FIRST_OFFICIAL = """
import os
os.environ["RUNPOD_ENDPOINT_BASE_URL"] = "{url}"
import runpod
runpod.api_key = "key"
runpod.Endpoint("abc").run({{"prompt": "hello"}})
"""
# By client: programs by what they are measured for.
PROGRAMS = {
    OURS: {
        "bare": "pass",
        "import": "import runpod_sdk",
        "names": NAMES,
        "sync": FIRST_OURS,
        "async": FIRST_OURS_ASYNC,
    },
    HTTPX: {"bare": "pass", "import": "import httpx", "sync": FIRST_HTTPX, "async": FIRST_HTTPX_ASYNC},
    OFFICIAL: {"bare": "pass", "import": "import runpod", "sync": FIRST_OFFICIAL},
}
FOOTPRINT = """
import json
from importlib.metadata import distributions
packages = [found for found in distributions() if found.name not in {"pip", "setuptools"}]
files = [file.locate() for found in packages for file in found.files or ()]
print(json.dumps([len(packages), sum(file.stat().st_size for file in files if file.exists())]))
"""
IMPORT_MOST, FIRST_MOST, HELP_MOST, PACKAGES_MOST, SIZE_MOST = 20.0, 1.3, 100.0, 12.0, 25.0


def cpu_of(command: Sequence[str]) -> float:
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


def commands(url: str) -> dict[tuple[str, str], list[str]]:
    """Return what is run, by client and by what for."""
    made: dict[tuple[str, str], list[str]] = {}
    for who, programs in PROGRAMS.items():
        if python := python_of(who):
            made |= {(who, name): [python, "-I", "-c", code.format(url=url)] for name, code in programs.items()}
    base = python_of(OURS) or ""
    made[OURS, "help"] = [str(Path(base).with_name("runpod-sdk")), "--help"]
    return made


def rows(quick: bool) -> list[Row]:  # noqa: FBT001  as each benchmark has it
    """Measure all, in turn."""
    with serving("static_server.py") as server:
        programs = commands(f"http://127.0.0.1:{server.told}/v2")
        for command in programs.values():
            cpu_of(command)  # byte code, and files in memory
        found: dict[tuple[str, str], list[float]] = {key: [] for key in programs}
        for turn in range(5 if quick else 15):
            for key, command in programs.items():
                if key[0] != OFFICIAL or turn % 3 == 0:  # it takes seconds
                    found[key].append(cpu_of(command))
    return [*imports(found), *first_answers(found), *installs(found[OURS, "help"])]


def imports(found: dict[tuple[str, str], list[float]]) -> list[Row]:
    """Return what imports cost, over bare Python."""
    figures = {"import": "import of the package", "names": "import of Client, AsyncClient, RunpodError, JobStatus"}
    return [
        Row(
            figure=f"{figures[name]}, CPU over bare Python",
            who=who,
            unit="ms",
            values=minus(times, found[who, "bare"]),
            most=IMPORT_MOST if who == OURS else None,
        )
        for (who, name), times in found.items()
        if name in figures
    ]


def first_answers(found: dict[tuple[str, str], list[float]]) -> list[Row]:
    """Return what the first call of a process costs, imports included, and how that compares with httpx's."""
    made: list[Row] = []
    for name in ("sync", "async"):
        figure = f"first answer of a process, {name}"
        over = {who: minus(times, found[who, "bare"]) for (who, of), times in found.items() if of == name}
        made += [
            Row(figure=f"{figure}, CPU over bare Python", who=who, unit="ms", values=values)
            for who, values in over.items()
        ]
        ratios = tuple(ours / theirs for ours, theirs in zip(over[OURS], over[HTTPX], strict=True))
        made.append(Row(figure=f"{figure}, against httpx", who=OURS, unit="times", values=ratios, most=FIRST_MOST))
    return made


def installs(helps: Sequence[float]) -> list[Row]:
    """Return what an install brings, and what its command takes to say what it can."""
    made = [Row(figure="runpod-sdk --help, CPU", who=OURS, unit="ms", values=tuple(helps), most=HELP_MOST)]
    for who, most in ((OURS, (PACKAGES_MOST, SIZE_MOST)), (OFFICIAL, (None, None))):
        if python := python_of(who):
            packages, size = footprint(python)
            made.append(Row(figure="packages of the install", who=who, unit="", values=(packages,), most=most[0]))
            made.append(Row(figure="size of the install", who=who, unit="MB", values=(size,), most=most[1]))
    return made


def minus(values: Sequence[float], bare: Sequence[float]) -> tuple[float, ...]:
    """Return the differences, round by round."""
    return tuple(one - other for one, other in zip(values, bare, strict=True))


if __name__ == "__main__":
    main(rows, __doc__)
