"""The checks of `verify`: all hold on an emulator that does what is known of the service, each fails where it must."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk._values._hidden import Hidden
from runpod_sdk._values._service import Service
from runpod_sdk.cli import _verify
from runpod_sdk.cli._verify._connection import RawConnection
from runpod_sdk.cli._verify._raw_endpoint import RawEndpoint, UnclearError
from runpod_sdk.clock import SystemClock, VirtualClock
from runpod_sdk.emulator import Emulator, Fault, Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runpod_sdk.cli._verify._claims import Check, Finding
    from runpod_sdk.clock import ParkingClock

KEY = "a-key-that-is-long-enough"
CHECKS = {check.name: check for check in _verify.chosen_checks(slow=True)}
# What is known of the service, where the emulator does something else by default.
AS_KNOWN: dict[str, Any] = {"not_found": "problem", "stream_hold": 10.0}
ID = "11111111-2222-4333-8444-555555555555-u1"


def endpoint_of(connection: RawConnection, clock: ParkingClock) -> RawEndpoint:
    return RawEndpoint(connection.send, clock, "ep", generator_id="ep", patience=60)


def in_process(emulator: Emulator) -> RawEndpoint:
    service = Service.resolve(Hidden(emulator.api_key), emulator.connection["base_url"], allow_http=False)
    return endpoint_of(RawConnection(service, emulator.clock, emulator.transport), emulator.clock)


def _unsaid(_: Check, __: Finding) -> None:
    """Print nothing."""


def findings_of(endpoint: RawEndpoint, checks: list[Check]) -> dict[str, Finding]:
    _verify.probe(endpoint)
    return {check.name: finding for check, finding in _verify.verify(endpoint, checks, _unsaid)}


def verdicts(findings: dict[str, Finding]) -> dict[str, str]:
    """Return the verdicts, with what was seen where a claim does not hold."""
    return {
        name: finding.verdict if finding.verdict == "same" else f"{finding.verdict}: {finding.seen}"
        for name, finding in findings.items()
    }


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(clock=VirtualClock(), api_key=KEY, options=Options(**AS_KNOWN)) as emulator:
        emulator.endpoint("ep")
        yield emulator


def test_every_claim_holds_where_the_service_is_as_it_is_known(emulator: Emulator) -> None:
    assert verdicts(findings_of(in_process(emulator), list(CHECKS.values()))) == dict.fromkeys(CHECKS, "same")


@pytest.mark.slow
def test_every_claim_holds_over_a_socket() -> None:
    clock = SystemClock(rate=10)
    checks = _verify.chosen_checks()
    with Emulator(clock=clock, api_key=KEY, options=Options(**AS_KNOWN)) as emulator:
        emulator.endpoint("ep")
        service = Service.resolve(Hidden(KEY), emulator.serve().url, allow_http=False)
        with RawConnection(service, clock) as connection:
            found = verdicts(findings_of(endpoint_of(connection, clock), checks))
    assert found == {check.name: "same" for check in checks}


def test_no_job_is_left_behind_and_no_more_are_submitted_than_was_said(emulator: Emulator) -> None:
    findings_of(in_process(emulator), list(CHECKS.values()))
    assert {job.status for job in emulator.jobs.values()} <= {"COMPLETED", "FAILED", "CANCELLED"}
    submits = [request for request in emulator.requests if request.operation in ("run", "runsync")]
    accepted = [request for request in submits if request.status == 200]
    assert len(accepted) <= 1 + sum(check.jobs for check in CHECKS.values())


def test_by_default_the_emulator_differs_where_it_says_so() -> None:
    with Emulator(clock=VirtualClock(), api_key=KEY) as emulator:
        emulator.endpoint("ep")
        found = findings_of(in_process(emulator), list(CHECKS.values()))
    assert {name for name, finding in found.items() if finding.verdict != "same"} == {"no-job-body", "stream-hold"}


@dataclass(kw_only=True)
class Deviation:
    """A service that breaks one claim."""

    options: dict[str, Any] = field(default_factory=dict[str, Any])
    faults: list[Fault] = field(default_factory=list[Fault])
    handler: Callable[[dict[str, Any]], Any] | None = None
    api_key: str = KEY
    endpoints: tuple[str, ...] = ("ep",)


def answers(code: int, body: Any, **where: Any) -> Deviation:
    """Answer so, whatever was asked and done."""
    where.setdefault("when", "after")
    return Deviation(faults=[Fault.status(code, body=body, **where)])


def late(seconds: float, on: str) -> Deviation:
    return Deviation(faults=[Fault.delay(seconds, on=on)])


def truthy(job: dict[str, Any]) -> Any:
    return job["input"]["mock_return"] or "nothing"


def failing_in_words(job: dict[str, Any]) -> Any:
    return job["input"].get("mock_return", {"error": "Mock error"})


QUEUED = {"id": ID, "status": "IN_QUEUE"}
DONE = {"id": ID, "status": "COMPLETED", "output": "done"}
# By check, a service on which it must say "differs"; faults strike from the first request of the check itself.
DEVIATIONS: dict[str, Deviation] = {
    "health-jobs": answers(200, {"jobs": {"completed": "1"}}, on="health"),
    "health-workers": answers(200, {"workers": {"idle": 0, "running": 0}}, on="health"),
    "raw-key": answers(403, None, on="health"),
    "wrong-key": Deviation(api_key="not-the-key"),
    "no-endpoint": Deviation(endpoints=("ep", "nosuchendpoint")),
    "no-job": answers(400, None, on="status"),
    "no-job-body": Deviation(options={"not_found": "message"}),
    "runsync-wait-bounds": answers(400, {"error": "bad"}, on="runsync"),
    "status-sync-wait-bounds": answers(200, DONE, on="status-sync"),
    "input-array": answers(422, None, on="run"),
    "input-missing": Deviation(options={"require_input": True}),
    "policy-range": Deviation(options={"check_policy": False}),
    "more-keys": answers(400, None, on="run"),
    "purge": answers(200, {"removed": 0, "status": "COMPLETED"}, on="purge-queue"),
    "run": answers(200, {**QUEUED, "delayTime": 0}, on="run"),
    "job-id": answers(200, {**QUEUED, "id": "17"}, on="run"),
    "completed": answers(200, DONE, on="status"),
    "running": answers(200, {"id": ID, "status": "IN_PROGRESS"}, on="status"),
    "falsy-output": Deviation(handler=truthy),
    "progress": answers(200, {"id": ID, "status": "IN_PROGRESS", "output": "whole"}, on="status"),
    "runsync": answers(200, DONE, on="runsync"),
    "runsync-wait": late(30, "runsync"),
    "status-sync-held": answers(200, {"id": ID, "status": "IN_PROGRESS"}, on="status-sync", when="before"),
    "status-sync-wakes": late(30, "status-sync"),
    "post-aliases": answers(404, None, on="status-sync"),
    "failed": Deviation(handler=failing_in_words),
    "cancel": answers(200, DONE, on="cancel"),
    "cancel-twice": answers(400, None, on="cancel", nth=2),
    "cancel-completed": Deviation(options={"cancel_finished": "refused"}),
    "retry": answers(200, QUEUED, on="retry"),
    "retry-completed": answers(200, QUEUED, on="retry"),
    "stream-object": answers(200, [], on="stream"),
    "stream-post": answers(404, None, on="stream", nth=2),
    "stream-wait": late(30, "stream"),
    "stream-hold": Deviation(options={"stream_hold": 5.0}),
    "stream-chunks": answers(200, {"status": "COMPLETED", "stream": []}, on="stream"),
    "stream-drains": answers(200, {"status": "COMPLETED", "stream": [{"output": "c"}]}, on="stream"),
    "stream-output": answers(200, {**DONE, "output": ["c"]}, on="status"),
    "batch-create": answers(200, {"id": "b1", "status": "FINALIZED"}, on="batch-create"),
    "batch-counts": answers(200, {"id": "b1", "status": "DRAFT", "requestTotal": 1}, on="batch-get"),
    "batch-add": answers(405, None, on="batch-add"),
    "batch-page": answers(200, {"requests": [{"id": "r1"}, {"id": "r2"}]}, on="batch-requests"),
    "batch-request": answers(200, {"requests": [{"id": "r1", "input": {}}]}, on="batch-requests"),
    "batch-status": answers(200, QUEUED, on="status"),
    "batch-list": answers(200, [], on="batch-list"),
    "batch-remove": answers(200, {"id": "b1"}, on="batch-remove", when="before"),
    "batch-name": answers(400, None, on="batch-update"),
    "batch-cancel": Deviation(options={"batch_cancel_draft": "refused"}),
    "status-ttl": answers(200, QUEUED, on="status"),
    "ttl": answers(404, None, on="status"),
    "execution-timeout": Deviation(options={"overrun_status": "TIMED_OUT"}),
    "runsync-retention": answers(404, None, on="status"),
    "empty-input": answers(200, {"id": ID, "status": "FAILED", "error": "no input"}, on="status"),
    "crash": answers(200, {"id": ID, "status": "FAILED", "error": "no input"}, on="status"),
}


def test_each_check_has_a_service_on_which_it_must_fail() -> None:
    assert DEVIATIONS.keys() == CHECKS.keys()


@pytest.mark.one_in(6)
@pytest.mark.parametrize("name", CHECKS)
def test_a_service_that_differs_is_found(name: str) -> None:
    deviation = DEVIATIONS[name]
    options = Options(**{**AS_KNOWN, **deviation.options})
    with Emulator(clock=VirtualClock(), api_key=deviation.api_key, options=options) as emulator:
        for endpoint_id in deviation.endpoints:
            emulator.endpoint(endpoint_id, deviation.handler)
        endpoint = in_process(emulator)
        _verify.probe(endpoint)
        for fault in deviation.faults:
            emulator.inject(fault)
        finding = CHECKS[name].run(endpoint)
    assert finding.verdict == "differs", finding.seen


def test_no_draft_is_finalized_and_each_is_cancelled_or_emptied() -> None:
    refused: dict[str, Any] = {"batch_cancel_draft": "refused"}
    for options in ({}, refused):
        with Emulator(clock=VirtualClock(), api_key=KEY, options=Options(**AS_KNOWN, **options)) as emulator:
            emulator.endpoint("ep")
            endpoint = in_process(emulator)
            for name, check in CHECKS.items():
                if name.startswith("batch-"):
                    check.run(endpoint)
            batches = endpoint.ask("GET", "/batch").fields["batches"]
            left = sum(batch["requestTotal"] for batch in batches if batch["status"] != "CANCELLED")
            assert (left, emulator.jobs) == (0, {})
            assert "batch-finalize" not in {request.operation for request in emulator.requests}


def test_an_endpoint_without_batches_leaves_their_claims_unclear(emulator: Emulator) -> None:
    emulator.inject(Fault.status(404, on="batch-create"))
    finding = CHECKS["batch-counts"].run(in_process(emulator))
    assert (finding.verdict, finding.seen[:17]) == ("unclear", "no batch was made")


# What tells nothing of a claim.


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (Fault.rate_limited(on="health"), 'GET /health: HTTP 429 {"error": "rate limit exceeded"}'),
        (Fault.status(503, on="health"), 'GET /health: HTTP 503 {"error": "HTTP 503"}'),
        (Fault.html(502, on="health"), "GET /health: HTTP 502"),
        (Fault.drop("before", on="health"), "no answer: RemoteProtocolError"),
        (Fault.refuse(on="health"), "no answer: ConnectError"),
        (Fault.stall(on="health"), "no answer: ReadTimeout"),
    ],
    ids=["429", "503", "html", "dropped", "refused", "stalled"],
)
def test_an_answer_of_the_moment_leaves_a_claim_unclear(emulator: Emulator, fault: Fault, seen: str) -> None:
    endpoint = in_process(emulator)
    with emulator.inject(fault):
        finding = CHECKS["health-jobs"].run(endpoint)
    assert finding.verdict == "unclear"
    assert finding.seen.startswith(seen)


def test_a_job_that_never_gets_there_leaves_a_claim_unclear() -> None:
    with Emulator(clock=VirtualClock(), api_key=KEY) as emulator:
        emulator.endpoint("ep", workers=0)
        finding = CHECKS["completed"].run(in_process(emulator))
        assert [job.status for job in emulator.jobs.values()] == ["CANCELLED"]
    assert finding.verdict == "unclear"
    assert finding.seen == 'the job never got there: HTTP 200 {"id": "(id)", "status": "IN_QUEUE"}'


def test_without_a_generator_claims_about_chunks_are_unclear(emulator: Emulator) -> None:
    endpoint = in_process(emulator)
    endpoint.generator_id = None
    assert CHECKS["stream-chunks"].run(endpoint).verdict == "unclear"
    assert emulator.requests == []


def test_jobs_of_others_are_not_purged(emulator: Emulator) -> None:
    emulator.inject(Fault.status(200, body={"jobs": {"inQueue": 2}}, on="health"))
    assert CHECKS["purge"].run(in_process(emulator)).verdict == "unclear"
    assert [request.operation for request in emulator.requests] == ["health"]


# What is told.


def test_neither_key_nor_ids_are_shown(emulator: Emulator) -> None:
    echo = {"error": f"no job {ID} for {KEY}", "id": ID, "workerId": "z3jr9rv2k3tt2y", "list": [KEY, "x" * 500]}
    emulator.inject(Fault.status(404, body=echo, on="status"))
    seen = CHECKS["no-job-body"].run(in_process(emulator)).seen
    assert KEY not in seen
    assert ID not in seen
    assert "z3jr9rv2k3tt2y" not in seen
    assert seen.startswith('HTTP 404 {"error": "no job (id) for (key)", "id": "(id)", "list": ["(key)", "xxx')
    assert len(seen) < 300


def test_an_endpoint_without_the_mock_worker_is_not_checked() -> None:
    with Emulator(clock=VirtualClock(), api_key=KEY) as emulator:
        emulator.endpoint("ep", lambda _: "something else")
        with pytest.raises(UnclearError, match="does not run the mock worker"):
            _verify.probe(in_process(emulator))
