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
from runpod_sdk._client._journal._rows import Known, Row, Todo, is_renamed, todo
from runpod_sdk._http._signals import raised_by_handler
from runpod_sdk._values._hidden import Hidden

from ._map_inputs import Item

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runpod_sdk._client._journal._rows import Key, Other
    from runpod_sdk._client._journal._run import JournalRun

# A key, what is known by it, and why its input is refused, if it is.
Found = tuple["Key", Row | None, Known | None]
# Inputs that are left out in a row before others get their turn.
_STRIDE = 200


class Sorter:
    """Sorts inputs by what is known of them, in the thread that takes them.

    Attributes:
        skipped: inputs that are left out, by their status: their results were handed out by an earlier run.
        strangers: places of inputs that are refused, whose results say nothing of what the journal has by their key.
        names: by what the journal knows inputs that have got a key since, by their places.

    Args:
        run: of the journal.
        again: what is submitted again.
        handle: what a job that was submitted before is among the inputs.
        by_key: returns all inputs by their keys, where they can be looked at; it is called once, where that matters.
    """

    def __init__(
        self,
        run: JournalRun,
        again: frozenset[str],
        handle: type[Any],
        by_key: Callable[[], Mapping[Any, Any]] = dict[Any, Any],
    ) -> None:
        self.skipped = run.skipped
        self.strangers = run.strangers
        self.names: dict[int, Key] = {}
        self._run = run
        self._again = again
        self._handle = handle
        self._fresh: set[Key] = set()  # of this run, and not on the disk yet
        self._repeats: dict[bytes, int] = {}
        self._by_key = by_key
        self._coming: Mapping[Any, Any] | None = None
        self._lost = bytearray()  # by number: inputs that have lost the keys that they had

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
        name = named(digest, 0) if key is None else key
        status = self._run.met_done(name, digest, is_again=bool(self._again))
        if status is not None:
            self.skipped[status] += 1
            return None
        key, row, refusal = self._unnamed(digest) if key is None else self._named(key, digest)
        if refusal is not None:
            return replace(item, key=key, known=refusal)
        what = todo(row, digest, self._again)
        if row is not None and row.key != key and what is not Todo.SUBMIT:  # which would give the row its key
            self._fresh.discard(key)
            if what is not Todo.SKIP:
                self.names[item.index] = row.key
        if row is not None and what is Todo.SKIP:
            self.skipped[str(row.status)] += 1
            return None
        if row is not None and what is Todo.REFUSE:
            self._run.forget(row)
            return replace(item, key=key, known=_taken(key, "of an earlier run"))
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

    def _named(self, key: Key, digest: bytes) -> Found:
        """Return what is known of an input that has a key, or why it is refused."""
        row, is_met = self._met(key)
        if is_met:
            is_lost = row is not None and any(self._lost[row.number : row.number + 1])
            return key, row, _taken(key, "without a key" if is_lost else "of this run")
        if row is not None or not self._run.count:
            return key, row, None
        row = self._before_its_key(digest)
        return key, row, None if row is not None else self._under_another_key(key, digest)

    def _before_its_key(self, digest: bytes) -> Row | None:
        """Return what is known of an input that had no key when it was submitted, and has one now."""
        for occurrence in count(self._repeats.get(digest, 0)):
            name = named(digest, occurrence)
            if name in self._fresh:
                continue
            row = self._run.row(name)
            if row is None or not self._run.is_seen(row):
                if occurrence:
                    self._repeats[digest] = occurrence
                return row
        return None

    def _under_another_key(self, key: Key, digest: bytes) -> Known | None:
        """Refuse an input that may be one whose key was changed: an equal one is known, whose key has not come."""
        row = self._run.equal(digest, self._is_coming)
        if row is None or not is_renamed(row, self._again):
            return None
        self._fresh.discard(key)
        return _taken(key, "under another key", row.key)

    def _is_coming(self, row: Row) -> bool:
        """Whether an input is among those of this run as it was, wherever."""
        if self._coming is None:
            self._coming = self._by_key()
        handled = sys.exception()
        try:
            return row.key in self._coming and self._digest(Hidden(self._coming[row.key])) == row.digest
        except Exception as error:  # of a mapping of the caller's, or no input at all
            if raised_by_handler(error, handled) is not None:
                raise
            return False

    def _unnamed(self, digest: bytes) -> Found:
        """Return the key of an input that has none of its own, and what is known of it."""
        occurrence = self._repeats.get(digest, 0)
        key: Key
        while True:
            key = named(digest, occurrence)
            row, is_met = self._met(key)
            if not is_met:
                break
            occurrence += 1
        known = self._run.equal(digest, self._is_coming) if row is None else None
        if known is not None:  # it has lost the key that it had
            self._fresh.discard(key)
            self._run.is_seen(known)
            self._lost = self._lost or bytearray(self._run.count + 1)
            self._lost[known.number] = True
            key, row = known.key, known
        elif occurrence:
            self._repeats[digest] = occurrence + 1
        return key, row, None


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


def _taken(key: Key, other: Other, its_key: Key = "") -> Known:
    """Refuse an input whose key stands for another one, or that may be another one."""
    why = "another input has it, too"
    if other == "of an earlier run":
        why = "it was already used for a different input: use another journal, or another key"
    elif other == "without a key":
        why = "an equal input without a key came before, and was taken for it: give that one a key, too"
    elif other == "under another key":
        why = (
            f"an equal input was submitted before under the key {its_key!r}, which is not among the inputs so far: "
            'give it that key, or submit it once more with again={"renamed"}'
        )
    return Known(Todo.REFUSE, refusal=ValueError(f"key={key!r}: {why}"), other=other)
