"""The command line: finds the command, and turns its outcome into an exit code.

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

from runpod_sdk._values._version import __version__
from runpod_sdk._values._words import meant

from ._parser import CommandParser

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

# By name: the module, and what `runpod-sdk --help` says of it.
_COMMANDS = {
    "run": ("runpod_sdk.cli._run", "submit a job; wait for its output, or stream it"),
    "wait": ("runpod_sdk.cli._wait", "wait for a job, and print its output"),
    "stream": ("runpod_sdk.cli._stream", "print the stream of a job as it arrives"),
    "status": ("runpod_sdk.cli._status", "show the state of jobs"),
    "cancel": ("runpod_sdk.cli._cancel", "cancel jobs"),
    "retry": ("runpod_sdk.cli._retry", "queue failed jobs again"),
    "map": ("runpod_sdk.cli._map", "run a file of inputs, many at once; resumable"),
    "batch": ("runpod_sdk.cli._batch", "run a file of inputs as one batch, when there is capacity"),
    "plan": ("runpod_sdk.cli._plan", "estimate how long a bulk run takes, and what it costs"),
    "journal": ("runpod_sdk.cli._journal", "inspect the journal of a bulk run made in Python"),
    "health": ("runpod_sdk.cli._health", "count the jobs and workers of an endpoint"),
    "purge": ("runpod_sdk.cli._purge", "remove all queued jobs"),
    "emulate": ("runpod_sdk.cli._emulate", "serve the queue API locally, with your worker behind it"),
    "demo": ("runpod_sdk.cli._demo", "run the documentation's scenarios, without an account"),
    "verify": ("runpod_sdk.cli._verify", "check our claims about the service against an endpoint of yours"),
    "spec": ("runpod_sdk.cli._spec", "print the OpenAPI document"),
    "examples": ("runpod_sdk.cli._examples", "list the example programs, and print one"),
    "completion": ("runpod_sdk.cli._completion", "print the completion script for your shell"),
    "man": ("runpod_sdk.cli._man", "print the manual page"),
    "version": ("runpod_sdk.cli._version", "print the installed versions"),
    "help": ("runpod_sdk.cli._help", "show the help of a command"),
}

_DESCRIPTION = """\
Client and emulator for the queue API of Runpod serverless endpoints.
Independent, not affiliated with Runpod."""

_EPILOG = """\
environment:
  RUNPOD_API_KEY            the key; there is no option for it, because other
                            users of a machine can read command lines
  RUNPOD_ENDPOINT_BASE_URL  another service, such as an emulator
  RUNPOD_SDK_LOG            debug, info, warning or error: log on standard error

exit codes:
  0    success
  1    something failed
  2    bad arguments, no key, or an extra that is not installed
  3    a submit may or may not have arrived: its job may run
  124  the --timeout passed first
  130  Ctrl-C (143: SIGTERM)
  141  the reader of the output has gone (| head)

examples:
  eval "$(runpod-sdk completion bash)"
  runpod-sdk run abc123 prompt="a cat" steps:=20 --wait --timeout 10m
  runpod-sdk map abc123 inputs.jsonl --output results.jsonl"""

_FAILED = 1
_INTERRUPTED, _PIPE_BROKEN = 130, 141  # what a shell makes of SIGINT and SIGPIPE: 128 and the signal's number


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name, and return its exit code.

    Args:
        argv: the arguments after the program's name; None takes those of the process.

    Raises:
        SystemExit: after --help and --version (0), and for invalid arguments (2).
    """
    _open_what_is_closed()
    try:
        try:
            return _called(sys.argv[1:] if argv is None else argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        return _PIPE_BROKEN
    except OSError as error:  # what is written to is full, or has gone; commands tell of files of their own
        _drop_output()
        print(f"runpod-sdk: {error}", file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt as interruption:
        print("interrupted", *getattr(interruption, "__notes__", []), sep="\n", file=sys.stderr)
        return _INTERRUPTED


def parser_of(called: Container[str]) -> tuple[CommandParser, dict[str, CommandParser]]:
    """Return the parser, and that of each command by its name; those of the commands `called` know their arguments."""
    parser = CommandParser(
        prog="runpod-sdk",
        usage="runpod-sdk [-h] [--version] COMMAND ...",
        description=f"{_DESCRIPTION}\n\ncommands:\n{_listed(summaries())}",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"runpod-sdk {__version__}")
    commands = parser.add_subparsers(
        prog="runpod-sdk", metavar="COMMAND", dest="command", required=True, help=argparse.SUPPRESS
    )
    parsers: dict[str, CommandParser] = {}
    for name, (module, _) in _COMMANDS.items():
        # No abbreviations: a later version's new option would make those of a script ambiguous.
        parsers[name] = commands.add_parser(
            name, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
        )
        if name in called:
            import_module(module).add_arguments(parsers[name])
    return parser, parsers


def _listed(texts: dict[str, str]) -> str:
    """Return names and texts in two columns. argparse breaks the line after a name as long as "completion"."""
    width = max(map(len, texts))
    return "\n".join(f"  {name:<{width}}  {text}" for name, text in texts.items())


def summaries() -> dict[str, str]:
    """Return what each command does, by its name."""
    return {name: summary for name, (_, summary) in _COMMANDS.items()}


def _called(argv: Sequence[str]) -> int:
    called = next((word for word in argv if not word.startswith("-")), "")
    parser, parsers = parser_of({called})
    if called and called not in parsers:
        parser.error(f"there is no command {called!r}{meant(called, parsers)}")
    behind: list[str] = []
    if "--" in argv and called in parsers and parsers[called].get_default("behind") is not None:
        at = list(argv).index("--")
        argv, behind = argv[:at], list(argv[at + 1 :])
    arguments, left = parser.parse_known_args(argv)
    if behind:
        arguments.behind = behind
    # argparse takes no second batch of words after an option, so `run abc --wait n=1` arrives here.
    more: list[str] | None = getattr(arguments, getattr(arguments, "more", ""), None)
    if left and (more is None or any(word.startswith("-") for word in left)):
        parsers[arguments.command].unknown_words(left)
    if more is not None:
        more.extend(left)
    code: int = import_module(_COMMANDS[arguments.command][0]).run(arguments)
    return code


def _open_what_is_closed() -> None:
    """Let nothing else take the place of a standard stream that the caller has closed, as `>&-` does."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115  for good


def _drop_output() -> None:
    """Let the interpreter not fail on its last flush. Source: docs.python.org, library/signal#note-on-sigpipe."""
    with suppress(OSError):  # a stdout that is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
