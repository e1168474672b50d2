"""Claims about requests: authentication, refusals, and the endpoint as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from runpod_sdk._values._words import counted

from ._claims import claim
from ._raw_endpoint import UnclearError

if TYPE_CHECKING:
    from ._raw_endpoint import RawAnswer, RawEndpoint

    Result = tuple[bool, RawAnswer | str]

_JOBS = {"completed", "failed", "inProgress", "inQueue", "retried"}
_WORKERS = {"idle", "initializing", "ready", "running", "throttled", "unhealthy"}
_BAD_WAIT = {"error": "wait is invalid; must be between 1000 and 300000"}
_NO_JOB = "00000000-0000-4000-8000-000000000000-u1"
_NO_ENDPOINT = "nosuchendpoint"
_HELD = 1.0  # seconds that a wait of 1000 ms takes
_SLACK = 5.0  # seconds of a slow network
_QUICK = {"mock_return": "done"}


def was_held(answer: RawAnswer, seconds: float) -> bool:
    """Require that an answer was held for so long, and not for much longer."""
    return 0.9 * seconds <= answer.seconds <= seconds + _SLACK


@claim("health-jobs", "/health counts jobs by five names, as integers", "documented")
def _health_jobs(endpoint: RawEndpoint) -> Result:
    answer = endpoint.ask("GET", "/health")
    return answer.status == 200 and _counts(answer.fields.get("jobs"), _JOBS), answer


@claim("health-workers", "/health counts workers by six names, as integers", "live")
def _health_workers(endpoint: RawEndpoint) -> Result:
    answer = endpoint.ask("GET", "/health")
    return answer.status == 200 and _counts(answer.fields.get("workers"), _WORKERS), answer


@claim("raw-key", "the key is let in without Bearer", "documented")
def _raw_key(endpoint: RawEndpoint) -> Result:
    answer = endpoint.ask("GET", "/health", login="raw")
    return answer.status == 200, f"HTTP {answer.status}"


@claim("wrong-key", "a wrong key is answered 401", "documented")
def _wrong_key(endpoint: RawEndpoint) -> Result:
    answer = endpoint.ask("GET", "/health", login="wrong")
    return answer.status == 401, answer


@claim("no-endpoint", "an endpoint that does not exist is answered 404", "documented")
def _no_endpoint(endpoint: RawEndpoint) -> Result:
    answer = endpoint.ask("GET", "/health", endpoint_id=_NO_ENDPOINT)
    return answer.status == 404, answer


@claim("no-job", "a job that does not exist is answered 404", "documented")
def _no_job(endpoint: RawEndpoint) -> Result:
    answer = endpoint.ask("GET", f"/status/{_NO_JOB}")
    return answer.status == 404, answer


@claim("no-job-body", "that 404 has status as a number, title and detail", "reported")
def _no_job_body(endpoint: RawEndpoint) -> Result:
    answer = endpoint.ask("GET", f"/status/{_NO_JOB}")
    return answer.body == {"status": 404, "title": "Not Found", "detail": "job not found"}, answer


@claim("runsync-wait-bounds", "/runsync refuses wait=999 with 400, and says why", "live", jobs=1)
def _runsync_wait_bounds(endpoint: RawEndpoint) -> Result:
    return _refused(
        endpoint, endpoint.ask("POST", "/runsync", query={"wait": "999"}, body={"input": _QUICK}), _BAD_WAIT
    )


@claim("status-sync-wait-bounds", "/status-sync refuses wait=999 as /runsync does", "assumed", jobs=1)
def _status_sync_wait_bounds(endpoint: RawEndpoint) -> Result:
    job_id, _ = endpoint.completed(_QUICK)
    return _refused(endpoint, endpoint.ask("GET", f"/status-sync/{job_id}", query={"wait": "999"}), _BAD_WAIT)


@claim("input-array", "/run refuses an input that is an array with 400", "official source", jobs=1)
def _input_array(endpoint: RawEndpoint) -> Result:
    return _refused(endpoint, endpoint.ask("POST", "/run", body={"input": []}))


@claim("input-missing", "/run takes a body without input, and one whose input is null", "official source", jobs=2)
def _input_missing(endpoint: RawEndpoint) -> Result:
    answers = [endpoint.ask("POST", "/run", body=body) for body in ({}, {"input": None})]
    for answer in answers:
        if answer.status == 200:
            endpoint.accepted(answer)
    refused = [answer for answer in answers if answer.status != 200]
    return not refused, (refused or answers)[0]


@claim("policy-range", "/run refuses an executionTimeout below 5000 with 400", "assumed", jobs=1)
def _policy_range(endpoint: RawEndpoint) -> Result:
    body = {"input": _QUICK, "policy": {"executionTimeout": 4999}}
    return _refused(endpoint, endpoint.ask("POST", "/run", body=body))


@claim("more-keys", "/run ignores a key beside input that it does not know", "official source", jobs=1)
def _more_keys(endpoint: RawEndpoint) -> Result:
    answer = endpoint.ask("POST", "/run", body={"input": _QUICK, "timeout": 5})
    if answer.status == 200:
        endpoint.accepted(answer)
    return answer.status == 200, answer


@claim("purge", '/purge-queue of an empty queue answers {"removed": 0, "status": "completed"}', "documented")
def _purge(endpoint: RawEndpoint) -> Result:
    queued = endpoint.queued()
    if queued:
        raise UnclearError(f"{counted(queued, 'job')} in the queue already, not ours to remove")
    answer = endpoint.ask("POST", "/purge-queue")
    return answer.status == 200 and answer.body == {"removed": 0, "status": "completed"}, answer


def _counts(value: Any, names: set[str]) -> bool:
    if not isinstance(value, dict):
        return False
    counts = cast("dict[str, Any]", value)
    return set(counts) == names and all(type(count) is int for count in counts.values())


def _refused(endpoint: RawEndpoint, answer: RawAnswer, body: Any = None) -> Result:
    """Require a 400, with this body if there is one; what was accepted instead is cancelled."""
    if answer.status == 200 and "id" in answer.fields:
        endpoint.accepted(answer)
    return answer.status == 400 and body in (None, answer.body), answer


CHECKS = (
    _health_jobs,
    _health_workers,
    _raw_key,
    _wrong_key,
    _no_endpoint,
    _no_job,
    _no_job_body,
    _runsync_wait_bounds,
    _status_sync_wait_bounds,
    _input_array,
    _input_missing,
    _policy_range,
    _more_keys,
    _purge,
)
