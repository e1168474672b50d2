"""The command `version`: the installed versions, for bug reports."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from runpod_sdk._values._version import __version__

from ._shown import put, put_json

if TYPE_CHECKING:
    import argparse

_DESCRIPTION = """\
Says which version this is, and of what else depends how it works: Python, the
system, and the packages that it uses. Put it into a report."""

_EXIT_CODES = """\
exit codes:
  0    it was printed
  2    bad arguments"""

# What carries requests, reads outputs, and serves the emulator.
_PACKAGES = (
    *("attrs", "httpx", "httpcore", "h11", "httptools"),
    *("cattrs", "pydantic", "rich", "uvicorn", "opentelemetry-api"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = _DESCRIPTION
    parser.epilog = _EXIT_CODES
    parser.add_argument("--json", action="store_true", help="one object; null is what is not installed")


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    import platform  # noqa: PLC0415  --help does not need it

    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    found = {"runpod-sdk": __version__, "python": platform.python_version(), "system": system}
    packages = {name: _installed(name) for name in _PACKAGES}
    if arguments.json:
        put_json({**found, **packages})
        return 0
    put(f"runpod-sdk {__version__}")
    put(f"Python {found['python']} on {system}")
    put(", ".join(f"{name} {number or '-'}" for name, number in packages.items()))
    return 0


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
