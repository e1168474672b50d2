"""The command `help`: prints `--help` for one command or for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

_DESCRIPTION = """\
Says what there is to say of a command, as its --help does; of all of them
without one."""

_EXIT_CODES = """\
exit codes:
  0    it was printed
  2    bad arguments"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = _DESCRIPTION
    parser.epilog = _EXIT_CODES
    parser.add_argument("about", nargs="?", metavar="COMMAND", help="a command's name")


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    from runpod_sdk._values._words import meant  # noqa: PLC0415
    from runpod_sdk.cli import parser_of, summaries  # noqa: PLC0415  it imports this module

    parser, parsers = parser_of({arguments.about})
    if arguments.about is None:
        parser.print_help()
    elif arguments.about in parsers:
        parsers[arguments.about].print_help()
    else:
        parser.error(f"there is no command {arguments.about!r}{meant(arguments.about, summaries())}")
    return 0
