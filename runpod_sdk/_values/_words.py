"""Words of messages: a number with its noun, and the known name that a misspelt one is closest to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun.

    >>> counted(1, "job"), counted(2_000, "job"), counted(0, "retry", "retries")
    ('1 job', '2,000 jobs', '0 retries')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def meant(word: str, known: Iterable[str]) -> str:
    """Return a question whether a known name was meant; nothing where none is like it.

    >>> meant("timout", ["timeout", "webhook"]), meant("zzz", ["timeout"])
    ("; did you mean 'timeout'?", '')
    """
    from difflib import get_close_matches  # noqa: PLC0415  only when something is wrong

    close = get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
