"""A bulk run on many machines, by procrastinate: tasks in a PostgreSQL database, in two queues.

    export DATABASE_URL=postgresql://…  RUNPOD_API_KEY=…
    python examples/engines/procrastinate_bulk.py schema       # once
    python examples/engines/procrastinate_bulk.py add inputs.jsonl
    python examples/engines/procrastinate_bulk.py work         # on as many machines as you like; again after a kill
    python examples/engines/procrastinate_bulk.py show         # what there is, and what nobody knows

- `submit` is never run again: a task whose worker died in the midst may have submitted its job, and is UNKNOWN.
- `collect` waits for a job by its id, and is run again as often as it takes. It comes before any submit, as the service
  forgets a result after 30 minutes.

    pip install runpod-sdk procrastinate 'psycopg[binary]'
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from procrastinate import App, PsycopgConnector, RetryStrategy

from runpod_sdk import AsyncClient, JobError, once

ENDPOINT = os.environ.get("RUNPOD_ENDPOINT", "abc123")
# A worker that was not heard of for so long is dead, seconds; it says that it lives three times as often.
DEAD_AFTER = float(os.environ.get("DEAD_AFTER", "30"))
# Tasks at work in one process: submits, and jobs that are waited for.
AT_ONCE = 32

# It warns of apps in a main module, whose tasks would be named after that; these have names of their own.
logging.getLogger("procrastinate.blueprints").setLevel(logging.ERROR)
app = App(connector=PsycopgConnector(conninfo=os.environ.get("DATABASE_URL", "")))
client = AsyncClient()


@app.task(name="submit", queue="submit")
async def submit(key: str, input: dict[str, Any]) -> None:  # noqa: A002  the service's word
    """Submit one input; never run again."""
    job = await client.endpoint(ENDPOINT).run(input)
    await collect.defer_async(key=key, job_id=job.id)


@app.task(name="collect", queue="collect", priority=10, retry=RetryStrategy(max_attempts=20, exponential_wait=2))
async def collect(key: str, job_id: str) -> None:
    """Wait for one job, and keep what came of it, once."""
    try:
        output, error = await once.collect_async(client.endpoint(ENDPOINT), job_id), None
    except JobError as failure:  # it has ended without an output, or is forgotten
        output, error = None, str(failure)
    await app.connector.execute_query_async(
        "INSERT INTO result(key, job_id, output, error) VALUES (%(key)s, %(job_id)s, %(output)s, %(error)s) "
        "ON CONFLICT (key) DO NOTHING",
        key=key,
        job_id=job_id,
        output=json.dumps(output),
        error=error,
    )


async def add(path: Path) -> None:
    """Add the inputs of a file, a line each `{"key": …, "input": {…}}`; a key that is known is left out."""
    with path.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    known = {row["key"] for row in await app.connector.execute_query_all_async(_KEYS)}
    await submit.batch_defer_async(*[row for row in rows if row["key"] not in known])


async def work() -> None:
    """Work until nothing is left to do."""
    while await left():
        await revive()
        await app.run_worker_async(
            queues=["collect", "submit"],
            concurrency=AT_ONCE,
            wait=False,
            update_heartbeat_interval=DEAD_AFTER / 3,
            stalled_worker_timeout=DEAD_AFTER,
        )
        await asyncio.sleep(DEAD_AFTER / 3)


async def revive() -> None:
    """Queue again what dead workers had begun to collect. What they had begun to submit stays as it is: UNKNOWN."""
    for job in await app.job_manager.get_stalled_jobs(queue="collect", seconds_since_heartbeat=DEAD_AFTER):
        await app.job_manager.retry_job(job)


async def left() -> int:
    """Return how many tasks can be worked on, now or once their worker is known to be dead."""
    [row] = await app.connector.execute_query_all_async(
        "SELECT count(*) AS count FROM procrastinate_jobs "
        "WHERE status = 'todo' OR (status = 'doing' AND queue_name = 'collect')"
    )
    return int(row["count"])


async def show() -> None:
    """Print the numbers, and the keys of inputs of which nobody knows whether they were submitted."""
    [row] = await app.connector.execute_query_all_async("SELECT count(*) AS count FROM result")
    unknown = await app.connector.execute_query_all_async(
        "SELECT args->>'key' AS key FROM procrastinate_jobs AS submit "
        "WHERE queue_name = 'submit' AND status IN ('doing', 'failed') AND NOT EXISTS (SELECT FROM procrastinate_jobs "
        "WHERE queue_name = 'collect' AND args->>'key' = submit.args->>'key') ORDER BY id"
    )
    print(json.dumps({"results": row["count"], "unknown": [one["key"] for one in unknown]}))


_KEYS = "SELECT args->>'key' AS key FROM procrastinate_jobs WHERE queue_name = 'submit'"
_RESULT = "CREATE TABLE IF NOT EXISTS result(key text PRIMARY KEY, job_id text, output jsonb, error text)"


async def main(command: str, *paths: str) -> None:
    """Do what the command line says."""
    async with app.open_async(), client:
        if command == "schema":
            await app.schema_manager.apply_schema_async()
            await app.connector.execute_query_async(_RESULT)
        elif command == "add":
            await add(Path(paths[0]))
        elif command == "work":
            await work()
        else:
            await show()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
