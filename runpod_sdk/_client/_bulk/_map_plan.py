"""The arguments of a bulk run, validated before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, Generic, Literal

from runpod_sdk._flows import _api
from runpod_sdk._flows._wait import OnAbandon, checked_abandon
from runpod_sdk._values._arguments import checked_function, kind_of
from runpod_sdk._values._hidden import Hidden

from ._auto_window import MOST
from ._map_inputs import Inputs, is_many
from ._map_result import R
from ._map_stop import Stop
from ._map_tables import checked_from_row, checked_index

if TYPE_CHECKING:
    from datetime import datetime

    from runpod_sdk._client._journal._journal import Journal
    from runpod_sdk._flows._jobs import Life
    from runpod_sdk._values._requests import HiddenOptions, SubmitOptions
    from runpod_sdk._values._states import JobState

    from ._map_tables import FromRow

# Named so for `map`, too.
Concurrency = int | Literal["auto"]
JournalPath = str | PathLike[str]
InputOptions = Callable[[Any, Any], "SubmitOptions"]
OnSubmit = Callable[[Any, Any], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Generic[R]):
    """What a bulk run was asked for.

    `job_of` makes a handle from an id, the time of its submit and what is known of its life, `read` an output. A
    `handle` among the inputs is a job that was submitted before.
    """

    endpoint_id: str
    endpoint_url: str
    inputs: Hidden[Inputs]
    concurrency: Concurrency
    ordered: bool
    retries: int
    on_abandon: OnAbandon
    options: HiddenOptions
    job_of: Callable[[str, datetime, Life | None], Any]
    handle: type[Any]
    result: Callable[..., R]
    read: Callable[[JobState], Any] | None = None
    on_submit: OnSubmit | None = None
    journal: Journal | None = None
    again: frozenset[str] = frozenset()
    input_options: InputOptions | None = None
    stop: Stop | None = None
    from_row: FromRow | None = None
    method: Callable[..., object] | None = None  # what was called

    def __post_init__(self) -> None:
        for name, least in (("concurrency", 1), ("retries", 0)):
            value = getattr(self, name)
            if name == "concurrency" and value == "auto":
                continue
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name}={value!r}: a whole number expected")
            if value < least:
                raise ValueError(f"{name}={value!r}: at least {least} expected")
        checked_function("input_options", self.input_options)
        checked_function("on_submit", self.on_submit)
        checked_abandon(self.on_abandon)
        checked_from_row(self.from_row)
        if not isinstance(self.stop, Stop | None):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"stop is {kind_of(self.stop)}: a Stop expected")
        if not is_many(self.inputs.reveal()):
            raise TypeError(f"inputs is {kind_of(self.inputs.reveal())}: an iterable of inputs expected")
        if self.journal is not None:
            checked_index(self.inputs.reveal())
        # Raises for a bad option, which all inputs would share.
        _api.built(_api.run, self.endpoint_id, Hidden({}), self.options, self.method)

    @property
    def size(self) -> int:
        """How many jobs may be in flight at most."""
        return MOST if self.concurrency == "auto" else self.concurrency

    @property
    def total(self) -> int | None:
        """How many inputs there are, where they tell."""
        try:
            return len(self.inputs.reveal())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        except TypeError:
            return None


def journal_of(journal: JournalPath | Journal | None) -> Journal | None:
    """Return the journal that is at a path."""
    if journal is None:
        return None
    from runpod_sdk._client._journal._journal import Journal

    if isinstance(journal, Journal):
        return journal
    if not isinstance(journal, str | PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"journal is {kind_of(journal)}: a path or a Journal expected")
    return Journal(journal)


def again_of(again: Iterable[str], journal: object) -> frozenset[str]:
    """Return what is to be submitted again, if it can be known."""
    if not again:
        return frozenset()
    if journal is None:
        raise ValueError("again needs a journal: without one, earlier runs are not known")
    from runpod_sdk._client._journal._rows import checked_again

    return checked_again(again)


def abandon_of(on_abandon: OnAbandon | None, journal: object) -> OnAbandon:
    """Return the default of `on_abandon`: with a journal, jobs in flight can be found again, so they are detached."""
    if on_abandon is not None:
        return on_abandon
    return "cancel" if journal is None else "detach"
