"""The ledger: what is in it, that it repeats byte by byte, and what its verdict says."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk.clock import VirtualClock
from runpod_sdk.emulator import Emulator, Fault, Options, input_sha256

if TYPE_CHECKING:
    from collections.abc import Callable

    Call = Callable[..., httpx.Response]

BASE_URL = "https://emulator.invalid/v2"
RUNSYNC_RETENTION = 60.0


def run(call: Call, emulator: Emulator, **job_input: Any) -> str:
    job_id: str = call(emulator, "POST", "/e/run", json={"input": {"n": 1} | job_input}).json()["id"]
    return job_id


def some_history(seed: int) -> str:
    """Return the ledger of one client thread that does a bit of everything, in time moved by hand."""
    clock = VirtualClock(auto_jump=False)
    with Emulator(clock=clock, seed=seed) as emulator:
        emulator.endpoint("e", workers=2)
        emulator.inject(Fault.status(503, rate=0.3))
        emulator.inject(Fault.drop("after", rate=0.2))
        emulator.inject(Fault.kill_worker("done", rate=0.2))
        with httpx.Client(
            transport=emulator.transport, base_url=BASE_URL, headers={"authorization": "test"}, timeout=1
        ) as client:

            def ask(method: str, path: str, **options: Any) -> None:
                with suppress(httpx.HTTPError):
                    client.request(method, path, **options)

            for number in range(40):
                ask("POST", "/e/run", json={"input": {"n": number, "mock_delay": number % 7}})
                clock.advance(number % 5)
                for job_id in list(emulator.jobs)[-3:]:
                    ask("GET", f"/e/status/{job_id}")
                if number % 9 == 0:
                    ask("POST", "/e/purge-queue")
            clock.advance(90_000)
            assert emulator.ledger.verdict().is_conserved
        return emulator.ledger.to_jsonl()


def test_one_client_thread_and_one_seed_write_the_same_ledger_byte_by_byte() -> None:
    first = some_history(seed=1)
    assert len(first.splitlines()) > 200
    assert first == some_history(seed=1)
    assert first != some_history(seed=2)


def test_every_row_names_its_cause(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    job_id = run(call, emulator, mock_delay=1)
    call(emulator, "GET", f"/e/status-sync/{job_id}")
    rows = emulator.ledger.rows()
    what = [row.get("event") or row.get("operation") or row.get("fate") for row in rows]
    told = [(row["kind"], said, row.get("cause")) for row, said in zip(rows, what, strict=True)]
    assert told == [
        ("request", "run", None),
        ("job", "submit", 1),
        ("job", "take", 1),
        ("answer", "whole", 1),
        ("request", "status-sync", None),
        ("job", "succeed", "job-done"),
        ("answer", "whole", 5),
    ]
    assert [row["n"] for row in rows] == list(range(1, 8))
    assert rows[-1] == {
        "n": 7,
        "time": emulator.clock.time(),
        "kind": "answer",
        "cause": 5,
        "fate": "whole",
        "status": 200,
        "job": job_id,
        "job_status": "COMPLETED",
    }


def test_what_time_does_is_caused_by_a_deadline(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    body = {"input": {"mock_delay": 100}, "policy": {"executionTimeout": 5_000}}
    call(emulator, "POST", "/e/runsync", json=body)
    emulator.clock.sleep(RUNSYNC_RETENTION)
    causes = {row["event"]: row["cause"] for row in emulator.ledger.rows() if row["kind"] == "job"}
    assert (causes["overrun"], causes["expire"]) == ("deadline", "deadline")


def test_the_hash_is_that_of_the_sdk() -> None:
    job_input = {"b": [1, 2.5, None], "a": "ü"}
    text = json.dumps(job_input, sort_keys=True, separators=(",", ":"))
    assert input_sha256(job_input) == hashlib.sha256(text.encode()).hexdigest()


# The verdict.


def test_every_job_is_known_expired_or_purged(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    call(emulator, "POST", "/e/runsync", json={"input": {"n": 1}})
    emulator.clock.sleep(RUNSYNC_RETENTION)
    run(call, emulator, n=2, mock_delay=10)
    run(call, emulator, n=3)
    call(emulator, "POST", "/e/purge-queue")
    verdict = emulator.ledger.verdict()
    assert (verdict.submitted, verdict.known, verdict.expired, verdict.purged) == (3, 1, 1, 1)
    assert verdict.is_conserved
    emulator.clock.sleep(10_000)
    verdict = emulator.ledger.verdict()
    assert (verdict.known, verdict.expired, verdict.purged) == (0, 2, 1)
    assert verdict.is_clean


def test_a_job_submitted_twice_is_found_by_its_input(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    twice = [run(call, emulator, a=1, b=2), run(call, emulator, b=2, a=1)]
    run(call, emulator, a=2)
    verdict = emulator.ledger.verdict()
    assert verdict.doubled == {input_sha256({"n": 1, "a": 1, "b": 2}): tuple(twice)}
    assert not verdict.is_clean


def test_one_input_on_two_endpoints_is_not_doubled(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    emulator.endpoint("f")
    body = {"input": {"n": 1}}
    first, second = (call(emulator, "POST", f"/{name}/run", json=body).json()["id"] for name in "ef")
    assert emulator.ledger.verdict().is_clean
    again = call(emulator, "POST", "/f/run", json=body).json()["id"]
    assert emulator.ledger.verdict().doubled == {input_sha256({"n": 1}): (second, again)}
    last = call(emulator, "POST", "/e/run", json=body).json()["id"]
    verdict = emulator.ledger.verdict()
    assert verdict.doubled == {input_sha256({"n": 1}): (first, last, second, again)}


def test_a_retry_is_an_execution_that_was_asked_for(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    job_id = run(call, emulator, mock_error=True)
    call(emulator, "GET", f"/e/status-sync/{job_id}")
    call(emulator, "POST", f"/e/retry/{job_id}")
    call(emulator, "GET", f"/e/status-sync/{job_id}")
    verdict = emulator.ledger.verdict()
    assert verdict.executions == {job_id: 2}
    assert verdict.requeues == {job_id: 1}
    assert verdict.is_clean


def test_each_whole_answer_with_a_final_status_is_a_delivery(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    job_id = run(call, emulator, mock_delay=1)
    call(emulator, "GET", f"/e/status/{job_id}")
    assert emulator.ledger.verdict().delivered == {}
    with emulator.inject(Fault.truncate()), pytest.raises(httpx.RemoteProtocolError):
        call(emulator, "GET", f"/e/status-sync/{job_id}")
    assert emulator.ledger.verdict().delivered == {}
    call(emulator, "GET", f"/e/status/{job_id}")
    call(emulator, "GET", f"/e/status/{job_id}")
    assert emulator.ledger.verdict().delivered == {job_id: 2}


@pytest.mark.parametrize(
    ("codes", "ambiguous"),
    [((200, 400, 404, 429, 521, 523, 525, 526, 530), False), ((408, 500, 502, 503, 504, 520, 522, 524), True)],
)
def test_which_answers_leave_a_doubt(
    call: Call,
    emulator: Emulator,
    codes: tuple[int, ...],
    ambiguous: bool,  # noqa: FBT001  a parameter
) -> None:
    emulator.endpoint("e", workers=0)
    for code in codes:
        emulator.inject(Fault.status(code, on="run", times=1))
        call(emulator, "POST", "/e/run", json={"input": {"n": code}})
        call(emulator, "GET", "/e/health")
    found = [each.input_sha256 for each in emulator.ledger.verdict().ambiguous]
    assert found == [input_sha256({"n": code}) for code in codes if ambiguous]


def test_a_held_submit_that_the_client_left_is_ambiguous(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e", workers=0)
    with pytest.raises(httpx.ReadTimeout):
        call(emulator, "POST", "/e/runsync", json={"input": {"n": 1}}, timeout=5)
    (found,) = emulator.ledger.verdict().ambiguous
    assert (found.fate, found.operation) == ("left", "runsync")
    assert found.job_id in emulator.jobs


def test_what_is_kept_is_bounded_and_the_verdict_says_so(call_once: Call) -> None:
    with Emulator(clock=VirtualClock(), options=Options(ledger=10)) as emulator:
        emulator.endpoint("e", workers=0)
        for number in range(20):
            run(call_once, emulator, n=number)
        assert len(emulator.ledger) == len(emulator.ledger.rows()) == 10
        verdict = emulator.ledger.verdict()
        assert verdict.submitted == 20
        assert verdict.is_conserved
        assert not verdict.is_complete
        assert not verdict.is_clean, "what is not known is not clean"


def test_jobs_that_are_no_longer_kept_stay_counted(call_once: Call) -> None:
    with Emulator(clock=VirtualClock(), options=Options(ledger=2)) as emulator:
        emulator.endpoint("e", workers=0)
        for number in range(9):
            run(call_once, emulator, n=number)
        call_once(emulator, "POST", "/e/purge-queue")
        emulator.clock.sleep(100_000)
        verdict = emulator.ledger.verdict()
        assert (verdict.submitted, verdict.known, verdict.expired, verdict.purged) == (9, 0, 0, 9)
        assert verdict.is_conserved


def test_it_can_be_off(call_once: Call) -> None:
    with Emulator(clock=VirtualClock(), options=Options(ledger=0)) as emulator:
        emulator.endpoint("e")
        emulator.inject(Fault.status(503, times=1))
        run_body = {"input": {"n": 1}}
        assert call_once(emulator, "POST", "/e/run", json=run_body).status_code == 503
        assert call_once(emulator, "POST", "/e/run", json=run_body).status_code == 200
        assert emulator.ledger.rows() == []
        assert emulator.ledger.to_jsonl() == ""


def test_a_verdict_reads_as_a_table_and_as_json(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    run(call, emulator)
    verdict = emulator.ledger.verdict()
    assert json.loads(json.dumps(verdict.to_json()))["submitted"] == 1
    assert "submitted " in str(verdict)
