"""The states of an input in a journal, and what the next run does about each. No I/O.

| known of the input | what the next run does |
|---|---|
| nothing | submits it |
| refused (UNSUBMITTED), or withdrawn before it was sent | submits it |
| submitted | asks for its job by the id |
| ended, or UNKNOWN, and not handed out yet | hands it out, sends nothing |
| … and handed out | leaves it out |
| … and of a kind that the caller wants to have again | submits it |
| anything but refused, for another input | refuses it, as the key stands for what was sent before |

By what it is known, where some have keys:

| given now | the journal has its content | it is |
|---|---|---|
| a key that the journal has | by this key, or not at all | that input; another content is refused, see above |
| another key | without a key | that input: it has got a key |
| another key | under another key, and that has come, or is known to come | a new one |
| another key | under another key, and that has not come | refused, but by the caller's word: keys may have changed |
| no key | without a key | that input; equal ones by their number |
| no key | under a key, and that has not come | that input: it has lost its key |
| no key, or another one | not at all | a new one |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable

Again = Literal["failed", "expired", "unknown", "renamed"]
Key = str | int
# Which other input stands in the way: one of the same run has its key, or one without a key was taken for it; another
# one was submitted under its key by an earlier run, or an equal one under another key.
Other = Literal["of this run", "without a key", "of an earlier run", "under another key"] | None
# Ends that are not the service's own words.
UNKNOWN, EXPIRED, UNSUBMITTED = "UNKNOWN", "EXPIRED", "UNSUBMITTED"
# What has no end: about to be sent by a run that is at work, or submitted.
SENDING, SUBMITTED = "SENDING", "SUBMITTED"
COMPLETED = "COMPLETED"


class Stage(IntEnum):
    """How far an input has got; the numbers stand in files."""

    INTENT = 1
    SUBMITTED = 2
    ENDED = 3
    UNKNOWN = 4
    UNSUBMITTED = 5


class Row(NamedTuple):
    """What is known of one input.

    `number` counts the inputs in the order in which they were first sent, `attempt` the submits.
    """

    number: int
    key: Key
    digest: bytes
    stage: int
    attempt: int
    status: str | None
    job_id: str | None
    is_handed: int


class Todo(Enum):
    """What is to be done with an input."""

    SUBMIT = auto()
    COLLECT = auto()
    HAND = auto()
    SKIP = auto()
    REFUSE = auto()


@dataclass(frozen=True, slots=True)
class Known:
    """What a journal has to say of an input that is taken.

    Attributes:
        row: what was known of it before this run.
        refusal: why it is not taken at all.
        other: which other input stands in its way, if that is why.
    """

    todo: Todo
    digest: bytes = b""
    row: Row | None = None
    refusal: Exception | None = None
    other: Other = None


def todo(row: Row | None, digest: bytes, again: frozenset[str]) -> Todo:
    """Decide what is to be done with an input of this digest; see the table at the top."""
    if row is None or row.stage == Stage.UNSUBMITTED or (again and kind_of(row) in again):
        return Todo.SUBMIT
    if row.digest != digest:
        return Todo.REFUSE
    if row.stage == Stage.SUBMITTED:
        return Todo.COLLECT
    return Todo.SKIP if row.is_handed else Todo.HAND


def is_renamed(row: Row, again: frozenset[str]) -> bool:
    """Decide whether an input that has a key of its own is refused, as an equal one is known under another."""
    return row.stage != Stage.UNSUBMITTED and "renamed" not in again and kind_of(row) not in again


def kind_of(row: Row) -> Again | None:
    """Say by which word a caller has it again; None for what cannot be had again, as it completed or has no end."""
    if row.stage in (Stage.UNKNOWN, Stage.INTENT):
        return "unknown"
    if row.stage != Stage.ENDED or row.status == COMPLETED:
        return None
    return "expired" if row.status == EXPIRED else "failed"


def status_of(row: Row, *, is_running: bool) -> str:
    """Return the row's status in one word: the service's own for an end, else one of ours."""
    match row.stage:
        case Stage.INTENT:
            return SENDING if is_running else UNKNOWN
        case Stage.SUBMITTED:
            return SUBMITTED
        case Stage.UNKNOWN:
            return UNKNOWN
        case Stage.UNSUBMITTED:
            return UNSUBMITTED
        case _:
            return str(row.status)


def checked_again(again: Iterable[str]) -> frozenset[str]:
    """Return the words, if each is one of the three."""
    words = frozenset((again,) if isinstance(again, str) else again)
    wrong = words - {*get_args(Again)}
    if wrong:
        raise ValueError(f"again={sorted(wrong, key=repr)!r}: of {', '.join(map(repr, get_args(Again)))} expected")
    return words
