"""Faults: which exchange they strike, and what each door makes of them."""

from __future__ import annotations

import json
from random import Random
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_sdk.clock import VirtualClock
from runpod_sdk.emulator import Emulator, Fault
from runpod_sdk.emulator._emulator import BASE_URL
from runpod_sdk.emulator._record._faults import OF_DOORS, OF_WORKERS, USER_OPERATIONS, faults_from_json
from runpod_sdk.emulator._record._injection import Faults

if TYPE_CHECKING:
    from collections.abc import Callable

    Call = Callable[..., httpx.Response]

HEADERS = {"authorization": "test"}
BODY = {"input": {"n": 1}}

# Each fault, what a client sees of it (an error, or a status), and whether the job was queued.
SEEN: list[tuple[Fault, type[Exception] | int, bool]] = [
    (Fault.status(503), 503, False),
    (Fault.status(500, when="after"), 500, True),
    (Fault.rate_limited(3), 429, False),
    (Fault.html(), 502, False),
    (Fault.delay(0.01), 200, True),
    (Fault.stall(), httpx.ReadTimeout, False),
    (Fault.stall("after"), httpx.ReadTimeout, True),
    (Fault.drop(), httpx.RemoteProtocolError, False),
    (Fault.drop("after"), httpx.RemoteProtocolError, True),
    (Fault.reset(), httpx.ReadError, False),
    (Fault.reset("after"), httpx.ReadError, True),
    (Fault.truncate(), httpx.RemoteProtocolError, True),
]


def submit(emulator: Emulator, url: str, transport: httpx.BaseTransport | None) -> httpx.Response | Exception:
    with httpx.Client(transport=transport, headers=HEADERS, timeout=0.3, trust_env=False) as client:
        try:
            return client.post(f"{url}/e/run", json=BODY)
        except httpx.HTTPError as error:
            return error


@pytest.mark.parametrize("code", [204, 205, 304])
@pytest.mark.parametrize("door", ["in process", "socket"])
def test_an_answer_that_has_no_body_leaves_its_connection_as_it_was(code: int, door: str) -> None:
    with Emulator() as emulator:
        emulator.endpoint("e")
        emulator.inject(Fault.status(code, times=2, headers={"X-Edge": "7"}))
        transport = emulator.transport if door == "in process" else None
        url = BASE_URL if transport is not None else emulator.serve().url
        peers: set[Any] = set()
        with httpx.Client(transport=transport, headers=HEADERS, timeout=30, trust_env=False) as client:
            for expected in (code, code, 200):
                with client.stream("GET", f"{url}/e/health") as answer:
                    body = answer.read()
                    network = answer.extensions.get("network_stream")
                    peers.add(network and network.get_extra_info("client_addr"))
                assert (answer.status_code, bool(body)) == (expected, expected == 200)
                assert answer.headers.get("x-edge") == (None if expected == 200 else "7")
                assert ("content-length" in answer.headers) == (expected not in (204, 304))
        assert len(peers) == 1


@pytest.mark.parametrize("make", [Fault.status, Fault.html])
@pytest.mark.parametrize("code", [204, 205, 304])
def test_an_answer_that_has_no_body_is_given_none(make: Callable[..., Fault], code: int) -> None:
    options: dict[str, Any] = {} if make == Fault.html else {"body": {"a": 1}}
    with pytest.raises(ValueError, match=f"code={code}: such an answer has no body"):
        make(code, **options)
    Fault.status(code, body="")


@pytest.mark.one_in(3)
@pytest.mark.parametrize("door", ["in process", "socket"])
@pytest.mark.parametrize(("fault", "seen", "queued"), SEEN, ids=lambda value: str(getattr(value, "kind", "")) or None)
def test_what_a_client_sees_is_the_same_through_both_doors(
    fault: Fault,
    seen: type[Exception] | int,
    queued: bool,  # noqa: FBT001  a parameter
    door: str,
) -> None:
    with Emulator() as emulator:
        emulator.endpoint("e", workers=0)
        emulator.inject(fault)
        if door == "socket":
            result = submit(emulator, emulator.serve().url, None)
        else:
            result = submit(emulator, emulator.connection["base_url"], emulator.transport)
        assert (result.status_code if isinstance(result, httpx.Response) else type(result)) == seen
        assert len(emulator.jobs) == queued
        verdict = emulator.ledger.verdict()
        # 429 and a late answer leave no doubt; nothing else is whole and certain.
        certain = seen in (200, 429)
        assert [each.job_id is not None for each in verdict.ambiguous] == ([] if certain else [queued])
        assert verdict.faults == {fault.kind: 1}


def test_a_refused_connection_was_never_used(emulator: Emulator) -> None:
    emulator.endpoint("e", workers=0)
    emulator.inject(Fault.refuse())
    assert isinstance(submit(emulator, emulator.connection["base_url"], emulator.transport), httpx.ConnectError)
    assert emulator.ledger.verdict().ambiguous == ()


def test_on_a_socket_it_is_too_late_to_refuse() -> None:
    with Emulator() as emulator:
        emulator.endpoint("e", workers=0)
        emulator.inject(Fault.refuse())
        assert isinstance(submit(emulator, emulator.serve().url, None), httpx.RemoteProtocolError)
        assert [each.fate for each in emulator.ledger.verdict().ambiguous] == ["dropped"]


def test_answers_are_as_the_fault_says(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    with emulator.inject(Fault.status(520, headers={"X-Edge": "7"}, body={"a": 1})):
        answer = call(emulator, "GET", "/e/health")
        assert (answer.status_code, answer.json(), answer.headers["x-edge"]) == (520, {"a": 1}, "7")
    with emulator.inject(Fault.rate_limited("Wed, 21 Oct 2026 07:28:00 GMT")):
        assert call(emulator, "GET", "/e/health").headers["retry-after"] == "Wed, 21 Oct 2026 07:28:00 GMT"
    with emulator.inject(Fault.html(504)):
        answer = call(emulator, "GET", "/e/health")
        assert (answer.status_code, answer.headers["content-type"]) == (504, "text/html")
    with emulator.inject(Fault.status(200, body="not JSON")):
        assert call(emulator, "GET", "/e/health").text == "not JSON"
    assert call(emulator, "GET", "/e/health").status_code == 200


def test_half_of_a_truncated_body_arrives(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    emulator.inject(Fault.truncate())
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        call(emulator, "GET", "/e/health")


def test_a_stall_lasts_as_long_as_the_callers_patience(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    emulator.inject(Fault.stall())
    with pytest.raises(httpx.ReadTimeout):
        call(emulator, "GET", "/e/health", timeout=3600)
    assert emulator.clock.monotonic() == 3600


def test_a_delay_beyond_the_callers_patience_is_a_timeout(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e", workers=0)
    emulator.inject(Fault.delay(60, on="run"))
    assert call(emulator, "POST", "/e/run", json=BODY, timeout=61).status_code == 200
    assert emulator.clock.monotonic() == 60
    with pytest.raises(httpx.ReadTimeout):
        call(emulator, "POST", "/e/run", json=BODY, timeout=59)
    assert [each.fate for each in emulator.ledger.verdict().ambiguous] == ["left"]


def test_a_lost_stream_chunk_is_gone(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    body = {"input": {"mock_return": ["a", "b"], "mock_delay": 1}}
    job_id = call(emulator, "POST", "/e/run", json=body).json()["id"]
    emulator.inject(Fault.lose_chunk(times=1))
    with pytest.raises(httpx.RemoteProtocolError):
        call(emulator, "GET", f"/e/stream/{job_id}?wait=5000")
    read = call(emulator, "GET", f"/e/stream/{job_id}?wait=5000").json()
    assert [chunk["output"] for chunk in read["stream"]] == ["b"]


@pytest.mark.parametrize(
    ("fault", "read", "output"),
    [
        (Fault.lose_yield(nth=2), ["a", "c"], ["a", "b", "c"]),
        (Fault.duplicate_yield(nth=2), ["a", "b", "b", "c"], ["a", "b", "c"]),
        (Fault.repeat(nth=2), ["a", "b", "b", "c"], ["a", "b", "c"]),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
def test_chunks_are_lost_or_come_twice_while_the_output_is_whole(
    fault: Fault, read: list[str], output: list[str], call: Call, emulator: Emulator
) -> None:
    emulator.endpoint("e")
    body = {"input": {"mock_return": ["a", "b", "c"], "mock_delay": 1}}
    emulator.inject(fault)
    job_id = call(emulator, "POST", "/e/run", json=body).json()["id"]
    found: list[str] = []
    while True:
        part = call(emulator, "GET", f"/e/stream/{job_id}?wait=5000").json()
        found += [chunk["output"] for chunk in part["stream"]]
        if not part["stream"] and part["status"] == "COMPLETED":
            break
    assert found == read
    assert call(emulator, "GET", f"/e/status/{job_id}").json()["output"] == output
    assert emulator.ledger.verdict().faults == {fault.kind: 1}


def test_fields_of_wrong_kinds_leave_those_that_decide(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    emulator.inject(Fault.misfit())
    submitted = call(emulator, "POST", "/e/run", json=BODY).json()
    assert (submitted["id"], submitted["status"]) == (*emulator.jobs, 200)
    emulator.clock.sleep(1)
    state = call(emulator, "GET", f"/e/status/{submitted['id']}").json()
    assert (state["id"], state["status"], state["output"]) == (submitted["id"], "COMPLETED", "Hello World!")
    assert (state["delayTime"], state["workerId"], state["retries"]) == ("12", 7, True)
    assert call(emulator, "GET", "/e/health").json()["jobs"]["completed"] == "1"
    assert call(emulator, "POST", "/e/purge-queue").json() == {"removed": "0", "status": "completed"}
    assert emulator.ledger.verdict().ambiguous == ()


def test_a_repeated_answer_is_for_the_same_job_alone(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e", workers=0)
    ids = [call(emulator, "POST", "/e/run", json=BODY).json()["id"] for _ in range(2)]
    emulator.inject(Fault.repeat(on="status", times=1))
    assert call(emulator, "GET", f"/e/status/{ids[0]}").json()["status"] == "IN_QUEUE"
    call(emulator, "POST", f"/e/cancel/{ids[0]}")
    assert call(emulator, "GET", f"/e/status/{ids[1]}").json()["id"] == ids[1]
    seen = [call(emulator, "GET", f"/e/status/{ids[0]}").json()["status"] for _ in range(2)]
    assert seen == ["IN_QUEUE", "CANCELLED"]


def test_closing_the_emulator_ends_a_stall() -> None:
    with Emulator() as emulator:
        emulator.endpoint("e")
        emulator.inject(Fault.stall())
        server = emulator.serve()
        with httpx.Client(headers=HEADERS, timeout=30, trust_env=False) as client:

            def close() -> None:
                while not emulator.ledger.verdict().faults:
                    pass
                emulator.close()

            Thread(target=close).start()
            with pytest.raises(httpx.HTTPError):
                client.get(f"{server.url}/e/health")


# Which exchange is struck.


def struck(fault: Fault, calls: int, *, operation: str = "run", endpoint: str = "e", seed: int = 0) -> list[int]:
    """Return which of so many calls a fault strikes."""
    faults = Faults(lambda number: Random(f"{seed}/{number}").random, Lock())  # noqa: S311
    faults.add(fault)
    return [number for number in range(1, calls + 1) if faults.strike(operation, endpoint, OF_DOORS | OF_WORKERS)]


def test_a_fault_strikes_so_many_times() -> None:
    assert struck(Fault.drop(times=2), 5) == [1, 2]


def test_a_fault_strikes_the_nth_call() -> None:
    assert struck(Fault.drop(nth=3), 5) == [3]


def test_a_fault_strikes_its_operation_and_its_endpoint() -> None:
    assert struck(Fault.drop(on="status"), 2) == []
    assert struck(Fault.drop(on=["status", "run"]), 2) == [1, 2]
    assert struck(Fault.drop(endpoint="other"), 2) == []
    assert struck(Fault.drop(), 1, operation="job-take") == [], "workers are struck only by name"
    assert struck(Fault.drop(on="job-take"), 1, operation="job-take") == [1]


@given(rate=st.floats(0, 1), seed=st.integers(0, 99))
def test_a_rate_is_kept_and_repeats_with_its_seed(rate: float, seed: int) -> None:
    calls = 2_000
    first = struck(Fault.drop(rate=rate), calls, seed=seed)
    assert first == struck(Fault.drop(rate=rate), calls, seed=seed)
    assert abs(len(first) / calls - rate) < 0.06


def test_of_two_faults_the_older_one_strikes(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    emulator.inject(Fault.status(501, times=1))
    emulator.inject(Fault.status(502))
    assert [call(emulator, "GET", "/e/health").status_code for _ in range(2)] == [501, 502]


def test_a_removed_fault_strikes_no_more(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    fault = emulator.inject(Fault.status(503))
    assert call(emulator, "GET", "/e/health").status_code == 503
    fault.remove()
    fault.remove()
    assert call(emulator, "GET", "/e/health").status_code == 200
    assert (fault.matched, fault.struck) == (1, 1)


# As JSON.

ANY_FAULT = st.builds(
    Fault,
    kind=st.sampled_from(sorted(OF_DOORS - {"status"})),
    on=st.lists(st.sampled_from(sorted(USER_OPERATIONS)), max_size=3).map(tuple),
    endpoint=st.none() | st.text(max_size=5),
    nth=st.none() | st.integers(1, 9),
    rate=st.floats(0, 1),
    times=st.none() | st.integers(0, 9),
    when=st.sampled_from(["before", "after"]),
    headers=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
    body=st.none() | st.booleans() | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    seconds=st.floats(0, 1e6),
)


@given(fault=ANY_FAULT)
def test_a_fault_survives_json(fault: Fault) -> None:
    described = json.loads(json.dumps(fault.to_json()))
    again = Fault.from_json(described)
    if fault.when == "before" and fault.kind in ("delay", "truncate"):
        assert again.when == "after", "nothing else can happen to an answer"
    else:
        assert again == fault


def test_one_fault_or_several_or_a_file_of_them() -> None:
    one = {"kind": "drop", "on": "run"}
    assert faults_from_json(one) == [Fault.drop(on="run")]
    assert faults_from_json([one, one]) == [Fault.drop(on="run")] * 2
    assert faults_from_json({"faults": [one]}) == [Fault.drop(on="run")]


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Fault.status(99), "code=99"),
        (lambda: Fault.drop(rate=1.5), "rate=1.5"),
        (lambda: Fault.drop(nth=0), "nth=0"),
        (lambda: Fault.drop("sometimes"), "when='sometimes'"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (lambda: Fault.drop(on="nothing"), "nothing"),
        (lambda: Fault.lose_take(on="run"), "run"),
        (lambda: Fault.delay(-1), "seconds=-1"),
        (lambda: Fault.kill_worker("dawn"), "at='dawn'"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (lambda: Fault.from_json({"kind": "drop", "on": 7}), "no sense"),
        (lambda: Fault.from_json([]), "kind"),
        (lambda: Fault.from_json({"kind": "flood"}), "kind='flood'"),
    ],
)
def test_what_makes_no_sense_is_refused_and_named(make: Callable[[], Any], named: str) -> None:
    with pytest.raises(ValueError, match=named.replace("(", r"\(")):
        make()


def test_an_unknown_argument_is_refused() -> None:
    with pytest.raises(TypeError, match="often"):
        Fault.drop(often=True)


# Workers.


def ended(call: Call, emulator: Emulator, **job_input: Any) -> dict[str, Any]:
    """Run a job to its end."""
    body = {"input": {"n": 1, **job_input}, "policy": {"executionTimeout": 60_000}}
    answer = call(emulator, "POST", "/e/runsync?wait=300000", json=body)
    state: dict[str, Any] = answer.json()
    return state


@pytest.mark.parametrize("at", ["take", "done"])
def test_a_killed_workers_job_is_given_out_once_more(call: Call, emulator: Emulator, at: Any) -> None:
    emulator.endpoint("e")
    emulator.inject(Fault.kill_worker(at, times=1))
    state = ended(call, emulator, mock_delay=1)
    assert (state["status"], state["retries"]) == ("COMPLETED", 1)
    verdict = emulator.ledger.verdict()
    assert list(verdict.executions.values()) == [1 if at == "take" else 2]
    assert verdict.is_clean == (at == "take")
    assert verdict.faults == {"kill": 1}


def test_a_worker_killed_twice_fails_its_job(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    emulator.inject(Fault.kill_worker("done", times=2))
    state = ended(call, emulator)
    assert (state["status"], state["error"]) == ("FAILED", "job timed out after 1 retries")


def test_a_worker_killed_at_a_chunk_streams_again(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    emulator.inject(Fault.kill_worker("chunk", nth=2))
    state = ended(call, emulator, mock_return=["a", "b", "c"])
    assert (state["status"], state["output"], state["retries"]) == ("COMPLETED", ["a", "b", "c"], 1)


def test_a_worker_killed_at_its_progress(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    emulator.inject(Fault.kill_worker("progress", times=1))
    assert ended(call, emulator, mock_progress={"updates": [1, 2], "wait_time": 1})["retries"] == 1


def test_a_job_lost_on_its_way_is_given_out_again(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    emulator.inject(Fault.lose_take(times=1))
    state = ended(call, emulator)
    assert (state["status"], state["retries"]) == ("COMPLETED", 1)
    verdict = emulator.ledger.verdict()
    assert (list(verdict.executions.values()), verdict.is_clean) == ([1], True), "it ran once"


@pytest.mark.slow
def test_a_thousand_jobs_may_be_lost(call_once: Call) -> None:
    with Emulator(clock=VirtualClock()) as emulator:
        emulator.endpoint("e")
        emulator.inject(Fault.lose_take())
        blocker = call_once(emulator, "POST", "/e/run", json={"input": {"mock_delay": 1}}).json()["id"]
        assert call_once(emulator, "GET", f"/e/status-sync/{blocker}").json()["status"] == "FAILED"
        for _ in range(1_000):
            call_once(emulator, "POST", "/e/run", json=BODY)
        assert {job.status for job in emulator.jobs.values()} == {"FAILED"}


def test_a_lost_result_runs_into_the_execution_timeout(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    emulator.inject(Fault.lose_result())
    state = ended(call, emulator)
    assert (state["status"], state["error"]) == ("FAILED", "executionTimeout exceeded")


def test_a_duplicate_result_changes_nothing(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    emulator.inject(Fault.duplicate_result())
    assert ended(call, emulator)["output"] == "Hello World!"
    ignored = [row for row in emulator.ledger.rows() if row["kind"] == "ignored"]
    assert [(row["event"], row["cause"]) for row in ignored] == [("succeed", "job-done")]
    assert emulator.ledger.verdict().is_clean


def test_a_late_result_is_taken_while_its_job_runs(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    emulator.inject(Fault.late_result(30))
    assert ended(call, emulator)["executionTime"] == 30_000


def test_a_result_after_the_execution_timeout_is_ignored(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    emulator.inject(Fault.late_result(90))
    state = ended(call, emulator)
    assert state["error"] == "executionTimeout exceeded"
    emulator.clock.sleep(60)
    assert call(emulator, "GET", f"/e/status/{state['id']}").json()["status"] == "FAILED"
