"""The command `purge`: removes all queued jobs, after asking."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from ._input import is_terminal
from ._session import BAD_CALL, add_endpoint, calling, epilog
from ._shown import complain, put, put_json

if TYPE_CHECKING:
    import argparse

    from runpod_sdk import Endpoint

_DESCRIPTION = """\
Removes all queued jobs of an endpoint, no matter who submitted them; running
jobs go on. Asks first, unless --yes is given; outside of a terminal, --yes is
required."""

_CODES = {0: "the queue was purged", 1: "the request failed", 2: "bad arguments, no key, or no consent"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = _DESCRIPTION
    parser.epilog = epilog(_CODES)
    add_endpoint(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Ask, and purge."""

    def act(endpoint: Endpoint) -> int:
        if not (arguments.yes or _consents(endpoint)):
            complain(arguments.command, "nothing was removed; --yes goes on without asking")
            return BAD_CALL
        result = endpoint.purge_queue()
        if arguments.json:
            put_json(asdict(result))
        else:
            put("removed; how many, the service did not say" if result.removed is None else f"{result.removed} removed")
        return 0

    return calling(arguments, act)


def _consents(endpoint: Endpoint) -> bool:
    """Ask for confirmation in a terminal, on standard error, so that output can be piped."""
    if not is_terminal():
        return False
    waiting = endpoint.health().jobs.in_queue
    print(
        f'Remove all jobs in the queue of "{endpoint.id}" (now {waiting})? [y/N] ', end="", file=sys.stderr, flush=True
    )
    return sys.stdin.readline().strip().lower() in ("y", "yes")
