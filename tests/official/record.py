"""Write golden.json anew: `python -m tests.official.record PYTHON NODE_FOLDER`; read its diff before you believe it."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.official.stage import play, python_command
from tests.official.table import GOLDEN_FILE, Seen, cells

if TYPE_CHECKING:
    from collections.abc import Mapping


def main(python: str, node_folder: str) -> None:
    """Let all clients play, and write what was seen."""
    commands = {
        "python": python_command(python, "python_sync"),
        "asyncio": python_command(python, "python_asyncio"),
        "javascript": (["node", "javascript.js"], Path(node_folder)),
    }
    with tempfile.TemporaryDirectory() as curl_folder:
        played = play(commands, Path(curl_folder))
    found: dict[str, dict[str, dict[str, Seen]]] = {}
    for cell in cells():
        found.setdefault(cell.client, {}).setdefault(cell.operation, {})[cell.outcome] = played[cell.endpoint_id]
    GOLDEN_FILE.write_text(golden_text(found), encoding="utf-8")


def golden_text(found: dict[str, dict[str, dict[str, Seen]]]) -> str:
    """Return the file: a line for each cell, so that a diff names the cell."""

    def block(indent: str, entries: Mapping[str, str]) -> str:
        lines = [f"{indent}  {json.dumps(name)}: {text}" for name, text in entries.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"

    clients = {
        client: block(
            "  ",
            {
                operation: block(
                    "    ", {outcome: json.dumps(seen, sort_keys=True) for outcome, seen in outcomes.items()}
                )
                for operation, outcomes in operations.items()
            },
        )
        for client, operations in found.items()
    }
    return block("", clients) + "\n"


if __name__ == "__main__":
    main(*sys.argv[1:])
