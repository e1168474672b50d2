"""procrastinate with one queue, whose killed tasks are run again: `procrastinate_plain.py schema|add INPUTS|work`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from procrastinate import App, PsycopgConnector

from runpod_sdk import AsyncClient

DEAD_AFTER = float(os.environ["DEAD_AFTER"])
app = App(connector=PsycopgConnector(conninfo=os.environ["DATABASE_URL"]))
client = AsyncClient()


@app.task(name="job", queue="job")
async def job(key: str) -> None:
    await client.endpoint(os.environ["RUNPOD_ENDPOINT"]).run_sync({"key": key})


async def main(command: str, *paths: str) -> None:
    async with app.open_async(), client:
        if command == "schema":
            await app.schema_manager.apply_schema_async()
        elif command == "add":
            rows = [json.loads(line) for line in Path(paths[0]).read_text("utf-8").splitlines()]
            await job.batch_defer_async(*[{"key": row["key"]} for row in rows])
        else:
            await asyncio.sleep(2 * DEAD_AFTER)
            for stalled in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=DEAD_AFTER):
                await app.job_manager.retry_job(stalled)
            await app.run_worker_async(concurrency=32, wait=False, update_heartbeat_interval=DEAD_AFTER / 3)


asyncio.run(main(*sys.argv[1:]))
