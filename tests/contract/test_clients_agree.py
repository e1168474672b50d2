"""The generated client and the SDK read the same answers of the emulator, and read the same out of them."""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from runpod_queue_client import AuthenticatedClient, models
from runpod_queue_client.api.batches import (
    add_batch_requests,
    cancel_batch,
    create_batch,
    finalize_batch,
    get_batch,
    list_batch_requests,
    list_batches,
    remove_batch_request,
    update_batch,
)
from runpod_queue_client.api.endpoint import health, purge_queue
from runpod_queue_client.api.jobs import cancel, get_status, get_status_sync, retry, run, run_sync, stream
from runpod_queue_client.api.post_aliases import post_status, post_status_sync, post_stream
from runpod_queue_client.types import UNSET

from runpod_sdk import Client, Job, JobStatus, NotFoundError
from runpod_sdk.emulator import Emulator
from tests.spec import spec

pytestmark = pytest.mark.contract

ENDPOINT = "mock"
DONE, FAILING, STREAMED, SLOW = (
    {"mock_return": {"text": "häß", "n": 1.5, "none": None}},
    {"mock_error": True},
    {"mock_return": ["a", {"b": 2}, None]},
    {"mock_delay": 3600, "mock_progress": {"updates": ["half"], "wait_time": 1}},
)


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        emulator.endpoint(ENDPOINT)
        yield emulator


@pytest.fixture
def low(emulator: Emulator) -> Iterator[AuthenticatedClient]:
    connection = emulator.connection
    with AuthenticatedClient(
        base_url=connection["base_url"],
        token=connection["api_key"],
        httpx_args={"transport": emulator.transport},
        raise_on_unexpected_status=True,
    ) as low:
        yield low


@pytest.fixture
def client(emulator: Emulator) -> Iterator[Client]:
    with Client(**emulator.connection) as client:
        yield client


def body(value: Any) -> models.RunRequest:
    return models.RunRequest.from_dict({"input": value})


def by_id(operation: ModuleType) -> Callable[[AuthenticatedClient, str], Any]:
    return lambda low, job_id: operation.sync_detailed(ENDPOINT, job_id, client=low)


def submitting(operation: ModuleType) -> Callable[[AuthenticatedClient, str], Any]:
    return lambda low, _: operation.sync_detailed(ENDPOINT, client=low, body=body(DONE))


def on_endpoint(operation: ModuleType) -> Callable[[AuthenticatedClient, str], Any]:
    return lambda low, _: operation.sync_detailed(ENDPOINT, client=low)


def on_batch(operation: ModuleType, **more: Any) -> Callable[[AuthenticatedClient, str], Any]:
    """Return what calls an operation on a draft with one request."""

    def call(low: AuthenticatedClient, _: str) -> Any:
        draft = create_batch.sync(ENDPOINT, client=low, body=[body(DONE)])
        assert isinstance(draft, models.BatchCreated)
        ids = [draft.id]
        if operation is remove_batch_request:
            listed = list_batch_requests.sync(ENDPOINT, draft.id, client=low)
            assert isinstance(listed, models.BatchRequests)
            ids.append(listed.requests[0].id)
        return operation.sync_detailed(ENDPOINT, *ids, client=low, **more)

    return call


ADDED = models.BatchAddition(requests=[body(DONE)])


# Each operation of the document: how to call it, with what job before it, and what it answers.
CALLS: dict[str, tuple[Callable[[AuthenticatedClient, str], Any], dict[str, Any], type[Any]]] = {
    "run": (submitting(run), DONE, models.SubmittedJob),
    "run_sync": (submitting(run_sync), DONE, models.Job),
    "get_status": (by_id(get_status), DONE, models.Job),
    "post_status": (by_id(post_status), DONE, models.Job),
    "get_status_sync": (by_id(get_status_sync), DONE, models.Job),
    "post_status_sync": (by_id(post_status_sync), DONE, models.Job),
    "stream": (by_id(stream), STREAMED, models.StreamResult),
    "post_stream": (by_id(post_stream), STREAMED, models.StreamResult),
    "cancel": (by_id(cancel), DONE, models.Job),
    "retry": (by_id(retry), FAILING, models.SubmittedJob),
    "purge_queue": (on_endpoint(purge_queue), DONE, models.PurgeResult),
    "health": (on_endpoint(health), DONE, models.Health),
    "create_batch": (
        lambda low, _: create_batch.sync_detailed(ENDPOINT, client=low, body=[]),
        DONE,
        models.BatchCreated,
    ),
    "list_batches": (on_endpoint(list_batches), DONE, models.BatchList),
    "get_batch": (on_batch(get_batch), DONE, models.Batch),
    "update_batch": (on_batch(update_batch, body=models.BatchUpdate(name="x")), DONE, models.BatchAnswer),
    "add_batch_requests": (on_batch(add_batch_requests, body=ADDED), DONE, models.BatchAnswer),
    "list_batch_requests": (on_batch(list_batch_requests), DONE, models.BatchRequests),
    "remove_batch_request": (on_batch(remove_batch_request), DONE, models.BatchAnswer),
    "finalize_batch": (on_batch(finalize_batch), DONE, models.BatchAnswer),
    "cancel_batch": (on_batch(cancel_batch), DONE, models.BatchAnswer),
}


def finished(client: Client, value: dict[str, Any]) -> Job:
    job = client.endpoint(ENDPOINT).run(value)
    assert job.wait(timeout=60).is_final
    return job


def test_no_operation_of_the_document_is_left_out() -> None:
    paths = spec()["paths"].values()
    operations = [value for path in paths for method, value in path.items() if method != "parameters"]
    assert {operation["operationId"] for operation in operations} == set(CALLS)


@pytest.mark.one_in(5)
@pytest.mark.parametrize("name", CALLS)
def test_the_generated_client_reads_each_operation(low: AuthenticatedClient, client: Client, name: str) -> None:
    call, value, model = CALLS[name]
    answer = call(low, finished(client, value).id)
    assert answer.status_code == 200
    assert type(answer.parsed) is model
    assert answer.parsed.additional_properties == {}, "the emulator sends a field that the document lacks"


@pytest.mark.parametrize("value", [DONE, FAILING, STREAMED], ids=["done", "failing", "streamed"])
def test_both_clients_read_the_same_job(low: AuthenticatedClient, client: Client, value: dict[str, Any]) -> None:
    job = finished(client, value)
    theirs = get_status.sync(ENDPOINT, job.id, client=low)
    ours = job.state()
    assert isinstance(theirs, models.Job)
    assert theirs.to_dict() == ours.raw
    assert (theirs.id, str(theirs.status), theirs.output or None) == (ours.id, str(ours.status), ours.output or None)
    assert (theirs.error or None, theirs.worker_id) == (ours.error, ours.worker_id)
    assert (theirs.delay_time, theirs.execution_time) == (ours.delay_time_ms, ours.execution_time_ms)


def test_output_of_a_running_job_is_progress_to_the_sdk(low: AuthenticatedClient, client: Client) -> None:
    job = client.endpoint(ENDPOINT).run(SLOW)
    theirs = get_status_sync.sync(ENDPOINT, job.id, client=low, wait=2_000)
    ours = job.state()
    assert isinstance(theirs, models.Job)
    assert (theirs.status, theirs.output) == ("IN_PROGRESS", "half")
    assert (ours.progress, ours.output) == ("half", None)
    assert theirs.error is UNSET


def test_both_clients_take_the_same_chunks(low: AuthenticatedClient, client: Client) -> None:
    yielded = STREAMED["mock_return"]
    theirs = stream.sync(ENDPOINT, finished(client, STREAMED).id, client=low)
    assert isinstance(theirs, models.StreamResult)
    assert (theirs.status, [chunk.output for chunk in theirs.stream]) == ("COMPLETED", yielded)
    with finished(client, STREAMED).stream(timeout=60) as chunks:
        assert list(chunks) == yielded


def test_both_clients_count_the_same(low: AuthenticatedClient, client: Client) -> None:
    finished(client, DONE)
    finished(client, FAILING)
    theirs = health.sync(ENDPOINT, client=low)
    ours = client.endpoint(ENDPOINT).health()
    assert isinstance(theirs, models.Health)
    assert theirs.to_dict() == ours.raw
    assert (theirs.jobs.completed, theirs.jobs.failed) == (ours.jobs.completed, ours.jobs.failed) == (1, 1)


def test_what_one_client_refuses_the_other_refuses(low: AuthenticatedClient, client: Client) -> None:
    answer = get_status.sync_detailed(ENDPOINT, "no-such-job", client=low)
    assert answer.status_code == 404
    assert isinstance(answer.parsed, models.ErrorMessage | models.Problem)
    with pytest.raises(NotFoundError):
        client.endpoint(ENDPOINT).job("no-such-job").state()


def test_both_clients_know_the_same_statuses() -> None:
    document = spec()
    known = set(document["components"]["schemas"]["JobStatus"]["enum"])
    assert {str(status) for status in JobStatus} == {str(status) for status in models.JobStatus} == known
