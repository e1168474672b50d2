"""The command `run`: submits a job, then prints its id, waits for its output, or streams it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _ending
from ._input import INPUT_HELP, add_input, read_input
from ._session import BadCallError, add_endpoint, calling, checked, epilog
from ._shown import complain, put, put_json
from ._submit import add_submit_options, submit_options

if TYPE_CHECKING:
    import argparse

    from runpod_sdk import Endpoint
    from runpod_sdk._values._requests import SubmitOptions

_DESCRIPTION = f"""\
Submits a job, and prints its id; with --wait its output, once it has ended;
with --stream its chunks, as they arrive.

{INPUT_HELP}

Text is printed as it is, any other output as JSON; --json prints the job's
final state as one object. The job's id and its progress go to standard error.

  runpod-sdk run abc123 prompt="a cat" steps:=20 --wait --timeout 600
  id=$(runpod-sdk run abc123 --file input.json)"""

_CODES = {
    **_ending.CODES,
    0: "the job was queued; with --wait or --stream: it completed",
    3: "the submit may or may not have arrived; it was not repeated",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = _DESCRIPTION
    parser.epilog = epilog(_CODES)
    add_endpoint(parser)
    add_input(parser)
    then = parser.add_mutually_exclusive_group()
    then.add_argument("--wait", action="store_true", help="wait for the job, and print its output")
    then.add_argument("--stream", action="store_true", help="print what the job yields")
    _ending.add_wait_options(parser)
    _ending.add_raw(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object: the job's state; one line per chunk")
    add_submit_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Submit, and do what was asked for then."""

    def act(endpoint: Endpoint) -> int:
        _check(arguments)
        return _submit(arguments, endpoint, read_input(arguments), submit_options(arguments))

    return calling(arguments, act)


def _submit(arguments: argparse.Namespace, endpoint: Endpoint, given: dict[str, Any], options: SubmitOptions) -> int:
    from runpod_sdk.clock import SystemClock  # noqa: PLC0415  --help does not need it

    clock = SystemClock()
    began = clock.monotonic()
    with checked():
        job = endpoint.run(given, timeout=arguments.timeout, **options)
    if not (arguments.wait or arguments.stream):
        try:
            if arguments.json:
                put_json(_ending.facts_of_submitted(job))
            else:
                put(job.id)
        except OSError:  # nobody else knows the id
            complain(arguments.command, f"job {job.id} was queued")
            raise
        return 0
    complain(arguments.command, f"job {job.id}")
    left = arguments.timeout
    if left is not None:
        left = max(0.0, left - (clock.monotonic() - began))
    if arguments.stream:
        return _ending.print_stream(arguments, job, left)
    return _ending.wait_for(arguments, job, clock, left)


def _check(arguments: argparse.Namespace) -> None:
    """Refuse what would be ignored."""
    _ending.check_stream_options(arguments)
    if arguments.raw and not arguments.stream:
        raise BadCallError("--raw is for --stream")
    for name in ("on_abandon", "traceback"):
        if getattr(arguments, name) and not (arguments.wait or arguments.stream):
            raise BadCallError(f"--{name.replace('_', '-')} is for --wait and --stream")
