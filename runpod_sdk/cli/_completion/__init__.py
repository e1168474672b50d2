"""The command `completion`: shell completion, generated from the parsers."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runpod_sdk.cli._shown import put

if TYPE_CHECKING:
    from collections.abc import Iterator

_DESCRIPTION = """\
Prints the completion script for a shell. It is complete in itself: a press of
the tab key starts no Python.

  eval "$(runpod-sdk completion bash)"      in ~/.bashrc
  eval "$(runpod-sdk completion zsh)"       in ~/.zshrc, after compinit
  runpod-sdk completion fish | source       in ~/.config/fish/config.fish"""

_EXIT_CODES = """\
exit codes:
  0    it was printed
  2    bad arguments"""


@dataclass(frozen=True, slots=True)
class Word:
    """What may stand in a place of a command line: one of `choices`, a file, or anything."""

    choices: tuple[str, ...] = ()
    is_file: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """An option: its names, what it is for, and the word after it; None for a switch."""

    names: tuple[str, ...]
    summary: str
    value: Word | None


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its name, what it does, its options and its other words."""

    name: str
    summary: str
    options: tuple[Option, ...]
    words: tuple[Word, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = _DESCRIPTION
    parser.epilog = _EXIT_CODES
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="bash, zsh or fish")


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    from ._scripts import SCRIPTS  # noqa: PLC0415  --help does not need it

    put(SCRIPTS[arguments.shell](commands()), end="")
    return 0


def commands() -> list[Command]:
    """Return all commands, as their parsers have them."""
    from runpod_sdk.cli import parser_of, summaries  # noqa: PLC0415  it imports this module

    _, parsers = parser_of(summaries())
    return [_command(name, summary, parsers[name]) for name, summary in summaries().items()]


def _command(name: str, summary: str, parser: argparse.ArgumentParser) -> Command:
    actions = [action for action in _actions(parser) if action.help != argparse.SUPPRESS]
    options = tuple(
        Option(tuple(action.option_strings), _summary(action), None if action.nargs == 0 else _word(action))
        for action in actions
        if action.option_strings
    )
    return Command(name, summary, options, tuple(_word(action) for action in actions if not action.option_strings))


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    yield from parser._actions  # noqa: SLF001  argparse tells it nowhere else


def _word(action: argparse.Action) -> Word:
    named = str(action.metavar or "")
    return Word(tuple(map(str, action.choices or ())), action.type is Path or named.startswith(("FILE", "PATH")))


def _summary(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%")
