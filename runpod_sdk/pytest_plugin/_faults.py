"""The mark `runpod_fault`: its arguments, and the check that the fault really struck."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from runpod_sdk.emulator import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod_sdk.emulator import Emulator, InjectedFault

NAME = "runpod_fault"
_SAMPLE = '@pytest.mark.runpod_fault(Fault.status(503, on="run", times=2))'


@dataclass(slots=True)
class _Marked:
    """A fault of a mark, and where it was injected."""

    fault: Fault
    optional: bool
    injected: list[InjectedFault] = field(default_factory=list["InjectedFault"])


_MARKED = pytest.StashKey[list[_Marked]]()


def inject(item: pytest.Item, emulator: Emulator) -> None:
    """Inject what the marks of a test say; where several strike a request, that of the mark nearest to the test does.

    Fails the test, before it runs, where a mark makes no sense.
    """
    if not item.stash.get(_MARKED, None):
        item.stash[_MARKED] = list(_marked(item))
    for marked in item.stash[_MARKED]:
        marked.injected.append(emulator.inject(marked.fault))


def forget(item: pytest.Item) -> None:
    """Forget what was injected."""
    item.stash[_MARKED] = []


def check(item: pytest.Item) -> None:
    """Fail a test in which a fault never struck that has to, or that has no emulator for it to strike in."""
    if _MARKED not in item.stash:
        if any(mark.name == NAME for mark in item.own_markers):  # one for a whole module is not meant for all
            pytest.fail(f"{NAME}: this test takes neither runpod_emulator nor runpod_server", pytrace=False)
        return
    silent = [
        marked
        for marked in item.stash[_MARKED]
        if not marked.optional and not any(injected.struck for injected in marked.injected)
    ]
    if silent:
        lines = [f"  {_described(marked)}" for marked in silent]
        hint = "say optional=True where that may be"
        pytest.fail("\n".join([f"{NAME}: never struck in this test ({hint}):", *lines]), pytrace=False)


def _described(marked: _Marked) -> str:
    matched = sum(injected.matched for injected in marked.injected)
    asked = "no request was meant" if not matched else f"{matched} request{'s' * (matched > 1)} would have been meant"
    return f"{marked.fault.to_json()}: {asked}"


def _marked(item: pytest.Item) -> Iterator[_Marked]:
    for mark in item.iter_markers(NAME):
        unknown = mark.kwargs.keys() - {"optional"}
        if unknown:
            _refuse(f"unknown argument {', '.join(sorted(unknown))}")
        if not mark.args:
            _refuse("a fault is missing")
        optional = mark.kwargs.get("optional", False)
        if not isinstance(optional, bool):
            _refuse(f"optional={optional!r}: True or False expected")
        for fault in mark.args:
            if not isinstance(fault, Fault):
                _refuse(f"{fault!r} is no Fault")
            yield _Marked(fault, optional)


def _refuse(why: str) -> None:
    pytest.fail(f"{NAME}: {why}; it is used as in {_SAMPLE}", pytrace=False)
