"""The key goes to one origin and nowhere else; neither it nor an input is in a message, a repr, a log or a pickle."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk import AsyncClient, Client, RetryPolicy, S3Config
from runpod_sdk.errors import APIResponseValidationError, AuthenticationError, RunpodError
from tests.faults.acts import cut, nothing, status
from tests.faults.flavours import FLAVOURS, Flavour, ImpatientClock, closed, listed, settled
from tests.faults.server import KEY, Connection, FaultServer, answer, response
from tests.faults.table import CALLS

if TYPE_CHECKING:
    from collections.abc import Callable

INPUT = "input-that-no-log-may-show"
SECRET = "secret-of-the-bucket"  # noqa: S105  the tests look for it
SECRETS = (KEY, INPUT, SECRET)
BUCKET = S3Config(access_id="id", access_secret=SECRET, bucket_name="b", endpoint_url="https://s3.invalid")

flavours = pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)


def redirect_to(other: FaultServer, code: int) -> Any:
    def act(connection: Connection) -> None:
        if connection.read() is not None:
            connection.send(response(code, b"", f"location: {other.url}/e/health"))

    return act


@pytest.mark.one_in(7)
@flavours
@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("client_of", ["ours", "given"])
def test_a_redirect_is_told_and_not_followed(flavour: Flavour, code: int, client_of: str) -> None:
    async def body(client: Any) -> None:
        for call in CALLS.values():
            with pytest.raises(APIResponseValidationError, match="redirect"):
                await call.body(client.endpoint("e"))

    async def with_own_client() -> None:
        kind = httpx.AsyncClient if flavour.client is AsyncClient else httpx.Client
        theirs = kind(trust_env=False)
        async with flavour.opened(server, http_client=theirs) as client:
            await body(client)
        await closed(theirs)

    with FaultServer() as other, FaultServer(default=redirect_to(other, code)) as server:
        if client_of == "ours":
            flavour.play(server, body)
        else:
            flavour.run(with_own_client())
        assert server.counts().keys() >= {call.operation for call in CALLS.values()}
    assert other.arrivals == []


@flavours
def test_every_request_carries_the_key_once_and_only_in_its_header(flavour: Flavour) -> None:
    async def body(client: Any) -> None:
        for name, call in CALLS.items():
            server.script(name, status=call.status)
            await call.body(client.endpoint(name))

    with FaultServer() as server:
        flavour.play(server, body)
    assert len(server.requests) > len(CALLS)
    for request in server.requests:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert KEY not in request.path
        assert KEY.encode() not in request.body


async def provoke(client: Any) -> list[BaseException]:
    """Let every operation fail, with secrets in all that it was given."""
    errors: list[BaseException] = []
    endpoint = client.endpoint("e")
    given: dict[str, Any] = {"s3_config": BUCKET, "extra_headers": {"x-token": SECRET}}
    calls: list[Callable[[], Any]] = []
    calls += [lambda: endpoint.run({"prompt": INPUT}, **given), lambda: endpoint.run_sync({"prompt": INPUT}, **given)]
    # A service that is only busy is waited for, so these two need an end.
    calls += [lambda: endpoint.job("j1").output(timeout=20), lambda: listed(endpoint.job("j1").stream(timeout=20))]
    calls += [partial(call.body, endpoint) for name, call in CALLS.items() if name not in ("wait", "stream")]
    calls += [lambda: endpoint.run({"prompt": INPUT, "bad": {SECRET}}), lambda: endpoint.run(INPUT)]
    for call in calls:
        try:
            await settled(call())
        except (RunpodError, TypeError, ValueError) as error:
            errors.append(error)
    return errors


ACTS = {
    "dropped": cut(nothing),
    "HTTP 400": status(400),
    "HTTP 401": status(401),
    "HTTP 429": status(429),
    "HTTP 500": status(500),
    "HTTP 200": status(200),
}


@pytest.mark.one_in(3)
@flavours
@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_no_secret_leaves_with_an_error_or_a_log(act: Any, flavour: Flavour, caplog: pytest.LogCaptureFixture) -> None:
    shown: list[str] = []

    async def body(client: Any) -> list[BaseException]:
        shown.extend(map(repr, (client, client.endpoint("e"), client.endpoint("e").job("j1"), client.stats)))
        errors = await provoke(client)
        shown.append(repr(client.unknowns))
        return errors

    options: dict[str, Any] = {"clock": ImpatientClock(), "retry": RetryPolicy(attempts=2)}
    with caplog.at_level(logging.DEBUG), FaultServer(default=act) as server:
        errors = flavour.play(server, body, **options)
    assert len(errors) >= len(CALLS) + 2
    for error in errors:
        causes = (error, error.__cause__, error.__context__)
        shown += [f"{one!s} {one!r} {vars(one)!r}" for one in causes if isinstance(one, RunpodError | TypeError)]
        shown.append(repr(pickle.dumps(error)))
    shown += [record.getMessage() for record in caplog.records if record.name.startswith("runpod_sdk")]
    assert any("run on endpoint" in text for text in shown)
    for secret in SECRETS:
        assert not [text for text in shown if secret in text]


@pytest.mark.parametrize("client", [Client(KEY), AsyncClient(KEY)], ids=["sync", "async"])
def test_a_client_goes_into_no_pickle(client: object) -> None:
    with pytest.raises(TypeError, match="key"):
        pickle.dumps(client)


@pytest.mark.slow
def test_the_log_that_the_environment_asks_for_shows_requests_and_no_secrets() -> None:
    program = (
        "import sys; from runpod_sdk import Client\n"
        "endpoint = Client(sys.argv[1], base_url=sys.argv[2]).endpoint('e')\n"
        "endpoint.run({'prompt': sys.argv[3]}); endpoint.health()\n"
        "try: endpoint.run_sync({'prompt': sys.argv[3]})\n"
        "except Exception as error: print(type(error).__name__)"
    )
    said: dict[str, str] = {}
    for level in ("debug", "info", ""):
        with FaultServer() as server:
            server.script("e", answer, answer, cut(nothing))
            done = subprocess.run(  # noqa: S603
                [sys.executable, "-c", program, KEY, server.url, INPUT],
                env={**os.environ, "RUNPOD_SDK_LOG": level},
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            )
        assert done.stdout == "SubmissionUnknownError\n"
        said[level] = done.stderr
    assert 'DEBUG run on endpoint "e": HTTP 200 in ' in said["debug"]
    assert 'WARNING runsync on endpoint "e": outcome unknown' in said["debug"]
    assert "DEBUG" not in said["info"]
    assert "WARNING" in said["info"]
    assert said[""] == ""
    for secret in SECRETS:
        assert secret not in said["debug"]


@flavours
def test_a_key_that_the_service_quotes_is_masked(flavour: Flavour) -> None:
    def quote(connection: Connection) -> None:
        if connection.read() is not None:
            connection.send(response(401, f'{{"error": "bad key: Bearer {KEY}"}}'.encode()))

    async def body(client: Any) -> None:
        with pytest.raises(AuthenticationError, match=r"bad key: Bearer \*\*\*") as caught:
            await settled(client.endpoint("e").health())
        assert KEY not in f"{caught.value} {caught.value.body}"

    with FaultServer(default=quote) as server:
        flavour.play(server, body)
