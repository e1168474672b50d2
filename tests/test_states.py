"""What the service says of jobs, as values; and the error that each end of a job stands for."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_sdk import (
    Health,
    JobCancelledError,
    JobCounts,
    JobFailedError,
    JobState,
    JobStatus,
    JobTimedOutError,
    PurgeResult,
    S3Config,
    StreamChunk,
    WorkerCounts,
)
from runpod_sdk._flows._job_errors import WorkerError, error_of
from runpod_sdk._values._states import SHOWN, shorten

FINAL = ["COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"]
ON_THE_WAY = ["IN_QUEUE", "IN_PROGRESS", "RUNNING", "ON_HOLD", "completed", ""]


def state(status: str, **facts: object) -> JobState:
    return JobState(id="6090-u1", endpoint_id="abc", status=JobStatus(status), **facts)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("word", FINAL)
def test_these_four_are_final(word: str) -> None:
    assert JobStatus(word).is_final
    assert state(word).is_final


@pytest.mark.parametrize("word", ON_THE_WAY)
def test_no_other_word_is_final(word: str) -> None:
    assert not JobStatus(word).is_final
    assert not state(word).is_final


@given(st.text())
def test_a_status_is_a_string_that_survives_pickle_and_copy(word: str) -> None:
    status = JobStatus(word)
    assert status == word
    assert (str(status), status.value, status.name) == (word, word, word)
    for again in (pickle.loads(pickle.dumps(status)), copy.copy(status), copy.deepcopy(status)):  # noqa: S301  ours
        assert isinstance(again, JobStatus)
        assert again == status
    assert {status: 1}[word] == 1  # type: ignore[index]  # pyright: ignore[reportArgumentType]


def test_an_unknown_word_does_not_become_known_to_others() -> None:
    JobStatus("ON_HOLD")
    assert "ON_HOLD" not in JobStatus.__members__
    assert len(JobStatus) == 8


@pytest.mark.parametrize("value", [404, None, 1.5, [], b"COMPLETED"])
def test_a_status_that_is_no_string_is_none(value: Any) -> None:
    with pytest.raises(ValueError, match="is not a valid JobStatus"):
        JobStatus(value)


@pytest.mark.parametrize("word", ["COMPLETED", "IN_QUEUE", "IN_PROGRESS", "ON_HOLD"])
def test_a_job_that_completed_or_goes_on_is_no_error(word: str) -> None:
    assert error_of(state(word, error="odd")) is None
    assert state(word).is_success == (word == "COMPLETED")


def test_a_cancelled_job() -> None:
    found = state("CANCELLED")
    error = error_of(found)
    assert type(error) is JobCancelledError
    assert str(error) == 'job 6090-u1 on endpoint "abc" was cancelled'
    assert (error.state, error.job_id, error.endpoint_id) == (found, "6090-u1", "abc")


RAISED = json.dumps(
    {
        "error_type": "<class 'ValueError'>",
        "error_message": "bad prompt",
        "error_traceback": "Traceback …",
        "hostname": "h",
        "worker_id": "w1",
        "runpod_version": "1.12.0",
    }
)
GENERATOR = "handler: bad prompt \ntraceback: Traceback (most recent call last):\n  File …\nValueError: bad prompt\n"


def test_a_failed_job_reads_like_a_sentence() -> None:
    error = error_of(state("FAILED", error=RAISED, execution_time_ms=1400))
    assert type(error) is JobFailedError
    assert str(error) == 'job 6090-u1 on endpoint "abc" failed on worker w1 after 1.4 s: ValueError: bad prompt'
    assert (error.error_type, error.error_message) == ("ValueError", "bad prompt")
    assert (error.worker_traceback, error.worker_id) == ("Traceback …", "w1")


def test_what_a_handler_printed_is_kept() -> None:
    # Workers of runpod-python 2.0, with RUNPOD_LOG_CAPTURE=all.
    error = error_of(state("FAILED", error=json.dumps({**json.loads(RAISED), "logs": "loading\nready"})))
    assert isinstance(error, JobFailedError)
    assert error.worker_logs == "loading\nready"
    error = error_of(state("FAILED", error=f"{GENERATOR}\nlogs:\nloading\nlogs:\nready"))
    assert isinstance(error, JobFailedError)
    assert (error.error_type, error.error_message) == ("ValueError", "bad prompt")
    assert (error.worker_traceback or "").endswith("ValueError: bad prompt\n")
    assert error.worker_logs == "loading\nlogs:\nready"


def test_without_logs_there_are_none() -> None:
    for text in (RAISED, GENERATOR, "executionTimeout exceeded"):
        error = error_of(state("FAILED", error=text))
        assert isinstance(error, JobFailedError)
        assert error.worker_logs is None


def test_the_status_of_the_documented_sample_ends_a_job() -> None:
    found = state("ERROR", error="no")
    assert found.is_final
    assert not found.is_success
    assert type(error_of(found)) is JobFailedError


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({}, 'job 6090-u1 on endpoint "abc" failed'),
        ({"error": ""}, 'job 6090-u1 on endpoint "abc" failed'),
        ({"error": "out of memory"}, 'job 6090-u1 on endpoint "abc" failed: out of memory'),
        ({"error": GENERATOR}, 'job 6090-u1 on endpoint "abc" failed: ValueError: bad prompt'),
        ({"worker_id": "w2"}, 'job 6090-u1 on endpoint "abc" failed on worker w2'),
        (
            {"worker_id": "w2", "error": RAISED},
            'job 6090-u1 on endpoint "abc" failed on worker w2: ValueError: bad prompt',
        ),
        ({"execution_time_ms": 0}, 'job 6090-u1 on endpoint "abc" failed after 0.0 s'),
        ({"error": "x" * 201}, 'job 6090-u1 on endpoint "abc" failed: ' + "x" * 200 + "…"),
    ],
)
def test_a_failed_job_says_what_is_known(facts: dict[str, object], message: str) -> None:
    assert str(error_of(state("FAILED", **facts))) == message


@pytest.mark.parametrize(("status", "text"), [("TIMED_OUT", ""), ("FAILED", "executionTimeout exceeded")])
def test_a_job_that_ran_too_long_timed_out_whatever_its_status(status: str, text: str) -> None:
    error = error_of(state(status, error=text or None, worker_id="w1", execution_time_ms=5000))
    assert type(error) is JobTimedOutError
    assert str(error) == 'job 6090-u1 on endpoint "abc" timed out on worker w1 after 5.0 s' + (text and f": {text}")


def test_an_error_keeps_its_whole_text_as_a_fact() -> None:
    error = error_of(state("FAILED", error="x" * 1000))
    assert isinstance(error, JobFailedError)
    assert (error.error_message, error.error_type, error.worker_traceback) == ("x" * 1000, None, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (RAISED, WorkerError("bad prompt", "ValueError", "Traceback …", "w1")),
        ('{"error_type": "<class \'torch.cuda.OutOfMemoryError\'>"}', WorkerError("", "OutOfMemoryError")),
        ('{"error_type": "Odd", "error_message": null}', WorkerError("", "Odd")),
        ('{"error_message": {"code": 1}}', WorkerError("{'code': 1}")),
        ('{"error_message": "m", "error_type": 7, "error_traceback": 7, "worker_id": 7}', WorkerError("m")),
        (GENERATOR, WorkerError("bad prompt", "ValueError", GENERATOR.partition("traceback: ")[2])),
        ("handler: m \ntraceback: a.b.MyError: m", WorkerError("m", "MyError", "a.b.MyError: m")),
        ("handler: m \ntraceback: ", WorkerError("m", None, "")),
        ('{"error": "of my own"}', WorkerError('{"error": "of my own"}')),
        ('["error_type"]', WorkerError('["error_type"]')),
        ("{", WorkerError("{")),
        ("", WorkerError("")),
    ],
)
def test_a_workers_error_is_taken_apart_as_far_as_it_can_be(text: str, expected: WorkerError) -> None:
    assert WorkerError.parse(text) == expected


def test_a_generators_message_of_several_lines_does_not_name_its_class() -> None:
    said = "CUDA error\nhint: buy more"
    text = f"handler: {said} \ntraceback: Traceback …\n  File …\nRuntimeError: {said}\n"
    assert WorkerError.parse(text).type == "RuntimeError"


@given(
    st.text()
    | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5).map(json.dumps)
)
def test_no_error_text_is_too_odd(text: str) -> None:
    error = error_of(state("FAILED", error=text))
    assert isinstance(error, JobFailedError)


def test_the_repr_of_a_state_cuts_what_can_be_long() -> None:
    shown = repr(state("COMPLETED", output="x" * 1000, raw={"output": "x" * 1000}))
    assert shown == "JobState(id='6090-u1', endpoint_id='abc', status='COMPLETED', output='" + "x" * (SHOWN - 1) + "…)"
    assert len(repr(state("IN_PROGRESS", progress=list(range(1000))))) < 300
    assert len(repr(state("FAILED", error="x" * 1000))) < 300


def test_the_repr_of_a_state_shows_what_is_set() -> None:
    found = state("FAILED", error="e", worker_id="w", delay_time_ms=0, execution_time_ms=3, output=0)
    assert repr(found) == (
        "JobState(id='6090-u1', endpoint_id='abc', status='FAILED', output=0, error='e', "
        "worker_id='w', delay_time_ms=0, execution_time_ms=3)"
    )


def test_shorten_keeps_what_fits() -> None:
    assert (shorten("x" * SHOWN), shorten("x" * (SHOWN + 1))) == ("x" * SHOWN, "x" * SHOWN + "…")


@pytest.mark.parametrize(
    "value",
    [
        state("FAILED", error="e"),
        Health(jobs=JobCounts(in_queue=1), workers=WorkerCounts(idle=2)),
        PurgeResult(removed=1, status="completed"),
        StreamChunk(output=1, metrics={"n": 1}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_are_frozen_and_pickle(value: object) -> None:
    name = dataclasses.fields(value)[0].name  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, None)
    assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301  ours


def test_a_bucket_shows_its_secret_to_nobody() -> None:
    config = S3Config(access_id="i", access_secret="hunter2", bucket_name="b", endpoint_url="https://e")  # noqa: S106  a test's
    assert "hunter2" not in repr(config)
    with pytest.raises(TypeError, match="holds a secret"):
        pickle.dumps(config)


def test_no_repr_shows_what_came_raw() -> None:
    assert "raw" not in repr(Health(jobs=JobCounts(), workers=WorkerCounts(), raw={"a": 1}))
    assert "raw" not in repr(StreamChunk(output=1, raw={"a": 1}))
