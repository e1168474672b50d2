"""Whatever an answer looks like, it is one of our errors, with what is needed to find out whose answer it was."""

from __future__ import annotations

import gzip
import json
import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runpod_sdk import JobCounts, PurgeResult, RetryPolicy, WorkerCounts
from runpod_sdk.errors import (
    APIResponseValidationError,
    APIStatusError,
    InternalServerError,
    RunpodError,
    StreamInterruptedError,
    SubmissionUnknownError,
)
from tests.faults.flavours import FLAVOURS, Flavour, ImpatientClock, listed, settled
from tests.faults.server import Connection, FaultServer, response
from tests.faults.table import CALLS

if TYPE_CHECKING:
    from collections.abc import Callable

CAP = 200_000  # bytes; the real one would take its time
MARK = "text-of-the-answer"
PAGE = f"<!doctype html><title>{MARK}</title>{'x' * 1000}".encode()


def job(**fields: object) -> bytes:
    return json.dumps({"id": "j1", "status": "COMPLETED", **fields}).encode()


@dataclass(frozen=True)
class Case:
    """An answer, and what a look at a job or an endpoint makes of it."""

    body: bytes
    status: int = 200
    kind: type[APIStatusError | APIResponseValidationError] = APIResponseValidationError
    headers: tuple[str, ...] = ()


# Not even JSON, or not an object: bad as an answer to anything.
ANYWHERE = {
    "page": Case(PAGE, headers=("content-type: text/html",)),
    "text": Case(b"upstream says hello"),
    "empty": Case(b""),
    "empty 204": Case(b"", status=204),
    "truncated": Case(job(output=["a", "b"])[:-4]),
    "two documents": Case(job() * 2),
    "null": Case(b"null"),
    "number": Case(b"17"),
    "string": Case(b'"COMPLETED"'),
    "empty object": Case(b"{}"),
    "nested too deeply": Case(b'{"id":' + b"[" * 100_000),
    "an output without end": Case(b'{"id": "j1", "status": "COMPLETED", "output": [' + b"9" * 5000 + b"]}"),
    "not UTF-8": Case(b'{"id": "\xff\xfe", "status": "COMPLETED"}'),
    "a charset that does not exist": Case(PAGE, headers=("content-type: application/json; charset=klingon",)),
    "not gzip": Case(PAGE, headers=("content-encoding: gzip",)),
    "gzip that ends early": Case(gzip.compress(PAGE)[:30], headers=("content-encoding: gzip",)),
    "above the cap": Case(b'"' + b"x" * CAP + b'"'),
    "above the cap, unpacked": Case(gzip.compress(b'"' + b"x" * CAP + b'"'), headers=("content-encoding: gzip",)),
    "redirect": Case(PAGE, status=302, headers=("location: https://elsewhere.invalid/",)),
    "permanent redirect": Case(PAGE, status=308, headers=("location: /elsewhere",)),
    "redirect to nowhere": Case(PAGE, status=301),
    "HTTP 418": Case(PAGE, status=418, kind=APIStatusError),
    "HTTP 500": Case(PAGE, status=500, kind=InternalServerError),
    "HTTP 520": Case(PAGE, status=520, kind=InternalServerError),
    "HTTP 524": Case(PAGE, status=524, kind=InternalServerError),
    "HTTP 599": Case(PAGE, status=599, kind=InternalServerError),
    "HTTP 502 with a job": Case(job(), status=502, kind=InternalServerError),
}
SUBMITS, LOOKS = ("run", "run_sync"), ("status", "wait", "cancel", "retry")
# JSON objects in which what decides is wrong, and whom that stops: a submit needs an id, but where it is answered with
# the job's end; a look needs a status, and no other id than that of the job. All others get what they asked for.
NO_JOBS: dict[str, tuple[Case, tuple[str, ...]]] = {
    "no id": (Case(json.dumps({"status": "COMPLETED", "output": ["a", "b"]}).encode()), ("run",)),
    "id is null": (Case(job(id=None, output=["a", "b"])), ("run",)),
    "id is a number": (Case(job(id=1)), SUBMITS + LOOKS),
    "id is empty": (Case(job(id="")), SUBMITS + LOOKS),
    "id is a list": (Case(job(id=["j1"])), SUBMITS + LOOKS),
    "id is a path": (Case(job(id="../../other")), LOOKS),
    "id of another job": (Case(job(id="j2")), LOOKS),
    "no status": (Case(json.dumps({"id": "j1"}).encode()), LOOKS),
    "status is null": (Case(job(status=None)), LOOKS),
    "status is empty": (Case(job(status="")), LOOKS),
    "status is a number": (Case(job(status=404)), LOOKS),
    "status is a list": (Case(job(status=["COMPLETED"])), LOOKS),
    "status is an object": (Case(job(status={})), LOOKS),
    "an error, not a job": (Case(json.dumps({"error": "no such job"}).encode()), SUBMITS + LOOKS),
}
JOB_CALLS = SUBMITS + LOOKS
# What stands in a field of a job that does not decide. It is as good as not there.
MISFITS: dict[str, bytes] = {
    "a text": b'"soon"',
    "a number as text": b'"17"',
    "true": b"true",
    "a list": b"[[1]]",
    "an object": b'{"a": {"b": 1}}',
    "no number": b"NaN",
    "no end": b"Infinity",
    "a number of 400 digits": b"9" * 400,
    "a number of 5,000 digits": b"9" * 5000,
    "a number that is too large": b"1e400",
    "below zero": b"-1",
    "nested": b"[" * 400 + b"]" * 400,
}


def always(case: Case) -> Callable[[Connection], None]:
    def act(connection: Connection) -> None:
        if connection.read() is not None:
            connection.send(response(case.status, case.body, "X-Edge: edge-7", *case.headers))

    return act


async def _stream(endpoint: Any) -> Any:
    return await listed(endpoint.job("j1").stream(on_gap="raise"))


def error_of(flavour: Flavour, case: Case, name: str) -> RunpodError:
    body = _stream if name == "stream" else CALLS[name].body
    with FaultServer(default=always(case)) as server:
        options: dict[str, Any] = {"retry": RetryPolicy(attempts=2), "clock": ImpatientClock()}
        with pytest.raises(RunpodError) as caught:
            flavour.play(server, lambda client: body(client.endpoint("e")), **options)
        assert server.counts().get("run", 0) + server.counts().get("runsync", 0) <= 1
    return caught.value


def check(flavour: Flavour, case: Case, name: str) -> None:
    error = error_of(flavour, case, name)
    is_refused = case.status < 500 and not 200 <= case.status < 300
    told: BaseException | None = error
    if name in ("run", "run_sync") and not is_refused:
        assert isinstance(error, SubmissionUnknownError)
        assert error.status_code == case.status
        told = error.__cause__
    elif name == "stream" and not is_refused:
        assert isinstance(error, StreamInterruptedError)
        told = error.__cause__
    assert type(told) is case.kind
    assert isinstance(told, APIStatusError | APIResponseValidationError)
    assert told.status_code == case.status
    assert told.headers["x-edge"] == "edge-7"
    assert len(told.body) <= 500
    if case.body is PAGE and "content-encoding: gzip" not in case.headers:
        assert told.body == PAGE.decode()[:500]


@pytest.fixture(autouse=True)
def _low_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runpod_sdk._http._message.BODY_CAP", CAP)


@pytest.mark.one_in(7)
@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)
@pytest.mark.parametrize("case", ANYWHERE.values(), ids=ANYWHERE)
def test_no_answer_to_anything(case: Case, flavour: Flavour, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "runpod_sdk"):
        for name in CALLS:
            check(flavour, case, name)
    assert MARK not in caplog.text, "the body is kept out of the log"


@pytest.mark.one_in(5)
@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)
@pytest.mark.parametrize(("case", "stopped"), NO_JOBS.values(), ids=NO_JOBS)
def test_only_what_decides_must_be_right(case: Case, stopped: tuple[str, ...], flavour: Flavour) -> None:
    for name in stopped:
        check(flavour, case, name)
    # The answer to everything: a run_sync that gets an id looks for the end next, and finds no status there either.
    for name in {"run", *LOOKS} - {*stopped}:
        value, unknowns = value_of(flavour, case, name)
        assert value == CALLED.get(name, json.loads(case.body).get("id") if name == "run" else "j1"), name
        assert not unknowns


CALLED: dict[str, Any] = {"status": "COMPLETED", "wait": ["a", "b"], "cancel": "COMPLETED", "run_sync": ["a", "b"]}
FIELDS = ("delayTime", "executionTime", "retries", "workerId", "error", "started", "stream", "metrics")


@pytest.mark.one_in(5)
@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)
@pytest.mark.parametrize("value", MISFITS.values(), ids=MISFITS)
def test_no_field_that_does_not_decide_stops_anything(
    value: bytes, flavour: Flavour, caplog: pytest.LogCaptureFixture
) -> None:
    fields = b", ".join(b'"%s": %s' % (name.encode(), value) for name in FIELDS)
    case = Case(b'{"id": "j1", "status": "COMPLETED", "output": ["a", "b"], %s}' % fields)
    for name in JOB_CALLS:
        found, unknowns = value_of(flavour, case, name)
        assert (found, unknowns) == (CALLED.get(name, "j1"), ())
    assert MARK not in caplog.text


def value_of(flavour: Flavour, case: Case, name: str) -> tuple[Any, tuple[Any, ...]]:
    """Return what a call returns, and what it leaves unknown."""

    async def body(client: Any) -> Any:
        return await CALLS[name].body(client.endpoint("e")), client.unknowns

    with FaultServer(default=always(case)) as server:
        found: tuple[Any, tuple[Any, ...]] = flavour.play(server, body, retry=RetryPolicy(attempts=2))
        assert len(server.arrivals) == 1
    return found


@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)
def test_each_field_is_logged_once_for_each_client(flavour: Flavour, caplog: pytest.LogCaptureFixture) -> None:
    body = job(output=MARK, delayTime=MARK, workerId=[MARK], retries=None)

    async def calls(client: Any) -> None:
        for name in (*JOB_CALLS, "status"):
            await CALLS[name].body(client.endpoint("e"))
        state = await settled(client.endpoint("e").job("j1").state())
        assert (state.delay_time_ms, state.worker_id) == (None, None)
        assert (state.raw["delayTime"], state.raw["workerId"]) == (MARK, [MARK])

    with FaultServer(default=always(Case(body))) as server, caplog.at_level(logging.WARNING, "runpod_sdk"):
        for _ in range(2):
            flavour.play(server, calls)
    lines = [record.getMessage() for record in caplog.records]
    assert sorted(lines) == sorted(
        [
            "delayTime of an answer is of type str: taken as not sent; `raw` has it",
            "workerId of an answer is of type list: taken as not sent; `raw` has it",
        ]
        * 2
    )


@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)
def test_of_health_and_purge_what_there_is_is_kept(flavour: Flavour) -> None:
    body = {"jobs": {"inQueue": 3, "completed": "9", "failed": None}, "workers": {"idle": True, "ready": 2}}

    async def calls(client: Any) -> None:
        health = await settled(client.endpoint("e").health())
        assert (health.jobs, health.workers) == (JobCounts(in_queue=3), WorkerCounts(ready=2))
        assert health.raw["jobs"]["completed"] == "9"
        assert await settled(client.endpoint("e").purge_queue()) == PurgeResult(removed=None, status="completed")

    answer = Case(json.dumps({**body, "removed": "2", "status": "completed"}).encode())
    with FaultServer(default=always(answer)) as server:
        flavour.play(server, calls)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=10,
)
FIELD_NAMES = ("status", "output", "error", "stream", "title", *FIELDS)


@pytest.mark.slow
@settings(max_examples=200)
@given(
    flavour=st.sampled_from(FLAVOURS),
    job_id=st.text(min_size=1, max_size=300),
    fields=st.dictionaries(st.sampled_from(FIELD_NAMES) | st.text(max_size=5), json_values),
    status=st.integers(200, 299),
)
@example(flavour=FLAVOURS[0], job_id="..", fields={"status": "IN_QUEUE"}, status=200)
@example(flavour=FLAVOURS[0], job_id="a\r\nb\0/?#%", fields={"status": "IN_QUEUE"}, status=202)
@example(flavour=FLAVOURS[1], job_id="j1", fields={"status": "COMPLETED", "executionTime": 10**400}, status=200)
def test_a_submit_whose_answer_holds_an_id_is_known(
    flavour: Flavour, job_id: str, fields: dict[str, Any], status: int
) -> None:
    body = json.dumps({**fields, "id": job_id}).encode()
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=body))

    async def whole() -> None:
        options: dict[str, Any] = {"clock": ImpatientClock(), "transport": transport, "retry": RetryPolicy(attempts=2)}
        async with flavour.opened(None, base_url="http://localhost:1", **options) as client:
            job = await settled(client.endpoint("e").run({"n": 1}))
            assert job.id == job_id
            for call in (partial(client.endpoint("e").run_sync, {"n": 1}, timeout=2), job.state, job.cancel):
                try:
                    await settled(call())
                except RunpodError as error:
                    assert not isinstance(error, SubmissionUnknownError)  # noqa: PT017  some raise, some do not
            assert client.unknowns == ()

    flavour.run(whole())
