"""The files behind endpoints: whether they changed, and why one cannot be loaded."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runpod_sdk.emulator import EmulatedEndpoint
    from runpod_sdk.emulator._workers._programs import Program


class Files:
    """The files that endpoints are made of, and when those were changed that are in use.

    Attributes:
        used: when each was changed, by endpoint.
    """

    def __init__(self) -> None:
        self.used: dict[EmulatedEndpoint, dict[Path, int]] = {}

    def reload_changed(self) -> None:
        """Load again what has changed; what cannot be loaded stays as it was."""
        from runpod_sdk.emulator import HandlerFileError  # noqa: PLC0415  see _serve

        for endpoint, used in self.used.items():
            stamps = stamps_of_all(endpoint.program, endpoint.command or [])
            if stamps == used:
                continue
            self.used[endpoint] = stamps
            try:
                endpoint.reload()
            except HandlerFileError as error:
                show_why(error)
            else:
                print(f"reloaded {endpoint.id}", file=sys.stderr)


def stamps_of_all(program: Program | None, words: Sequence[str]) -> dict[Path, int]:
    """Return when the files of a program were changed, or those that a command names, with those beside them."""
    from runpod_sdk.emulator._workers._programs import scripts_in, scripts_of, stamps_of  # noqa: PLC0415  see _serve

    if program is not None:
        return stamps_of(scripts_of(program))
    named = [Path(word).resolve() for word in words if word.endswith(".py")]
    return stamps_of(sorted({path for script in named for path in scripts_in(script.parent)}))


def show_why(error: Exception) -> None:
    """Say why a file cannot be loaded, with its own part of the traceback."""
    cause = error.__cause__
    if cause is not None:
        # The frames before the file's own are the emulator's.
        own = cause.__traceback__.tb_next if cause.__traceback__ is not None else None
        traceback.print_exception(cause.with_traceback(own))
    print(f"runpod-sdk emulate: {error}", file=sys.stderr)
