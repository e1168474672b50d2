"""A bulk run with a journal, in both flavours: the same call again goes on, sends nothing twice and loses nothing."""

from __future__ import annotations

import asyncio
import csv
import json
import shutil
import sqlite3
import threading
from collections import Counter
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from runpod_sdk import (
    AsyncClient,
    Client,
    InternalServerError,
    JobExpiredError,
    JobFailedError,
    Journal,
    JournalError,
    MapResult,
    MapStoppedError,
    RateLimitError,
    Stop,
    SubmissionUnknownError,
)
from runpod_sdk.emulator import Emulator, Fault, Options
from tests.disk import small_disk
from tests.sdk.flavours import World, bare, both_flavours, caught

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

# ruff: noqa: ASYNC240  small files


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


async def listed(results: Any) -> list[MapResult[Any]]:
    return [result async for result in results]


def squares(world: World, **options: Any) -> Any:
    """Return an endpoint whose jobs take the seconds that they ask for."""

    def handler(job: dict[str, Any]) -> Any:
        given = job["input"]
        if "seconds" in given:
            world.emulator.clock.sleep(given["seconds"])
        if given.get("fails"):
            raise ValueError("a number that it does not like")
        return given["n"] ** 2

    world.emulator.endpoint("abc", handler, workers=8)
    return world.client(**options).endpoint("abc")


async def left_early(world: World, endpoint: Any, *, keyed: bool = True, **options: Any) -> dict[str, Any]:
    """Close a run whose second job is at work, and return its inputs."""
    inputs = {"quick": {"n": 3}, "slow": {"n": 2, "seconds": 60}}
    clock: Any = world.emulator.clock
    clock.auto_jump = False
    given = inputs if keyed else [*inputs.values()]
    async with endpoint.map(given, journal="run.sqlite", **options) as results:
        assert (await anext(results)).output == 9
    clock.auto_jump = True
    return inputs


def numbered(*numbers: int) -> list[dict[str, int]]:
    return [{"n": n} for n in numbers]


def outputs(results: list[MapResult[Any]]) -> list[Any]:
    return sorted(result.output for result in results)


# The same call again.


@both_flavours
async def test_what_has_ended_is_neither_sent_nor_handed_out_again(world: World) -> None:
    endpoint = squares(world)
    assert outputs(await listed(endpoint.map(numbered(1, 2, 3), journal="run.sqlite"))) == [1, 4, 9]
    again = endpoint.map(numbered(1, 2, 3), journal="run.sqlite")
    assert await listed(again) == []
    assert world.operations.count("run") == 3
    assert again.report().skipped == 3


def test_inputs_that_come_one_by_one_are_known_again() -> None:
    async def inputs(count: int) -> AsyncIterator[dict[str, int]]:
        for each in numbered(*range(count)):
            yield each

    async def main() -> None:
        with Emulator() as emulator:
            emulator.endpoint("abc", lambda job: job["input"]["n"], workers=8)
            async with AsyncClient(**emulator.connection) as client:
                endpoint = client.endpoint("abc")
                for count, new in ((3, [0, 1, 2]), (3, []), (5, [3, 4])):
                    results = endpoint.map(inputs(count), journal="run.sqlite")
                    found = [result.output async for result in results]
                    assert sorted(found) == new

    asyncio.run(main())


@both_flavours
async def test_what_was_added_is_run_wherever_it_stands(world: World) -> None:
    endpoint = squares(world)
    await listed(endpoint.map(numbered(1, 2), journal="run.sqlite"))
    results = await listed(endpoint.map(numbered(3, 2, 4, 1), journal="run.sqlite", ordered=True))
    assert [(result.index, result.output) for result in results] == [(0, 9), (2, 16)]


@both_flavours
async def test_equal_inputs_are_run_as_often_as_they_are_there(world: World) -> None:
    endpoint = squares(world)
    first = await listed(endpoint.map(numbered(1, 1, 1, 2), journal="run.sqlite", concurrency=2))
    assert len({result.key for result in first}) == 4
    assert outputs(await listed(endpoint.map(numbered(1, 1, 1, 1, 2, 2), journal="run.sqlite"))) == [1, 4]
    assert world.operations.count("run") == 6


@both_flavours
async def test_what_was_not_handed_out_is_handed_out_by_the_next_run(world: World) -> None:
    endpoint = squares(world)
    async with endpoint.map({"a": {"n": 1}, "b": {"n": 2}}, journal="run.sqlite", ordered=True) as results:
        assert (await anext(results)).key == "a"
        assert (await anext(results)).key == "b"  # and the next one is not asked for
    results = await listed(endpoint.map({"a": {"n": 1}, "b": {"n": 2}}, journal="run.sqlite"))
    assert [(result.key, result.index, result.input, result.output) for result in results] == [("b", 1, {"n": 2}, 4)]
    assert results[0].is_success
    assert results[0].job is not None
    assert results[0].state is not None
    assert results[0].state.worker_id is not None
    assert world.operations.count("run") == 2


@both_flavours
async def test_a_table_is_handed_out_as_a_whole_or_not_at_all(world: World) -> None:
    pandas = pytest.importorskip("pandas")
    endpoint, frame = squares(world), pandas.DataFrame({"n": range(5)})

    def interrupt(result: MapResult[Any]) -> None:
        if result.index == 3:
            raise OSError("interrupted")

    async with endpoint.map(frame, journal="run.sqlite", ordered=True, on_result=interrupt) as results:
        await caught(OSError, results.to_pandas)
    assert {0, 1, 2, 3} <= {result.index for result in results.undelivered}
    async with endpoint.map(frame, journal="run.sqlite", ordered=True) as results:
        assert (await results.to_pandas())["output"].tolist() == [0, 1, 4, 9, 16]
        assert results.undelivered == ()
    assert (await endpoint.map(frame, journal="run.sqlite").to_pandas()).empty
    assert world.operations.count("run") == 5


@both_flavours
async def test_inputs_that_break_off_leave_a_table_to_the_next_run(world: World) -> None:
    pytest.importorskip("pandas")
    endpoint = squares(world)

    def breaking() -> Iterator[dict[str, int]]:
        yield from numbered(1, 2, 3)
        raise OSError("the file ends here")

    async with endpoint.map(breaking(), journal="run.sqlite", ordered=True) as results:
        assert (await anext(results)).output == 1
        await caught(OSError, results.to_pandas)
    async with endpoint.map(numbered(1, 2, 3), journal="run.sqlite", ordered=True) as results:
        assert (await results.to_pandas())["output"].tolist() == [4, 9], "the first was handed out before"


@both_flavours
async def test_jobs_go_on_when_a_run_is_closed_and_are_asked_for_before_anything_is_sent(world: World) -> None:
    endpoint = squares(world)
    inputs = await left_early(world, endpoint)
    assert Journal("run.sqlite").counts() == {"COMPLETED": 1, "SUBMITTED": 1}
    before = len(world.operations)
    results = await listed(endpoint.map({"new": {"n": 4}, **inputs}, journal="run.sqlite", concurrency=1))
    assert sorted((result.key, result.index, result.output) for result in results) == [
        ("new", 0, 16),
        ("quick", 1, 9),
        ("slow", 2, 4),
    ]
    assert world.operations[before] in ("status", "status-sync")
    assert world.operations.count("run") == 3


@both_flavours
async def test_jobs_whose_inputs_are_gone_are_asked_for_all_the_same(world: World) -> None:
    endpoint = squares(world)
    await left_early(world, endpoint)
    assert await listed(endpoint.map({}, journal="run.sqlite")) == []
    assert [item.output for item in Journal("run.sqlite").items("COMPLETED")] == [9, 4]


@both_flavours
async def test_a_failure_is_run_again_where_that_is_asked_for(world: World) -> None:
    endpoint = squares(world)
    inputs = {"a": {"n": 1, "fails": True}, "b": {"n": 2}}
    first = await listed(endpoint.map(inputs, journal="run.sqlite", ordered=True))
    assert isinstance(first[0].error, JobFailedError)
    assert await listed(endpoint.map(inputs, journal="run.sqlite")) == []
    (again,) = await listed(endpoint.map(inputs, journal="run.sqlite", again={"failed"}))
    assert again.key == "a"
    assert world.operations.count("run") == 3
    assert [(item.status, item.attempt) for item in Journal("run.sqlite").items()] == [("FAILED", 2), ("COMPLETED", 1)]


@both_flavours
async def test_a_failure_that_was_not_handed_out_is_the_same_error(world: World) -> None:
    endpoint = squares(world)
    async with endpoint.map({"a": {"n": 1, "fails": True}}, journal="run.sqlite") as results:
        first = await anext(results)
    assert isinstance(first.error, JobFailedError)
    (second,) = await listed(endpoint.map({"a": {"n": 1, "fails": True}}, journal="run.sqlite"))
    assert str(second.error) == str(first.error)
    assert isinstance(second.error, JobFailedError)
    assert second.error.worker_traceback == first.error.worker_traceback
    assert second.error.job == second.job


@both_flavours
async def test_what_may_have_arrived_is_not_sent_again_but_by_the_users_word(world: World) -> None:
    endpoint = squares(world)
    world.emulator.inject(Fault.drop("after", times=1, on="run"))
    (first,) = await listed(endpoint.map(numbered(1), journal="run.sqlite"))
    assert isinstance(first.error, SubmissionUnknownError)
    assert await listed(endpoint.map(numbered(1), journal="run.sqlite")) == []
    (unknown,) = Journal("run.sqlite").unknowns()
    assert (unknown.key, unknown.input_sha256) == (first.key, first.error.input_sha256)
    assert world.operations.count("run") == 1
    (again,) = await listed(endpoint.map(numbered(1), journal="run.sqlite", again={"unknown"}))
    assert again.output == 1
    assert world.operations.count("run") == 2


@both_flavours
async def test_what_was_refused_is_sent_by_the_next_run(world: World) -> None:
    endpoint = squares(world, retry=None)
    world.emulator.inject(Fault.rate_limited(times=1, on="run"))
    (first,) = await listed(endpoint.map(numbered(1), journal="run.sqlite"))
    assert isinstance(first.error, RateLimitError)
    assert Journal("run.sqlite").counts() == {"UNSUBMITTED": 1}
    assert outputs(await listed(endpoint.map(numbered(1), journal="run.sqlite"))) == [1]


@both_flavours
async def test_a_refusal_that_all_would_meet_leaves_the_inputs_to_the_next_run(world: World) -> None:
    endpoint = squares(world)
    world.emulator.inject(Fault.status(402, times=1, on="run"))
    await listed(endpoint.map(numbered(1, 2, 3), journal="run.sqlite", concurrency=1))
    assert world.operations.count("run") == 1
    assert outputs(await listed(endpoint.map(numbered(1, 2, 3), journal="run.sqlite"))) == [1, 4, 9]


@both_flavours
async def test_a_result_that_the_service_had_forgotten_is_expired(world: World) -> None:
    endpoint = squares(world)
    inputs = await left_early(world, endpoint)
    world.emulator.clock.sleep(3 * 3600)
    late = (await listed(endpoint.map(inputs, journal="run.sqlite", ordered=True)))[-1]
    assert isinstance(late.error, JobExpiredError)
    assert Journal("run.sqlite").counts() == {"COMPLETED": 1, "EXPIRED": 1}
    assert await listed(endpoint.map(inputs, journal="run.sqlite", again={"failed", "unknown"})) == []
    assert outputs(await listed(endpoint.map(inputs, journal="run.sqlite", again={"expired"}))) == [4]


@both_flavours
async def test_a_job_of_which_no_end_was_learned_is_asked_for_by_the_next_run(world: World) -> None:
    endpoint = squares(world)
    await left_early(world, endpoint)
    faults = [world.emulator.inject(Fault.status(500, on=on)) for on in ("status", "status-sync")]
    (failed,) = await listed(endpoint.map({"slow": {"n": 2, "seconds": 60}}, journal="run.sqlite"))
    assert isinstance(failed.error, InternalServerError)
    assert failed.index == 0
    for fault in faults:
        fault.remove()
    assert outputs(await listed(endpoint.map({"slow": {"n": 2, "seconds": 60}}, journal="run.sqlite"))) == [4]
    assert world.operations.count("run") == 2


@both_flavours
async def test_what_a_stop_keeps_from_being_sent_is_sent_by_the_next_run(world: World) -> None:
    endpoint = squares(world)
    inputs = [*numbered(1, 2), {"n": 3, "fails": True}, *numbered(4, 5, 6)]
    results = endpoint.map(inputs, journal="run.sqlite", concurrency=1, stop=Stop(failures=1))
    assert len([result async for result in results if not isinstance(result.error, MapStoppedError)]) == 3
    assert world.operations.count("run") == 3
    assert outputs(await listed(endpoint.map(inputs, journal="run.sqlite"))) == [16, 25, 36]


@both_flavours
async def test_cancelled_by_the_run_itself_is_submitted_again(world: World) -> None:
    endpoint = squares(world)
    inputs = await left_early(world, endpoint, on_abandon="cancel")
    assert Journal("run.sqlite").counts() == {"COMPLETED": 1, "UNSUBMITTED": 1}
    assert outputs(await listed(endpoint.map(inputs, journal="run.sqlite"))) == [4, 9]


@both_flavours
async def test_a_handle_among_the_inputs_is_noted_and_waited_for(world: World) -> None:
    endpoint = squares(world)
    job = bare(await endpoint.run({"n": 5}))
    assert outputs(await listed(endpoint.map([("kept", job)], journal="run.sqlite"))) == [25]
    assert await listed(endpoint.map([("kept", job)], journal="run.sqlite")) == []
    assert world.operations.count("run") == 1


@both_flavours
async def test_nothing_is_sent_whose_intent_is_not_on_the_disk(world: World) -> None:
    endpoint = squares(world)
    noted: list[dict[str, int]] = []

    def handler(_: dict[str, Any]) -> None:
        noted.append(Journal("run.sqlite").counts())

    world.emulator.endpoint("def", handler)
    endpoint = world.client().endpoint("def")
    await listed(endpoint.map(numbered(1, 2), journal="run.sqlite", concurrency=1))
    assert [sum(counts.values()) for counts in noted] == [1, 2]


@both_flavours
async def test_an_end_is_on_the_disk_before_it_is_handed_out(world: World) -> None:
    endpoint = squares(world)
    async for result in endpoint.map(numbered(1, 2, 3), journal="run.sqlite", concurrency=1):
        assert result.key in [item.key for item in Journal("run.sqlite").items("COMPLETED")]


# Keys.


@both_flavours
async def test_another_input_under_a_known_key_is_refused(world: World) -> None:
    endpoint = squares(world)
    await listed(endpoint.map({"a": {"n": 1}}, journal="run.sqlite"))
    (result,) = await listed(endpoint.map({"a": {"n": 2}}, journal="run.sqlite"))
    assert isinstance(result.error, ValueError)
    assert "a different input" in str(result.error)
    assert world.operations.count("run") == 1


@both_flavours
async def test_a_refused_input_says_nothing_of_the_one_that_is_known_by_its_key(world: World) -> None:
    endpoint = squares(world)
    async with endpoint.map({"a": {"n": 1}}, journal="run.sqlite") as results:
        await anext(results)
    await listed(endpoint.map({"a": {"n": 2}}, journal="run.sqlite"))
    assert outputs(await listed(endpoint.map({"a": {"n": 1}}, journal="run.sqlite"))) == [1]


@both_flavours
async def test_a_key_stands_for_one_input_of_a_run(world: World) -> None:
    endpoint = squares(world)
    pairs = [("a", {"n": 1}), ("a", {"n": 1}), ("b", {"n": 2}), ("a", {"n": 3})]
    for _ in range(2):  # known by then
        results = await listed(endpoint.map(pairs, journal="run.sqlite", ordered=True))
        assert [type(result.error) for result in results[-2:] if result.error] == [ValueError] * (2 if _ else 1)
    assert world.operations.count("run") == 2


@both_flavours
async def test_an_input_that_gets_a_key_later_is_the_same(world: World) -> None:
    endpoint = squares(world)
    await listed(endpoint.map([*numbered(1, 1, 2), {"n": 5, "fails": True}], journal="run.sqlite"))
    keyed = {"a": {"n": 1}, 7: {"n": 2}, "b": {"n": 1}, "c": {"n": 1}, "d": {"n": 5, "fails": True}}
    results = await listed(endpoint.map(keyed, journal="run.sqlite"))
    assert [(result.key, result.output) for result in results] == [("c", 1)], "there was no third one"
    assert await listed(endpoint.map(keyed, journal="run.sqlite")) == []
    (again,) = await listed(endpoint.map(keyed, journal="run.sqlite", again={"failed"}))
    assert again.key == "d"
    assert Journal("run.sqlite").item("d") is not None, "from now on it is known by it"
    assert sum(Journal("run.sqlite").counts().values()) == 5


@both_flavours
async def test_what_is_under_way_is_collected_under_the_key_that_it_has_got(world: World) -> None:
    endpoint = squares(world)
    inputs = await left_early(world, endpoint, keyed=False)
    results = await listed(endpoint.map(inputs, journal="run.sqlite"))
    assert sorted((result.key, result.output) for result in results) == [("quick", 9), ("slow", 4)]
    assert world.operations.count("run") == 2
    assert await listed(endpoint.map(inputs, journal="run.sqlite")) == []
    assert all(item.is_handed for item in Journal("run.sqlite").items())


@both_flavours
async def test_keys_are_texts_or_whole_numbers_and_a_number_is_no_text(world: World) -> None:
    endpoint = squares(world)
    keys: list[Any] = [1, "1", -5, "ключ", 2**63, 1.5, None, True, "\ud800", ("a",)]
    results = await listed(endpoint.map([(key, {"n": 1}) for key in keys], journal="run.sqlite", ordered=True))
    assert [result.is_success for result in results] == [True] * 4 + [False] * 6
    assert {type(result.error) for result in results[4:]} == {TypeError, ValueError}
    assert [item.key for item in Journal("run.sqlite").items()] == [1, "1", -5, "ключ"]


@both_flavours
async def test_what_cannot_be_sent_is_a_result_and_leaves_no_trace(world: World) -> None:
    endpoint = squares(world)
    inputs: list[Any] = [{"n": {1, 2}}, "text", {"n": float("nan")}, {1: 2, "a": 3, "n": 4}]
    results = await listed(endpoint.map(inputs, journal="run.sqlite", ordered=True))
    assert [type(result.error) for result in results] == [TypeError, TypeError, ValueError, type(None)]
    assert "input['n'] is of type set" in str(results[0].error)
    assert Journal("run.sqlite").counts() == {"COMPLETED": 1}


# What a journal is not.


@both_flavours
async def test_the_journal_of_another_endpoint_is_refused_before_anything_is_sent(world: World) -> None:
    endpoint = squares(world)
    await listed(endpoint.map(numbered(1), journal="run.sqlite"))
    before = len(world.operations)
    other = world.client().endpoint("other")
    error = await caught(JournalError, listed(other.map(numbered(1), journal="run.sqlite")))
    assert endpoint.url in str(error)
    assert error.path == "run.sqlite"
    assert len(world.operations) == before


@both_flavours
async def test_two_runs_do_not_share_a_journal(world: World) -> None:
    endpoint = squares(world)
    first = endpoint.map(numbered(1, 2), journal="run.sqlite")
    await anext(first)
    error = await caught(JournalError, listed(endpoint.map(numbered(3), journal="run.sqlite")))
    assert "process" in str(error)
    assert "in use by" in str(error)
    assert len(await listed(first)) == 1
    assert outputs(await listed(endpoint.map(numbered(3), journal="run.sqlite"))) == [9]


@both_flavours
async def test_a_journal_may_be_looked_at_while_a_run_is_at_work(world: World) -> None:
    endpoint = squares(world)
    journal = Journal("run.sqlite")
    async for _ in endpoint.map(numbered(1, 2, 3), journal=journal, concurrency=1):
        assert sum(journal.counts().values()) >= 1
    assert journal.counts() == {"COMPLETED": 3}


def test_again_is_one_of_three_words_and_needs_a_journal() -> None:
    endpoint = Client("key").endpoint("abc")
    with pytest.raises(ValueError, match="'failed', 'expired', 'unknown', 'renamed' expected"):
        endpoint.map([], journal="run.sqlite", again={"lost"})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs a journal"):
        endpoint.map([], again={"failed"})
    with pytest.raises(TypeError, match="a path or a Journal expected"):
        endpoint.map([], journal=3)  # type: ignore[call-overload]


# What is in it.


@both_flavours
async def test_a_journal_can_be_written_out(world: World) -> None:
    endpoint = squares(world)
    inputs = {"a": {"n": 2}, "b": {"n": 3, "fails": True}, 7: {"n": 4}}
    await listed(endpoint.map(inputs, journal="run.sqlite", concurrency=1))
    journal = Journal("run.sqlite")
    assert journal.export("out.jsonl") == 3
    lines = [json.loads(line) for line in Path("out.jsonl").read_text("utf-8").splitlines()]
    assert [(line["key"], line["status"], line["output"]) for line in lines] == [
        ("a", "COMPLETED", 4),
        ("b", "FAILED", None),
        (7, "COMPLETED", 16),
    ]
    assert "a number that it does not like" in lines[1]["error"]
    journal.export("out.csv")
    rows = list(csv.DictReader(Path("out.csv").read_text("utf-8").splitlines()))
    assert [(row["key"], row["output"]) for row in rows] == [("a", "4"), ("b", ""), ("7", "16")]
    with pytest.raises(ValueError, match=r"\.jsonl, \.csv, \.parquet expected"):
        journal.export("out.xlsx")


@both_flavours
async def test_half_a_character_keeps_no_journal_from_being_written_out(world: World) -> None:
    world.emulator.endpoint("abc", lambda _: "half \ud800")
    await listed(world.client().endpoint("abc").map(numbered(1), journal="run.sqlite"))
    journal = Journal("run.sqlite")
    journal.export("out.csv")
    assert "half \\ud800" in Path("out.csv").read_text("utf-8")
    journal.export("out.jsonl")
    assert json.loads(Path("out.jsonl").read_text())["output"] == "half \ud800"
    pytest.importorskip("pyarrow")
    assert journal.export("out.parquet") == 1


@both_flavours
async def test_a_large_output_stands_beside_the_journal(world: World) -> None:
    world.emulator.endpoint("large", lambda job: "x" * job["input"]["n"])
    endpoint = world.client().endpoint("large")
    async with endpoint.map({"a": {"n": 2_000_000}}, journal="run.sqlite") as results:
        await anext(results)
    (result,) = await listed(endpoint.map({"a": {"n": 2_000_000}}, journal="run.sqlite"))
    assert len(result.output) == 2_000_000
    (item,) = Journal("run.sqlite").items()
    assert len(item.output) == 2_000_000
    assert Path("run.sqlite").stat().st_size < 200_000
    assert [path.name for path in Path("run.sqlite.outputs").iterdir()] == [f"{item.job_id}.json"]


@both_flavours
async def test_statuses_choose_items(world: World) -> None:
    endpoint = squares(world)
    world.emulator.inject(Fault.drop("before", times=1, on="run"))
    inputs = {"a": {"n": 2}, "b": {"n": 3, "fails": True}, "c": {"n": 4}}
    await listed(endpoint.map(inputs, journal="run.sqlite", concurrency=1))
    journal = Journal("run.sqlite")
    assert [item.key for item in journal.items()] == ["a", "b", "c"]
    assert [item.key for item in journal.items("UNKNOWN")] == ["a"]
    assert [item.key for item in journal.items(["COMPLETED", "UNKNOWN"])] == ["a", "c"]
    assert list(journal.items("SUBMITTED")) == []


# Unknown submits, resolved.


async def one_unknown(world: World) -> tuple[Any, str]:
    """Return an endpoint, and the id of the job that nobody was told of."""
    endpoint = squares(world)
    world.emulator.inject(Fault.drop("after", times=1, on="run"))
    await listed(endpoint.map({"a": {"n": 6}}, journal="run.sqlite"))
    (job_id,) = world.emulator.jobs
    return endpoint, job_id


@both_flavours
async def test_an_unknown_whose_job_was_found_is_collected(world: World) -> None:
    endpoint, job_id = await one_unknown(world)
    journal = Journal("run.sqlite")
    assert journal.resolve("a", job_id)
    assert not journal.resolve("a", job_id)
    assert outputs(await listed(endpoint.map({"a": {"n": 6}}, journal="run.sqlite"))) == [36]
    assert world.operations.count("run") == 1


@both_flavours
async def test_an_unknown_is_resolved_by_what_its_webhook_was_told(world: World) -> None:
    endpoint, job_id = await one_unknown(world)
    body = json.dumps({"id": job_id, "status": "COMPLETED", "output": 36}).encode()
    assert Journal("run.sqlite").resolve("a", body)
    before = len(world.operations)
    assert outputs(await listed(endpoint.map({"a": {"n": 6}}, journal="run.sqlite"))) == [36]
    assert len(world.operations) == before


@both_flavours
async def test_the_text_of_a_number_resolves_the_number_unless_it_is_a_key_itself(world: World) -> None:
    endpoint = squares(world)
    world.emulator.inject(Fault.drop("after", times=3, on="run"))
    await listed(endpoint.map({0: {"n": 1}, 1: {"n": 2}, "1": {"n": 3}}, journal="run.sqlite", concurrency=1))
    journal = Journal("run.sqlite")
    assert journal.resolve("0", "job-0")
    assert journal.resolve("1", "job-text")
    assert {item.key: item.job_id for item in journal.items()} == {0: "job-0", 1: None, "1": "job-text"}
    for wrong in ("00", "-0", " 0", "\u0660", "9" * 30):
        with pytest.raises(ValueError, match="there is no such input"):
            journal.resolve(wrong, "job-1")


@both_flavours
async def test_a_webhook_of_a_job_that_has_not_ended_tells_its_id(world: World) -> None:
    endpoint, job_id = await one_unknown(world)
    assert Journal("run.sqlite").resolve("a", {"id": job_id, "status": "IN_PROGRESS"})
    assert outputs(await listed(endpoint.map({"a": {"n": 6}}, journal="run.sqlite"))) == [36]


@both_flavours
async def test_a_webhook_that_comes_while_a_run_is_at_work_is_not_overwritten(world: World) -> None:
    endpoint = squares(world)
    world.emulator.inject(Fault.drop("after", times=1, on="run"))

    def on_result(result: MapResult[Any]) -> None:
        (job_id,) = world.emulator.jobs
        Journal("run.sqlite").resolve(result.key, {"id": job_id, "status": "COMPLETED", "output": 36})

    (first,) = await listed(endpoint.map({"a": {"n": 6}}, journal="run.sqlite", on_result=on_result))
    assert isinstance(first.error, SubmissionUnknownError)
    assert outputs(await listed(endpoint.map({"a": {"n": 6}}, journal="run.sqlite"))) == [36]


@both_flavours
async def test_what_is_told_of_an_unknown_has_to_be_about_it(world: World) -> None:
    _, job_id = await one_unknown(world)
    journal = Journal("run.sqlite")
    with pytest.raises(ValueError, match="no such input"):
        journal.resolve("b", job_id)
    for body in ("{}", b"[]", {"id": "x"}, "no id of a job!"):
        with pytest.raises(ValueError, match="job"):
            journal.resolve("a", body)
    journal.resolve("a", job_id)
    with pytest.raises(ValueError, match="its job is"):
        journal.resolve("a", "another")


@both_flavours
async def test_a_webhook_brings_back_what_the_service_had_forgotten(world: World) -> None:
    endpoint = squares(world)
    inputs = await left_early(world, endpoint)
    world.emulator.clock.sleep(3 * 3600)
    await listed(endpoint.map(inputs, journal="run.sqlite"))
    (item,) = Journal("run.sqlite").items("EXPIRED")
    Journal("run.sqlite").resolve("slow", {"id": item.job_id, "status": "COMPLETED", "output": 4})
    assert outputs(await listed(endpoint.map(inputs, journal="run.sqlite"))) == [4]


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_webhooks_with_the_key_in_their_url_resolve_what_they_can(kind: type[Client | AsyncClient]) -> None:
    """Of ten answers that are lost, five submits had arrived: those are resolved, and the others never were jobs."""
    journal = Journal("run.sqlite")
    inputs = {f"k {n}": {"n": n} for n in range(30)}

    def key_of(path: str) -> str:
        return parse_qs(urlsplit(path).query)["key"][0]

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            journal.resolve(key_of(self.path), body)
            arrived.release()
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002  the parent's name

    arrived = threading.Semaphore(0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as receiver, Emulator() as emulator:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        emulator.endpoint("abc", lambda job: job["input"]["n"], workers=8)
        emulator.inject(Fault.drop("after", times=5, on="run"))
        emulator.inject(Fault.drop("before", times=5, on="run"))
        place = f"http://127.0.0.1:{receiver.server_port}/runpod"

        def options(key: Any, given: Any) -> Any:
            assert inputs[key] == given
            return {"webhook": f"{place}?{urlencode({'key': key})}"}

        async def run() -> list[MapResult[Any]]:
            async with World.dress(kind(**server.connection)) as client:
                results = client.endpoint("abc").map(inputs, journal=journal, input_options=options)
                return await listed(results)

        with emulator.serve() as server:
            first = asyncio.run(run())
            for _ in emulator.jobs:
                assert arrived.acquire(timeout=30)
            second = asyncio.run(run())
        receiver.shutdown()
    unknown = {result.key for result in first if result.error is not None}
    resolved = {result.key for result in second}
    assert (len(unknown), len(resolved)) == (10, 5)
    assert resolved < unknown
    assert all(result.output == inputs[result.key]["n"] for result in second)
    ran = {job.input["n"] for job in emulator.jobs.values()}
    assert {item.key for item in journal.unknowns()} == unknown - resolved
    assert {inputs[key]["n"] for key in unknown - resolved} == {*range(30)} - ran, "they never arrived"


# Files that are no journals.


def databases(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE notes(text)")
    database.close()


def later(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE run(name)")
        database.execute(f"PRAGMA application_id = {0x52706A6C}")
        database.execute("PRAGMA user_version = 9")
    database.close()


OTHERS: list[tuple[Callable[[Path], object], str]] = [
    (lambda path: path.write_text("notes of mine"), "it is not a journal"),
    (lambda path: path.write_text('{"line": 1, "event": "sending"}\n'), "version 0.1 of the command line"),
    (databases, "a database, but not a journal"),
    (later, "written by a later version"),
    (lambda path: path.mkdir(), "Is a directory"),
]


@both_flavours
async def test_another_file_is_left_as_it_is(world: World) -> None:
    endpoint = squares(world)
    for number, (make, why) in enumerate(OTHERS):
        path = Path(f"other-{number}")
        make(path)
        before = path.read_bytes() if path.is_file() else b""

        async def run(path: Path = path) -> None:
            await listed(endpoint.map(numbered(1), journal=path))

        error = await caught(JournalError, run())
        assert why in str(error)
        assert (path.read_bytes() if path.is_file() else b"") == before
    assert world.operations == []


@both_flavours
async def test_a_journal_of_the_form_before_is_read_and_taken_up(world: World) -> None:
    endpoint = squares(world)
    await listed(endpoint.map(numbered(1, 2), journal="run.sqlite"))
    with closing(sqlite3.connect("run.sqlite")) as database:
        database.execute("ALTER TABLE item DROP COLUMN note")
        database.execute("PRAGMA user_version = 1")
    assert [item.output for item in Journal("run.sqlite").items()] == [1, 4]
    assert outputs(await listed(endpoint.map(numbered(1, 2, 3), journal="run.sqlite"))) == [9]
    assert Journal("run.sqlite").counts() == {"COMPLETED": 3}


@both_flavours
async def test_a_journal_that_is_damaged_is_told(world: World) -> None:
    endpoint = squares(world)
    await listed(endpoint.map(numbered(*range(50)), journal="run.sqlite"))
    path = Path("run.sqlite")
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    before = len(world.operations)
    await caught(JournalError, listed(endpoint.map(numbered(*range(50)), journal="run.sqlite")))
    assert len(world.operations) == before
    with pytest.raises(JournalError):
        Journal("run.sqlite").counts()


@both_flavours
async def test_a_copy_of_a_journal_is_one(world: World) -> None:
    endpoint = squares(world)
    await listed(endpoint.map(numbered(1), journal="run.sqlite"))
    shutil.copy("run.sqlite", "copy.sqlite")
    assert await listed(endpoint.map(numbered(1), journal="copy.sqlite")) == []


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "small") as folder:
        yield folder


@pytest.mark.one_in(2)
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_full_disk_ends_a_run_and_no_job_is_lost_or_doubled(kind: type[Client | AsyncClient], small: Path) -> None:
    ran: Counter[int] = Counter()

    def handler(job: dict[str, Any]) -> str:
        ran[job["input"]["n"]] += 1
        return "x" * 3000

    async def run(path: Path) -> list[MapResult[Any]]:
        async with World.dress(kind(**emulator.connection)) as client:
            return await listed(client.endpoint("abc").map(numbered(*range(400)), journal=path))

    with Emulator(options=Options(ledger=0)) as emulator:
        emulator.endpoint("abc", handler, workers=8)
        with pytest.raises(JournalError, match="full"):
            asyncio.run(run(small / "run.sqlite"))
        counts = Journal(small / "run.sqlite").counts()
        assert counts.keys() <= {"COMPLETED", "SUBMITTED", "UNSUBMITTED"}, "each id is known: there was a reserve"
        for file in small.iterdir():
            shutil.copy(file, ".")
        asyncio.run(run(Path("run.sqlite")))
    assert Journal("run.sqlite").counts() == {"COMPLETED": 400}
    assert set(ran.values()) == {1}


def test_what_is_not_there_is_told() -> None:
    with pytest.raises(JournalError, match="no such file"):
        Journal("none.sqlite").counts()
    with pytest.raises(JournalError, match="no such folder"):
        Journal("no/folder/run.sqlite")
