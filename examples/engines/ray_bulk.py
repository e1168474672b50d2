"""A bulk run on many machines, by Ray Data: one input file is one task, and has one journal beside it.

    python examples/engines/ray_bulk.py inputs/*.jsonl

Each line of an input file is `{"key": …, "input": {…}}`. Beside `a.jsonl` come `a.jsonl.sqlite`, the journal, and at
the end `a.jsonl.results.jsonl`, one line for each key. Ray runs a task again whose worker died. The journal has what
was submitted, so nothing is submitted twice. The directory has to be one that the next worker sees, and no network's
file system (SQLite needs locks): one machine's disk, or a volume that moves with the task.

    pip install runpod-sdk 'ray[data]'
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runpod_sdk import Client, Journal

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDPOINT = os.environ.get("RUNPOD_ENDPOINT", "abc123")
# Jobs in flight for each file; a kill leaves at most so many of which nobody knows whether they were submitted.
AT_ONCE = int(os.environ.get("AT_ONCE", "16"))


def inputs_of(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the lines of an input file as pairs of keys and inputs."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield row["key"], row["input"]


def run_file(path: Path) -> dict[str, int]:
    """Run all inputs of one file, however often it is called; return how many have which status."""
    done = path.with_name(f"{path.name}.results.jsonl")
    journal = Journal(path.with_name(f"{path.name}.sqlite"))
    if not done.exists():
        with Client() as client:
            run = client.endpoint(ENDPOINT).map(inputs_of(path), journal=journal, concurrency=AT_ONCE)
            with run as results:
                for _ in results:
                    pass  # the journal has them
        draft = path.with_name(f"{path.name}.results.part.jsonl")
        journal.export(draft)
        draft.replace(done)  # whole, or not at all
    return journal.counts()


def run_row(row: dict[str, Any]) -> dict[str, Any]:
    """Do that for a row of the dataset."""
    return {"path": row["path"], "counts": json.dumps(run_file(Path(row["path"])))}


def main(paths: list[str]) -> None:
    """Run the inputs of all files, as many files at once as there are processors."""
    import ray  # noqa: PLC0415  workers that only run files need no more of it

    files = ray.data.from_items([{"path": str(Path(path).resolve())} for path in paths], override_num_blocks=len(paths))
    for row in files.map(run_row).iter_rows():
        print(row["path"], row["counts"], flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
