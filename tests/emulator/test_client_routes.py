"""The routes of users: paths, methods, keys, bounds and bodies; no clock and no socket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runpod_sdk.emulator import Options
from runpod_sdk.emulator._doors._exchange import headers_of
from runpod_sdk.emulator._queue import _requests as ask
from runpod_sdk.emulator._queue._requests import Reply, ReplyKind
from runpod_sdk.emulator._routes._route import Call, HttpAnswer
from runpod_sdk.emulator._routes._router import Router

BAD_WAIT = {"error": "wait is invalid; must be between 1000 and 300000"}
GET_OR_POST = ("GET", "POST")
ROUTES = {
    "run": (("POST",), False),
    "runsync": (("POST",), False),
    "status": (GET_OR_POST, True),
    "status-sync": (GET_OR_POST, True),
    "stream": (GET_OR_POST, True),
    "cancel": (("POST",), True),
    "retry": (("POST",), True),
    "purge-queue": (("POST",), False),
    "health": (("GET",), False),
}
EVERY_ROUTE = [(name, method) for name, (methods, _) in ROUTES.items() for method in methods]


def path_to(operation: str, endpoint_id: str = "e") -> str:
    return f"/v2/{endpoint_id}/{operation}" + ("/j" if ROUTES[operation][1] else "")


def router(**options: Any) -> Router:
    return Router("k", Options(**options), is_supervised=lambda _: False)


def come(method: str, path: str, *, query: str = "", key: str = "Bearer k", **options: Any) -> Call | HttpAnswer:
    return router(**options).call(method, path, query, key, {"e"})


def turned_away(method: str, path: str, **how: Any) -> tuple[int, Any]:
    answer = come(method, path, **how)
    assert isinstance(answer, HttpAnswer)
    return answer.status, json.loads(answer.body)


def asked(operation: str, *, query: str = "", body: Any = None, **options: Any) -> ask.Request | tuple[int, Any]:
    """Return the request to the queue, or the status and body of the refusal."""
    call = come(ROUTES[operation][0][0], path_to(operation), query=query)
    assert isinstance(call, Call)
    raw = body if isinstance(body, bytes) else json.dumps({"input": {"a": 1}} if body is None else body).encode()
    result = router(**options).request(call, raw)
    return (result.status, json.loads(result.body)) if isinstance(result, HttpAnswer) else result


@pytest.mark.parametrize(("operation", "method"), EVERY_ROUTE)
@pytest.mark.fidelity(
    "routes: nine operations; /status, /status-sync and /stream by POST as well", source="official source"
)
def test_every_operation_has_its_route(operation: str, method: str) -> None:
    call = come(method, path_to(operation))
    assert isinstance(call, Call)
    assert (call.route.operation, call.endpoint_id, call.job_id) == (
        operation,
        "e",
        "j" if ROUTES[operation][1] else "",
    )


@pytest.mark.parametrize("operation", ROUTES)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "TRACE"])
@pytest.mark.fidelity("errors: another method is answered 405", source="assumed")
def test_another_method_is_405_and_says_which_are_allowed(operation: str, method: str) -> None:
    answer = come(method, path_to(operation))
    allowed = ROUTES[operation][0]
    if method in allowed:
        assert isinstance(answer, Call)
    else:
        assert isinstance(answer, HttpAnswer)
        assert answer.status == 405
        assert dict(headers_of(answer))["allow"] == ", ".join(allowed)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/v2",
        "/v2/e",
        "/v2/e/",
        "/v2/e/nope",
        "/v1/e/health",
        "/v2/e/health/",
        "/v2/e/health/j",
        "/v2/e/status",
        "/v2/e/status/j/k",
        "/e/health",
        "//e/health",
    ],
)
def test_another_path_is_404(path: str) -> None:
    assert turned_away("GET", path)[0] == 404


@pytest.mark.parametrize("key", ["Bearer k", "k", " k "])
@pytest.mark.fidelity("errors: the key is let in with and without Bearer", source="documented")
def test_the_key_is_let_in_with_and_without_bearer(key: str) -> None:
    assert isinstance(come("GET", path_to("health"), key=key), Call)


@pytest.mark.parametrize("key", ["", "Bearer", "Bearer ", "K", "Bearer kk", "Basic k"])
@pytest.mark.parametrize("operation", ROUTES)
@pytest.mark.fidelity("errors: any other key is answered 401", source="documented")
def test_any_other_key_is_401(operation: str, key: str) -> None:
    assert turned_away(ROUTES[operation][0][0], path_to(operation), key=key)[0] == 401


@pytest.mark.fidelity("errors: an endpoint that is not known is answered 404", source="documented")
@pytest.mark.fidelity(
    'errors: a 404 has {"error"} for a body, or status as a number, title and detail (Options.not_found)',
    source="reported",
)
def test_an_unknown_endpoint_is_404_in_the_chosen_shape() -> None:
    path = path_to("health", "other")
    assert turned_away("GET", path) == (404, {"error": "endpoint not found"})
    problem = {"status": 404, "title": "Not Found", "detail": "endpoint not found"}
    assert turned_away("GET", path, not_found="problem") == (404, problem)


@pytest.mark.parametrize(
    ("endpoint_id", "resource", "endpoints", "found"),
    [
        ("flash", "e", {"e"}, "e"),
        ("flash", "e", {"e", "flash"}, "flash"),
        ("flash", "other", {"e"}, None),
        ("flash", "", {"e"}, None),
        ("other", "e", {"e"}, None),
        ("e", "f", {"e", "f"}, "e"),
    ],
)
@pytest.mark.fidelity(
    "routes: the endpoint id flash stands for the endpoint that X-Flash-Endpoint names", source="official source"
)
def test_flash_stands_for_the_endpoint_of_the_header(
    endpoint_id: str, resource: str, endpoints: set[str], found: str | None
) -> None:
    call = router().call("POST", path_to("run", endpoint_id), "", "k", endpoints, resource)
    assert (call.endpoint_id if isinstance(call, Call) else None) == found


def test_replies_become_answers() -> None:
    health = come("GET", path_to("health"))
    assert isinstance(health, Call)
    done = router().answer(health, Reply(ReplyKind.DONE, {"id": "j"}))
    assert (done.status, done.body) == (200, b'{"id": "j"}')
    assert dict(headers_of(done)) == {"content-type": "application/json", "content-length": "11"}
    assert router().answer(health, Reply(ReplyKind.REFUSED, message="no")).status == 400
    missing = router().answer(health, Reply(ReplyKind.NOT_FOUND, message="job not found"))
    assert (missing.status, json.loads(missing.body)) == (404, {"error": "job not found"})


# wait and ttl.


@pytest.mark.parametrize("operation", ["runsync", "status-sync", "stream"])
@pytest.mark.parametrize(
    "wait",
    ["999", "300001", "0", "-1", "", "abc", "1e4", "1000.0", "1_000", " 1000", "9" * 5000, "\u0661\u0660\u0660\u0660"],
)
@pytest.mark.fidelity("errors: a wait outside 1000 to 300000 is answered 400 in the service's words", source="live")
def test_a_bad_wait_is_400(operation: str, wait: str) -> None:
    assert asked(operation, query=f"wait={wait}") == (400, BAD_WAIT)


@pytest.mark.parametrize("operation", ["runsync", "status-sync", "stream"])
@pytest.mark.parametrize("wait", [1000, 300_000])
@pytest.mark.fidelity(
    "errors: the bounds of wait are the same for /runsync, /status-sync and /stream", source="assumed"
)
def test_the_bounds_of_wait_are_in(operation: str, wait: int) -> None:
    request = asked(operation, query=f"wait={wait}")
    assert isinstance(request, ask.Submit | ask.Status | ask.ReadStream)
    assert request.wait == wait / 1000


@pytest.mark.fidelity(
    "/stream: an empty read is held: 10 seconds on the service, 5 here (Options.stream_hold)", source="official source"
)
@pytest.mark.fidelity("/runsync: is held for 90 seconds without wait", source="documented")
@pytest.mark.fidelity("/status-sync: is held for 90 seconds without wait (Options.status_sync_hold)", source="assumed")
def test_without_wait_each_operation_has_its_own() -> None:
    runsync, status_sync, stream = asked("runsync"), asked("status-sync"), asked("stream")
    assert isinstance(runsync, ask.Submit)
    assert isinstance(status_sync, ask.Status)
    assert isinstance(stream, ask.ReadStream)
    assert (runsync.wait, status_sync.wait, stream.wait) == (90.0, 90.0, 5.0)
    chosen = asked("stream", stream_hold=10.0)
    assert isinstance(chosen, ask.ReadStream)
    assert chosen.wait == 10.0


@pytest.mark.parametrize(
    ("query", "retention"), [("", 60), ("wait=1000", 60), ("wait=200000", 200), ("wait=300000", 300)]
)
@pytest.mark.fidelity("/runsync: the result is kept for 1 minute, with wait for up to 5", source="documented")
def test_runsync_keeps_its_result_a_minute_or_as_long_as_wait(query: str, retention: float) -> None:
    request = asked("runsync", query=query)
    assert isinstance(request, ask.Submit)
    assert request.retention == retention


@pytest.mark.fidelity("/run: the result is kept for 30 minutes", source="documented")
def test_run_keeps_its_result_half_an_hour_and_ignores_wait() -> None:
    request = asked("run", query="wait=5")
    assert isinstance(request, ask.Submit)
    assert (request.retention, request.wait) == (1800, None)


@pytest.mark.parametrize("ttl", ["0", "-5", "", "abc", "604800001"])
@pytest.mark.fidelity("/status: a ttl that is no positive integer is answered 400", source="assumed")
def test_a_bad_ttl_is_400(ttl: str) -> None:
    assert asked("status", query=f"ttl={ttl}") == (
        400,
        {"error": "ttl is invalid; must be between 1 and 604800000"},
    )


@pytest.mark.fidelity("/status: ?ttl may be below the minimum of policy.ttl", source="documented")
def test_status_takes_a_ttl_below_the_minimum_of_the_policy() -> None:
    assert asked("status", query="ttl=6000") == ask.Status(job_id="j", ttl=6.0)
    assert asked("status") == ask.Status(job_id="j")


# Bodies.


@pytest.mark.parametrize("operation", ["run", "runsync"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nope",
        b"\xff",
        b'{"input": {}} x',
        b'{"input": {"a": NaN}}',
        b"[" * 100000,
        b'{"input": {"a": ' + b"9" * 5000 + b"}}",
        [],
        "x",
        1,
        None,
        {"input": []},
        {"input": "x"},
        {"input": 1},
        {"input": {}, "webhook": 1},
        {"input": {}, "webhookV2": None},
        {"input": {}, "s3Config": []},
        {"input": {}, "s3Config": {"accessId": "a"}},
        {"input": {}, "policy": []},
        {"input": {}, "policy": None},
    ],
    ids=lambda body: repr(body)[:40],
)
@pytest.mark.fidelity("/run: an input that is an array or a scalar is answered 400", source="official source")
def test_a_bad_body_is_400_and_says_why(operation: str, body: Any) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    refusal = asked(operation, body=raw)
    assert isinstance(refusal, tuple)
    assert refusal[0] == 400
    assert isinstance(refusal[1]["error"], str)


@pytest.mark.parametrize(
    "policy",
    [
        {"executionTimeout": 4999},
        {"executionTimeout": 604800001},
        {"executionTimeout": "5000"},
        {"ttl": 9999},
        {"executionTimeout": True},
        {"executionTimeout": 5000.5},
        {"executionTimeout": None},
        {"ttl": 604800001},
        {"lowPriority": "yes"},
        {"lowPriority": 1},
    ],
)
@pytest.mark.fidelity("/run: a policy out of range is answered 400 (Options.check_policy)", source="assumed")
def test_a_policy_out_of_range_is_400_or_the_default_by_choice(policy: dict[str, Any]) -> None:
    body = {"input": {"a": 1}, "policy": policy}
    refusal = asked("run", body=body)
    assert isinstance(refusal, tuple)
    assert refusal[0] == 400
    assert f"policy.{next(iter(policy))}" in refusal[1]["error"]
    assert asked("run", body=body, check_policy=False) == asked("run")


@pytest.mark.fidelity("/run: executionTimeout is 5000 to 604800000 ms, ttl 10000 to 604800000 ms", source="documented")
def test_a_policy_in_range_is_taken() -> None:
    policy = {"executionTimeout": 5_000, "ttl": 10_000.0, "lowPriority": True, "other": 1}
    request = asked("run", body={"input": {"a": 1}, "policy": policy})
    assert isinstance(request, ask.Submit)
    assert (request.execution_timeout, request.ttl, request.low_priority) == (5.0, 10.0, True)


@pytest.mark.fidelity("/run: without policy executionTimeout is 10 minutes and ttl 24 hours", source="documented")
def test_without_policy_the_documented_defaults_hold() -> None:
    request = asked("run")
    assert isinstance(request, ask.Submit)
    assert (request.execution_timeout, request.ttl, request.low_priority) == (600.0, 86_400.0, False)


@pytest.mark.parametrize("body", [{}, {"input": None}])
@pytest.mark.fidelity("/run: no input and null are taken, as an empty object is", source="official source")
def test_a_missing_input_is_let_in_and_refused_by_choice(body: dict[str, Any]) -> None:
    request = asked("run", body=body)
    assert isinstance(request, ask.Submit)
    assert request.input == {}
    refusal = asked("run", body=body, require_input=True)
    assert isinstance(refusal, tuple)
    assert refusal[0] == 400


@pytest.mark.fidelity(
    "/run: a policy overrides the endpoint's settings (Options.execution_timeout, Options.ttl)", source="documented"
)
def test_the_settings_of_the_endpoint_hold_where_the_policy_is_silent() -> None:
    settings: dict[str, Any] = {"execution_timeout": 30.0, "ttl": 120.0}
    request = asked("run", **settings)
    assert isinstance(request, ask.Submit)
    assert (request.execution_timeout, request.ttl) == (30.0, 120.0)
    request = asked("run", body={"input": {"a": 1}, "policy": {"ttl": 10_000}}, **settings)
    assert isinstance(request, ask.Submit)
    assert (request.execution_timeout, request.ttl) == (30.0, 10.0)


@pytest.mark.fidelity("/run: keys beside input that are not known are ignored", source="official source")
def test_what_is_for_the_worker_is_passed_on_and_the_rest_ignored() -> None:
    s3_config = {"accessId": "a", "accessSecret": "s", "bucketName": "b", "endpointUrl": "u", "objectPath": "p"}
    body = {"input": {"a": 1}, "s3Config": s3_config, "webhookV2": "v", "webhook": "w", "timeout": 3}
    request = asked("run", body=body)
    assert isinstance(request, ask.Submit)
    assert (request.extras, request.webhook) == ({"s3Config": s3_config, "webhookV2": "v"}, "w")


@pytest.mark.fidelity(
    "errors: a body over 10 MiB (/runsync: 20) is answered 400 in the service's words", source="reported"
)
def test_body_limits_differ() -> None:
    run, runsync, cancel = (come("POST", path_to(name)) for name in ("run", "runsync", "cancel"))
    assert isinstance(run, Call)
    assert isinstance(runsync, Call)
    assert isinstance(cancel, Call)
    assert (run.route.body_limit, runsync.route.body_limit, cancel.route.body_limit) == (10 * 2**20, 20 * 2**20, 0)
    answer = router().too_large(run)
    assert (answer.status, json.loads(answer.body)) == (
        400,
        {"status": 400, "title": "Bad Request", "detail": "bad request: body: exceeded max body size of 10MiB"},
    )
