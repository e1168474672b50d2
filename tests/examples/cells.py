"""Runs cells in a kernel and writes, as JSON, what each of them displayed. Started by test_live.py."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

# By name, as type checkers may not have them.
nbclient: Any = import_module("nbclient")
nbformat: Any = import_module("nbformat.v4")

SHOWS = ("display_data", "update_display_data", "execute_result")
sent: dict[int, list[dict[str, Any]]] = {}


class Watching(nbclient.NotebookClient):  # type: ignore[misc]
    """Keeps the messages that a cell sends, as a front end gets them."""

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        if msg["msg_type"] in SHOWS:
            content = msg["content"]
            place = content.get("transient", {}).get("display_id")
            sent[cell_index].append({"type": msg["msg_type"], "data": content["data"], "place": place})
        return nbclient.NotebookClient.process_message(self, msg, cell, cell_index)


book = nbformat.new_notebook()
book.cells = [nbformat.new_code_cell(source) for source in json.load(sys.stdin)]
client: Any = Watching(book, timeout=100, kernel_name="python3")
sent.update({index: [] for index in range(len(book.cells))})
client.execute()
json.dump(list(sent.values()), sys.stdout)
