"""The command `retry`: queues failed jobs again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._each import each_job
from ._ending import facts_of_submitted
from ._session import add_endpoint, add_jobs, epilog
from ._shown import put, put_json

if TYPE_CHECKING:
    import argparse

    from runpod_sdk import Job

_DESCRIPTION = """\
Queues jobs that FAILED or TIMED_OUT again, with the same id and the same input,
and prints their ids. The service refuses it for others."""

_CODES = {0: "all jobs are in the queue", 1: "one was refused, or a request failed"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = _DESCRIPTION
    parser.epilog = epilog(_CODES)
    add_endpoint(parser)
    add_jobs(parser)
    parser.add_argument("--json", action="store_true", help="each state as an object on a line")


def run(arguments: argparse.Namespace) -> int:
    """Queue them again."""

    def retry(job: Job) -> None:
        job.retry()
        if arguments.json:
            put_json(facts_of_submitted(job))
        else:
            put(job.id)

    return each_job(arguments, retry)
