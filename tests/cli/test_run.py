"""The commands `run` and `wait`: where the input comes from, what is printed, and the exit codes."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk.emulator import Fault
from tests.faults.server import KEY, FaultServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Gate, Shell


def echo(job: dict[str, Any]) -> Any:
    return job["input"]


def failing(job: dict[str, Any]) -> Any:
    raise ValueError(job["input"]["error"])


@pytest.fixture(autouse=True)
def endpoints(shell: Shell) -> None:
    shell.emulator.endpoint("echo", echo)
    shell.emulator.endpoint("text", lambda job: job["input"]["prompt"])
    shell.emulator.endpoint("bad", failing)


# What is printed.


def test_run_prints_the_id_and_nothing_else(shell: Shell) -> None:
    done = shell("run", "echo", "n=1")
    assert (done.code, done.err) == (0, "")
    assert [done.out] == [f"{job_id}\n" for job_id in shell.emulator.jobs]


def test_run_and_wait_prints_the_output_and_tells_the_id_apart(shell: Shell) -> None:
    done = shell("run", "echo", "n:=1", "--wait")
    [job_id] = shell.emulator.jobs
    assert (done.code, done.out, done.err) == (0, '{"n": 1}\n', f"runpod-sdk run: job {job_id}\n")


def test_an_output_that_is_a_text_is_printed_as_it_is(shell: Shell) -> None:
    assert shell("run", "text", 'prompt=ein "Käse"', "--wait").out == 'ein "Käse"\n'


def test_an_output_that_cannot_be_encoded_is_escaped(shell: Shell) -> None:
    assert shell("run", "text", r'prompt:="\ud800"', "--wait").out == "\\ud800\n"


def test_wait_takes_up_a_job_by_its_id(shell: Shell) -> None:
    job_id = shell("run", "echo", "n=1").out.strip()
    done = shell("wait", "echo", job_id)
    assert (done.code, done.out, done.err) == (0, '{"n": "1"}\n', "")


def test_json_is_the_state_of_the_job_on_one_line(shell: Shell) -> None:
    [queued] = shell("run", "echo", "n=1", "--json").objects
    assert (queued["endpoint_id"], queued["status"], queued["output"]) == ("echo", "IN_QUEUE", None)
    [state] = shell("wait", "echo", queued["id"], "--json").objects
    assert (state["id"], state["status"], state["output"]) == (queued["id"], "COMPLETED", {"n": "1"})
    assert state.keys() == queued.keys()


# Where the input comes from.


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("words", "stdin", "expected"),
    [
        (["a=b c", "n=3", "eq=x=y", "empty="], "", {"a": "b c", "n": "3", "eq": "x=y", "empty": ""}),
        (["n:=3", 'list:=["a", 1.5]', "null:=null"], "", {"n": 3, "list": ["a", 1.5], "null": None}),
        (["--input", '{"n": 1, "m": 1}', "n:=2"], "", {"n": 2, "m": 1}),
        ([], '{"n": 1}', {"n": 1}),
        (["--file", "-", "n:=2"], '{"n": 1}', {"n": 2}),
        (["n=1"], "not looked at", {"n": "1"}),
        (["--input", '{"input": {"n": 1}}'], "", {"n": 1}),
        (["--input", '{"id": "local", "input": {"n": 1}}'], "", {"n": 1}),
        (["--input", '{"name": "a", "input": {"n": 1}, "timeout": 9000, "expected_output": 1}'], "", {"n": 1}),
        (["--input", '{"_comment": "x", "$schema": "y", "input": {"n": 1}}'], "", {"n": 1}),
        (["--input", '{"input": {"input": {"n": 1}, "size": 2}}'], "", {"input": {"n": 1}, "size": 2}),
        (["--input", '{"input": "text", "size": 2}'], "", {"input": "text", "size": 2}),
        (["--input", '{"input": "text"}'], "", {"input": "text"}),
    ],
)
def test_an_input_is_made_of_fields_over_json(
    words: list[str], stdin: str, expected: dict[str, Any], shell: Shell
) -> None:
    done = shell("run", "echo", *words, "--wait", stdin=stdin)
    assert (done.code, json.loads(done.out)) == (0, expected)


def test_an_input_comes_from_a_file(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "input.json"
    file.write_text('{"prompt": "Käse"}', encoding="utf-8")
    assert shell("run", "text", "--file", file, "--wait").out == "Käse\n"


def test_fields_may_stand_after_options(shell: Shell) -> None:
    done = shell("run", "echo", "a=1", "--wait", "b=2", "--timeout", "60", "c=3")
    assert json.loads(done.out) == {"a": "1", "b": "2", "c": "3"}


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["prompt"], "prompt: KEY=VALUE or KEY:=JSON expected"),
        (["=x"], "=x: KEY=VALUE or KEY:=JSON expected"),
        (["prompt=\udcff"], r"prompt=\udcff: it is not valid text in this shell's encoding"),
        (["n:=three"], "n:=three: there is no JSON after := ; for a string, write n=three"),
        (["--input", "[1]"], "--input: a JSON object expected"),
        (["--input", "{"], "--input: Expecting property name"),
        (["--input", '{"input": {}, "webhook": "x"}'], '--input: "webhook" is not read from there: use --webhook'),
        (["--file", "/no/such"], "--file /no/such: No such file or directory"),
        ([], "no input: standard input is empty"),
        (["n=1", "--ttl", "1"], "ttl=1.0: 10 … 604800 seconds expected"),
        (["n=1", "--raw"], "--raw is for --stream"),
        (["n=1", "--stream", "--raw", "--json"], "--raw and --json cannot be combined"),
        (["n=1", "--on-abandon", "cancel"], "--on-abandon is for --wait and --stream"),
        (["n=1", "--s3-config", "/no/such"], "--s3-config /no/such: No such file or directory"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(words: list[str], said: str, shell: Shell) -> None:
    done = shell("run", "echo", *words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"runpod-sdk run: {said}")
    assert done.err.count("\n") == 1
    assert shell.operations == []


def test_without_any_input_a_terminal_is_not_read(shell: Shell) -> None:
    done = shell("run", "echo", stdin='{"n": 1}', terminal=True)
    assert (done.code, done.err.partition(":")[2]) == (
        2,
        " no input: give fields such as prompt=hello, --input, --file, or standard input\n",
    )


@pytest.mark.parametrize("words", [["--timeout", "-1"], ["--timeout", "inf"], ["--ttl", "1y"], ["--what"]])
def test_bad_options_are_refused_with_the_usage(words: list[str], shell: Shell) -> None:
    done = shell("run", "echo", "n=1", *words)
    assert done.code == 2
    assert done.err.startswith("usage: runpod-sdk run ")


# How the job is submitted.


def test_options_go_to_the_service(tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = {"accessId": "i", "accessSecret": "s", "bucketName": "b", "endpointUrl": "https://x"}
    file = tmp_path / "s3.json"
    file.write_text(json.dumps(bucket))
    options = ("--webhook", "https://x/y", "--execution-timeout", 60, "--ttl", 120, "--low-priority")
    with FaultServer() as server:
        monkeypatch.setenv("RUNPOD_API_KEY", KEY)
        assert shell("run", "e", "n=1", *options, "--s3-config", file, "--base-url", server.url).code == 0
    assert json.loads(server.requests[0].body) == {
        "input": {"n": "1"},
        "webhook": "https://x/y",
        "policy": {"executionTimeout": 60_000, "ttl": 120_000, "lowPriority": True},
        "s3Config": bucket,
    }


def test_a_bad_bucket_is_refused_without_showing_it(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "s3.json"
    file.write_text('{"accessSecret": "hush"}')
    done = shell("run", "echo", "n=1", "--s3-config", file)
    assert done.code == 2
    assert "accessId, accessSecret, bucketName, endpointUrl" in done.err
    assert "hush" not in done.err


@pytest.mark.parametrize("key", [None, " "])
def test_a_missing_key_is_named(key: str | None, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    if key is None:
        monkeypatch.delenv("RUNPOD_API_KEY")
    else:
        monkeypatch.setenv("RUNPOD_API_KEY", key)
    done = shell("run", "echo", "n=1")
    assert (done.code, done.err) == (2, "runpod-sdk run: no API key: export RUNPOD_API_KEY=…\n")


def test_a_key_is_not_sent_in_the_open(shell: Shell) -> None:
    done = shell("health", "echo", "--base-url", "http://example.com/v2")
    assert done.code == 2
    assert done.err.endswith("would send the key unencrypted: use https, or pass --allow-http\n")


# What goes wrong.


def test_a_failed_job_is_one_line_and_exits_with_1(shell: Shell) -> None:
    done = shell("run", "bad", "error=bad prompt", "--wait")
    [job_id] = shell.emulator.jobs
    _, line, hint = done.err.splitlines()
    assert (done.code, done.out) == (1, "")
    assert line.startswith(f'runpod-sdk run: job {job_id} on endpoint "bad" failed on worker ')
    assert line.endswith(": ValueError: bad prompt")
    assert hint == f"The worker's traceback: runpod-sdk wait bad {job_id} --traceback"


def test_the_traceback_of_the_worker_is_shown_on_request(shell: Shell) -> None:
    job_id = shell("run", "bad", "error=bad prompt").out.strip()
    lines = shell("wait", "bad", job_id, "--traceback").err.splitlines()
    assert lines[1] == "Traceback (most recent call last):"
    assert lines[-1] == "ValueError: bad prompt"


def test_what_a_worker_says_cannot_command_the_terminal(shell: Shell) -> None:
    done = shell("run", "bad", "error=\x1b[2Jtwo\nlines", "--wait")
    assert r"\x1b[2Jtwo\nlines" in done.err
    assert "\x1b" not in done.err


def test_a_failed_job_is_shown_with_json_too(shell: Shell) -> None:
    done = shell("run", "bad", "error=x", "--wait", "--json")
    assert (done.code, done.objects[0]["status"]) == (1, "FAILED")


def test_a_job_that_nobody_knows_exits_with_1(shell: Shell) -> None:
    done = shell("wait", "echo", "nosuch")
    assert (done.code, done.out) == (1, "")
    assert "HTTP 404" in done.err


def test_a_submit_whose_outcome_is_unknown_exits_with_3(shell: Shell) -> None:
    shell.emulator.inject(Fault.drop("after", times=1, on="run"))
    done = shell("run", "echo", "n=1", "--wait")
    assert (done.code, done.out) == (3, "")
    assert "the outcome is unknown" in done.err
    assert shell.operations == ["run"]


def test_a_refused_submit_exits_with_1(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "another")
    done = shell("run", "echo", "n=1")
    assert done.code == 1
    assert "HTTP 401" in done.err


def test_a_timeout_exits_with_124_and_tells_how_to_wait_again(shell: Shell, gate: Callable[..., Gate]) -> None:
    gate("slow")
    done = shell("run", "slow", "n=1", "--wait", "--timeout", "0")
    [job_id] = shell.emulator.jobs
    assert (done.code, done.out) == (124, "")
    assert done.err.endswith(f"The job goes on. Re-attach: runpod-sdk wait slow {job_id}\n")
    assert shell.status_of(job_id) != "CANCELLED"


def test_a_hint_repeats_where_the_service_is(shell: Shell, gate: Callable[..., Gate]) -> None:
    gate("slow")
    url = os.environ["RUNPOD_ENDPOINT_BASE_URL"].replace("/v2", "/v2/")
    for options, repeated in (
        (["--base-url", url], f" --base-url {url}"),
        (["--allow-http"], " --allow-http"),
        (["--base-url", f" {url}", "--allow-http"], f" --base-url ' {url}' --allow-http"),
    ):
        done = shell("run", "slow", "n=1", "--wait", "--timeout", "0", *options)
        assert done.err.endswith(f" runpod-sdk wait slow {list(shell.emulator.jobs)[-1]}{repeated}\n")
    done = shell("run", "bad", "error=x", "--wait", "--allow-http")
    assert done.err.endswith(" --allow-http --traceback\n")


def test_an_endpoint_may_be_a_url(shell: Shell, gate: Callable[..., Gate]) -> None:
    gate("slow")
    base = os.environ["RUNPOD_ENDPOINT_BASE_URL"]
    done = shell("run", f"{base}/echo", "n=1", "--wait")
    assert (done.code, done.objects) == (0, [{"n": "1"}])
    done = shell("run", f"{base}/slow", "n=1", "--wait", "--timeout", "0")
    assert done.err.endswith(f" runpod-sdk wait {base}/slow {list(shell.emulator.jobs)[-1]}\n")
    for words, why in (
        ((f"{base}/echo", "n=1", "--base-url", base), "ENDPOINT is a URL: leave --base-url out"),
        ((f"{base}/echo/run", "n=1"), "is that of an operation"),
        (("http://10.0.0.1", "n=1"), "use https, or pass --allow-http"),
    ):
        done = shell("run", *words)
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert why in done.err


def test_a_timeout_shows_the_last_state_with_json(shell: Shell, gate: Callable[..., Gate]) -> None:
    gate("slow").open()
    held = gate("held")
    job_id = shell("run", "held", "n=1").out.strip()
    held.wait()
    done = shell("wait", "held", job_id, "--timeout", "0", "--json")
    assert (done.code, done.objects[0]["status"]) == (124, "IN_PROGRESS")


def test_a_timeout_cancels_the_job_where_that_is_asked_for(shell: Shell, gate: Callable[..., Gate]) -> None:
    gate("slow")
    done = shell("run", "slow", "n=1", "--wait", "--timeout", "0", "--on-abandon", "cancel")
    [job_id] = shell.emulator.jobs
    assert done.code == 124
    assert done.err.endswith(f"The job was cancelled ({job_id})\n")
    assert shell.status_of(job_id) == "CANCELLED"
