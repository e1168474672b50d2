"""The door to the generated client: what goes out, byte for byte, and what comes back as our values or our errors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import runpod_sdk._flows._answers as answers
import runpod_sdk._flows._api as api
from runpod_sdk import (
    APIResponseValidationError,
    Health,
    JobCounts,
    JobState,
    JobStatus,
    PurgeResult,
    S3Config,
    StreamChunk,
    WorkerCounts,
)
from runpod_sdk._values._arguments import RESERVED_HEADERS
from runpod_sdk._values._outcomes import Answer
from runpod_sdk._values._requests import Request, StreamPart
from tests.flows import answer

if TYPE_CHECKING:
    from runpod_sdk._values._requests import SubmitOptions

BUCKET = S3Config(access_id="i", access_secret="s", bucket_name="b", endpoint_url="https://e")  # noqa: S106  a test's


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (api.run("abc", {"a": 1}, {}), ("POST", "/abc/run", b'{"input":{"a":1}}', 0.0)),
        (api.run("abc", {}, {}), ("POST", "/abc/run", b'{"input":{}}', 0.0)),
        (api.run_sync("abc", {"a": 1}, {}), ("POST", "/abc/runsync?wait=1000", b'{"input":{"a":1}}', 1.0)),
        (api.status("abc", "j1"), ("GET", "/abc/status/j1", None, 0.0)),
        (api.status("abc", "j1", ttl=10.5), ("GET", "/abc/status/j1?ttl=10500", None, 0.0)),
        (api.status_sync("abc", "j1", hold=90.0), ("GET", "/abc/status-sync/j1?wait=90000", None, 90.0)),
        (api.status_sync("abc", "j1", hold=1.0004), ("GET", "/abc/status-sync/j1?wait=1000", None, 1.0004)),
        (api.stream("abc", "j1", hold=10.0), ("GET", "/abc/stream/j1?wait=10000", None, 10.0)),
        (api.cancel("abc", "j1"), ("POST", "/abc/cancel/j1", None, 0.0)),
        (api.retry("abc", "j1"), ("POST", "/abc/retry/j1", None, 0.0)),
        (api.purge_queue("abc"), ("POST", "/abc/purge-queue", None, 0.0)),
        (api.health("abc"), ("GET", "/abc/health", None, 0.0)),
    ],
    ids=lambda value: value.path.reveal() if isinstance(value, Request) else "",
)
def test_a_request_is_exactly_this(request_: Request, expected: tuple[str, str, bytes | None, float]) -> None:
    assert (request_.method, request_.path.reveal(), request_.content.reveal(), request_.hold) == expected


def sent(value: object = None, **options: Any) -> Any:
    content = api.run("abc", {} if value is None else value, options).content.reveal()  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert content is not None
    return json.loads(content)


@pytest.mark.parametrize(
    ("options", "body"),
    [
        ({"webhook": "https://me/hook?a=b"}, {"webhook": "https://me/hook?a=b"}),
        ({"execution_timeout": 900}, {"policy": {"executionTimeout": 900_000}}),
        ({"ttl": 3600.5}, {"policy": {"ttl": 3_600_500}}),
        ({"low_priority": False}, {"policy": {"lowPriority": False}}),
        ({"low_priority": True, "ttl": 10}, {"policy": {"lowPriority": True, "ttl": 10_000}}),
        ({"extra_body": {"webhookV2": "x", "rp": {"a": None}}}, {"webhookV2": "x", "rp": {"a": None}}),
        (
            {"s3_config": BUCKET},
            {"s3Config": {"accessId": "i", "accessSecret": "s", "bucketName": "b", "endpointUrl": "https://e"}},
        ),
        (dict.fromkeys(["webhook", "execution_timeout", "ttl", "low_priority", "s3_config", "extra_body"]), {}),
        ({"on_unknown": "resubmit"}, {}),
    ],
)
def test_options_become_the_services_fields_and_nothing_else_is_sent(options: dict[str, Any], body: object) -> None:
    assert sent(**options) == {"input": {}} | (body if isinstance(body, dict) else {})


@pytest.mark.parametrize(
    "value", [{}, {"input": {"input": {}}}, {"webhook": 1, "policy": None}, {"id": "x", "": [0, False, None]}]
)
def test_an_input_goes_out_untouched(value: dict[str, Any]) -> None:
    assert sent(value) == {"input": value}


def test_no_input_goes_out_as_null() -> None:
    assert json.loads(api.run("abc", None, {}).content.reveal() or b"") == {"input": None}
    assert api.run("abc", None, {}).input_sha256 == hashlib.sha256(b"null").hexdigest()


def test_extra_query_and_headers_are_added() -> None:
    more: SubmitOptions = {"extra_query": {"a b": "c&d"}, "extra_headers": {"X-Trace": "1"}}
    request = api.run_sync("abc", {}, more)
    assert request.path.reveal() == "/abc/runsync?wait=1000&a+b=c%26d"
    assert request.headers.reveal() == {"Content-Type": "application/json", "X-Trace": "1"}


@pytest.mark.parametrize(
    ("value", "options", "kind", "message"),
    [
        ("text", {}, TypeError, "input is of type str: the service takes a JSON object"),
        ([1], {}, TypeError, "input is of type list: the service takes a JSON object"),
        (5, {}, TypeError, "input is of type int: the service takes a JSON object"),
        ({"x": float("nan")}, {}, ValueError, "input['x'] is nan"),
        ({"x": b""}, {}, TypeError, "input['x'] is of type bytes"),
        ({}, {"webhok": "x"}, TypeError, "unexpected argument 'webhok'; did you mean 'webhook'?"),
        ({}, {"zzz": 1}, TypeError, "unexpected argument 'zzz'"),
        ({}, {"webhook": "me/hook?hunter2"}, ValueError, "webhook: an absolute http or https URL expected"),
        ({}, {"webhook": 5}, TypeError, "webhook is of type int: a string expected"),
        (
            {},
            {"execution_timeout": 900_000},
            ValueError,
            "execution_timeout=900000: 5 … 604800 seconds expected; 900000 ms",
        ),
        ({}, {"ttl": 9}, ValueError, "ttl=9: 10 … 604800 seconds expected"),
        ({}, {"ttl": "9"}, TypeError, "ttl='9': seconds expected"),
        ({}, {"low_priority": "yes"}, TypeError, "low_priority='yes': True or False expected"),
        ({}, {"s3_config": {"accessSecret": "hunter2"}}, TypeError, "s3_config is of type dict: an S3Config expected"),
        ({}, {"on_unknown": "retry"}, ValueError, 'on_unknown=\'retry\': "raise" or "resubmit" expected'),
        ({}, {"extra_body": {"input": {}}}, ValueError, "extra_body holds 'input', which has an argument of its own"),
        ({}, {"extra_body": {"s3Config": {}}}, ValueError, "extra_body holds 's3Config'"),
        ({}, {"extra_body": {"x": b"hunter2"}}, TypeError, "extra_body['x'] is of type bytes"),
        ({}, {"extra_headers": {"x": 5}}, TypeError, "extra_headers['x'] is of type int: a string expected"),
        ({}, {"extra_headers": {5: "x"}}, TypeError, "extra_headers has a name that is of type int"),
        (
            {},
            {"extra_headers": {"x": "hunter2\r\nevil: 1"}},
            ValueError,
            "extra_headers['x'] holds what no header carries",
        ),
        ({}, {"extra_headers": {"x": "hunter2ä"}}, ValueError, "extra_headers['x'] holds what no header carries"),
        ({}, {"extra_headers": {"x y": "hunter2"}}, ValueError, "extra_headers['x y']: no header has such a name"),
        ({}, {"extra_headers": {"": "hunter2"}}, ValueError, "extra_headers['']: no header has such a name"),
        ({}, {"extra_headers": {":path": "hunter2"}}, ValueError, "extra_headers[':path']: no header has such a name"),
        ({}, {"extra_headers": {"x": "hunter2\0"}}, ValueError, "extra_headers['x'] holds what no header carries"),
        ({}, {"extra_headers": {"x": "1", "X": "hunter2"}}, ValueError, "extra_headers['X'] is there twice"),
        ({}, {"extra_headers": [("x", "hunter2")]}, TypeError, "extra_headers is of type list: a dict expected"),
        ({}, {"extra_headers": {"Accept-Encoding": "br"}}, ValueError, "extra_headers['Accept-Encoding']: of deflate"),
        ({}, {"extra_query": "hunter2"}, TypeError, "extra_query is of type str: a dict expected"),
        ({}, {"extra_query": {5: "hunter2"}}, TypeError, "extra_query has a name that is of type int"),
        ({}, {"extra_query": {"x": ["hunter2"]}}, TypeError, "extra_query['x'] is of type list: a string expected"),
        ({}, {"extra_query": {"x": "hunter2\ud800"}}, ValueError, "extra_query['x'] holds half a character"),
        ({}, {"extra_query": {"wait": "9"}}, ValueError, "extra_query holds 'wait', which has an argument of its own"),
    ],
)
def test_a_bad_argument_is_refused_by_name_before_any_request(
    value: object, options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    for build in (api.run, api.run_sync):
        with pytest.raises(kind) as caught:
            build("abc", value, options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        assert str(caught.value).startswith(message)
        assert "hunter2" not in str(caught.value)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("spelt", [str.lower, str.upper, str.title])
@pytest.mark.parametrize("name", sorted(RESERVED_HEADERS))
def test_no_header_of_a_caller_changes_how_a_request_is_framed_or_where_it_goes(
    name: str, spelt: Callable[[str], str]
) -> None:
    for build in (api.run, api.run_sync):
        with pytest.raises(ValueError, match="cannot be set by callers") as caught:
            build("abc", {}, {"extra_headers": {spelt(name): "hunter2"}})
        assert str(caught.value).startswith(f"extra_headers['{spelt(name)}']")
        assert "hunter2" not in str(caught.value)


def test_blanks_around_a_header_are_no_part_of_it() -> None:
    given = {"X-Trace": " 1 2\t", "Accept-Encoding": "gzip, identity"}
    found = api.run("abc", {}, {"extra_headers": given}).headers.reveal()
    assert {name: found[name] for name in given} == {"X-Trace": "1 2", "Accept-Encoding": "gzip, identity"}


def test_a_request_shows_neither_its_body_nor_its_headers() -> None:
    request = api.run("abc", {"x": "hunter2"}, {"extra_headers": {"x": "hunter2"}})
    assert "hunter2" not in repr(request)
    assert request.about == 'run on endpoint "abc"'
    assert api.cancel("abc", "j1").about == 'cancel of job j1 on endpoint "abc"'


def test_the_hash_is_of_the_input_alone_and_does_not_depend_on_the_order_of_keys() -> None:
    one = api.run("abc", {"b": 1, "a": "ä"}, {"webhook": "https://me"})
    two = api.run_sync("abc", {"a": "ä", "b": 1}, {})
    text = json.dumps({"a": "ä", "b": 1}, sort_keys=True, separators=(",", ":"))
    assert one.input_sha256 == two.input_sha256 == hashlib.sha256(text.encode()).hexdigest()


# Answers.

STATUS = api.status("abc", "j1")


class Told:
    """Keeps which fields did not fit."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, name: str, value: object) -> None:
        assert value is not None
        self.names.append(name)


def nothing(name: str, value: object) -> None:
    raise AssertionError(f"{name} was told: {value!r}")


def read(told: Callable[[str, object], object] = nothing, /, **fields: Any) -> JobState:
    return answers.job_state(STATUS, answer(200, {"id": "j1", "status": "COMPLETED"} | fields), told)


def test_a_minimal_answer() -> None:
    assert read() == JobState(
        id="j1", endpoint_id="abc", status=JobStatus("COMPLETED"), raw={"id": "j1", "status": "COMPLETED"}
    )


def test_a_full_answer() -> None:
    fields = {"delayTime": 61372, "executionTime": 42078.9, "retries": 1.0, "workerId": "w", "error": "e", "new": [1]}
    found = read(**fields, output={"a": 1})
    assert (found.delay_time_ms, found.execution_time_ms, found.retries, found.worker_id) == (61372, 42078, 1, "w")
    assert isinstance(found.retries, int)
    assert (found.output, found.error) == ({"a": 1}, "e")
    assert found.raw["new"] == [1]


@pytest.mark.parametrize("value", [None, False, 0, 0.0, "", [], {}])
def test_a_falsy_output_stays_what_it_is(value: object) -> None:
    found = read(output=value)
    assert found.output == value
    assert type(found.output) is type(value)


@pytest.mark.parametrize("status", ["IN_QUEUE", "IN_PROGRESS", "RUNNING", "ON_HOLD"])
def test_progress_is_never_an_output(status: str) -> None:
    found = read(status=status, output=7)
    assert (found.output, found.progress) == (None, 7)
    assert read(output=7).progress is None


@pytest.mark.parametrize(
    ("error", "text"),
    [(None, None), ("", ""), ({"a": 1}, '{"a": 1}'), ([], "[]"), (0, "0"), (False, "false")],
)
def test_an_error_is_text_whatever_was_sent(error: object, text: str | None) -> None:
    assert read(error=error).error == text


def test_absent_and_null_numbers_are_not_known() -> None:
    found = read(delayTime=None, executionTime=None, retries=None, workerId=None)
    assert (found.delay_time_ms, found.execution_time_ms, found.retries, found.worker_id) == (None, None, 0, None)


# What stands where a count, a text or an object should: of a wrong kind, not finite, or beyond all reason.
NO_COUNTS: list[object] = ["5", "", True, False, [], [1], {}, float("nan"), float("inf"), -1, -0.5, 2**63, 10**400]
NO_TEXTS: list[object] = [5, 0, 1.5, True, False, [], ["w"], {}, {"a": {}}, float("nan")]


@pytest.mark.parametrize("value", NO_COUNTS, ids=lambda value: repr(value)[:12])
def test_what_is_no_count_is_as_good_as_not_sent(value: object) -> None:
    told = Told()
    found = read(told, delayTime=value, executionTime=value, retries=value)
    assert (found.delay_time_ms, found.execution_time_ms, found.retries) == (None, None, 0)
    assert sorted(told.names) == ["delayTime", "executionTime", "retries"]
    assert repr(found.raw["delayTime"]) == repr(value), "it stays in raw"


@pytest.mark.parametrize("value", NO_TEXTS, ids=repr)
def test_what_is_no_text_is_as_good_as_not_sent(value: object) -> None:
    told = Told()
    assert read(told, workerId=value, output=7).output == 7
    assert read(told, workerId=value).worker_id is None
    assert set(told.names) == {"workerId"}


def test_an_error_that_cannot_be_written_again_is_as_good_as_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_deep(_: object) -> str:
        raise RecursionError

    monkeypatch.setattr("runpod_sdk._values._fields.json.dumps", too_deep)
    told = Told()
    body = b'{"id": "j1", "status": "FAILED", "error": [[]]}'
    assert answers.job_state(STATUS, Answer(200, {}, body), told).error is None
    assert told.names == ["error"]


@pytest.mark.parametrize("job_id", ["j2", "", 5, True, ["j1"], {}, "../j1", "j1 "])
def test_an_answer_about_something_else_is_our_error_on_every_operation(job_id: object) -> None:
    asked = [api.status("abc", "j1"), api.status_sync("abc", "j1", hold=1.0), api.cancel("abc", "j1")]
    for request in [*asked, api.retry("abc", "j1")]:
        with pytest.raises(APIResponseValidationError, match="it is about another job"):
            answers.job_state(request, answer(200, {"id": job_id, "status": "COMPLETED"}), nothing)
    with pytest.raises(APIResponseValidationError, match="it is about another job"):
        answers.stream_part(STREAM, answer(200, {"id": job_id, "status": "COMPLETED", "stream": []}), nothing)
    with pytest.raises(APIResponseValidationError, match="it is about another job"):
        answers.purge_result(api.purge_queue("abc"), answer(200, {"id": job_id, "status": "COMPLETED"}), nothing)
    with pytest.raises(APIResponseValidationError, match="it is about another job"):
        answers.health_of(api.health("abc"), answer(200, {"id": job_id, "jobs": JOBS, "workers": WORKERS}), nothing)


@pytest.mark.parametrize(
    "body", [{"status": "COMPLETED", "output": 7}, {"id": None, "status": "COMPLETED", "output": 7}]
)
def test_an_answer_without_an_id_is_about_the_job_that_was_asked_for(body: object) -> None:
    found = answers.job_state(STATUS, answer(200, body), nothing)
    assert (found.id, found.output) == ("j1", 7)


@pytest.mark.parametrize("status", [None, 404, "", ["COMPLETED"], {}, True])
def test_a_look_without_a_status_tells_nothing(status: object) -> None:
    with pytest.raises(APIResponseValidationError) as caught:
        read(status=status)
    assert str(caught.value) == (
        'status of job j1 on endpoint "abc": HTTP 200 with an answer that cannot be used: it has no job status'
    )


@pytest.mark.parametrize("submit", [api.run("abc", {}, {}), api.run_sync("abc", {}, {})], ids=["run", "runsync"])
@pytest.mark.parametrize("status", [None, 404, "", ["COMPLETED"], {}, True, float("nan")])
def test_whoever_gives_a_job_an_id_has_queued_it(submit: Request, status: object) -> None:
    told: list[str] = []
    found = answers.job_state(submit, answer(200, {"id": "j9", "status": status}), lambda name, _: told.append(name))
    assert (found.id, found.status, told) == ("j9", "IN_QUEUE", [] if status is None else ["status"])


@pytest.mark.parametrize("job_id", [None, "", 5, ["j1"], "\ud800"])
def test_a_submit_without_an_id_is_not_known(job_id: object) -> None:
    with pytest.raises(APIResponseValidationError, match="it has no id of a job"):
        answers.job_state(api.run("abc", {}, {}), answer(200, {"id": job_id, "status": "IN_QUEUE"}), nothing)


def chunks(*items: object) -> object:
    return {"status": "IN_PROGRESS", "stream": list(items)}


STREAM = api.stream("abc", "j1", hold=10.0)


def test_a_part_of_a_stream() -> None:
    part = answers.stream_part(
        STREAM, answer(200, chunks({"output": 0}, {"output": None, "metrics": {"n": 1}, "x": 2})), nothing
    )
    assert part.status == "IN_PROGRESS"
    assert [(chunk.output, chunk.metrics) for chunk in part.chunks] == [(0, None), (None, {"n": 1})]
    assert part.chunks[1].raw == {"output": None, "metrics": {"n": 1}, "x": 2}


def test_the_bare_list_of_the_documentation() -> None:
    part = answers.stream_part(STREAM, answer(200, [{"output": "a"}, {"output": "b"}]), nothing)
    assert part == StreamPart(
        (StreamChunk(output="a", raw={"output": "a"}), StreamChunk(output="b", raw={"output": "b"})), None
    )


@pytest.mark.parametrize(
    "body",
    [
        None,
        5,
        {},
        {"status": "COMPLETED"},
        {"status": 404, "title": "Not Found", "detail": "job not found"},
        {"stream": None},
        {"status": "COMPLETED", "stream": {}},
        {"status": "COMPLETED", "stream": "abc"},
        {"status": "COMPLETED", "output": []},
        chunks(5),
        chunks("abc"),
        chunks({"metrics": {}}),
        [[]],
    ],
)
def test_a_malformed_part_is_our_error(body: object) -> None:
    with pytest.raises(APIResponseValidationError, match="stream of job j1"):
        answers.stream_part(STREAM, answer(200, body), Told())


@pytest.mark.parametrize("status", [404, "", None, ["COMPLETED"], True])
def test_chunks_are_read_whatever_stands_beside_them(status: object) -> None:
    body: dict[str, object] = {
        "status": status,
        "stream": [{"output": 1, "metrics": 5}, {"output": 2, "metrics": []}, {"output": 3}],
    }
    part = answers.stream_part(STREAM, answer(200, body), Told())
    assert part.status is None
    assert [(chunk.output, chunk.metrics) for chunk in part.chunks] == [(1, None), (2, None), (3, None)]
    assert part.chunks[0].raw == {"output": 1, "metrics": 5}


def test_no_chunks_may_be_null() -> None:
    assert answers.stream_part(STREAM, answer(200, {"stream": []}), nothing) == StreamPart((), None)
    part = answers.stream_part(STREAM, answer(200, {"id": "j1", "status": "COMPLETED", "stream": None}), nothing)
    assert part == StreamPart((), JobStatus("COMPLETED"))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"removed": 2, "status": "completed"}, PurgeResult(removed=2, status="completed")),
        ({"removed": "2", "status": "completed"}, PurgeResult(status="completed")),
        ({"removed": None, "status": "completed"}, PurgeResult(status="completed")),
        ({"removed": True, "status": "completed"}, PurgeResult(status="completed")),
        ({"removed": -1, "status": "completed"}, PurgeResult(status="completed")),
        ({"status": "completed"}, PurgeResult(status="completed")),
        ({"removed": 2, "status": 5}, PurgeResult(removed=2)),
        ({"removed": 2, "status": ["completed"]}, PurgeResult(removed=2)),
        ({"removed": 2}, PurgeResult(removed=2)),
        ({"removed": {}}, PurgeResult()),
    ],
    ids=str,
)
def test_of_the_answer_to_a_purge_what_there_is_is_kept(body: object, expected: PurgeResult) -> None:
    assert answers.purge_result(api.purge_queue("abc"), answer(200, body), Told()) == expected


@pytest.mark.parametrize("body", [[], {}, {"error": "no"}, {"status": 404, "title": "Not Found"}, None, "completed"])
def test_what_says_nothing_of_a_purge_is_our_error(body: object) -> None:
    with pytest.raises(APIResponseValidationError, match="purge-queue on endpoint") as caught:
        answers.purge_result(api.purge_queue("abc"), answer(200, body), Told())
    assert caught.value.__notes__ == ["The queue may have been purged all the same."]


JOBS = {"completed": 1, "failed": 2, "inProgress": 3, "inQueue": 4, "retried": 5}
WORKERS = {"idle": 1, "initializing": 2, "ready": 3, "running": 4, "throttled": 5, "unhealthy": 6}


def health(jobs: object, workers: object, **more: object) -> Health:
    return answers.health_of(api.health("abc"), answer(200, {"jobs": jobs, "workers": workers, **more}), nothing)


def test_the_health_of_an_endpoint() -> None:
    found = health(JOBS, WORKERS)
    assert found.jobs == JobCounts(completed=1, failed=2, in_progress=3, in_queue=4, retried=5)
    assert found.workers == WorkerCounts(idle=1, initializing=2, ready=3, running=4, throttled=5, unhealthy=6)
    assert found.raw == {"jobs": JOBS, "workers": WORKERS}


def test_older_samples_show_fewer_workers_and_newer_ones_may_show_more() -> None:
    assert health(JOBS, {"idle": 1, "running": 2}).workers == WorkerCounts(idle=1, running=2)
    assert health(JOBS | {"note": "new"}, WORKERS | {"gpu": {"a": 1}, "paused": 7}, version="2").workers.unhealthy == 6


@pytest.mark.parametrize("wrong", NO_COUNTS, ids=lambda value: repr(value)[:12])
def test_a_gauge_that_is_no_count_is_0_and_the_others_stay(wrong: object) -> None:
    told = Told()
    body = {"jobs": JOBS | {"inQueue": wrong}, "workers": WORKERS | {"idle": wrong}}
    found = answers.health_of(api.health("abc"), answer(200, body), told)
    assert found.jobs == JobCounts(completed=1, failed=2, in_progress=3, in_queue=0, retried=5)
    assert found.workers == WorkerCounts(idle=0, initializing=2, ready=3, running=4, throttled=5, unhealthy=6)
    assert told.names == ["inQueue", "idle"]


@pytest.mark.parametrize("wrong", [5, [], "abc", True, [JOBS]])
def test_of_health_one_half_is_enough(wrong: object) -> None:
    request = api.health("abc")
    told = Told()
    assert answers.health_of(request, answer(200, {"workers": WORKERS}), nothing).workers.unhealthy == 6
    assert answers.health_of(request, answer(200, {"jobs": JOBS, "workers": wrong}), told).workers == WorkerCounts()
    assert answers.health_of(request, answer(200, {"jobs": wrong, "workers": WORKERS}), told).jobs == JobCounts()
    assert told.names == ["workers", "jobs"]
    with pytest.raises(APIResponseValidationError, match="it has neither jobs nor workers"):
        answers.health_of(request, answer(200, {"jobs": wrong, "workers": wrong}), told)


Reader = Callable[[Request, Answer, Callable[[str, object], object]], object]
READERS: list[tuple[Reader, Request]] = [
    (answers.job_state, STATUS),
    (answers.job_state, api.run("abc", {}, {})),
    (answers.stream_part, STREAM),
    (answers.purge_result, api.purge_queue("abc")),
    (answers.health_of, api.health("abc")),
]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
FIELDS = st.sampled_from(
    [
        "id",
        "status",
        "output",
        "error",
        "delayTime",
        "retries",
        "workerId",
        "stream",
        "metrics",
        "removed",
        "jobs",
        "idle",
    ]
)
BODIES = st.recursive(
    SCALARS | st.sampled_from(["j1", "COMPLETED", "IN_QUEUE"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=6),
    max_leaves=12,
)


@pytest.mark.parametrize(("reader", "request_"), READERS, ids=lambda value: getattr(value, "__name__", ""))
class TestNoAnswerIsTooOdd:
    @pytest.mark.one_in(3)
    @given(body=BODIES)
    def test_any_json(self, reader: Reader, request_: Request, body: object) -> None:
        self.check(reader, request_, json.dumps(body).encode())

    @pytest.mark.one_in(3)
    @given(body=st.binary(max_size=40) | BODIES.map(lambda value: json.dumps(value).encode()[:-1]))
    def test_any_bytes(self, reader: Reader, request_: Request, body: bytes) -> None:
        self.check(reader, request_, body)

    def test_bytes_that_break_decoders(self, reader: Reader, request_: Request) -> None:
        for body in (b"", b"\xff\xfe\x00", b"[" * 100_000, b"1" * 10_000, b'{"id":' * 50_000, b"\x00", b"<html>"):
            with pytest.raises(APIResponseValidationError):
                reader(request_, Answer(200, {}, body), Told())

    @staticmethod
    def check(reader: Reader, request_: Request, body: bytes) -> None:
        try:
            reader(request_, Answer(200, {}, body), Told())
        except APIResponseValidationError as error:
            assert len(error.body) <= 500  # noqa: PT017  most answers raise, some do not
            assert error.status_code == 200  # noqa: PT017


def test_the_error_keeps_the_beginning_of_the_answer() -> None:
    with pytest.raises(APIResponseValidationError) as caught:
        answers.job_state(STATUS, answer(200, b"<html>" + b"x" * 9_000, server="edge"), nothing)
    assert caught.value.body == "<html>" + "x" * 494
    assert (caught.value.status_code, caught.value.headers, caught.value.job_id) == (200, {"server": "edge"}, "j1")


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)


@given(st.dictionaries(st.text(max_size=4), st.recursive(LEAVES, st.lists, max_leaves=4), max_size=4))
def test_any_output_comes_through_untouched(output: dict[str, Any]) -> None:
    assert read(output=output).output == output
