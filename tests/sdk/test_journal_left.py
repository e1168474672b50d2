"""A run with a journal that is left early says how to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import JournalError
from tests.sdk.flavours import World, both_flavours

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


async def left_by(world: World, error: BaseException, **options: Any) -> list[str]:
    """Leave a run whose second job is at work by an exception; return its notes."""
    clock: Any = world.emulator.clock
    if not world.operations:
        world.emulator.endpoint("abc", lambda job: job["input"]["n"] and clock.sleep(60), workers=8)
    clock.auto_jump = False
    with pytest.raises(type(error)) as caught:  # noqa: PT012  it is left by the error
        async with world.client().endpoint("abc").map([{"n": 0}, {"n": 1}], **options) as results:
            await anext(results)
            raise error
    clock.auto_jump = True
    return getattr(caught.value, "__notes__", [])


@both_flavours
async def test_who_interrupts_a_run_with_a_journal_is_told_how_to_go_on(world: World) -> None:
    (note,) = await left_by(world, KeyboardInterrupt(), journal="run.sqlite")
    assert note == "1 job goes on, and run.sqlite knows it: make the same call again, with this journal, to go on"


@both_flavours
async def test_nobody_else_is(world: World) -> None:
    assert await left_by(world, KeyboardInterrupt(), on_abandon="detach") == []
    assert await left_by(world, ValueError(), journal="run.sqlite", on_abandon="cancel") == []
    assert await left_by(world, JournalError("full", path="run.sqlite"), journal="other.sqlite") == []


@both_flavours
async def test_an_exception_of_the_callers_own_is_told_so_too_if_jobs_go_on(world: World) -> None:
    (note,) = await left_by(world, ValueError(), journal="run.sqlite")
    assert note == "1 job goes on, and run.sqlite knows it: make the same call again, with this journal, to go on"


@both_flavours
async def test_what_the_inputs_are_interrupted_by_is_told_once_too(world: World) -> None:
    def inputs() -> Any:
        yield {"n": 0}
        raise KeyboardInterrupt

    world.emulator.endpoint("abc", lambda _: 1, workers=8)
    with pytest.raises(KeyboardInterrupt) as caught:  # noqa: PT012  as above
        async with world.client().endpoint("abc").map(inputs(), journal="run.sqlite") as results:
            async for _ in results:
                pass
    (note,) = caught.value.__notes__
    assert note.endswith("make the same call again, with this journal, to go on")


@both_flavours
async def test_one_input_in_place_of_many_is_said_to_be_a_mapping_of_keys_with_a_journal_too(world: World) -> None:
    world.emulator.endpoint("abc", lambda _: 1)
    one: Any = {"n": 1}
    async with world.client().endpoint("abc").map(one, journal="run.sqlite") as results:
        error = (await anext(results)).error
    assert str(error).endswith("; a mapping is read as {key: input}; for one input, pass [input]")
