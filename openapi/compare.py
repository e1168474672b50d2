"""Say what has changed between two OpenAPI documents, and whether it breaks clients that were made for the old one.

    python openapi/compare.py OLD [NEW]    NEW is the document of this tree, unless it is named
    python openapi/compare.py --released   the document of this tree, with what lies in openapi/released/

Judged are requests that clients of OLD send (they must still be taken), answers that they get (they must be such as
they were told), and the names that generators turn into code: by rules, and by generating a Python client and
TypeScript types from both and comparing them. `--rules-only` leaves the generators out; TypeScript needs Node, and is
left out where it is not. Texts, examples and most x- fields do not count. What cannot be judged, breaks.

Exit codes: 0 nothing breaks, or with --released the version allows it; 1 something breaks, or the version is wrong;
2 bad arguments, or a file that is no OpenAPI document.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from comparison import Change, InvalidDocumentError, MissingToolError, compare, document_from, gate, names_changes

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent / "runpod_sdk" / "emulator" / "openapi.json"


def all_changes(old: dict[str, Any], new: dict[str, Any]) -> list[Change]:
    """Return what has changed by the rules and in the names that are generated, what breaks first."""
    changes = compare(old, new)
    try:
        names = names_changes(old, new)
    except MissingToolError as error:
        print(f"left out: {error}", file=sys.stderr)
        names = names_changes(old, new, typescript=False)
    return sorted([*changes, *names], key=lambda change: not change.is_breaking)


def line(change: Change) -> str:
    """Return a change for a reader."""
    return f"{'BREAKS' if change.is_breaking else 'ok':<6}  {change.where}: {change.what}"


def show(changes: list[Change]) -> None:
    """Print changes, and how many they are."""
    print("\n".join(map(line, changes)) or "no changes that clients could notice")
    if changes:
        breaking = sum(change.is_breaking for change in changes)
        print(f"\n{len(changes)} change{'s' if len(changes) > 1 else ''}, {breaking or 'none'} of them breaking")


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, nargs="?", metavar="OLD", help="a document, JSON or YAML")
    parser.add_argument("new", type=Path, nargs="?", metavar="NEW", default=DOCUMENT, help="another")
    parser.add_argument("--released", action="store_true", help="compare with the last release, and check the version")
    parser.add_argument("--rules-only", action="store_true", help="generate nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args(argv)
    if arguments.released == bool(arguments.old):
        parser.error("either OLD or --released")
    changes_between = compare if arguments.rules_only else all_changes
    problems: list[str] = []
    try:
        new = document_from(arguments.new)
        if arguments.released:
            changes, problems = gate(new, HERE / "released", changes_between)
            failed = bool(problems)
        else:
            changes = changes_between(document_from(arguments.old), new)
            failed = any(change.is_breaking for change in changes)
    except (OSError, InvalidDocumentError, MissingToolError) as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    except RecursionError:
        print("compare: nested too deeply", file=sys.stderr)
        return 2
    if arguments.json:
        told = [asdict(change) for change in changes]
        print(json.dumps({"fails": failed, "problems": problems, "changes": told}, indent=2))
    else:
        show(changes)
        print("".join(f"\n{problem}" for problem in problems), end="\n" if problems else "")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
