"""Runs cells in a kernel and writes, as JSON, what each of them displayed. Started by test_live.py."""

from __future__ import annotations

import json
import sys
from typing import Any

import nbformat
from nbclient import NotebookClient

SHOWS = ("display_data", "update_display_data", "execute_result")


class Watching(NotebookClient):
    """Keeps the messages that a cell sends, as a front end gets them."""

    sent: dict[int, list[dict[str, Any]]]

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        if msg["msg_type"] in SHOWS:
            content = msg["content"]
            place = content.get("transient", {}).get("display_id")
            self.sent[cell_index].append({"type": msg["msg_type"], "data": content["data"], "place": place})
        return super().process_message(msg, cell, cell_index)


made: Any = nbformat.v4
book = made.new_notebook()
book.cells = [made.new_code_cell(source) for source in json.load(sys.stdin)]
client = Watching(book, timeout=100, kernel_name="python3")
client.sent = {index: [] for index in range(len(book.cells))}
client.execute()
json.dump(list(client.sent.values()), sys.stdout)
