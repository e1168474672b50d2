"""The page on fidelity tells each mark once, and refuses those that make no sense."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.fidelity import LEFT_OUT, SOURCES, TOPICS, UNTESTED, Collector, page

if TYPE_CHECKING:
    from collections.abc import Iterator


class Item:
    """As much of a collected test as the collector looks at."""

    def __init__(self, nodeid: str, sentence: str, source: str) -> None:
        self.nodeid = nodeid
        self._mark = pytest.mark.fidelity(sentence, source=source).mark

    def iter_markers(self, name: str) -> Iterator[Any]:
        assert name == "fidelity"
        yield self._mark


class Session:
    def __init__(self, *items: Item) -> None:
        self.items = items


def collect(*items: Item) -> Collector:
    collector = Collector()
    collector.pytest_collection_finish(cast("pytest.Session", Session(*items)))
    return collector


def test_a_behaviour_that_several_tests_hold_is_one_row() -> None:
    items = [Item(f"tests/test_a.py::test_{name}", "/run: answers | at once", "live") for name in ("b[1]", "b[2]", "a")]
    collector = collect(*items)
    assert collector.problems == []
    row = "| answers \\| at once | live | [a](../tests/test_a.py), [b](../tests/test_a.py) |\n"
    assert page(collector.behaviours).count(row) == 1


def test_the_page_does_not_depend_on_the_order_of_the_tests() -> None:
    items = [Item(f"tests/test_a.py::test_{number}", f"/run: does {number % 2}", "live") for number in range(4)]
    assert page(collect(*items).behaviours) == page(collect(*reversed(items)).behaviours)


@pytest.mark.parametrize(
    ("sentence", "source", "problem"),
    [
        ("/run: answers", "guessed", "source='guessed' is none of documented"),
        ("/runs: answers", "live", "begins with none of routes"),
        ("/run: answers at once", "reported", "is live elsewhere, and reported here"),
    ],
)
def test_a_mark_that_makes_no_sense_is_a_problem(sentence: str, source: str, problem: str) -> None:
    first = Item("tests/test_a.py::test_a", "/run: answers at once", "live")
    [found] = collect(first, Item("tests/test_a.py::test_b", sentence, source)).problems
    assert problem in found


def test_what_is_listed_by_hand_has_a_topic_and_a_source() -> None:
    for sentence, source in (*UNTESTED, *LEFT_OUT):
        assert source in SOURCES, sentence
    assert {sentence.partition(": ")[0] for sentence, _ in UNTESTED} <= set(TOPICS)
