"""The door without a socket: virtual time, read timeouts, held requests and who abandons them."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk.clock import SystemClock, VirtualClock
from runpod_sdk.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    Call = Callable[..., httpx.Response]

URL = "https://emulator.invalid/v2/e"
HEADERS = {"authorization": "test"}
JOIN = 10


def client(emulator: Emulator, timeout: float | None = None) -> httpx.Client:
    return httpx.Client(transport=emulator.transport, headers=HEADERS, timeout=timeout)


def async_client(emulator: Emulator, timeout: float | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=emulator.transport, headers=HEADERS, timeout=timeout)


def test_runsync_is_held_for_ninety_seconds_then_answers_what_is(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    answer = call(emulator, "POST", "/e/runsync", json={"input": {"mock_delay": 600}})
    assert answer.status_code == 200
    assert answer.json() == {
        "delayTime": 0,
        "id": answer.json()["id"],
        "status": "IN_PROGRESS",
        "workerId": answer.json()["workerId"],
    }
    assert answer.json()["id"].startswith("sync-")
    assert answer.json()["id"].endswith("-u1")
    assert emulator.clock.monotonic() == 90.0


def test_runsync_wakes_with_the_result(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    answer = call(emulator, "POST", "/e/runsync?wait=300000", json={"input": {"mock_delay": 200, "mock_return": 7}})
    assert answer.json()["output"] == 7
    assert emulator.clock.monotonic() == 200.0


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("operation", "query", "held"),
    [
        ("status", "", 0),
        ("status-sync", "?wait=1000", 1),
        ("status-sync", "", 90),
        ("stream", "", 5),
        ("stream", "?wait=7000", 7),
    ],
)
def test_a_queued_job_is_waited_for(
    call: Call, emulator: Emulator, method: str, operation: str, query: str, held: float
) -> None:
    emulator.endpoint("e", workers=0)
    job_id = call(emulator, "POST", "/e/run", json={"input": {"n": 1}}).json()["id"]
    answer = call(emulator, method, f"/e/{operation}/{job_id}{query}")
    assert answer.json()["status"] == "IN_QUEUE"
    assert emulator.clock.monotonic() == held


def test_the_read_timeout_passes_in_virtual_time(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e", workers=0)
    with pytest.raises(httpx.ReadTimeout) as caught:
        call(emulator, "POST", "/e/runsync", json={"input": {"n": 1}}, timeout=30)
    assert caught.value.request.url.path == "/v2/e/runsync"
    assert emulator.clock.monotonic() == 30.0
    (job,) = emulator.jobs.values()
    assert job.status == "IN_QUEUE", "the job is an orphan, as on the service"
    assert [record.status for record in emulator.requests] == [None]


def test_an_answer_at_the_last_moment_is_an_answer(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e", workers=0)
    assert call(emulator, "POST", "/e/runsync?wait=30000", json={"input": {"n": 1}}, timeout=30).status_code == 200


def test_a_read_timeout_loses_no_chunks(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    body = {"input": {"mock_return": [1], "mock_delay": 10}}
    job_id = call(emulator, "POST", "/e/run", json=body).json()["id"]
    with pytest.raises(httpx.ReadTimeout):
        call(emulator, "GET", f"/e/stream/{job_id}", timeout=2)
    emulator.clock.sleep(20)
    assert call(emulator, "GET", f"/e/stream/{job_id}").json()["stream"] == [{"output": 1}]


def test_a_cancelled_task_leaves_nothing_behind(emulator: Emulator) -> None:
    emulator.endpoint("e", workers=0)

    async def main() -> None:
        async with async_client(emulator) as http:
            job_id = (await http.post(f"{URL}/run", json={"input": {"n": 1}})).json()["id"]
            reading = asyncio.create_task(http.get(f"{URL}/stream/{job_id}?wait=300000"))
            for _ in range(10):
                await asyncio.sleep(0)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            assert (await http.post(f"{URL}/cancel/{job_id}")).json()["status"] == "CANCELLED"

    emulator.clock.auto_jump = False  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    asyncio.run(main())
    assert [record.status for record in emulator.requests] == [200, None, 200]


def test_many_tasks_wait_at_once(emulator: Emulator) -> None:
    emulator.endpoint("e", workers=10)

    async def main() -> list[Any]:
        async with async_client(emulator) as http:
            body = {"input": {"mock_delay": 60, "mock_return": 1}}
            url = f"{URL}/runsync?wait=300000"
            answers = await asyncio.gather(*[http.post(url, json=body) for _ in range(40)])
            return [answer.json()["output"] for answer in answers]

    assert asyncio.run(main()) == [1] * 40
    assert emulator.clock.monotonic() == 240.0


def test_threads_and_a_loop_share_one_emulator(emulator: Emulator) -> None:
    emulator.endpoint("e", workers=4)
    body = {"input": {"mock_delay": 30, "mock_return": 1}}
    outputs: list[Any] = []
    start = threading.Barrier(4)

    def in_thread() -> None:
        start.wait(JOIN)
        with client(emulator) as http:
            outputs.append(http.post(f"{URL}/runsync", json=body).json()["output"])

    async def main() -> None:
        start.wait(JOIN)
        async with async_client(emulator) as http:
            outputs.append((await http.post(f"{URL}/runsync", json=body)).json()["output"])

    threads = [threading.Thread(target=in_thread, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    asyncio.run(main())
    for thread in threads:
        thread.join(JOIN)
    assert outputs == [1] * 4


@pytest.mark.parametrize(("operation", "limit"), [("run", 10), ("runsync", 20)])
def test_a_body_over_the_limit_is_refused_while_it_is_read(emulator: Emulator, operation: str, limit: int) -> None:
    emulator.endpoint("e", workers=0)
    part = b"x" * 2**20
    sent = 0

    def parts() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield part

    async def async_parts() -> AsyncIterator[bytes]:
        for one in parts():
            yield one

    async def main() -> httpx.Response:
        async with async_client(emulator) as http:
            return await http.post(f"{URL}/{operation}", content=async_parts())

    with client(emulator) as http:
        answers = [http.post(f"{URL}/{operation}", content=parts()), asyncio.run(main())]
    for answer in answers:
        assert answer.status_code == 400
        assert answer.json()["detail"] == f"bad request: body: exceeded max body size of {limit}MiB"
    assert sent == 2 * (limit + 1)


@pytest.mark.slow
def test_a_body_of_exactly_the_limit_is_taken(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e", workers=0)
    head, tail = b'{"input":{"a":"', b'"}}'
    body = head + b"x" * (10 * 2**20 - len(head) - len(tail)) + tail
    assert call(emulator, "POST", "/e/run", content=body).status_code == 200
    assert call(emulator, "POST", "/e/run", content=body + b" ").status_code == 400


def test_the_body_of_other_operations_is_not_even_read(emulator: Emulator) -> None:
    emulator.endpoint("e", workers=0)

    def parts() -> Iterator[bytes]:
        pytest.fail("was read")
        yield b""

    with client(emulator) as http:
        assert http.post(f"{URL}/purge-queue", content=parts()).status_code == 200


def test_a_body_of_the_wrong_flavour_is_refused_by_name(emulator: Emulator) -> None:
    emulator.endpoint("e", workers=0)

    async def parts() -> AsyncIterator[bytes]:
        yield b""

    request = httpx.Request("POST", f"{URL}/run", content=parts(), headers=HEADERS)
    with pytest.raises(TypeError, match="no SyncByteStream"):
        emulator.transport.handle_request(request)


def test_a_job_is_forgotten_when_its_retention_is_over(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    submitted = {
        "run": call(emulator, "POST", "/e/run", json={"input": {"n": 1}}).json()["id"],
        "runsync": call(emulator, "POST", "/e/runsync", json={"input": {"n": 1}}).json()["id"],
    }
    call(emulator, "GET", f"/e/status-sync/{submitted['run']}")
    for seconds, kept in ((59, {"run", "runsync"}), (2, {"run"}), (1738, {"run"}), (2, set[str]())):
        emulator.clock.sleep(seconds)
        found = {
            name
            for name, job_id in submitted.items()
            if call(emulator, "GET", f"/e/status/{job_id}").status_code == 200
        }
        assert found == kept


def test_a_manual_clock_holds_requests_until_it_is_advanced() -> None:
    clock = VirtualClock(auto_jump=False)
    answers: list[httpx.Response] = []
    asked = threading.Event()

    with Emulator(clock=clock) as emulator:
        emulator.endpoint("e")

        def ask() -> None:
            with client(emulator) as http:
                job_id = http.post(f"{URL}/run", json={"input": {"mock_delay": 50, "mock_return": 1}}).json()["id"]
                asked.set()
                answers.append(http.get(f"{URL}/status-sync/{job_id}"))

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        asked.wait(JOIN)
        clock.advance(49)
        assert answers == []
        clock.advance(1)
        thread.join(JOIN)
        assert answers[0].json()["output"] == 1


def is_parked(thread: threading.Thread) -> bool:
    """Whether a thread waits for the answer to its request, and is not still on its way there."""
    frame = sys._current_frames().get(thread.ident or 0)
    names: list[tuple[str, str]] = []
    while frame is not None:
        names.append((Path(frame.f_code.co_filename).name, frame.f_code.co_name))
        frame = frame.f_back
    return names[:1] == [("threading.py", "wait")] and ("_system.py", "wait") in names


def wait_until_held(emulator: Emulator, thread: threading.Thread | None = None) -> None:
    """Wait until a request of another thread is held; real time, as nothing else tells."""
    clock = SystemClock()
    end = clock.monotonic() + JOIN
    gateway = emulator._gateway
    assert gateway is not None
    while not gateway.hub._waiters or (thread is not None and not is_parked(thread)):
        assert clock.monotonic() < end, "never came to it"
        clock.sleep(0.001)


@pytest.mark.skipif(sys.platform == "win32", reason="no signal can be sent to a thread")
def test_an_interrupted_thread_leaves_nothing_behind() -> None:
    with Emulator(clock=SystemClock()) as emulator, client(emulator) as http:
        emulator.endpoint("e", workers=0)

        def interrupt() -> None:
            wait_until_held(emulator, threading.main_thread())
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        thread = threading.Thread(target=interrupt, daemon=True)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            http.post(f"{URL}/runsync", json={"input": {"n": 1}})
        thread.join(JOIN)
        assert [record.status for record in emulator.requests] == [None]


def test_an_earlier_deadline_that_is_set_later_is_kept(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e", workers=0)
    call(emulator, "POST", "/e/run", json={"input": {"n": 1}})
    body = {"input": {"n": 1}, "policy": {"ttl": 10_000}}
    job_id = call(emulator, "POST", "/e/run", json=body).json()["id"]
    assert call(emulator, "GET", f"/e/status-sync/{job_id}").status_code == 404
    assert emulator.clock.monotonic() == 10.0


@pytest.mark.parametrize("timeout", [None, 30])
def test_closing_answers_who_waits_and_refuses_who_comes(timeout: float | None) -> None:
    emulator = Emulator(clock=VirtualClock(auto_jump=False))
    emulator.endpoint("e", workers=0)
    answers: list[Any] = []
    http = client(emulator, timeout)
    job_id = http.post(f"{URL}/run", json={"input": {"n": 1}}).json()["id"]
    thread = threading.Thread(
        target=lambda: answers.append(http.get(f"{URL}/status-sync/{job_id}").json()), daemon=True
    )
    thread.start()
    wait_until_held(emulator)
    emulator.close()
    thread.join(JOIN)
    assert answers == [{"id": job_id, "status": "IN_QUEUE"}]
    with pytest.raises(httpx.ConnectError, match="closed"):
        http.get(f"{URL}/health")
    emulator.close()


def test_a_header_names_the_endpoint_for_flash(call: Call, emulator: Emulator) -> None:
    emulator.endpoint("e")
    headers = {"X-Flash-Endpoint": "e"}
    answer = call(emulator, "POST", "/flash/runsync", json={"input": {"mock_return": 7}}, headers=headers)
    assert answer.json()["output"] == 7
