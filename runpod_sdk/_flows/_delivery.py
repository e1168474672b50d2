"""Which chunks of a stream are handed out, which wait behind a gap, and whether they match the job's output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from runpod_sdk._values._states import StreamChunk

from ._fingerprints import PART_MIN, Fingerprints, fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runpod_sdk._values._states import JobState


OnGap = Literal["repair", "skip", "raise"]

# How many chunks are kept back while a gap is open; ours.
BUFFER_MAX = 10_000


def checked_gap(on_gap: OnGap) -> OnGap:
    """Return it, if it is one of the three."""
    if on_gap not in ("repair", "skip", "raise"):
        raise ValueError(f'on_gap={on_gap!r}: "repair", "skip" or "raise" expected')
    return on_gap


class Delivery:
    """One stream on its way to the caller.

    Attributes:
        count: how many chunks were handed out.
        gap_after: after how many of them the first was lost, or is another than in the output; None where all is well.
        is_verified: whether what was handed out is the job's output; None while that is not known, or cannot be.
        may_begin_late: another reader may have taken the first chunks.
    """

    def __init__(self, on_gap: OnGap) -> None:
        self.count = 0
        self.gap_after: int | None = None
        self.is_verified: bool | None = None
        self.may_begin_late = True
        self._on_gap = on_gap
        self._kept: list[StreamChunk] = []
        self._handed = Fingerprints()

    @property
    def is_full(self) -> bool:
        """Whether more is held back than the buffer takes."""
        return len(self._kept) > BUFFER_MAX

    def lose(self) -> bool:
        """Note a lost read; return whether to go on reading."""
        if self.gap_after is None:
            self.gap_after = self.count
        return self._on_gap != "raise"

    def accept(self, chunks: Iterable[StreamChunk]) -> Iterable[StreamChunk]:
        """Return those of the chunks that may be handed out now."""
        if self.gap_after is not None and self._on_gap == "repair":
            self._kept.extend(chunks)
            return ()
        return self._counted(chunks)

    def kept(self) -> Iterable[StreamChunk]:
        """Return what is held back, to be handed out after all."""
        kept, self._kept = self._kept, []
        return self._counted(kept)

    def conclude(self, state: JobState) -> bool:
        """Compare with the output of a job that has ended; return whether the stream may end well.

        What is missing behind the chunks that were handed out is then in `kept`. What was handed out wrongly cannot be
        taken back. Of a stream that brought nothing at all the output tells nothing: an ordinary handler may have
        returned a list.
        """
        output: Any = state.output if state.is_success else None
        if isinstance(output, list) and output and (self.count or self._kept):
            self._compare(output)  # pyright: ignore[reportUnknownArgumentType]
        return self.gap_after is None or self._on_gap == "skip"

    def _compare(self, output: list[Any]) -> None:
        came = self._handed.plus(chunk.output for chunk in self._kept).compared(output)
        begun = self._handed.compared(output) if self._kept else came
        is_late = self.may_begin_late and came.unlike == 0
        if came.rest is not None and not came.rest:
            self.gap_after, self.is_verified = None, True
        elif (
            begun.rest is not None
            and self._on_gap == "repair"
            and (self.gap_after is not None or not is_late)
            and _explains(output, self._kept)
        ):
            self._kept = _filled(begun.rest, self._kept)
            self.gap_after, self.is_verified = None, True
        elif is_late and self.gap_after != 0:
            self.gap_after = None  # whoever read the first chunks has what is missing, as far as can be told
        elif begun.is_clear:
            self.gap_after = begun.same or (begun.unlike if self.may_begin_late else 0)
            self.is_verified = False

    def _counted(self, chunks: Iterable[StreamChunk]) -> Iterable[StreamChunk]:
        for chunk in chunks:
            self.count += 1
            self._handed.add(chunk.output)
            yield chunk


def _explains(output: list[Any], kept: list[StreamChunk]) -> bool:
    """Whether all that was held back is in the output: as it is, or as a part of a text that was split."""
    marks = {fingerprint(item) for item in output}
    texts = [item for item in output if _is_long(item)]
    may_be_part = True
    for chunk in kept:
        part = chunk.output
        is_part = may_be_part or _is_long(part)
        may_be_part = _is_long(part)
        if fingerprint(part) in marks:
            continue
        if not (is_part and isinstance(part, str) and any(part in text for text in texts)):
            return False
    return True


def _filled(rest: Sequence[Any], kept: list[StreamChunk]) -> list[StreamChunk]:
    """Return the rest of an output as chunks; those that were held back as they came, with their metrics.

    From the end, as what was lost came before what was held back.
    """
    places: dict[int | None, list[int]] = {}
    for place, chunk in enumerate(kept):
        places.setdefault(fingerprint(chunk.output), []).append(place)
    whole: list[StreamChunk] = []
    at = len(kept)
    for item in reversed(rest):
        found = places.get(fingerprint(item), [])
        while found and found[-1] >= at:
            found.pop()
        parts = [kept[found[-1]]] if found else _parts(item, kept[:at]) if _is_long(item) else []
        at = found[-1] if found else at - len(parts)
        whole += reversed(parts) if parts else [StreamChunk(output=item, raw={"output": item})]
    return whole[::-1]


def _parts(text: str, kept: list[StreamChunk]) -> list[StreamChunk]:
    """Return the chunks at the end of those that a text was split into; none if it was not."""
    end, start = len(text), len(kept)
    while end and start and isinstance(part := kept[start - 1].output, str) and part and text.endswith(part, 0, end):
        end, start = end - len(part), start - 1
    return [] if end else kept[start:]


def _is_long(value: object) -> bool:
    return isinstance(value, str) and len(value) >= PART_MIN
