"""What never left is never called unknown: over each kind of connections, for each operation, it is sent again."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk import APIConnectionError, APIError, PollPolicy, RetryPolicy, SubmissionUnknownError
from tests.faults.acts import cut, nothing
from tests.faults.flavours import ASYNC, FLAVOURS, Flavour, ImpatientClock, closed, settled
from tests.faults.obstacles import OBSTACLES, PROXIES
from tests.faults.server import Act, Connection, FaultServer
from tests.faults.table import CALLS, GIVEN, TELLING, WIRES, Call, choose, hold_briefly

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.faults.obstacles import Obstacle

# Seconds for a request that only a stall ever reaches.
SHORT = 0.3

wires = pytest.mark.parametrize("wire", TELLING)
flavours = pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)


@pytest.fixture
def _chosen(wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hold_briefly(monkeypatch)
    choose(wire, monkeypatch)


def options_of(wire: str, heard: set[str]) -> dict[str, Any]:
    options: dict[str, Any] = {
        "clock": ImpatientClock(),
        "timeout": SHORT,
        "retry": RetryPolicy(attempts=2, on_retry=lambda retry: heard.add(retry.operation)),
        "poll": PollPolicy(hold=0.01, outage=1.0),
    }
    return {**options, "transport": WIRES[wire].transport()} if wire in GIVEN else options


async def fails(call: Call, client: Any) -> None:
    with pytest.raises(APIConnectionError):
        await call.body(client.endpoint("e"))


async def all_fail(flavour: Flavour, heard: set[str], url: str, options: dict[str, Any]) -> None:
    async with flavour.opened(None, base_url=url, **options) as client:
        await flavour.together([partial(fails, call, client) for call in CALLS.values()])
        assert client.unknowns == ()
    assert heard >= {call.operation for call in CALLS.values()} - {"status-sync"}, "each is sent again"


@pytest.mark.usefixtures("_chosen")
@wires
@pytest.mark.parametrize("obstacle", OBSTACLES.values(), ids=OBSTACLES)
def test_what_an_obstacle_keeps_back_was_never_sent(obstacle: Obstacle, wire: str) -> None:
    heard: set[str] = set()
    with obstacle() as url:
        WIRES[wire].run(all_fail(WIRES[wire], heard, url, options_of(wire, heard)))


@pytest.mark.usefixtures("_chosen")
@pytest.mark.parametrize("wire", ["httpx", "async-httpx"])
@pytest.mark.parametrize("act", PROXIES.values(), ids=PROXIES)
def test_a_proxy_that_opens_no_tunnel_was_sent_nothing(act: Act, wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: set[str] = set()
    with FaultServer(default=act) as proxy:
        for name in ("https_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        WIRES[wire].run(all_fail(WIRES[wire], heard, "https://service.invalid/v2", options_of(wire, heard)))
    assert {arrival.method for arrival in proxy.arrivals} == {"CONNECT"}


@pytest.mark.usefixtures("_chosen")
@wires
def test_a_request_that_gets_no_place_among_the_connections_was_never_sent(
    wire: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runpod_sdk._http._wire._ORDINARY_MAX", 1)
    flavour = WIRES[wire]

    async def submit(client: Any) -> str:
        try:
            await settled(client.endpoint("e").run({}))
        except APIError as error:
            return type(error).__name__
        return "answered"

    async def late(client: Any) -> list[str]:
        await flavour.blocking(server.stalled.acquire)
        found = await flavour.together([partial(submit, client)] * 2)
        await flavour.blocking(server.close)
        return found

    async def main() -> None:
        async with flavour.opened(server, timeout=60.0, retry=None, **given) as client:
            bodies: list[Any] = [partial(submit, client), partial(late, client.with_options(timeout=SHORT))]
            assert await flavour.together(bodies) == ["SubmissionUnknownError", ["APITimeoutError"] * 2]
            assert len(client.unknowns) == 1

    given: dict[str, Any] = {}
    if wire in GIVEN:
        given["transport"] = flavour.transport(limits=httpx.Limits(max_connections=1))
    with FaultServer(default=cut(nothing, Connection.stall)) as server:
        flavour.run(main())
    assert server.operations("e") == ["run"]


@pytest.mark.usefixtures("_chosen")
@pytest.mark.parametrize("wire", [name for name in TELLING if WIRES[name] is ASYNC])
def test_a_submit_that_is_cancelled_before_its_first_byte_leaves_no_record(
    wire: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runpod_sdk._client._async_shell.GRACE", 0.05)

    async def main(url: str, stalled: Any) -> None:
        options = {**options_of(wire, set()), "timeout": 60.0}
        async with ASYNC.opened(None, base_url=url, **options) as client:
            task = asyncio.ensure_future(client.endpoint("e").run({}))
            await asyncio.to_thread(stalled.acquire)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            assert (client.unknowns, getattr(caught.value, "__notes__", [])) == ((), [])

    with FaultServer(default=Connection.stall) as server:
        asyncio.run(main(server.url.replace("http:", "https:"), server.stalled))


class Signing(httpx.Auth):
    """Makes each request anew, as a signature may need it."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        yield httpx.Request(request.method, request.url, headers=request.headers, content=request.content)


@flavours
def test_a_request_that_an_auth_flow_made_anew_was_sent(flavour: Flavour) -> None:
    async def main() -> None:
        kind = httpx.AsyncClient if flavour is ASYNC else httpx.Client
        theirs = kind(auth=Signing(), trust_env=False)
        async with flavour.opened(server, http_client=theirs) as client:
            with pytest.raises(SubmissionUnknownError):
                await settled(client.endpoint("e").run({}))
        await closed(theirs)

    with FaultServer(default=cut(nothing)) as server:
        flavour.run(main())
    assert server.operations("e") == ["run"]
