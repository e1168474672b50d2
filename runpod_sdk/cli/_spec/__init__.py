"""The command `spec`: prints the OpenAPI document, serves it as a page, or says what has changed since another one.

This file decides what is printed, and the exit codes.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ._changes import compare
from ._document import MissingYamlError, document_from, installed, installed_text, yaml_from
from ._references import InvalidDocumentError

if TYPE_CHECKING:
    import argparse

    from ._schemas import Change

_DESCRIPTION = """\
Prints the OpenAPI 3.1 document of the queue API, for tools and for
generators of clients in other languages.

  spec                    as JSON, byte for byte as it is released
  spec --yaml             as YAML
  spec --html > api.html  as one page that needs no network
  spec --serve            the page, on a port of this machine
  spec --diff OLD         what has changed since OLD, and what breaks

What breaks is judged for clients that were made for OLD: requests that
they send must still be taken, answers that they get must be such as they
were told, and the names that generators turn into code must stay. Texts,
examples and x- fields do not count. What cannot be judged, breaks."""

_EXIT_CODES = """\
exit codes:
  0    printed, or stopped serving; with --diff: nothing breaks
  1    with --diff: something breaks; with --serve: the port is taken
  2    bad arguments, a file that is no OpenAPI document, or PyYAML missing
  130  Ctrl-C"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = _DESCRIPTION
    parser.epilog = _EXIT_CODES
    parser.set_defaults(refuse=parser.error)
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="print JSON; also what --diff found")
    forms.add_argument("--yaml", action="store_true", help="print YAML (needs PyYAML)")
    forms.add_argument("--html", action="store_true", help="print a page for a browser")
    deeds = parser.add_mutually_exclusive_group()
    deeds.add_argument("--serve", action="store_true", help="serve the page until Ctrl-C")
    deeds.add_argument("--diff", type=Path, metavar="OLD", help="compare with a file, JSON or YAML")
    parser.add_argument("--port", type=int, default=0, help="for --serve (0: any that is free)")


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments say, and return the exit code."""
    if arguments.serve and (arguments.json or arguments.yaml or arguments.html):
        arguments.refuse("--serve takes no form")
    if arguments.diff and (arguments.yaml or arguments.html):
        arguments.refuse("--diff prints lines, or JSON with --json")
    try:
        if arguments.diff:
            return _diff(arguments.diff, as_json=arguments.json)
        if arguments.serve:
            return _serve_page(arguments.port)
        print(_printed(arguments), end="")
    except MissingYamlError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _printed(arguments: argparse.Namespace) -> str:
    if arguments.yaml:
        return yaml_from(installed())
    return _html() if arguments.html else installed_text()


def _html() -> str:
    from ._page import page_from  # noqa: PLC0415  only where a page is asked for

    return page_from(installed())


def _serve_page(port: int) -> int:
    from ._serve import serve  # noqa: PLC0415  http.server is slow to import

    files = {"/": ("text/html", _html()), "/openapi.json": ("application/json", installed_text())}
    try:
        serve(files, port, lambda url: print(f"{url}\n{url}openapi.json\nCtrl-C ends it.", flush=True))
    except (OSError, OverflowError) as error:
        print(f"cannot listen on port {port}: {error}; --port 0 takes a free one", file=sys.stderr)
        return 1
    return 0


def _diff(path: Path, *, as_json: bool) -> int:
    try:
        old, new = document_from(path), installed()
        changes = compare(old, new)
    except (OSError, InvalidDocumentError) as error:
        print(f"spec --diff {path}: {error}", file=sys.stderr)
        return 2
    except RecursionError:
        print(f"spec --diff {path}: nested too deeply", file=sys.stderr)
        return 2
    is_breaking = any(change.is_breaking for change in changes)
    if as_json:
        versions = [document.get("info", {}).get("version") for document in (old, new)]
        found = {"old": versions[0], "new": versions[1], "breaks": is_breaking}
        print(json.dumps({**found, "changes": [asdict(change) for change in changes]}, indent=2))
    else:
        print("\n".join(map(_line, changes)) or "no changes that clients could notice")
        if changes:
            breaking = sum(change.is_breaking for change in changes)
            print(f"\n{len(changes)} change{'s' if len(changes) > 1 else ''}, {breaking or 'none'} of them breaking")
    return int(is_breaking)


def _line(change: Change) -> str:
    return f"{'BREAKS' if change.is_breaking else 'ok':<6}  {change.where}: {change.what}"
