"""Submit in one process, collect in another: only ids are kept, here in SQLite.

    python examples/reattach.py submit abc123 jobs.db "first prompt" "second prompt"
    python examples/reattach.py collect jobs.db

An id is written down before the next job is submitted, so a crash in between loses at most the one submit that was out.
"""

import json
import sqlite3
import sys

from runpod_sdk import Client, JobsError, as_completed

TABLE = "CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, endpoint TEXT NOT NULL, result TEXT)"


def submit(endpoint_id: str, path: str, prompts: list[str]) -> None:
    with Client() as client, sqlite3.connect(path, isolation_level=None) as book:
        book.execute(TABLE)
        for prompt in prompts:
            # The service forgets a job's result 30 minutes after its end, and the job a day after its submit.
            job = client.endpoint(endpoint_id).run({"prompt": prompt}, ttl=24 * 3600)
            book.execute("INSERT INTO jobs (id, endpoint) VALUES (?, ?)", (job.id, job.endpoint_id))
            print("submitted", job.id)


def collect(path: str) -> int:
    with Client() as client, sqlite3.connect(path, isolation_level=None) as book:
        open_jobs = book.execute("SELECT endpoint, id FROM jobs WHERE result IS NULL").fetchall()
        jobs = [client.endpoint(endpoint).job(job_id) for endpoint, job_id in open_jobs]
        try:
            for job, state in as_completed(jobs, timeout=600):
                result = {"status": state.status, "output": state.output, "error": state.error}
                book.execute("UPDATE jobs SET result = ? WHERE id = ?", (json.dumps(result), job.id))
                print(state.status, job.id)
        except JobsError as missing:
            for error in missing.exceptions:
                print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "submit":
        submit(sys.argv[2], sys.argv[3], sys.argv[4:])
    else:
        sys.exit(collect(sys.argv[2]))
