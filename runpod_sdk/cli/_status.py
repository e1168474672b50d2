"""The command `status`: the current state of some jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._each import each_job
from ._session import add_endpoint, add_jobs, epilog
from ._shown import facts_of, one_line, put, put_json

if TYPE_CHECKING:
    import argparse

    from runpod_sdk import Job, JobState

_DESCRIPTION = """\
Prints the current state of jobs, one line each: id, status, seconds in the
queue and on a worker, and progress or error."""

_CODES = {0: "all jobs were found, whatever their status", 1: "a job was not found, or a request failed"}
_LABELS = ("JOB", "STATUS", "IN QUEUE", "ON WORKER", "PROGRESS OR ERROR")
# Longest progress or error that is shown, characters.
_SHOWN = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = _DESCRIPTION
    parser.epilog = epilog(_CODES)
    add_endpoint(parser)
    add_jobs(parser)
    parser.add_argument("--json", action="store_true", help="each state as an object on a line")


def run(arguments: argparse.Namespace) -> int:
    """Look."""
    is_labelled = arguments.json

    def look(job: Job) -> None:
        nonlocal is_labelled
        state = job.state()
        if arguments.json:
            put_json(facts_of(state))
            return
        if not is_labelled:
            put(_row(*_LABELS, len(job.id)))
            is_labelled = True
        put(_line(state))

    return each_job(arguments, look)


def _line(state: JobState) -> str:
    times = _seconds(state.delay_time_ms), _seconds(state.execution_time_ms)
    return _row(state.id, str(state.status), *times, one_line(_note(state)), len(state.id))


def _row(job_id: str, status: str, delay: str, execution: str, note: str, width: int) -> str:
    """Return a line: as wide as the longest usual words and numbers, since it is written before the next look."""
    return f"{job_id:<{width}}  {status:<11}  {delay:>9}  {execution:>9}  {note}".rstrip()


def _seconds(milliseconds: int | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds / 1000:.1f} s"


def _note(state: JobState) -> str:
    from runpod_sdk._flows._job_errors import error_of  # noqa: PLC0415  --help does not need them
    from runpod_sdk._values._states import shorten  # noqa: PLC0415  --help does not need them
    from runpod_sdk.errors import JobFailedError  # noqa: PLC0415

    if state.progress is not None:
        return shorten(str(state.progress), _SHOWN)
    error = error_of(state)
    if not isinstance(error, JobFailedError):
        return ""
    said = f"{error.error_type}: {error.error_message}" if error.error_type else error.error_message
    return shorten(said, _SHOWN)
