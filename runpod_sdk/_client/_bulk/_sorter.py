"""A bulk run with a journal: which inputs are new and which are known, looked up as they arrive.

So a million that are done cost no task each.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from runpod_sdk._client._journal._keys import checked_key, digest_of, digest_of_job, named
from runpod_sdk._client._journal._rows import Known, Row, Todo, todo
from runpod_sdk._http._signals import raised_by_handler

from ._map_inputs import Item

if TYPE_CHECKING:
    from runpod_sdk._client._journal._rows import Key, Other
    from runpod_sdk._client._journal._run import JournalRun
    from runpod_sdk._values._hidden import Hidden

# Inputs that are left out in a row before others get their turn.
_STRIDE = 200


class Sorter:
    """Sorts inputs by what is known of them, in the thread that takes them.

    Attributes:
        skipped: inputs that are left out, by their status: their results were handed out by an earlier run.
        strangers: places of inputs that are refused, whose results say nothing of what the journal has by their key.
        names: by what the journal knows inputs that have got a key since, by their places.
    """

    def __init__(self, run: JournalRun, again: frozenset[str], handle: type[Any]) -> None:
        self.skipped = run.skipped
        self.strangers = run.strangers
        self.names: dict[int, Key] = {}
        self._run = run
        self._again = again
        self._handle = handle
        self._fresh: set[Key] = set()  # of this run, and not on the disk yet
        self._repeats: dict[bytes, int] = {}

    def settled(self, key: Key) -> None:
        """Note that an input is on the disk, or will not be."""
        self._fresh.discard(key)

    def sort(self, item: Item) -> Item | None:
        """Return an input with what is known of it; None if it is left out."""
        handled = sys.exception()
        try:
            digest = self._digest(item.input)
            key = checked_key(item.key) if item.is_keyed else None
        except (TypeError, ValueError, RecursionError) as error:
            if raised_by_handler(error, handled) is not None:
                raise
            return replace(item, known=_refused(error.with_traceback(None)))  # which would show the input
        if key is None:
            key, row = self._unnamed(digest)
        else:
            row, is_met = self._met(key)
            if is_met:
                return replace(item, known=_taken(key, "of this run"))
            if row is None and self._run.count:
                row = self._before_its_key(digest)
        what = todo(row, digest, self._again)
        is_renamed = row is not None and row.key != key and what is not Todo.SUBMIT  # which gives the row its key
        if is_renamed:
            self._fresh.discard(key)
        if what is Todo.SKIP and row is not None:
            self.skipped[str(row.status)] += 1
            return None
        if what is Todo.REFUSE:
            return replace(item, key=key, known=_taken(key, "of an earlier run"))
        if row is not None and is_renamed:
            self.names[item.index] = row.key
        return Item(item.index, key, item.input, known=Known(what, digest, row))

    def _digest(self, hidden: Hidden[Any]) -> bytes:
        if isinstance(hidden.reveal(), self._handle):
            return digest_of_job(hidden.reveal().id)
        return digest_of(hidden.reveal())

    def _met(self, key: Key) -> tuple[Row | None, bool]:
        """Return what is known of a key, and whether this run has met it before."""
        if key in self._fresh:  # looked at first: it is there until the row can be read
            return None, True
        row = self._run.row(key)
        if row is None:
            self._fresh.add(key)
            return None, False
        return row, self._run.is_seen(row)

    def _before_its_key(self, digest: bytes) -> Row | None:
        """Return what is known of an input that had no key when it was submitted, and has one now."""
        for occurrence in count(self._repeats.get(digest, 0)):
            name = named(digest, occurrence)
            if name in self._fresh:
                continue
            row = self._run.row(name)
            if row is None or not self._run.is_seen(row):
                return row
        return None

    def _unnamed(self, digest: bytes) -> tuple[Key, Row | None]:
        """Return the key of an input that has none of its own, and what is known of it."""
        occurrence = self._repeats.get(digest, 0)
        while True:
            key = named(digest, occurrence)
            row, is_met = self._met(key)
            if not is_met:
                break
            occurrence += 1
        if occurrence:
            self._repeats[digest] = occurrence + 1
        return key, row


def sorted_out(
    items: Iterator[Item | None] | AsyncIterator[Item | None], sorter: Sorter
) -> Iterator[Item | None] | AsyncIterator[Item | None]:
    """Return the inputs that are taken; None now and then where many are left out, so that others get their turn."""
    return _sorted(items, sorter) if isinstance(items, Iterator) else _sorted_async(items, sorter)


def _sorted(items: Iterator[Item | None], sorter: Sorter) -> Iterator[Item | None]:
    skipped = 0
    for item in items:
        taken = None if item is None else sorter.sort(item)
        skipped = 0 if taken is not None else skipped + 1
        if taken is not None or skipped % _STRIDE == 0:
            yield taken


async def _sorted_async(items: AsyncIterator[Item | None], sorter: Sorter) -> AsyncIterator[Item | None]:
    skipped = 0
    async for item in items:
        taken = None if item is None else sorter.sort(item)
        skipped = 0 if taken is not None else skipped + 1
        if taken is not None or skipped % _STRIDE == 0:
            yield taken


def _refused(error: Exception) -> Known:
    return Known(Todo.REFUSE, refusal=error)


def _taken(key: Key, other: Other) -> Known:
    """Refuse an input whose key stands for another one."""
    why = "another input has it, too"
    if other == "of an earlier run":
        why = "it stands for another input, which was submitted before: take another journal, or other keys"
    return Known(Todo.REFUSE, refusal=ValueError(f"key={key!r}: {why}"), other=other)
