"""The command `stream`: prints the stream of a job that was submitted earlier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _ending
from ._session import add_endpoint, calling, checked, epilog

if TYPE_CHECKING:
    import argparse

    from runpod_sdk import Endpoint

_DESCRIPTION = """\
Prints a job's stream as it arrives, one chunk per line: text as it is, anything
else as JSON. --raw joins text chunks, such as those of a language model.
The service delivers each chunk once: those read before, here or elsewhere, are
not repeated.

  runpod-sdk run abc123 prompt=hello --stream --raw     submits and streams"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = _DESCRIPTION
    parser.epilog = epilog(_ending.CODES)
    add_endpoint(parser)
    parser.add_argument("job", metavar="JOB", help="the job's id")
    _ending.add_wait_options(parser)
    _ending.add_raw(parser)
    parser.add_argument("--json", action="store_true", help="each chunk as an object, with its metrics")


def run(arguments: argparse.Namespace) -> int:
    """Print the stream."""

    def act(endpoint: Endpoint) -> int:
        _ending.check_stream_options(arguments)
        with checked():
            job = endpoint.job(arguments.job)
        return _ending.print_stream(arguments, job, arguments.timeout)

    return calling(arguments, act)
