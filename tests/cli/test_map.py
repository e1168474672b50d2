"""The command `map`: what is written, what the same command does the next time, and the exit codes."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import Client, Journal
from runpod_sdk._client._journal._lock import Lock
from runpod_sdk.cli._map._earlier import convert
from runpod_sdk.emulator import Fault
from tests.disk import small_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.cli.conftest import Done, Shell


def handler(job: dict[str, Any]) -> Any:
    if "error" in job["input"]:
        raise ValueError(job["input"]["error"])
    return job["input"]["n"]


class Bulk:
    """Runs one file of inputs into one output, again and again."""

    def __init__(self, shell: Shell, folder: Path) -> None:
        self.shell = shell
        self.inputs = folder / "inputs.jsonl"
        self.output = folder / "results.jsonl"
        self.journal = folder / "results.jsonl.journal"
        self._seen = 0

    def give(self, *inputs: Any) -> None:
        """Write inputs; a text is a line as it is."""
        lines = [one if isinstance(one, str) else json.dumps(one) for one in inputs]
        self.inputs.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def __call__(self, *options: object) -> Done:
        self._seen = len(self.shell.operations)
        return self.shell("map", "abc", self.inputs, "--output", self.output, "--progress", 0, *options)

    @property
    def results(self) -> list[dict[str, Any]]:
        """The output, by line of the inputs."""
        lines = [json.loads(line) for line in self.output.read_text(encoding="ascii").splitlines()]
        return sorted(lines, key=lambda result: result["line"])

    @property
    def statuses(self) -> list[tuple[int, str]]:
        return [(result["line"], result["status"]) for result in self.results]

    @property
    def submits(self) -> int:
        """How often the last command submitted."""
        return self.shell.operations[self._seen :].count("run")


@pytest.fixture
def bulk(shell: Shell, tmp_path: Path) -> Bulk:
    shell.emulator.endpoint("abc", handler, workers=4)
    return Bulk(shell, tmp_path)


def numbered(count: int) -> Sequence[dict[str, Any]]:
    return [{"n": n} for n in range(count)]


# What is written.


def test_each_input_has_a_line_with_its_output(bulk: Bulk) -> None:
    bulk.give({"n": 7})
    done = bulk()
    [result] = bulk.results
    [job_id] = bulk.shell.emulator.jobs
    assert (done.code, done.out) == (0, "")
    assert [*result] == [
        *("line", "id", "status", "output", "worker_id", "delay_time_ms", "execution_time_ms"),
        *("submitted_at", "input_sha256", "endpoint"),
    ]
    assert result["endpoint"] == here()
    assert (result["line"], result["id"], result["status"], result["output"]) == (1, job_id, "COMPLETED", 7)
    assert result["input_sha256"] == hashlib.sha256(b'{"n":7}').hexdigest()
    assert done.err.startswith("1 result in ")


def test_the_time_of_its_submit_is_the_one_of_the_journal_also_when_it_is_written_anew(bulk: Bulk) -> None:
    bulk.give({"n": 1}, {"error": "x"})
    bulk()
    kept = {item.job_id: item.submitted_at for item in Journal(bulk.journal).items()}
    before = {result["id"]: result["submitted_at"] for result in bulk.results}
    assert before == {job_id: at and at.isoformat(timespec="milliseconds") for job_id, at in kept.items()}
    bulk.output.unlink()
    bulk()
    assert {result["id"]: result["submitted_at"] for result in bulk.results} == before


def test_a_file_without_inputs_is_told(bulk: Bulk) -> None:
    bulk.give()
    done = bulk()
    assert (done.code, done.err) == (0, "no inputs\n")


def test_keys_and_ids_are_kept_and_bare_inputs_have_none(bulk: Bulk) -> None:
    bulk.give({"key": "a", "input": {"n": 1}}, {"id": 5, "input": {"n": 2}}, {"input": {"n": 3}}, {"n": 4, "key": "x"})
    assert bulk().code == 0
    assert [(result.get("key"), result["output"]) for result in bulk.results] == [
        ("a", 1),
        (5, 2),
        (None, 3),
        (None, 4),
    ]


def test_the_journal_is_one_of_the_sdk_and_nothing_else_is_left(bulk: Bulk) -> None:
    bulk.give(*numbered(5))
    bulk()
    assert {*bulk.output.parent.iterdir()} == {bulk.inputs, bulk.output, bulk.journal}
    assert Journal(bulk.journal).counts() == {"COMPLETED": 5}
    assert all(item.is_handed for item in Journal(bulk.journal).items())


def test_a_run_without_inputs_leaves_no_journal(bulk: Bulk) -> None:
    bulk.give()
    bulk()
    assert {*bulk.output.parent.iterdir()} == {bulk.inputs, bulk.output}


def test_a_failed_job_is_written_with_its_error_and_exits_with_1(bulk: Bulk) -> None:
    bulk.give({"n": 1}, {"error": "bad prompt"})
    done = bulk()
    failed = bulk.results[1]
    assert (done.code, failed["status"], failed["error"]) == (1, "FAILED", "ValueError: bad prompt")
    assert failed["worker_traceback"].startswith("Traceback")
    assert "output" not in failed
    assert done.err.endswith("1 input did not complete; to submit again: --retry-failed\n")


def test_the_most_frequent_error_is_told(bulk: Bulk) -> None:
    bulk.give({"n": 1}, {"error": "rare"}, {"error": "bad\nprompt"}, {"error": "bad\nprompt", "n": 2})
    said = bulk().err
    assert "\nmost frequent error, 2 of 3 FAILED: ValueError: bad\\nprompt\n" in said
    assert "--input-field" not in said


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ((), "--input-field 'the count:=the count' sends the column the count as a number"),
        (("error", "n=the count"), "--input-field 'n:=the count' sends the column the count as a number"),
        (("error", "n:=the count"), None),
        (("error",), None),
    ],
)
def test_where_all_rows_of_a_csv_fail_a_number_that_was_sent_as_a_text_is_hinted_at(
    options: tuple[str, ...], hint: str | None, bulk: Bulk
) -> None:
    bulk.inputs = bulk.inputs.with_suffix(".csv")
    bulk.inputs.write_text("id,error,the count\na,bad,1\n")
    said = bulk("--key-field", "id", *(word for each in options for word in ("--input-field", each))).err
    assert ("CSV cells" in said) == (hint is not None)
    assert hint is None or f"CSV cells are sent as strings; {hint}\n" in said


def test_an_input_that_cannot_be_sent_is_written_and_tried_again(bulk: Bulk) -> None:
    bulk.give('{"n": NaN}', {"n": 1})
    assert bulk().code == 1
    assert bulk.statuses == [(1, "UNSUBMITTED"), (2, "COMPLETED")]
    assert bulk.results[0]["error"] == "input['n'] is nan: JSON has no such number; send None, or leave it out"
    bulk.give({"n": 0}, {"n": 1})
    assert (bulk().code, bulk.submits) == (0, 1)
    assert bulk.statuses == [(1, "COMPLETED"), (2, "COMPLETED")]


def test_the_numbers_are_one_object_with_json(bulk: Bulk) -> None:
    bulk.give(*numbered(3), {"error": "x"})
    [numbers] = bulk("--json", "--price-per-second", "0.5").objects
    assert (numbers["succeeded"], numbers["failed"], numbers["skipped"]) == (3, 1, {})
    assert numbers["estimated_execution_cost"] == pytest.approx(numbers["execution_seconds"] / 2)
    [numbers] = bulk("--json").objects
    assert (numbers["results"], numbers["skipped"]) == (0, {"COMPLETED": 3, "FAILED": 1})


def test_inputs_come_from_standard_input_too(bulk: Bulk) -> None:
    lines = '\ufeff{"n": 1}\n\n   \n{"n": 2}'
    assert bulk.shell("map", "abc", "-", "--output", bulk.output, stdin=lines).code == 0
    assert [(result["line"], result["output"]) for result in bulk.results] == [(1, 1), (4, 2)]


# Lines that are no inputs.


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "Expecting property name"),
        ("[1]", "a JSON object expected"),
        ('{"input": {"n": 1}, "webhook": "x"}', '"webhook" is not read from there: use --webhook'),
        ('{"input": {"n": 1}, "webhookV2": "x"}', '"webhookV2" is not read from there: take it out'),
        ('{"input": {"n": 1}, "size": 2}', '"size" is beside "input", and would not be sent: put it inside'),
        ('{"input": {"n": 1}, "key": [1]}', "a key is a text or a whole number"),
        ('{"input": {"n": 1}, "key": true}', "a key is a text or a whole number"),
        ('{"input": {"n": 1}, "key": "a"}', 'the key "a" is on line 1, too'),
    ],
)
def test_a_bad_line_is_left_out_and_told(line: str, why: str, bulk: Bulk) -> None:
    bulk.give({"key": "a", "input": {"n": 0}}, line, {"n": 2})
    done = bulk()
    assert (done.code, bulk.statuses) == (1, [(1, "COMPLETED"), (3, "COMPLETED")])
    assert done.err.startswith(f"runpod-sdk map: line 2 is left out: {why}")


def test_a_line_that_is_no_utf_8_is_left_out(bulk: Bulk) -> None:
    bulk.inputs.write_bytes(b'{"n": "\xff"}\n{"n": 1}\n')
    assert (bulk().code, bulk.statuses) == (1, [(2, "COMPLETED")])


def test_many_bad_lines_are_not_told_one_by_one(bulk: Bulk) -> None:
    bulk.give(*["{"] * 50)
    done = bulk()
    assert done.code == 1
    assert done.err.count("is left out") == 10
    assert done.err.endswith("further lines are left out, too\n50 lines were left out\n")


# The same command again.


def test_what_is_done_is_not_done_again(bulk: Bulk) -> None:
    bulk.give(*numbered(5), {"error": "x"})
    bulk()
    before = bulk.output.read_bytes()
    done = bulk()
    assert (done.code, bulk.submits, bulk.output.read_bytes()) == (1, 0, before)
    assert done.err.startswith("done before: 5 COMPLETED, 1 FAILED\n")


def test_what_was_added_is_run(bulk: Bulk) -> None:
    bulk.give(*numbered(2))
    bulk()
    bulk.give(*numbered(4))
    assert (bulk().code, bulk.submits) == (0, 2)
    assert [result["output"] for result in bulk.results] == [0, 1, 2, 3]


def test_what_failed_is_run_again_where_that_is_asked_for(bulk: Bulk) -> None:
    bulk.give({"n": 1}, {"key": "k", "input": {"error": "x"}})
    bulk()
    bulk.give({"n": 1}, {"key": "k", "input": {"n": 2}})
    assert (bulk("--retry-failed").code, bulk.submits) == (0, 1)
    assert [(result["status"], result["output"]) for result in bulk.results] == [("COMPLETED", 1), ("COMPLETED", 2)]
    assert (bulk().code, bulk.submits) == (0, 0)


def test_a_submit_that_is_unknown_is_not_repeated_unless_that_is_asked_for(bulk: Bulk) -> None:
    bulk.give(*numbered(3))
    bulk.shell.emulator.inject(Fault.drop("after", times=1, on="run"))
    done = bulk("--concurrency", "1")
    unknown = bulk.results[0]
    assert (done.code, bulk.submits) == (3, 3)
    assert (unknown["status"], unknown["id"]) == ("UNKNOWN", None)
    assert unknown["submitted_at"].endswith("+00:00")
    assert (bulk().code, bulk.submits) == (3, 0)
    assert (bulk("--retry-failed").code, bulk.submits) == (3, 0)
    assert (bulk("--resubmit-unknown").code, bulk.submits) == (0, 1)
    assert bulk.statuses == [(1, "COMPLETED"), (2, "COMPLETED"), (3, "COMPLETED")]


def test_another_input_under_a_key_that_is_done_is_told_and_not_run(bulk: Bulk) -> None:
    bulk.give({"key": "a", "input": {"n": 1}}, {"n": 2})
    bulk()
    bulk.give({"key": "a", "input": {"n": 0}}, {"n": 2})
    done = bulk()
    assert (done.code, bulk.submits) == (1, 0)
    assert done.err.startswith(
        "runpod-sdk map: line 1 is left out: another input than the one that was run here before"
    )


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    "lines",
    [
        ["", {"n": 0}, {"n": 1}, {"n": 2}],
        [{"n": 2}, {"n": 0}, "   ", {"n": 1}],
        [{"n": 1}],
        [{"key": "a", "input": {"n": 0}}, {"id": 7, "input": {"n": 1}}, {"input": {"n": 2}}],
    ],
    ids=["a blank line in front", "moved", "left out", "given keys"],
)
def test_inputs_without_keys_are_known_wherever_they_stand(lines: list[Any], bulk: Bulk) -> None:
    bulk.give(*numbered(3))
    bulk()
    bulk.give(*lines)
    assert (bulk().code, bulk.submits) == (0, 0)
    bulk.give({"n": 7}, *lines)
    assert (bulk().code, bulk.submits) == (0, 1)


def test_equal_inputs_are_run_as_often_as_they_are_there(bulk: Bulk) -> None:
    bulk.give({"n": 1}, {"n": 1}, {"n": 2})
    assert (bulk().code, bulk.submits) == (0, 3)
    bulk.give({"n": 2}, {"n": 1}, {"n": 1}, {"n": 1})
    assert (bulk().code, bulk.submits) == (0, 1)
    assert (bulk().code, bulk.submits) == (0, 0)


def test_equal_inputs_that_are_given_keys_are_the_same(bulk: Bulk) -> None:
    bulk.give({"n": 1}, {"n": 1})
    bulk()
    bulk.give(*({"key": key, "input": {"n": 1}} for key in "abc"))
    assert (bulk().code, bulk.submits) == (0, 1)
    assert (bulk().code, bulk.submits) == (0, 0)


def test_an_output_belongs_to_one_endpoint(bulk: Bulk) -> None:
    bulk.shell.emulator.endpoint("other", handler)
    bulk.give({"n": 1})
    bulk()
    before = bulk.output.read_bytes()
    done = bulk.shell("map", "other", bulk.inputs, "--output", bulk.output)
    assert (done.code, bulk.output.read_bytes()) == (2, before)
    assert f"it has results of {here()}; use another --output" in done.err


def test_an_output_of_version_0_1_is_taken_up(bulk: Bulk) -> None:
    bulk.give({"n": 1}, {"n": 2}, {"n": 1}, {"key": "k", "input": {"n": 3}})
    bulk()
    old = [
        {name: value for name, value in each.items() if name not in ("endpoint", "occurrence")} for each in bulk.results
    ]
    bulk.output.write_text("".join(f"{json.dumps(each)}\n" for each in [old[2], old[0], old[3], old[1], old[0]]))
    bulk.journal.unlink()
    bulk.give("", {"n": 1}, {"n": 1}, {"n": 2}, {"key": "k", "input": {"n": 3}}, {"n": 1})
    assert (bulk().code, bulk.submits) == (0, 1)
    assert (bulk().code, bulk.submits) == (0, 0)


def test_inputs_with_keys_may_change_places(bulk: Bulk) -> None:
    first, second = ({"key": key, "input": {"n": n}} for n, key in enumerate("ab"))
    bulk.give(first)
    bulk()
    bulk.give(second, first)
    assert (bulk().code, bulk.submits) == (0, 1)


def test_a_key_that_is_a_number_is_not_the_number_of_a_line(bulk: Bulk) -> None:
    bulk.give({"n": 1}, {"key": 1, "input": {"n": 2}}, {"key": "1", "input": {"n": 3}})
    assert (bulk().code, bulk.submits) == (0, 3)
    assert (bulk().code, bulk.submits) == (0, 0)


@pytest.mark.slow
def test_a_refusal_that_all_would_meet_ends_the_run_and_the_next_one_goes_on(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    bulk.give(*numbered(500))
    with monkeypatch.context() as patch:
        patch.setenv("RUNPOD_API_KEY", "another")
        done = bulk("--concurrency", "2")
    assert (done.code, bulk.output.read_bytes()) == (1, b"")
    assert "stopped: run on endpoint" in done.err.splitlines()[-1]
    assert len(bulk.shell.operations) <= 4
    assert (bulk().code, len(bulk.results)) == (0, 500)


# What is on the disk.


def test_a_torn_result_of_version_0_1_is_dropped_and_collected_again(bulk: Bulk) -> None:
    bulk.give(*numbered(3))
    bulk()
    *lines, last = bulk.output.read_bytes().splitlines(keepends=True)
    facts = json.loads(last)
    bulk.output.write_bytes(b"".join(lines) + last[: len(last) // 2])
    bulk.journal.unlink()
    place = {"line": facts["line"], "input_sha256": facts["input_sha256"]}
    bulk.journal.write_text(
        json.dumps({**place, "event": "sending"})
        + "\n"
        + json.dumps({"line": facts["line"], "event": "submitted", "id": facts["id"], "endpoint": here()})
        + "\n"
    )
    assert (bulk().code, bulk.submits) == (0, 0)
    assert [result["output"] for result in bulk.results] == [0, 1, 2]
    assert bulk.results[facts["line"] - 1]["id"] == facts["id"]


@pytest.mark.slow
def test_a_job_that_was_forgotten_meanwhile_is_expired(bulk: Bulk) -> None:
    bulk.give({"n": 1})
    sha256 = hashlib.sha256(b'{"n":1}').hexdigest()
    bulk.journal.write_text(
        json.dumps({"line": 1, "event": "sending", "input_sha256": sha256})
        + f'\n{{"line": 1, "event": "submitted", "id": "gone", "endpoint": "{here()}"}}\n'
    )
    assert (bulk().code, bulk.submits) == (1, 0)
    assert [(result["id"], result["status"]) for result in bulk.results] == [("gone", "EXPIRED")]
    assert (bulk("--retry-failed").code, bulk.submits) == (0, 1)


@pytest.mark.parametrize("where", ["https://api.runpod.ai/v2/other", "https://api.runpod.ai/v2/abc"])
def test_jobs_that_are_under_way_elsewhere_are_not_left_behind(where: str, bulk: Bulk) -> None:
    bulk.give({"n": 1})
    bulk.journal.write_text(
        '{"line": 1, "event": "sending", "input_sha256": "00"}\n'
        f'{{"line": 1, "event": "submitted", "id": "j1", "endpoint": "{where}"}}\n'
    )
    done = bulk()
    assert (done.code, bulk.submits) == (2, 0)
    assert f"jobs are under way on {where}: go on there first" in done.err


def here() -> str:
    """The endpoint of these tests, as the journal names it."""
    return os.environ["RUNPOD_ENDPOINT_BASE_URL"] + "/abc"


def under_way(bulk: Bulk, line: int, given: dict[str, Any]) -> str:
    """Leave a journal behind as a process does that was killed, with one job on its way; return the job's id."""
    job_id = bulk.shell("run", "abc", "--input", json.dumps(given)).out.strip()
    sha256 = hashlib.sha256(json.dumps(given, separators=(",", ":")).encode()).hexdigest()
    sent = {"line": line, "event": "sending", "input_sha256": sha256}
    known = {"line": line, "event": "submitted", "id": job_id, "endpoint": here()}
    bulk.journal.write_text(f"{json.dumps(sent)}\n{json.dumps(known)}\n")
    return job_id


def test_a_job_whose_line_is_gone_is_collected_all_the_same(bulk: Bulk) -> None:
    job_id = under_way(bulk, 2, {"n": 8})
    bulk.give({"n": 7})
    assert (bulk().code, bulk.submits) == (0, 1)
    assert [(result["output"], result["line"]) for result in bulk.results] == [(7, 1), (8, 2)]
    assert bulk.results[1]["id"] == job_id


def test_a_job_whose_input_was_changed_meanwhile_is_collected_and_the_new_input_is_run(bulk: Bulk) -> None:
    job_id = under_way(bulk, 1, {"n": 8})
    bulk.give({"n": 9})
    assert (bulk().code, bulk.submits) == (0, 1)
    assert {(result["id"] == job_id, result["output"]) for result in bulk.results} == {(True, 8), (False, 9)}


def test_a_result_whose_line_end_was_lost_in_an_editor_counts(bulk: Bulk) -> None:
    bulk.give(*numbered(2))
    bulk()
    bulk.output.write_bytes(bulk.output.read_bytes().removesuffix(b"\n"))
    bulk.give(*numbered(3))
    assert (bulk().code, bulk.submits) == (0, 1)
    assert bulk.statuses == [(1, "COMPLETED"), (2, "COMPLETED"), (3, "COMPLETED")]


def test_an_output_by_another_name_has_the_same_journal_and_stays_a_link(bulk: Bulk, tmp_path: Path) -> None:
    job_id = under_way(bulk, 1, {"n": 1})
    bulk.give({"n": 1})
    link = tmp_path / "link.jsonl"
    bulk.output.write_bytes(b"")
    try:
        link.symlink_to(bulk.output)
    except OSError:
        pytest.skip("this user may not make symbolic links")
    bulk.output, real = link, bulk.output
    assert (bulk().code, bulk.submits) == (0, 0)
    assert (bulk.results[0]["id"], link.is_symlink()) == (job_id, True)
    assert real.read_bytes().count(b"\n") == 1


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_tidying_up_touches_no_other_file_and_keeps_the_mode_of_the_output(bulk: Bulk, tmp_path: Path) -> None:
    neighbour = tmp_path / "results.jsonl.new"
    neighbour.write_text("mine")
    bulk.give({"key": "a", "input": {"n": math.nan}})
    bulk()
    bulk.output.chmod(0o600)
    bulk.give({"key": "a", "input": {"n": 1}})
    bulk()
    assert bulk.statuses == [(1, "COMPLETED")]
    assert bulk.output.stat().st_mode & 0o777 == 0o600
    assert neighbour.read_text() == "mine"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("output", '{"line": 1, "input_sha256": "no digest"}\n'),
        ("output", '{"line": 1, "input_sha256": 5}\n'),
        ("output", '{"line": []}\n'),
        ("journal", '{"line": 1, "event": "submitted", "id": "j1", "endpoint": "https://x/abc"}\n'),
        ("journal", '{"line": 1, "event": "submitted"}\n'),
    ],
)
def test_a_file_that_was_damaged_is_left_as_it_is(file: str, text: str, bulk: Bulk) -> None:
    bulk.give({"n": 1})
    path: Path = getattr(bulk, file)
    path.write_text(text)
    done = bulk()
    assert (done.code, bulk.submits, path.read_text()) == (2, 0, text)
    assert f"{path}" in done.err
    assert "damaged" in done.err


@pytest.mark.parametrize("text", ['{"prompt": "mine"}\n', "notes", '{"line": 1, "status": "x"}\n{"line": nonsense}\n'])
def test_a_file_that_is_not_ours_is_left_as_it_is(text: str, bulk: Bulk) -> None:
    bulk.give({"n": 1})
    bulk.output.write_text(text)
    done = bulk()
    assert (done.code, bulk.submits, bulk.output.read_text()) == (2, 0, text)
    assert "use another --output" in done.err


def test_the_inputs_are_no_output(bulk: Bulk) -> None:
    bulk.give({"n": 1})
    bulk.output = bulk.inputs
    done = bulk()
    assert (done.code, bulk.submits) == (2, 0)
    assert "a file expected, and not the one with the inputs" in done.err


def test_a_missing_file_is_named(bulk: Bulk) -> None:
    done = bulk()
    assert (done.code, bulk.output.exists()) == (2, False)
    assert done.err == f"runpod-sdk map: {bulk.inputs}: No such file or directory\n"


def test_bad_options_are_refused_before_anything_is_sent(bulk: Bulk) -> None:
    bulk.give({"n": 1})
    assert (bulk("--concurrency", "0").code, bulk("--ttl", "1").code, bulk.submits) == (2, 2, 0)
    assert not bulk.output.exists()


def test_a_run_may_find_out_by_itself_how_many_jobs_at_once_are_good(bulk: Bulk) -> None:
    bulk.give(*numbered(3))
    done = bulk("--concurrency", "auto")
    assert (done.code, [status for _, status in bulk.statuses]) == (0, ["COMPLETED"] * 3)


def test_a_number_of_jobs_at_once_that_is_none_is_refused(bulk: Bulk) -> None:
    bulk.give(*numbered(3))
    done = bulk("--concurrency", "many")
    assert (done.code, bulk.submits) == (2, 0)
    assert "--concurrency: 'many': a whole number or auto expected" in done.err


def test_an_input_of_its_own_is_run_as_it_is(bulk: Bulk) -> None:
    bulk.give({"input": {"n": 1, "input": {"n": 2}}}, {"input": {"input": {"n": 3}}})
    assert bulk().code == 1
    assert sorted(job.input.get("n", 0) for job in bulk.shell.emulator.jobs.values()) == [0, 1]


def test_a_process_of_version_0_1_that_writes_to_the_output_is_not_disturbed(bulk: Bulk) -> None:
    fcntl = pytest.importorskip("fcntl")
    bulk.give({"n": 1})
    with bulk.output.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = bulk()
    assert (done.code, bulk.submits) == (2, 0)
    assert done.err.endswith("another process is writing to it\n")


def test_two_processes_do_not_share_an_output_and_the_first_is_named(bulk: Bulk) -> None:
    bulk.give({"n": 1})
    lock = Lock(bulk.journal)
    done = bulk()
    lock.release()
    assert (done.code, bulk.submits) == (2, 0)
    assert f"process {os.getpid()} on" in done.err


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "small") as folder:
        yield folder


@pytest.mark.slow
def test_a_full_disk_ends_the_run_and_loses_no_job(bulk: Bulk, small: Path) -> None:
    """The ids of jobs that are on their way find room all the same."""
    bulk.output, bulk.journal = small / "results.jsonl", small / "results.jsonl.journal"
    bulk.give(*({"n": [n, "x" * 3000]} for n in range(200)))
    done = bulk("--concurrency", "4")
    assert done.code == 1
    assert done.err.endswith("run it again to go on\n")
    assert bulk.submits > 4
    room = bulk.inputs.with_name("room")
    room.mkdir()
    for file in small.iterdir():
        shutil.copy(file, room)
    bulk.output = room / "results.jsonl"
    assert bulk().code == 0
    assert bulk.statuses == [(line, "COMPLETED") for line in range(1, 201)]
    inputs = [job.input["n"][0] for job in bulk.shell.emulator.jobs.values()]
    assert sorted(inputs) == list(range(200))


# The output is what the journal has.


def first_line_again(text: bytes) -> bytes:
    return text + text.splitlines(keepends=True)[0]


EDITS: list[Callable[[bytes], bytes]] = [lambda _: b"", lambda text: text[:-20], first_line_again]


@pytest.mark.parametrize("edit", EDITS)
def test_an_output_that_was_lost_torn_or_edited_is_made_again_and_nothing_is_sent(
    edit: Callable[[bytes], bytes], bulk: Bulk
) -> None:
    bulk.give({"n": 1}, {"key": "k", "input": {"error": "bad"}}, {"n": 1}, {"n": 4})
    bulk()
    before = bulk.results
    bulk.output.write_bytes(edit(bulk.output.read_bytes()))
    assert (bulk().code, bulk.submits, bulk.results) == (1, 0, before)
    again = bulk.output.read_bytes()
    assert (bulk().code, bulk.submits, bulk.output.read_bytes()) == (1, 0, again)


def test_what_was_resolved_has_one_line(bulk: Bulk) -> None:
    bulk.give(*numbered(2))
    bulk.shell.emulator.inject(Fault.drop("after", times=1, on="run"))
    assert bulk("--concurrency", "1").code == 3
    (unknown,) = Journal(bulk.journal).unknowns()
    (job_id,) = [job.id for job in bulk.shell.emulator.jobs.values() if job.input == {"n": 0}]
    assert bulk.shell("journal", "resolve", bulk.journal, unknown.key, job_id).code == 0
    assert (bulk().code, bulk.submits, bulk.statuses) == (0, 0, [(1, "COMPLETED"), (2, "COMPLETED")])


def test_an_output_whose_journal_is_gone_is_taken_up(bulk: Bulk) -> None:
    bulk.give({"n": 1}, {"key": "k", "input": {"error": "bad"}}, {"n": 1}, "{}")
    bulk()
    before = bulk.output.read_bytes()
    bulk.journal.unlink()
    assert (bulk().code, bulk.submits, bulk.output.read_bytes()) == (1, 0, before)
    bulk.output.write_bytes(b"")
    bulk()
    assert sorted(bulk.output.read_bytes().splitlines()) == sorted(before.splitlines()), "all facts were kept"


def test_a_journal_of_version_0_1_torn_anywhere_is_taken_up(tmp_path: Path) -> None:
    endpoint = Client("key").endpoint("abc")
    sha256 = [hashlib.sha256(f'{{"n":{n}}}'.encode()).hexdigest() for n in range(3)]
    lines = [
        {"line": 1, "event": "sending", "endpoint": endpoint.url, "input_sha256": sha256[0]},
        {"line": 2, "key": "k", "event": "sending", "endpoint": endpoint.url, "input_sha256": sha256[1]},
        {"line": 1, "event": "submitted", "id": "j1", "endpoint": endpoint.url, "input_sha256": sha256[0]},
        {"line": 2, "key": "k", "event": "submitted", "id": "j2", "endpoint": endpoint.url, "input_sha256": sha256[1]},
        {"line": 1, "event": "settled", "input_sha256": sha256[0]},
    ]
    texts = [json.dumps(line).encode() + b"\n" for line in lines]
    known = [{}, {0: 4}, {0: 4, 1: 4}, {0: 2, 1: 4}, {0: 2, 1: 2}, {1: 2}]
    output, journal = tmp_path / "out", tmp_path / "out.journal"
    output.touch()
    for whole, stages in enumerate(known):
        text = b"".join(texts)
        begin = len(b"".join(texts[:whole]))
        for cut in {begin, begin + 1, begin + 20} if whole < len(texts) else {begin}:
            journal.write_bytes(text[:cut] + b"\n" * 7 * (cut % 2))
            convert(output, journal, endpoint)
            with closing(sqlite3.connect(journal)) as database:
                found = dict(database.execute("SELECT digest, stage FROM item").fetchall())
            assert found == {bytes.fromhex(sha256[n]): stage for n, stage in stages.items()}


@pytest.mark.slow
def test_an_output_of_what_was_never_submitted_belongs_to_no_service(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    bulk.give({"n": 1})
    assert bulk("--base-url", "http://127.0.0.1:9/v2", "--allow-http").code == 1
    assert bulk.statuses == [(1, "UNSUBMITTED")]
    assert bulk().code == 0
    assert bulk.statuses == [(1, "COMPLETED")]
    done = bulk("--base-url", "http://127.0.0.1:9/v2", "--allow-http")
    assert (done.code, bulk.submits) == (2, 0)
    assert "it has results of" in done.err
