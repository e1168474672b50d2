"""A client of the caller's own: what it carries is sent, or is refused by name; and a submit never goes out twice."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk import (
    APIConnectionError,
    AsyncClient,
    AuthenticationError,
    BadRequestError,
    Client,
    RateLimitError,
    RunpodError,
)
from tests.sdk.flavours import caught
from tests.sdk.test_socket import Kind, play

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

both = pytest.mark.parametrize("kind", [Client, AsyncClient])
BASE = "https://queue.invalid/v2"


class Service:
    """Answers the requests of one client of httpx's, and keeps them."""

    def __init__(self, *statuses: int) -> None:
        self.requests: list[httpx.Request] = []
        self._statuses = list(statuses)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.url.host == "login.invalid":
            return httpx.Response(200, json={"token": "t1"})
        status = self._statuses.pop(0) if self._statuses else 200
        return httpx.Response(
            status,
            json={"id": "j1", "status": "COMPLETED", "output": 1} if status < 400 else {"error": "no"},
            headers={"set-cookie": "seen=1"},
        )

    @property
    def paths(self) -> list[str]:
        return [request.url.path for request in self.requests]


def theirs(kind: Kind, service: Service, **options: Any) -> Any:
    made: Any = httpx.Client if kind is Client else httpx.AsyncClient
    return made(transport=httpx.MockTransport(service), **options)


async def run(client: Any) -> None:
    assert (await client.endpoint("e").run({"a": 1})).id == "j1"


async def run_sync(client: Any) -> None:
    assert await client.endpoint("e").run_sync({"a": 1}) == 1


def played(kind: Kind, service: Service, body: Any = run, **options: Any) -> httpx.Request:
    """Make one call over a client with these options, and return its last request."""
    play(kind, body, api_key="k", base_url=BASE, http_client=theirs(kind, service, **options))
    return service.requests[-1]


@both
def test_headers_parameters_and_cookies_are_sent(kind: Kind) -> None:
    given = {"headers": {"X-Gateway": "s3", "User-Agent": "mine"}, "params": {"tenant": "a b"}, "cookies": {"c": "1"}}
    request = played(kind, Service(), run_sync, **given)
    assert request.headers["x-gateway"] == "s3"
    assert request.headers["user-agent"] == "mine"
    assert request.headers["authorization"] == "Bearer k"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["cookie"] == "c=1"
    assert request.url.params.multi_items() == [("tenant", "a b"), ("wait", "1000")]
    assert json.loads(request.content) == {"input": {"a": 1}}


@both
def test_without_anything_of_its_own_a_client_sends_what_ours_would(kind: Kind) -> None:
    request = played(kind, Service(), run_sync)
    assert str(request.url) == f"{BASE}/e/runsync?wait=1000"
    assert request.headers["user-agent"].startswith("runpod-sdk-python/")
    assert request.headers["accept"] == "application/json"


@both
def test_cookies_that_come_are_kept_by_their_client(kind: Kind) -> None:
    service = Service()

    async def body(client: Any) -> None:
        await run(client)
        await run(client)

    request = played(kind, service, body)
    assert [each.headers.get("cookie") for each in service.requests] == [None, "seen=1"]
    assert request.headers["cookie"] == "seen=1"


@both
def test_hooks_see_each_request_and_each_answer(kind: Kind) -> None:
    seen: Counter[str] = Counter()

    def on_request(request: httpx.Request) -> None:
        seen["request"] += 1
        request.headers["x-signed"] = "yes"

    def on_response(response: httpx.Response) -> None:
        seen[f"{response.status_code}"] += 1

    request = played(kind, Service(), event_hooks=hooks(kind, request=on_request, response=on_response))
    assert seen == {"request": 1, "200": 1}
    assert request.headers["x-signed"] == "yes"


def hooks(kind: Kind, **given: Callable[[Any], None]) -> dict[str, list[Any]]:
    def awaited(hook: Callable[[Any], None]) -> Any:
        async def call(value: Any) -> None:
            hook(value)

        return call

    return {name: [hook if kind is Client else awaited(hook)] for name, hook in given.items()}


@both
@pytest.mark.parametrize(
    ("status", "error"),
    [(401, AuthenticationError), (400, BadRequestError), pytest.param(429, RateLimitError, marks=pytest.mark.slow)],
)
def test_a_hook_that_raises_for_a_status_hides_no_refusal(kind: Kind, status: int, error: type[RunpodError]) -> None:
    service = Service(status, status, status)

    async def body(client: Any) -> None:
        await caught(error, lambda: client.endpoint("e").run({"a": 1}))
        assert client.unknowns == ()

    def raised(response: httpx.Response) -> None:
        response.raise_for_status()

    played(kind, service, body, event_hooks=hooks(kind, response=raised))
    assert len(service.requests) == (3 if status == 429 else 1)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "basic auth": ({"auth": ("u", "hunter2")}, "auth=BasicAuth"),
    "digest auth": ({"auth": httpx.DigestAuth("u", "hunter2")}, "auth=DigestAuth"),
    "redirects": ({"follow_redirects": True}, "follows redirects"),
    "base_url": ({"base_url": "https://elsewhere.invalid/v2"}, "base_url"),
    "params": ({"params": {"wait": "hunter2"}}, "params with 'wait'"),
    "accept": ({"headers": {"accept": "text/html"}}, "header 'accept'"),
    "accept-encoding": ({"headers": {"accept-encoding": "compress"}}, "accept-encoding"),
    "content-type": ({"headers": {"content-type": "text/plain"}}, "header 'content-type'"),
    **{
        name: ({"headers": {name: "hunter2"}}, f"header '{name}'")
        for name in ("authorization", "host", "content-length", "transfer-encoding", "connection", "expect", "te")
    },
}


@both
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_take_part_is_refused_by_name(kind: Kind, name: str) -> None:
    given, why = REFUSED[name]
    with pytest.raises(ValueError, match=f"http_client .*{why}") as refused:
        kind("k", base_url=BASE, http_client=theirs(kind, Service(), **given))
    assert "hunter2" not in str(refused.value)


@both
def test_what_says_the_same_as_ours_is_taken(kind: Kind) -> None:
    given: dict[str, Any] = {
        "base_url": f"{BASE}/",
        "headers": {"accept": "application/json", "accept-encoding": "gzip"},
    }
    assert played(kind, Service(), **given).headers["accept-encoding"] == "gzip"


def test_a_client_that_is_closed_is_refused() -> None:
    closed = httpx.Client()
    closed.close()
    with pytest.raises(ValueError, match="http_client is closed"):
        Client("k", http_client=closed)


@both
@pytest.mark.parametrize(
    ("timeout", "read", "connect"),
    [
        (httpx.Timeout(5.0), 11.0, 11.0),  # httpx's own: nobody asked for it
        (None, 11.0, 11.0),
        (2.0, 3.0, 2.0),  # for an answer beyond the second that it is held
        (httpx.Timeout(30.0, connect=1.0), 11.0, 1.0),
    ],
)
def test_a_timeout_of_its_own_counts_where_it_is_shorter(kind: Kind, timeout: Any, read: float, connect: float) -> None:
    limits = played(kind, Service(), run_sync, timeout=timeout).extensions["timeout"]
    # A task's own limit is patient where its loop stood still: that of httpx comes after it.
    patience = 2.0 if kind is AsyncClient and read == 11.0 else 0.0
    assert limits["read"] == pytest.approx(read + patience, abs=0.5)
    assert limits["connect"] == pytest.approx(connect, abs=0.5)


# Auth flows.


class Login(httpx.Auth):
    """Fetches a token when it is asked for a login, or as `again` says, and sends the request again with it."""

    def __init__(self, again: Callable[[httpx.Response], bool] = lambda response: response.status_code == 401) -> None:
        self._again = again

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        response = yield request
        while self._again(response):
            token = yield httpx.Request("POST", "https://login.invalid/token")
            assert token.status_code == 200
            request.headers["x-token"] = "t1"
            response = yield request


@both
def test_a_function_signs_requests(kind: Kind) -> None:
    def sign(request: httpx.Request) -> httpx.Request:
        request.headers["x-signature"] = request.headers["authorization"][-1]
        return request

    assert played(kind, Service(), auth=sign).headers["x-signature"] == "k"


@both
def test_an_auth_flow_may_log_in_and_send_a_submit_again_that_was_refused(kind: Kind) -> None:
    service = Service(401)
    assert played(kind, service, auth=Login()).headers["x-token"] == "t1"
    assert service.paths == ["/v2/e/run", "/token", "/v2/e/run"]


@both
@pytest.mark.parametrize("status", [200, 202, 400, 408, pytest.param(429, marks=pytest.mark.slow), 500, 502, 524])
def test_an_auth_flow_sends_no_submit_again_that_may_have_been_accepted(kind: Kind, status: int) -> None:
    service = Service(*[status] * 9)

    async def body(client: Any) -> None:
        try:
            await client.endpoint("e").run({"a": 1})
        except RunpodError as error:
            assert getattr(error, "status_code", None) == status  # noqa: PT017  either is right

    played(kind, service, body, auth=Login(lambda _: True))
    assert service.paths == ["/v2/e/run"] * (3 if status == 429 else 1)  # 429 is repeated by the retry policy


@both
def test_an_auth_flow_that_is_never_content_ends(kind: Kind) -> None:
    service = Service(*[401] * 99)

    async def body(client: Any) -> None:
        await caught(AuthenticationError, lambda: client.endpoint("e").run({"a": 1}))

    played(kind, service, body, auth=Login())
    assert service.paths == ["/v2/e/run", "/token"] * 2 + ["/v2/e/run"]


class Elsewhere(httpx.Auth):
    """Sends requests to other places only."""

    def __init__(self, most: int) -> None:
        self._most = most

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        del request
        for _ in range(self._most):
            yield httpx.Request("POST", "https://login.invalid/token")


@both
@pytest.mark.parametrize("most", [1, 10**9])
def test_the_answer_to_something_else_is_never_taken_for_that_to_a_request(kind: Kind, most: int) -> None:
    service = Service()

    async def body(client: Any) -> None:
        error = await caught(APIConnectionError, lambda: client.endpoint("e").health())
        assert "the auth flow" in str(error)

    played(kind, service, body, auth=Elsewhere(most))
    assert set(service.paths) == {"/token"}


def test_flows_that_are_written_for_one_flavour_are_driven() -> None:
    class Awaits(httpx.Auth):
        async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
            request.headers["x-token"] = "t1"
            yield request

    assert played(AsyncClient, Service(), auth=Awaits()).headers["x-token"] == "t1"
