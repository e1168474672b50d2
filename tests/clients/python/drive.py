"""Reads answers with the models made by datamodel-code-generator; fails where one is not what it must be."""

from os import environ

import httpx
from queue_models import Error, Health, Job, Policy, Problem, RunRequest, StreamAnswer, StreamResult, SubmittedJob

key = environ["RUNPOD_API_KEY"]
service = httpx.Client(
    base_url=environ["RUNPOD_ENDPOINT_BASE_URL"], headers={"Authorization": f"Bearer {key}"}, timeout=90
)


def submit(value: object) -> str:
    """Submit a job by a model, and return its id."""
    request = RunRequest(input={"mock_return": value}, policy=Policy(executionTimeout=5000))
    answer = service.post("/jobs/run", json=request.model_dump(exclude_unset=True))
    submitted = SubmittedJob.model_validate_json(answer.text)
    assert submitted.status == "IN_QUEUE"
    return submitted.id


job = submit({"answer": 42})
assert Job.model_validate_json(service.get(f"/jobs/status-sync/{job}?wait=60000").text).status == "COMPLETED"
assert Job.model_validate_json(service.get(f"/jobs/status/{job}").text).output == {"answer": 42}

chunks = StreamAnswer.model_validate_json(service.get(f"/jobs/stream/{submit(['a'])}").text).root
assert isinstance(chunks, StreamResult)
assert chunks.stream[0].output == "a"
print("fact: stream: a union in `.root`, told apart by `isinstance`")

assert Health.model_validate_json(service.get("/jobs/health").text).jobs.completed >= 1

gone = service.get("/jobs/status/no-such-job")
assert gone.status_code == 404
refusal = Error.model_validate_json(gone.text).root
assert refusal.detail if isinstance(refusal, Problem) else refusal.error
print("fact: errors: a union in `.root`, told apart by `isinstance`")

odd = Job.model_validate_json(httpx.get(f"{environ['RUNPOD_ODD_BASE_URL']}/jobs/status/{job}").text)
assert odd.status == "PAUSED"
assert odd.model_dump(exclude_unset=True) == {"id": job, "status": "PAUSED"}
print("fact: unknown status: kept, by `--ignore-enum-constraints`")

secret = {"accessId": "a", "accessSecret": "b", "bucketName": "c", "endpointUrl": "https://bucket.example.com"}
assert RunRequest.model_validate({"input": {}, "s3Config": secret}).model_dump(exclude_unset=True)["s3Config"] == secret

assert service.get("/jobs/health", headers={"Authorization": key}).status_code == 200
print("fact: bare key: models only: yours to send")

print("datamodel-code-generator: run, status-sync, status, stream, health and an error read as they must")
