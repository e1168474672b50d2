"""The command `health`: an endpoint at a glance."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ._session import add_endpoint, calling, epilog
from ._shown import put_json, put_table

if TYPE_CHECKING:
    import argparse

    from runpod_sdk import Endpoint

_DESCRIPTION = """\
Prints the number of jobs and workers of an endpoint. Only jobs in the queue and
in progress are current; ready workers are also counted as idle."""

_CODES = {0: "the service answered", 1: "the request failed"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = _DESCRIPTION
    parser.epilog = epilog(_CODES)
    add_endpoint(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Ask, and print the numbers."""

    def act(endpoint: Endpoint) -> int:
        health = endpoint.health()
        facts = {"jobs": asdict(health.jobs), "workers": asdict(health.workers)}
        if arguments.json:
            put_json(facts)
            return 0
        counts = [(kind, name, str(count)) for kind, names in facts.items() for name, count in names.items()]
        width = max(len(count) for _, _, count in counts)
        put_table([(kind, name.replace("_", " "), f"{count:>{width}}") for kind, name, count in counts])
        return 0

    return calling(arguments, act)
