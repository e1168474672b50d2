"""Claims about the service's deadlines and about workers that die; these take a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._claims import claim

if TYPE_CHECKING:
    from ._raw_endpoint import RawAnswer, RawEndpoint

    Result = tuple[bool, RawAnswer | str]

_LONG = {"mock_delay": 30}
_LATE = 15.0  # seconds after a deadline until it must have been kept
_RETENTION = 60.0  # of /runsync
_RETRIED = "job timed out after 1 retries"
_RETRIES = 600.0  # seconds; a worker is restarted meanwhile, twice


@claim(
    "status-ttl", "/status?ttl=6000 makes the service forget the job after 6 seconds", "documented", jobs=1, slow=True
)
def _status_ttl(endpoint: RawEndpoint) -> Result:
    job_id = endpoint.submit(_LONG)
    endpoint.ask("GET", f"/status/{job_id}", query={"ttl": "6000"})
    return _is_forgotten(endpoint, job_id, 6)


@claim("ttl", "policy.ttl ends a job in any state: it is answered 404", "documented", jobs=1, slow=True)
def _ttl(endpoint: RawEndpoint) -> Result:
    return _is_forgotten(endpoint, endpoint.submit(_LONG, policy={"ttl": 10_000}), 10)


@claim("execution-timeout", "a job over its executionTimeout is FAILED, and says so", "reported", jobs=1, slow=True)
def _execution_timeout(endpoint: RawEndpoint) -> Result:
    answer = endpoint.ended(endpoint.submit(_LONG, policy={"executionTimeout": 5_000}))
    is_right = answer.job_status == "FAILED" and answer.fields.get("error") == "executionTimeout exceeded"
    return is_right, answer


@claim("runsync-retention", "a result of /runsync is kept for a minute", "documented", jobs=1, slow=True)
def _runsync_retention(endpoint: RawEndpoint) -> Result:
    answer = endpoint.ask("POST", "/runsync", body={"input": {"mock_return": "done"}}, hold=90)
    job_id = endpoint.accepted(answer)
    endpoint.clock.sleep(0.8 * _RETENTION)
    kept = endpoint.status(job_id)
    if kept.status != 200:
        return False, f"after {0.8 * _RETENTION:.0f} s: {kept}"
    return _is_forgotten(endpoint, job_id, 0.2 * _RETENTION)


@claim("empty-input", 'a job with "input": {} never runs, and fails after a retry', "live", jobs=1, slow=True)
def _empty_input(endpoint: RawEndpoint) -> Result:
    return _fails_after_a_retry(endpoint, endpoint.submit({}))


@claim("crash", "a job whose worker dies is run once more, then FAILED", "live", jobs=1, slow=True)
def _crash(endpoint: RawEndpoint) -> Result:
    return _fails_after_a_retry(endpoint, endpoint.submit({"mock_crash": True}))


def _is_forgotten(endpoint: RawEndpoint, job_id: str, seconds: float) -> Result:
    """Require that the job is answered 404 after this many seconds, or soon after."""
    began = endpoint.clock.monotonic()
    while True:
        answer = endpoint.status(job_id)
        passed = endpoint.clock.monotonic() - began
        if answer.status == 404 or passed > seconds + _LATE:
            on_time = 0.5 * seconds <= passed
            return answer.status == 404 and on_time, f"after {passed:.0f} s: {answer}"
        endpoint.clock.sleep(1)


def _fails_after_a_retry(endpoint: RawEndpoint, job_id: str) -> Result:
    answer = endpoint.until(job_id, lambda answer: answer.job_status == "FAILED", patience=_RETRIES)
    return answer.fields.get("error") == _RETRIED and answer.fields.get("retries") == 1, answer


CHECKS = (_status_ttl, _ttl, _execution_timeout, _runsync_retention, _empty_input, _crash)
