"""Inputs of a journal that get keys, lose them or change them: what was submitted is not submitted once more."""

from __future__ import annotations

from collections import Counter
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

from runpod_sdk import Journal, RateLimitError
from runpod_sdk._client._bulk._map_inputs import by_key, items_of
from runpod_sdk._client._bulk._sorter import Sorter
from runpod_sdk._client._journal import _changes
from runpod_sdk._client._journal._keys import digest_of
from runpod_sdk._client._journal._rows import Row, Todo
from runpod_sdk._client._journal._run import JournalRun
from runpod_sdk._values._hidden import Hidden
from runpod_sdk.emulator import Fault
from tests.scale import scaled
from tests.sdk.flavours import World, both_flavours

Inputs = list[Any]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def squares(world: World, **options: Any) -> Any:
    world.emulator.endpoint("abc", lambda job: job["input"]["n"] ** 2, workers=8)
    return world.client(**options).endpoint("abc")


async def run(endpoint: Any, inputs: Any, *, journal: str = "run.sqlite", **options: Any) -> list[Any]:
    """Make a run, and return its results."""
    return [result async for result in endpoint.map(inputs, journal=journal, **options)]


def numbers(*of: int) -> list[dict[str, int]]:
    return [{"n": n} for n in of]


def begun(inputs: Any) -> list[Any]:
    """Begin a run, and sort its inputs; what is new is submitted, done and handed out."""
    made = JournalRun(Path("run.sqlite"), "url", {})
    sorter = Sorter(made, frozenset(), type(None), lambda: by_key(inputs))
    found: list[Any] = [sorter.sort(item) for item in items_of(Hidden(inputs))]  # type: ignore[union-attr]
    for item in found:
        if item is not None and item.known.todo is Todo.SUBMIT:
            made.writer.put(_changes.intent(item.key, item.known.digest, 0.0))
            made.writer.put(_changes.expired(item.key, "id", 0.0, ""))
            made.writer.put(_changes.handed(item.key, is_unknown=False))
    made.close()
    return found


# Each line of the table in `_rows.py`: the inputs before, and now; how many are submitted then, and how many refused.
A, B = {"n": 1}, {"n": 2}
CASES: dict[str, tuple[Any, Any, int, int]] = {
    "the same": ({"a": A, "b": B}, {"b": B, "a": A}, 0, 0),
    "got a key": ([A, B], {"a": A, "b": B}, 0, 0),
    "got a key and another content": ([A], {"a": B}, 1, 0),
    "lost its key": ({"a": A, "b": B}, [B, A], 0, 0),
    "lost its key, and another content": ({"a": A}, [B], 1, 0),
    "lost their keys, and there is one more": ({"a": A, "b": A}, [A, A, A], 1, 0),
    "another content under the key": ({"a": A}, {"a": B}, 0, 1),
    "another key": ({"a": A, "b": B}, {"c": A, "d": B}, 0, 2),
    "another key, and another content": ({"a": A}, {"b": B}, 1, 0),
    "one more of the same, behind": ({"a": A}, {"a": A, "b": A}, 1, 0),
    "one more of the same, in front": ({"a": A}, {"b": A, "a": A}, 1, 0),
    "one more without a key, in front": ({"a": A}, [A, ("a", A)], 1, 0),
    "keys that have moved on": ({0: A, 1: B}, {0: {"n": 3}, 1: A, 2: B}, 0, 3),
    "keys that have moved on, backwards": ({0: A, 1: B}, [(2, B), (1, A), (0, {"n": 3})], 0, 3),
    "keys that have changed places": ({"a": A, "b": B}, {"a": B, "b": A}, 0, 2),
}


@pytest.mark.parametrize("case", CASES)
def test_what_was_submitted_is_known_whatever_its_key(case: str) -> None:
    before, now, submitted, refused = CASES[case]
    begun(before)
    for new in (submitted, 0):
        todos = [item.known.todo for item in begun(now) if item is not None]
        assert sorted(todos, key=str) == [Todo.REFUSE] * refused + [Todo.SUBMIT] * new


@both_flavours
async def test_inputs_get_keys_lose_them_and_change_them(world: World) -> None:
    endpoint = squares(world)
    assert len(await run(endpoint, [A, B])) == 2
    assert await run(endpoint, {"a": A, "b": B}) == []
    assert [result.output for result in await run(endpoint, {"a": A, "b": B, "c": {"n": 3}})] == [9]
    assert await run(endpoint, [{"n": 3}, A]) == []
    assert [type(result.error) for result in await run(endpoint, iter([("x", {"n": 3})]))] == [ValueError]
    assert world.operations.count("run") == 3


@both_flavours
async def test_a_changed_key_is_named_and_submitted_where_that_is_meant(world: World) -> None:
    endpoint = squares(world)
    await run(endpoint, {"a": A})
    (refused,) = await run(endpoint, {"b": A})
    assert "under the key 'a', which is not among the inputs so far" in str(refused.error)
    assert Journal("run.sqlite").counts() == {"COMPLETED": 1}
    (result,) = await run(endpoint, {"b": A}, again={"renamed"})
    assert (result.key, result.output) == ("b", 1)
    assert await run(endpoint, {"a": A, "b": A}) == []


@both_flavours
async def test_what_was_never_submitted_does_not_stand_in_the_way_of_another_key(world: World) -> None:
    endpoint = squares(world, retry=None)
    world.emulator.inject(Fault.rate_limited(times=2, on="run"))
    assert {type(result.error) for result in await run(endpoint, {"a": A, "b": B})} == {RateLimitError}
    assert [result.is_success for result in await run(endpoint, {"c": A, "d": B})] == [True, True]


@both_flavours
async def test_a_job_whose_input_has_lost_its_key_is_collected(world: World) -> None:
    clock: Any = world.emulator.clock
    world.emulator.endpoint("abc", lambda job: (job["input"]["n"] and clock.sleep(60)) or job["input"]["n"], workers=8)
    endpoint = world.client().endpoint("abc")
    clock.auto_jump = False
    async with endpoint.map({"a": {"n": 0}, "b": {"n": 1}}, journal="run.sqlite") as results:
        assert (await anext(results)).key == "a"
    clock.auto_jump = True
    found = [result async for result in endpoint.map(numbers(1, 0), journal="run.sqlite")]
    assert sorted((result.key, result.index, result.output) for result in found) == [("a", 1, 0), ("b", 0, 1)]
    assert world.operations.count("run") == 2


KEYS = st.sampled_from(["a", "b", "c", None])
LISTS = st.lists(st.tuples(KEYS, st.integers(0, 2)), max_size=6, unique_by=lambda one: one[0] or object())


def as_inputs(pairs: list[tuple[str | None, int]]) -> Inputs:
    return [{"n": n} if key is None else (key, {"n": n}) for key, n in pairs]


@settings_of(max_examples=scaled(6, 150))
@given(LISTS, LISTS, st.randoms())
def test_no_content_is_submitted_more_often_than_it_is_there_and_what_is_there_still_is_never_refused(
    first: list[tuple[str | None, int]], second: list[tuple[str | None, int]], chance: Any
) -> None:
    keys = {key for key, _ in first}
    longer = first + [(key, n) for key, n in second if key is None or key not in keys]
    chance.shuffle(longer)
    for now, is_longer in ((second, False), (longer, True)):
        with TemporaryDirectory() as folder, chdir(folder):
            begun(as_inputs(first))
            found = begun(as_inputs(now))
        new = Counter(item.input.reveal()["n"] for item in found if item is not None and item.known.todo is Todo.SUBMIT)
        there, before = Counter(n for _, n in now), Counter(n for _, n in first)
        assert new <= there - before
        if is_longer:
            assert new == there - before
            assert not [item for item in found if item is not None and item.known.todo is Todo.REFUSE]


def test_equal_inputs_are_looked_at_once_however_many_there_are() -> None:
    begun([(f"k{n}", A) for n in range(100)])
    looks: list[Row] = []

    def is_coming(row: Row) -> bool:
        looks.append(row)
        return True

    made = JournalRun(Path("run.sqlite"), "url", {})
    assert [made.equal(digest_of(A), is_coming) for _ in range(3)] == [None] * 3
    assert len(looks) == 100
    made.close()
