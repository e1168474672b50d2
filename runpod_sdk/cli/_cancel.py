"""The command `cancel`: cancels jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._each import each_job
from ._session import add_endpoint, add_jobs, epilog
from ._shown import facts_of, put, put_json

if TYPE_CHECKING:
    import argparse

    from runpod_sdk import Job

_DESCRIPTION = """\
Cancels jobs, queued or running, and prints the state of each: CANCELLED, or how
it had ended before."""

_CODES = {0: "none of the jobs is running any more", 1: "a job was not found, or a request failed"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = _DESCRIPTION
    parser.epilog = epilog(_CODES)
    add_endpoint(parser)
    add_jobs(parser)
    parser.add_argument("--json", action="store_true", help="each state as an object on a line")


def run(arguments: argparse.Namespace) -> int:
    """Cancel."""

    def cancel(job: Job) -> None:
        state = job.cancel()
        if arguments.json:
            put_json(facts_of(state))
        else:
            put(f"{state.id}  {state.status}")

    return each_job(arguments, cancel)
