"""One run of resume.py: the same call or command again, of which everything is done."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from processes import begin, end, peak
from resume import URL, given


def called(case: str, folder: Path, count: int) -> int:
    """Make the call; return how many inputs were left out."""
    from runpod_sdk import Client

    inputs: Any = (given(number) for number in range(count))
    if case != "map":
        inputs = ((f"k{number}", given(number)) for number in range(count))
    with Client("key", base_url=URL.rpartition("/")[0], allow_http=True) as client:
        results = client.endpoint("abc").map(inputs, journal=folder / "results.jsonl.journal")
        for result in results:
            raise RuntimeError(f"it was not done: {result!r}")
        return results.report().skipped


def commanded(folder: Path) -> int:
    """Run the command; return its exit code."""
    import os

    from runpod_sdk.cli import main

    os.environ |= {"RUNPOD_API_KEY": "key", "RUNPOD_ENDPOINT_BASE_URL": URL.rpartition("/")[0]}
    inputs, output = str(folder / "inputs.jsonl"), str(folder / "results.jsonl")
    return main(["map", "abc", inputs, "--output", output])


def run(who: str, case: str, path: str, count: str) -> None:
    """Measure one case."""
    begin(who)
    began, cpu = time.perf_counter(), time.process_time()
    is_right = not commanded(Path(path)) if case[0] == "c" else called(case, Path(path), int(count)) == int(count)
    if not is_right:
        raise RuntimeError("not all was done")
    end({"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu, "rss": peak()})


if __name__ == "__main__":
    run(*sys.argv[1:])
