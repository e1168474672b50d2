"""Whatever an answer looks like, it is one of our errors, with what is needed to find out whose answer it was."""

from __future__ import annotations

import gzip
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import RetryPolicy
from runpod_sdk.errors import (
    APIResponseValidationError,
    APIStatusError,
    InternalServerError,
    RunpodError,
    StreamInterruptedError,
    SubmissionUnknownError,
)
from tests.faults.flavours import FLAVOURS, Flavour, ImpatientClock, listed
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
    "a number without end": Case(b'{"id": "j1", "status": "COMPLETED", "removed": ' + b"9" * 5000 + b"}"),
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
# JSON objects, but no jobs.
NO_JOBS = {
    "no id": Case(json.dumps({"status": "COMPLETED"}).encode()),
    "no status": Case(json.dumps({"id": "j1"}).encode()),
    "id is null": Case(job(id=None)),
    "id is a number": Case(job(id=1)),
    "id is a path": Case(job(id="../../other")),
    "id is empty": Case(job(id="")),
    "status is null": Case(job(status=None)),
    "status is a number": Case(job(status=404)),
    "status is a list": Case(job(status=["COMPLETED"])),
    "status is an object": Case(job(status={})),
    "delayTime is a string": Case(job(delayTime="soon")),
    "executionTime is not finite": Case(b'{"id": "j1", "status": "COMPLETED", "executionTime": Infinity}'),
    "retries is a boolean": Case(job(retries=True)),
    "workerId is a list": Case(job(workerId=[1])),
    "an error, not a job": Case(json.dumps({"error": "no such job"}).encode()),
}
JOB_CALLS = ["run", "run_sync", "status", "wait", "cancel", "retry"]


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


@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)
@pytest.mark.parametrize("case", ANYWHERE.values(), ids=ANYWHERE)
def test_no_answer_to_anything(case: Case, flavour: Flavour, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "runpod_sdk"):
        for name in CALLS:
            check(flavour, case, name)
    assert MARK not in caplog.text, "the body is kept out of the log"


@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)
@pytest.mark.parametrize("case", NO_JOBS.values(), ids=NO_JOBS)
def test_no_job(case: Case, flavour: Flavour) -> None:
    for name in JOB_CALLS:
        check(flavour, case, name)
