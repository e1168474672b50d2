"""What a process pays before its first request is answered: imports, and a first call, beside httpx's.

    python benchmarks/start.py [--quick] [--json]

Each case in a process of its own, in turn; medians of CPU, over a bare Python for imports and in all for first calls.
httpx imports rich and click where they are: measure where the base install is. The extra `fast` changes nothing here.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path
from statistics import median

_SYNC = 'import httpx; httpx.Client().post("{url}/abc/run", content=b"{{}}", headers={{"authorization": "Bearer k"}})'
_ASYNC = """
import asyncio, httpx
async def main():
    async with httpx.AsyncClient() as client:
        await client.post("{url}/abc/run", content=b"{{}}", headers={{"authorization": "Bearer k"}})
asyncio.run(main())
"""
_OURS = """
import asyncio
from runpod_sdk import AsyncClient
async def main():
    async with AsyncClient("k", base_url="{url}") as client:
        await client.endpoint("abc").run({{}})
asyncio.run(main())
"""
CASES = {
    "bare Python": "pass",
    "import runpod_sdk": "import runpod_sdk",
    "four names": "from runpod_sdk import Client, AsyncClient, RunpodError, JobStatus",
    "import httpx": "import httpx",
    "first call, httpx": _SYNC,
    "first call, Client": 'from runpod_sdk import Client; Client("k", base_url="{url}").endpoint("abc").run({{}})',
    "first call, httpx async": _ASYNC,
    "first call, AsyncClient": _OURS,
    "runpod-sdk --help": 'import sys; sys.argv = ["runpod-sdk", "--help"]; from runpod_sdk.cli import main; main()',
}


def cpu_of(code: str) -> float:
    """Return the milliseconds of CPU that a process takes for this."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.DEVNULL)  # noqa: S603  the cases above
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    found: dict[str, list[float]] = {case: [] for case in CASES}
    server = [sys.executable, str(Path(__file__).with_name("static_server.py"))]
    with subprocess.Popen(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        url = f"http://127.0.0.1:{int(process.stdout.readline())}/v2" if process.stdout else ""
        for _ in range(5 if asked.quick else 21):
            for case, code in CASES.items():
                found[case].append(cpu_of(code.format(url=url)))
        if process.stdin:
            process.stdin.close()
    figures = {case: median(times) for case, times in found.items()}
    bare = figures.pop("bare Python")
    over = {case: ms - bare if "import" in case or "names" in case else ms for case, ms in figures.items()}
    over["ratio, sync"] = figures["first call, Client"] / figures["first call, httpx"]
    over["ratio, async"] = figures["first call, AsyncClient"] / figures["first call, httpx async"]
    if asked.json:
        print(json.dumps(over, indent=1))
        return
    for case, figure in over.items():
        print(f"{case:24} {figure:7.2f}" + ("" if "ratio" in case else " ms"))


if __name__ == "__main__":
    main()
