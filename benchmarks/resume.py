"""A bulk run that is taken up when all is done: 1,000,000 inputs whose results a journal has; wall, CPU and memory.

    python benchmarks/resume.py [--quick] [--json FILE]

The journal and the files are written here, as a run would have left them: inputs of 40 bytes, without keys and with
keys. Then the same call, or the same command, is made again in a process of its own, against no service: it has nothing
to send. "map, keys later" is a run whose inputs have got keys since.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from processes import OURS, measured
from rows import Row, main

from runpod_sdk._client._journal._changes import APPLICATION_ID, TABLES, VERSION
from runpod_sdk._client._journal._keys import named

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = "http://127.0.0.1:9/v2/abc"
COUNT = 1_000_000
CASES = {"map": False, "map, with keys": True, "map, keys later": False, "command": False, "command, with keys": True}
WALL_MOST, RSS_MOST = 10.0, 60.0
WORDS = {"wall": ("wall", "s"), "cpu": ("CPU", "s"), "rss": ("peak memory", "MB")}


def given(number: int) -> dict[str, Any]:
    """Return an input."""
    return {"prompt": f"a picture of cat number {number}"}


def left(folder: Path, count: int, *, keyed: bool) -> None:
    """Write what a run of so many inputs leaves: the inputs, the output, and its journal."""
    inputs, output = folder / "inputs.jsonl", folder / "results.jsonl"
    with inputs.open("w") as file:
        for number in range(count):
            body = {"key": f"k{number}", "input": given(number)} if keyed else given(number)
            file.write(json.dumps(body) + "\n")
    with output.open("w") as file:
        file.writelines(f"{line}\n" for line in _results(count, keyed=keyed))
    with closing(sqlite3.connect(folder / "results.jsonl.journal")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        for statement in TABLES.strip().rstrip(";").split(";\n"):
            database.execute(statement)
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {VERSION}")
        facts = {"endpoint_url": URL, "endpoint_id": "abc", "output_size": output.stat().st_size, "output_lines": count}
        with database:
            database.executemany("INSERT INTO run VALUES(?, ?)", facts.items())
            columns = "key, digest, stage, attempt, status, job_id, is_handed, intent_at, ended_at, note, outcome"
            database.executemany(
                f"INSERT INTO item({columns}) VALUES(?, ?, 3, 1, 'COMPLETED', ?, 1, 0.0, 1.0, ?, ?)",
                _rows(count, keyed=keyed),
            )


def _digest(number: int) -> bytes:
    return hashlib.sha256(json.dumps(given(number), sort_keys=True, separators=(",", ":")).encode()).digest()


def _rows(count: int, *, keyed: bool) -> Iterator[tuple[str, bytes, str, str, str]]:
    for number in range(count):
        digest, job_id = _digest(number), f"{number:08x}-0000-4000-8000-000000000000-u1"
        key = f"k{number}" if keyed else named(digest, 0)
        note = json.dumps({"line": number + 1, "key": key} if keyed else {"line": number + 1})
        yield key, digest, job_id, note, json.dumps({"id": job_id, "status": "COMPLETED", "output": number})


def _results(count: int, *, keyed: bool) -> Iterator[str]:
    for number in range(count):
        key = {"key": f"k{number}"} if keyed else {}
        yield json.dumps({"line": number + 1, **key, "id": f"{number:08x}", "status": "COMPLETED", "output": number})


def rows(quick: bool) -> list[Row]:  # noqa: FBT001  as each benchmark has it
    """Measure each case once: the file system's cache is warm, as it has just been written."""
    count = COUNT // 10 if quick else COUNT
    made: list[Row] = []
    for keyed in (False, True):
        with TemporaryDirectory() as folder:
            left(Path(folder), count, keyed=keyed)
            for case in [case for case, is_keyed in CASES.items() if is_keyed == keyed]:
                found = measured("resume_runs.py", OURS, case, folder, count)
                limits = {} if quick else {"wall": WALL_MOST, "rss": RSS_MOST}
                made += [
                    Row(
                        figure=f"{count:,} done inputs: {figure}",
                        who=case,
                        unit=unit,
                        values=(found[key],),
                        most=limits.get(key) if case != "map, keys later" else None,
                    )
                    for key, (figure, unit) in WORDS.items()
                ]
    return sorted(made, key=lambda row: row.figure)


if __name__ == "__main__":
    main(rows, __doc__)
