"""Claims about jobs: submitting, states, and endings."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast

from ._claims import claim
from ._raw_endpoint import FINAL, NOT_FINAL, UnclearError, shown
from ._requests import was_held

if TYPE_CHECKING:
    from ._raw_endpoint import RawAnswer, RawEndpoint

    Result = tuple[bool, RawAnswer | str]

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-[ue][12]")
_QUICK = {"mock_return": "done"}
_LONG = {"mock_return": "done", "mock_delay": 20}
_FALSY = (0, False, "", None)
_TRACE = ("error_type", "error_message", "error_traceback", "hostname", "worker_id", "runpod_version")


@claim("run", "/run answers with id and status IN_QUEUE, and nothing else", "documented", jobs=1)
def _run(endpoint: RawEndpoint) -> Result:
    answer = endpoint.ask("POST", "/run", body={"input": _QUICK})
    job_id = endpoint.accepted(answer)
    return answer.body == {"id": job_id, "status": "IN_QUEUE"}, answer


@claim("job-id", "a job's id is a UUID with -u1, -u2, -e1 or -e2 behind it", "live", jobs=1)
def _job_id(endpoint: RawEndpoint) -> Result:
    job_id = endpoint.submit(_QUICK)
    return _ID.fullmatch(job_id) is not None, re.sub(r"[0-9a-f]", "x", job_id.partition("-u")[0]) + job_id[36:]


@claim("completed", "a job that completed shows delayTime, executionTime, id, output, status, workerId", "live", jobs=1)
def _completed(endpoint: RawEndpoint) -> Result:
    _, answer = endpoint.completed(_QUICK)
    needed = {"delayTime", "executionTime", "id", "output", "status", "workerId"}
    whole = all(type(answer.fields.get(name)) is int for name in ("delayTime", "executionTime"))
    return whole and set(answer.fields) == needed and answer.fields["output"] == "done", answer


@claim("running", "a running job shows its delayTime and workerId", "live", jobs=1)
def _running(endpoint: RawEndpoint) -> Result:
    answer = endpoint.status(endpoint.running(_LONG))
    return type(answer.fields.get("delayTime")) is int and "workerId" in answer.fields, answer


@claim("falsy-output", 'the outputs 0, false, "" and null are kept', "official source", jobs=len(_FALSY))
def _falsy_output(endpoint: RawEndpoint) -> Result:
    found = [endpoint.completed({"mock_return": value})[1].fields.get("output", "(no output)") for value in _FALSY]
    return json.dumps(found) == json.dumps(_FALSY), shown(found)


@claim("progress", "what a worker sends as progress is the output until the end", "official source", jobs=1)
def _progress(endpoint: RawEndpoint) -> Result:
    job_id = endpoint.submit({**_QUICK, "mock_delay": 3, "mock_progress": {"updates": ["half"], "wait_time": 3}})
    answer = endpoint.until(job_id, lambda answer: "output" in answer.fields and answer.job_status in NOT_FINAL)
    return answer.fields["output"] == "half", answer


@claim("runsync", "/runsync answers with the result, and an id that begins with sync-", "documented", jobs=1)
def _runsync(endpoint: RawEndpoint) -> Result:
    answer = endpoint.ask("POST", "/runsync", body={"input": _QUICK}, hold=90)
    job_id = endpoint.accepted(answer)
    done = answer.job_status == "COMPLETED" and answer.fields.get("output") == "done"
    return done and job_id.startswith("sync-"), answer


@claim("runsync-wait", "/runsync?wait=1000 answers 200 after a second, with a job that goes on", "live", jobs=1)
def _runsync_wait(endpoint: RawEndpoint) -> Result:
    answer = endpoint.ask("POST", "/runsync", query={"wait": "1000"}, body={"input": _LONG}, hold=1)
    endpoint.accepted(answer)
    return answer.job_status in NOT_FINAL and was_held(answer, 1.0), _timed(answer)


@claim("status-sync-held", "/status-sync?wait=1000 is held for a second while the job runs", "official source", jobs=1)
def _status_sync_held(endpoint: RawEndpoint) -> Result:
    job_id = endpoint.running(_LONG)
    answer = endpoint.ask("GET", f"/status-sync/{job_id}", query={"wait": "1000"}, hold=1)
    return answer.job_status in NOT_FINAL and was_held(answer, 1.0), _timed(answer)


@claim("status-sync-wakes", "/status-sync answers as soon as the job ends", "official source", jobs=1)
def _status_sync_wakes(endpoint: RawEndpoint) -> Result:
    job_id = endpoint.running({**_QUICK, "mock_delay": 3})
    answer = endpoint.ask("GET", f"/status-sync/{job_id}", query={"wait": "60000"}, hold=60)
    return answer.job_status == "COMPLETED" and answer.seconds < 3 + 5, _timed(answer)


@claim("post-aliases", "POST to /status and /status-sync answers as GET does", "official source", jobs=1)
def _post_aliases(endpoint: RawEndpoint) -> Result:
    job_id, got = endpoint.completed(_QUICK)
    posted = [endpoint.ask("POST", f"/{operation}/{job_id}", hold=90) for operation in ("status", "status-sync")]
    return all(answer.body == got.body for answer in posted), "; ".join(map(str, posted))


@claim("failed", "a handler that raises makes a FAILED job, whose error is JSON as a string", "official source", jobs=1)
def _failed(endpoint: RawEndpoint) -> Result:
    answer = endpoint.ended(endpoint.submit({"mock_error": True}))
    error = answer.fields.get("error")
    named = _keys(error)
    is_right = answer.job_status == "FAILED" and named is not None and set(_TRACE) <= named
    return is_right, f"HTTP {answer.status}, status {answer.job_status}, error {type(error).__name__} of {named}"


@claim("cancel", "/cancel of a running job answers CANCELLED, and so it stays", "documented", jobs=1)
def _cancel(endpoint: RawEndpoint) -> Result:
    job_id = endpoint.running(_LONG)
    answer = endpoint.ask("POST", f"/cancel/{job_id}")
    stays = endpoint.status(job_id)
    is_right = answer.fields.get("id") == job_id and answer.job_status == stays.job_status == "CANCELLED"
    return is_right, f"{answer}, then {stays}"


@claim("cancel-twice", "/cancel of a cancelled job answers 200 CANCELLED once more", "assumed", jobs=1)
def _cancel_twice(endpoint: RawEndpoint) -> Result:
    job_id = endpoint.submit(_LONG)
    endpoint.ask("POST", f"/cancel/{job_id}")
    answer = endpoint.ask("POST", f"/cancel/{job_id}")
    return answer.status == 200 and answer.job_status == "CANCELLED", answer


@claim("cancel-completed", "/cancel of a completed job answers 200 with the job as it is", "assumed", jobs=1)
def _cancel_completed(endpoint: RawEndpoint) -> Result:
    job_id, _ = endpoint.completed(_QUICK)
    answer = endpoint.ask("POST", f"/cancel/{job_id}")
    return answer.status == 200 and answer.job_status == "COMPLETED", answer


@claim("retry", "/retry of a FAILED job answers IN_QUEUE under the same id", "documented", jobs=2)
def _retry(endpoint: RawEndpoint) -> Result:
    job_id = endpoint.submit({"mock_error": True})
    if endpoint.ended(job_id).job_status != "FAILED":
        raise UnclearError("the job did not fail")
    answer = endpoint.ask("POST", f"/retry/{job_id}")
    return answer.status == 200 and answer.body == {"id": job_id, "status": "IN_QUEUE"}, answer


@claim("retry-completed", "/retry of a COMPLETED job is refused", "documented", jobs=2)
def _retry_completed(endpoint: RawEndpoint) -> Result:
    job_id, _ = endpoint.completed(_QUICK)
    answer = endpoint.ask("POST", f"/retry/{job_id}")
    return 400 <= answer.status < 500 and endpoint.status(job_id).job_status in FINAL, answer


def _keys(error: Any) -> set[str] | None:
    """Return the names in a JSON object that is a string; None, if it is none."""
    try:
        value: Any = json.loads(error)
    except (TypeError, ValueError):
        return None
    return set(cast("dict[str, Any]", value)) if isinstance(value, dict) else None


def _timed(answer: RawAnswer) -> str:
    return f"{answer} after {answer.seconds:.1f} s"


CHECKS = (
    _run,
    _job_id,
    _completed,
    _running,
    _falsy_output,
    _progress,
    _runsync,
    _runsync_wait,
    _status_sync_held,
    _status_sync_wakes,
    _post_aliases,
    _failed,
    _cancel,
    _cancel_twice,
    _cancel_completed,
    _retry,
    _retry_completed,
)
