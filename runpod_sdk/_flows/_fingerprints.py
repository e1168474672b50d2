"""Compares what a stream handed out with the job's output: for an aggregating worker, the list of all chunks.

No chunk is kept for it, but 8 bytes of its hash, up to `CHECKED_MAX`. Decided here is what they tell: the output begins
with what was handed out, or ends with it, or differs from it; or it is unclear whether it is a list of chunks at all.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Chunks whose fingerprints are kept, 8 MB of them; a stream of more is not compared. Ours.
CHECKED_MAX = 1_000_000
# Bytes of JSON above which a chunk is split (docs: operation-reference#stream), and characters, of 12 bytes at most, of
# any part but the last. assumed: in the output they are whole.
SPLIT_ABOVE, PART_MIN = 1_000_000, 65_536


class Comparison(NamedTuple):
    """What was handed out, beside the output.

    Attributes:
        same: how many of the chunks, from the first on, the output begins with.
        rest: what follows them in the output, where these are all the chunks; else None.
        unlike: how many chunks come before those that the output ends with; 0: it ends with all of them.
        is_clear: whether the output is a list of chunks, as far as can be told.
    """

    same: int = 0
    rest: Sequence[Any] | None = None
    unlike: int = 0
    is_clear: bool = True


class Fingerprints:
    """Those of the chunks that were handed out, in order."""

    def __init__(self) -> None:
        self._marks = array("Q")
        self._lengths: dict[int, int] = {}  # of texts that may be parts of a longer one, by their place
        self._is_whole = True

    def add(self, output: Any) -> None:
        """Keep that of the next chunk."""
        place = len(self._marks)
        mark = fingerprint(output) if self._is_whole and place < CHECKED_MAX else None
        if mark is None:
            self._is_whole = False
            self._marks, self._lengths = array("Q"), {}
            return
        self._marks.append(mark)
        if isinstance(output, str) and (len(output) >= PART_MIN or self._lengths.get(place - 1, 0) >= PART_MIN):
            self._lengths[place] = len(output)

    def plus(self, outputs: Iterable[Any]) -> Fingerprints:
        """Return these and those of more chunks."""
        more = Fingerprints()
        more._marks, more._lengths, more._is_whole = self._marks[:], dict(self._lengths), self._is_whole
        for output in outputs:
            more.add(output)
        return more

    def compared(self, output: list[Any]) -> Comparison:
        """Compare with an output."""
        marks = [mark for item in output if (mark := fingerprint(item)) is not None]
        if not self._is_whole or len(marks) < len(output):
            return Comparison(unlike=len(self._marks) + 1, is_clear=False)
        found = self._from_the_start(output, marks)._replace(unlike=self._from_the_end(output, marks))
        # A list by its nature may have nothing to do with the chunks.
        is_other = found.rest is None and found.same == 0 and set(self._marks).isdisjoint(marks)
        return found._replace(is_clear=False) if is_other else found

    def _from_the_start(self, output: list[Any], marks: list[int]) -> Comparison:
        place, places = 0, len(self._marks)
        for at, item in enumerate(output):
            if place == places:
                return Comparison(place, output[at:])
            if marks[at] == self._marks[place]:
                place += 1
                continue
            parts, left = self._parts(item, place)
            place += parts
            if parts and left and place == places:
                return Comparison(place, [item[-left:], *output[at + 1 :]])
            if parts == 0 or left:
                # How anything but a text is split is not known; where the next item follows, this one is missing.
                is_missing = place < places and marks[at + 1 : at + 2] == [self._marks[place]]
                is_clear = parts > 0 or is_missing or len(canonical(item)) <= SPLIT_ABOVE
                return Comparison(place, is_clear=is_clear)
        return Comparison(place, [] if place == places else None)

    def _from_the_end(self, output: list[Any], marks: list[int]) -> int:
        """Return how many of the chunks are before the longest end that is right; 0 if all are right."""
        place = len(self._marks)
        for item, mark in zip(reversed(output), reversed(marks), strict=True):
            if place == 0:
                break
            if mark == self._marks[place - 1]:
                place -= 1
                continue
            end = len(item) if isinstance(item, str) else 0
            is_split = False
            while place and end >= (length := self._lengths.get(place - 1, end + 1)):
                if fingerprint(item[end - length : end]) != self._marks[place - 1]:
                    break
                end, place, is_split = end - length, place - 1, True
            if not is_split or (end and place):
                break
        return place

    def _parts(self, item: Any, place: int) -> tuple[int, int]:
        """Return of how many chunks, from a place on, a text was put together, and how much of it is left."""
        if not isinstance(item, str):
            return 0, 0
        parts = start = 0
        while start < len(item) and (length := self._lengths.get(place + parts)) is not None:
            if fingerprint(item[start : start + length]) != self._marks[place + parts]:
                break
            start, parts = start + length, parts + 1
        return parts, len(item) - start


def fingerprint(output: Any) -> int | None:
    """Return 8 bytes of a hash of what came as JSON; None of what is nested too deeply."""
    try:
        digest = hashlib.blake2b(canonical(output), digest_size=8).digest()
    except RecursionError:
        return None
    return int.from_bytes(digest, "big")


def canonical(output: Any) -> bytes:
    """Return the same bytes for the same JSON, in whatever order, and with whatever numbers, it was written.

    1 and 1.0 are one number: a service that reads JSON and writes it again may turn either into the other.
    """
    if isinstance(output, str):
        return b'"' + output.encode("utf-8", "surrogatepass")
    return json.dumps(_alike(output), sort_keys=True, separators=(",", ":")).encode()


def _alike(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _alike(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_alike(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    try:
        return float(value) + 0.0  # -0.0 is 0
    except OverflowError:
        return value
