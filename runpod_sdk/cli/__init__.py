"""The command line: finds the command, and turns what becomes of it into an exit code.

A command is one module of this package, with `add_arguments(parser)` and `run(arguments) -> int`. It is imported when
it is called, so that `--help` costs what argparse costs.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from runpod_sdk._version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

# By name: the module, and what `runpod-sdk --help` says of it.
_COMMANDS = {
    "emulate": ("runpod_sdk.cli._emulate", "serve the queue API on this machine, with your worker behind it"),
    "demo": ("runpod_sdk.cli._demo", "run the documentation's scenarios, without an account"),
    "verify": ("runpod_sdk.cli._verify", "compare what we claim about the service with an endpoint of yours"),
    "spec": ("runpod_sdk.cli._spec", "print or serve the OpenAPI document, or compare it with another"),
}

_DESCRIPTION = """\
Client and emulator for the queue API of Runpod serverless endpoints.
Independent, not affiliated with Runpod."""

_EXIT_CODES = """\
exit codes:
  0    all ended as it must
  1    something did not
  2    bad arguments, or an extra that is not installed
  130  Ctrl-C
  141  nobody reads the output any more (| head)"""

_INTERRUPTED, _PIPE_BROKEN = 130, 141  # what a shell makes of SIGINT and SIGPIPE: 128 and the signal's number


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name, and return its exit code.

    Args:
        argv: the arguments after the program's name; None takes those of the process.

    Raises:
        SystemExit: after --help and --version (0), and for arguments that cannot be meant (2).
    """
    try:
        try:
            return _run(sys.argv[1:] if argv is None else argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        return _PIPE_BROKEN
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return _INTERRUPTED


def _run(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="runpod-sdk",
        description=_DESCRIPTION,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"runpod-sdk {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    called = next((word for word in argv if not word.startswith("-")), None)
    for name, (module, summary) in _COMMANDS.items():
        command = commands.add_parser(name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter)
        if name == called:
            import_module(module).add_arguments(command)
    arguments = parser.parse_args(argv)
    code: int = import_module(_COMMANDS[arguments.command][0]).run(arguments)
    return code


def _drop_output() -> None:
    """Let the interpreter not fail on its last flush. Source: docs.python.org, library/signal#note-on-sigpipe."""
    with suppress(OSError):  # a stdout that is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
