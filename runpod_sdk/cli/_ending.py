"""Waits for one job's output or stream and prints it; shared by run, wait and stream."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ._session import BadCallError, told
from ._shown import complain, facts_of, put, put_json, text_of
from ._submit import seconds
from ._watch import watching

if TYPE_CHECKING:
    import argparse

    from runpod_sdk import Job, Stream
    from runpod_sdk.clock import Clock

CODES = {
    0: "the job completed",
    1: "it failed, was cancelled or is not known, or a request failed",
    124: "the --timeout passed first",
    130: "Ctrl-C; the job goes on, unless --on-abandon says otherwise",
}


def add_wait_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for how long to wait, and what happens to the job after that."""
    parser.add_argument("--timeout", type=seconds, metavar="TIME", help="longest time in all: 90, 30s, 5m, 1h30m")
    parser.add_argument(
        "--on-abandon",
        choices=("detach", "cancel"),
        help="what happens to the job at the timeout or Ctrl-C: it goes on (detach, the default), or is cancelled",
    )
    parser.add_argument("--traceback", action="store_true", help="show the worker's traceback, too")


def add_raw(parser: argparse.ArgumentParser) -> None:
    """Add how chunks are written."""
    parser.add_argument("--raw", action="store_true", help="print text chunks without line breaks")


def wait_for(arguments: argparse.Namespace, job: Job, clock: Clock, timeout: float | None) -> int:
    """Wait for a job, and print its output."""
    from runpod_sdk._flows._job_errors import error_of  # noqa: PLC0415  --help needs none of these
    from runpod_sdk.errors import JobBoundError  # noqa: PLC0415

    with watching(job.id, clock.monotonic) as on_update:
        try:
            state = job.wait(
                timeout,
                on_abandon=arguments.on_abandon or "detach",
                on_update=on_update,
            )
        except JobBoundError as error:
            if arguments.json and error.state is not None:
                put_json(facts_of(error.state))
            raise
    failure = error_of(state)
    if arguments.json:
        put_json(facts_of(state))
    elif failure is None:
        put(text_of(state.output))
    return 0 if failure is None else told(arguments, failure)


def print_stream(arguments: argparse.Namespace, job: Job, timeout: float | None) -> int:
    """Print the chunks of a job as they come."""
    with job.stream(timeout, on_abandon=arguments.on_abandon or "detach") as stream:
        try:
            _print_chunks(arguments, stream)
        except BrokenPipeError:
            if arguments.on_abandon != "cancel":
                complain(arguments.command, f"nobody reads any more; job {job.id} goes on")
            raise
    return 0


def _print_chunks(arguments: argparse.Namespace, stream: Stream) -> None:
    last = "\n"
    for chunk in stream.chunks():
        if arguments.json:
            put_json({"output": chunk.output, "metrics": chunk.metrics})
        else:
            joined = arguments.raw and isinstance(chunk.output, str)
            last = text_of(chunk.output) + ("" if joined else "\n")
            put(last, end="")
    if not last.endswith("\n") and sys.stdout.isatty():
        put("")


def check_stream_options(arguments: argparse.Namespace) -> None:
    """Refuse what excludes each other."""
    if arguments.raw and arguments.json:
        raise BadCallError("--raw and --json cannot be combined")


def facts_of_submitted(job: Any) -> dict[str, Any]:
    """Return a job that has just been queued, as `--json` shows it."""
    from runpod_sdk import JobState, JobStatus  # noqa: PLC0415  as above

    return facts_of(JobState(id=job.id, endpoint_id=job.endpoint_id, status=JobStatus.IN_QUEUE))
