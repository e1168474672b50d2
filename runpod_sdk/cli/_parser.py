"""The argument parser of all commands: argparse with suggestions for misspelt words."""

from __future__ import annotations

import argparse
import re
from typing import NoReturn

from runpod_sdk._values._words import meant

_CHOICE = re.compile(r"invalid choice: '([^']*)' \(choose from (.*)\)", re.DOTALL)


class CommandParser(argparse.ArgumentParser):
    """Reads one command line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and what may have been meant; end with exit code 2."""
        found = _CHOICE.search(message)
        if found is not None:
            message += meant(found[1].lower(), re.findall(r"[\w.-]+", found[2]))
        super().error(message)

    def unknown_words(self, words: list[str]) -> NoReturn:
        """Say so of words that are no arguments."""
        options = [name for action in self._actions for name in action.option_strings]
        first = next((word for word in words if word.startswith("-")), "")
        self.error(f"unrecognized arguments: {' '.join(words)}" + meant(first.partition("=")[0].lower(), options))
