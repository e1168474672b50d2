"""The argument parser of all commands: argparse with suggestions for misspelt words."""

from __future__ import annotations

import argparse
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable

_CHOICE = re.compile(r"invalid choice: '([^']*)' \(choose from (.*)\)", re.DOTALL)


class CommandParser(argparse.ArgumentParser):
    """Reads one command line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and what may have been meant; end with exit code 2."""
        found = _CHOICE.search(message)
        if found is not None:
            message += meant(found[1], re.findall(r"[\w.-]+", found[2]))
        super().error(message)

    def unknown_words(self, words: list[str]) -> NoReturn:
        """Say so of words that are no arguments."""
        options = [name for action in self._actions for name in action.option_strings]
        first = next((word for word in words if word.startswith("-")), "")
        self.error(f"unrecognized arguments: {' '.join(words)}" + meant(first.partition("=")[0], options))


def meant(word: str, known: Iterable[str]) -> str:
    """Return a question whether another word was meant; nothing where none is like it."""
    close = get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
