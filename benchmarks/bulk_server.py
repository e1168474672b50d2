"""The emulator on a socket, without ledger: jobs that take as long as their input says, and some that never start.

python benchmarks/bulk_server.py      prints how to connect, and serves until its standard input is closed
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from runpod_sdk.emulator import Emulator, Options


async def bulk(job: dict[str, Any]) -> int:
    """Take as long as the input says."""
    if seconds := job["input"].get("seconds"):
        await asyncio.sleep(seconds)
    return 0


with Emulator(options=Options(ledger=0, record=0)) as emulator:
    emulator.endpoint("bulk", bulk, workers=100)
    emulator.endpoint("idle", workers=0)
    with emulator.serve() as server:
        print(json.dumps(server.connection), flush=True)
        sys.stdin.read()
