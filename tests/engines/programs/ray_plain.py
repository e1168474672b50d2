"""Ray Data as it comes: an input is a row, and what is killed is run again. `ray_plain.py INPUTS`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import ray

from runpod_sdk import Client

ENDPOINT = os.environ["RUNPOD_ENDPOINT"]


def run_row(row: dict[str, Any]) -> dict[str, Any]:
    with Client() as client:
        return {"output": client.endpoint(ENDPOINT).run_sync({"key": row["key"], "pid": os.getpid()})}


inputs = [json.loads(line) for line in Path(sys.argv[1]).read_text("utf-8").splitlines()]
rows = ray.data.from_items([{"key": row["key"]} for row in inputs], override_num_blocks=4)
print(len(list(rows.map(run_row).iter_rows())))
