"""The command `wait`: waits for a job that was submitted earlier, and prints its output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _ending
from ._session import add_endpoint, calling, checked, epilog

if TYPE_CHECKING:
    import argparse

    from runpod_sdk import Endpoint

_DESCRIPTION = """\
Waits for an existing job, and prints its output: text as it is, anything else
as JSON; --json prints the job's final state. Progress goes to standard error,
if that is a terminal.

Ctrl-C does not end the job; the same command waits for it again. The service
keeps the result of a job for 30 minutes after its end."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = _DESCRIPTION
    parser.epilog = epilog(_ending.CODES)
    add_endpoint(parser)
    parser.add_argument("job", metavar="JOB", help="the job's id")
    _ending.add_wait_options(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object: the job's last state")


def run(arguments: argparse.Namespace) -> int:
    """Wait."""
    from runpod_sdk.clock import SystemClock  # noqa: PLC0415  --help does not need it

    def act(endpoint: Endpoint) -> int:
        with checked():
            job = endpoint.job(arguments.job)
        return _ending.wait_for(arguments, job, SystemClock(), arguments.timeout)

    return calling(arguments, act)
