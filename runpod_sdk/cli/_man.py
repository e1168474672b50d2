"""The command `man`: the manual page, generated from the parsers as roff.

Source: https://man7.org/linux/man-pages/man7/man.7.html (macros), groff_man(7).
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from runpod_sdk._values._version import __version__

from ._shown import put

if TYPE_CHECKING:
    from collections.abc import Iterator

_DESCRIPTION = """\
Prints the manual page, for man itself or for a folder that it looks into.

  runpod-sdk man | man -l -
  runpod-sdk man > ~/.local/share/man/man1/runpod-sdk.1"""

_EXIT_CODES = """\
exit codes:
  0    it was printed
  2    bad arguments"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = _DESCRIPTION
    parser.epilog = _EXIT_CODES


def run(_: argparse.Namespace) -> int:
    """Print the page."""
    put("\n".join(_page()))
    return 0


def _page() -> Iterator[str]:
    from runpod_sdk.cli import parser_of, summaries  # noqa: PLC0415  it imports this module

    parser, parsers = parser_of(summaries())
    yield f'.TH RUNPOD\\-SDK 1 "" "runpod\\-sdk {__version__}" "User Commands"'
    yield from (".SH NAME", r"runpod\-sdk \- client and emulator for the queue API of Runpod serverless endpoints")
    yield from (".SH SYNOPSIS", r".B runpod\-sdk", r".I COMMAND", r".RI [ ARGUMENT ...]")
    yield from (".SH DESCRIPTION", _text((parser.description or "").partition("\n\ncommands:")[0]))
    yield ".SH COMMANDS"
    for name, summary in summaries().items():
        yield from (".TP", rf".B {_text(name)}", _text(summary))
    for name, one in parsers.items():
        yield from _command(name, one)
    yield from _sections(parser.epilog or "")


def _command(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield f'.SH "RUNPOD\\-SDK {_text(name.upper())}"'
    usage = " ".join(parser.format_usage().removeprefix("usage:").split())
    yield from (".nh", _text(usage), ".hy", ".PP", *_verbatim(parser.description or ""))
    for action in parser._actions:  # noqa: SLF001  argparse tells it nowhere else
        if action.help == argparse.SUPPRESS or "--help" in action.option_strings:
            continue
        names = ", ".join(action.option_strings) or str(action.metavar or action.dest)
        value = "" if action.nargs == 0 or not action.option_strings else f" {action.metavar or _choices(action)}"
        yield from (".TP", rf".B {_text(names + value)}", _text((action.help or "").replace("%%", "%")))
    yield from (".PP", *_verbatim(parser.epilog or ""))


def _choices(action: argparse.Action) -> str:
    return "|".join(map(str, action.choices)) if action.choices else action.dest.upper()


def _sections(epilog: str) -> Iterator[str]:
    """Return the parts of a help's end, each a section under its own heading."""
    for part in epilog.split("\n\n"):
        heading, _, rest = part.partition("\n")
        yield from (f'.SH "{_text(heading.rstrip(":").upper())}"', *_verbatim(rest))


def _verbatim(text: str) -> Iterator[str]:
    yield from (".nf", *map(_text, text.splitlines()), ".fi")


def _text(text: str) -> str:
    """Return a text that roff takes for no request of its own."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("…", "...")
    lines = (rf"\&{line}" if line.startswith(".") else line for line in escaped.splitlines())
    return "\n".join(lines) or r"\&"
