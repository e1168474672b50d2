"""At most one submit for each task of an engine that runs tasks again."""

from __future__ import annotations

import asyncio
import multiprocessing
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import AsyncClient, Client, RetryPolicy, SubmissionUnknownError, once
from runpod_sdk.emulator import Emulator, Fault
from runpod_sdk.errors import JobFailedError, RateLimitError, WaitTimeoutError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod_sdk import Endpoint


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        emulator.endpoint("abc", lambda job: 10 // job["input"]["n"])
        yield emulator


@pytest.fixture
def endpoint(emulator: Emulator) -> Iterator[Endpoint[Any]]:
    with Client(**emulator.connection) as client:
        yield client.endpoint("abc")


def test_a_ticket_is_worth_one_submit(emulator: Emulator, endpoint: Endpoint[Any]) -> None:
    ticket = once.ticket()
    job_id = once.submit(endpoint, {"n": 5}, ticket=ticket)
    with pytest.raises(SubmissionUnknownError, match="may have submitted") as caught:
        once.submit(endpoint, {"n": 5}, ticket=ticket)
    assert list(emulator.jobs) == [job_id]
    assert [once.collect(endpoint, job_id) for _ in range(2)] == [2, 2]
    assert abs(caught.value.submitted_at.timestamp() - float(ticket.split("-")[0])) < 0.001


def test_what_may_submit_twice_is_refused_and_the_ticket_kept(emulator: Emulator, endpoint: Endpoint[Any]) -> None:
    ticket = once.ticket()
    emulator.inject(Fault.drop("after", times=1, on="run"))
    with pytest.raises(ValueError, match="may submit a job twice"):
        once.submit(endpoint, {"n": 5}, ticket=ticket, on_unknown="resubmit")
    assert emulator.jobs == {}
    with pytest.raises(SubmissionUnknownError) as caught:
        once.submit(endpoint, {"n": 5}, ticket=ticket)
    ours = [entry.locals for entry in caught.traceback if str(entry.path).endswith("_engines/once.py")]
    assert ours
    assert "'n': 5" not in repr(ours)
    assert len(emulator.jobs) == 1


def test_a_ticket_of_another_process_is_worth_none(emulator: Emulator, endpoint: Endpoint[Any]) -> None:
    command = [sys.executable, "-c", "from runpod_sdk import once; print(once.ticket())"]
    ticket = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603  ours
    with pytest.raises(SubmissionUnknownError):
        once.submit(endpoint, {"n": 5}, ticket=ticket)
    assert emulator.jobs == {}


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork here")
def test_a_ticket_is_not_doubled_by_a_fork() -> None:
    ticket = once.ticket()

    def child() -> None:
        sys.exit(3 if ticket in once._issued else 0)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 0
    assert ticket in once._issued


def test_of_many_at_once_one_submits(emulator: Emulator, endpoint: Endpoint[Any]) -> None:
    ticket = once.ticket()
    refused: list[SubmissionUnknownError] = []

    def attempt() -> None:
        try:
            once.submit(endpoint, {"n": 5}, ticket=ticket)
        except SubmissionUnknownError as error:
            refused.append(error)

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(emulator.jobs), len(refused)) == (1, 7)


def test_what_was_refused_may_be_tried_again(emulator: Emulator) -> None:
    emulator.inject(Fault.status(429, on="run", times=1))
    ticket = once.ticket()
    with Client(**emulator.connection, retry=RetryPolicy(attempts=1)) as client:
        endpoint = client.endpoint("abc")
        with pytest.raises(TypeError):
            once.submit(endpoint, 5, ticket=ticket)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with pytest.raises(RateLimitError):
            once.submit(endpoint, {"n": 5}, ticket=ticket)
        once.submit(endpoint, {"n": 5}, ticket=ticket)
    assert len(emulator.jobs) == 1


def test_what_may_have_arrived_is_not_sent_again(emulator: Emulator, endpoint: Endpoint[Any]) -> None:
    emulator.inject(Fault.drop("after", on="run", times=1))
    ticket = once.ticket()
    for _ in range(2):
        with pytest.raises(SubmissionUnknownError):
            once.submit(endpoint, {"n": 5}, ticket=ticket)
    assert len(emulator.jobs) == 1


def test_what_is_no_ticket_is_an_error_before_any_request(emulator: Emulator, endpoint: Endpoint[Any]) -> None:
    for wrong in ("", "mine", "1-2", None):
        with pytest.raises(ValueError, match="ticket="):
            once.submit(endpoint, {"n": 5}, ticket=wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert emulator.requests == []


def test_a_wait_that_ends_leaves_the_job_to_the_next_attempt(emulator: Emulator, endpoint: Endpoint[Any]) -> None:
    emulator.endpoint("slow", lambda _: emulator.clock.sleep(50) or 1)  # type: ignore[func-returns-value]
    slow = endpoint._client.endpoint("slow")
    job_id = once.submit(slow, {"n": 1}, ticket=once.ticket())
    with pytest.raises(WaitTimeoutError):
        once.collect(slow, job_id, timeout=10)
    assert once.collect(slow, job_id) == 1
    with pytest.raises(JobFailedError):
        once.collect(endpoint, once.submit(endpoint, {"n": 0}, ticket=once.ticket()))


def test_it_is_the_same_for_tasks(emulator: Emulator) -> None:
    async def main() -> None:
        async with AsyncClient(**emulator.connection) as client:
            endpoint, ticket = client.endpoint("abc"), once.ticket()
            job_id = await once.submit_async(endpoint, {"n": 5}, ticket=ticket)
            with pytest.raises(SubmissionUnknownError):
                await once.submit_async(endpoint, {"n": 5}, ticket=ticket)
            assert await once.collect_async(endpoint, job_id) == 2

    asyncio.run(main())
    assert len(emulator.jobs) == 1
