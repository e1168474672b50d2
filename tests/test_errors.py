"""The tree as it is drawn, and errors that carry their facts anywhere without a secret."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from datetime import UTC, datetime
from typing import Any

import pytest

import runpod_sdk
from runpod_sdk import BatchResult, BatchState, Client, JobState, JobStatus, errors

# Not drawn: they only give several branches the same facts.
HIDDEN = {"AnsweredError", "JobBoundError"}


def drawn() -> dict[str, str | None]:
    """Return the tree at the top of errors.py: each name with its parent."""
    parents: dict[str, str | None] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"([│├└─ ]*)(\w+Error)\b", line)
        if match is None:
            continue
        depth, name = len(match[1]), match[2]
        above = [(column, parent) for column, parent in above if column < depth]
        parents[name] = above[-1][1] if above else None
        above.append((depth, name))
    return parents


def public() -> dict[str, type[errors.RunpodError]]:
    return {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.RunpodError) and name not in HIDDEN
    }


def parent_of(kind: type[BaseException]) -> str | None:
    if kind is errors.RunpodError:
        return None
    base = kind.__bases__[0]
    return base.__bases__[0].__name__ if base.__name__ in HIDDEN else base.__name__


def test_the_tree_is_as_it_is_drawn() -> None:
    assert drawn() == {name: parent_of(kind) for name, kind in public().items()}


def test_every_error_is_exported_and_says_what_it_is() -> None:
    for name, kind in public().items():
        assert getattr(runpod_sdk, name) is kind
        assert kind.__doc__


def test_timeouts_are_pythons_timeouts_too() -> None:
    assert {name for name, kind in public().items() if issubclass(kind, TimeoutError)} == {
        "APITimeoutError",
        "BatchTimeoutError",
        "WaitTimeoutError",
    }


def test_an_unknown_submit_is_not_caught_as_a_connection_error() -> None:
    assert not issubclass(errors.SubmissionUnknownError, errors.APIConnectionError | errors.APIStatusError)


STATE = JobState(id="j1", endpoint_id="abc", status=JobStatus("FAILED"), error="e")
FACTS: dict[str, Any] = {
    "operation": "run",
    "endpoint_id": "abc",
    "job_id": "j1",
    "status_code": 404,
    "headers": {"retry-after": "3"},
    "body": "text",
    "input_sha256": "0" * 64,
    "submitted_at": datetime(2025, 1, 1, tzinfo=UTC),
    "state": STATE,
    "batch": BatchState(id="b1", endpoint_id="abc", status="FINALIZED", total=2),
    "results": (BatchResult(id="r1", status=JobStatus("FAILED"), error="e"),),
    "error_type": "ValueError",
    "error_message": "bad prompt",
    "worker_traceback": "Traceback …",
    "worker_logs": "loading",
    "worker_id": "w1",
    "received": 2,
    "gap_after": 1,
    "path": "output.url",
    "raw": {"url": 1},
    "variable": "HTTPS_PROXY",
}


def made(kind: type[errors.RunpodError]) -> errors.RunpodError:
    """Return an error with every fact that its class takes."""
    wanted = {name for base in kind.__mro__ for name in _keywords(base)}
    return kind("what happened", **{name: FACTS[name] for name in wanted})


def _keywords(kind: type) -> set[str]:
    init = vars(kind).get("__init__")
    if init is None or not issubclass(kind, errors.RunpodError):
        return set()
    parameters = inspect.signature(init).parameters.values()
    return {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}


SINGLE = {name: kind for name, kind in public().items() if not issubclass(kind, ExceptionGroup)}


@pytest.mark.parametrize("kind", SINGLE.values(), ids=list(SINGLE))
def test_an_error_pickles_and_copies_with_its_facts(kind: type[errors.RunpodError]) -> None:
    error = made(kind)
    error.add_note("a note")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301  ours
        assert type(again) is kind
        assert str(again) == "what happened"
        assert again.args == error.args
        assert vars(again) == vars(error)
        assert again.__notes__ == ["a note"]


def test_a_group_pickles_with_its_errors_and_can_be_split() -> None:
    gone = errors.JobExpiredError("gone", endpoint_id="abc", job_id="j1")
    late = errors.WaitTimeoutError("late", endpoint_id="abc", job_id="j2")
    group = errors.JobsError("2 of 3 jobs", [gone, late])
    for again in (pickle.loads(pickle.dumps(group)), copy.deepcopy(group)):  # noqa: S301  ours
        assert type(again) is errors.JobsError
        assert str(again) == str(group) == "2 of 3 jobs (2 sub-exceptions)"
        assert [vars(error) for error in again.exceptions] == [vars(gone), vars(late)]
    match, rest = group.split(TimeoutError)
    assert match is not None
    assert rest is not None
    assert isinstance(match, errors.JobsError)
    assert [*match.exceptions, *rest.exceptions] == [late, gone]


def test_an_error_pickles_with_its_job_but_not_with_its_client() -> None:
    job = Client("hunter2").endpoint("abc").job("j1")
    error = errors.JobCancelledError("m", endpoint_id="abc", job_id="j1").about(job)
    data = pickle.dumps(error)
    assert b"hunter2" not in data
    again = pickle.loads(data)  # noqa: S301  ours
    assert (again.job, again.job.id) == (job, "j1")


def test_the_headers_of_an_error_are_a_plain_dict() -> None:
    error = made(errors.RateLimitError)
    assert isinstance(error, errors.APIStatusError)
    assert error.headers == {"retry-after": "3"}
    assert error.headers is not FACTS["headers"]
