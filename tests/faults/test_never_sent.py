"""What never left is never called unknown: over each kind of connections, for each operation, it is sent again."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk import APIConnectionError, APIError, PollPolicy, RetryPolicy, SubmissionUnknownError
from tests.faults.acts import cut, nothing
from tests.faults.flavours import ASYNC, FLAVOURS, Flavour, ImpatientClock, closed, settled
from tests.faults.obstacles import OBSTACLES, PROXIES
from tests.faults.server import Connection, FaultServer
from tests.faults.table import CALLS, GIVEN, TELLING, WIRES, Call, choose, hold_briefly, obstacles

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

ROWS = obstacles()
ASYNCIO, SLOW_NAME = ("async-httpx", "async-given"), "its name is not found in time"
# Seconds for a request that only a stall ever reaches.
SHORT = 0.15

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


async def cell(call: Call, client: Any) -> str:
    try:
        await call.body(client.endpoint("e"))
    except SubmissionUnknownError:
        return "unknown"
    except APIConnectionError:
        return "down"
    return "ok"


async def observe(flavour: Flavour, client: Any, heard: set[str]) -> dict[str, str]:
    """Make every call, and say what came of each."""
    found = await flavour.together([partial(cell, call, client) for call in CALLS.values()])
    assert client.unknowns == ()
    assert heard >= {call.operation for call in CALLS.values()} - {"status-sync"}, "each is sent again"
    return dict(zip(CALLS, found, strict=True))


def observed(wire: str, url: str) -> dict[str, str]:
    flavour, heard = WIRES[wire], set[str]()

    async def main() -> dict[str, str]:
        async with flavour.opened(None, base_url=url, **options_of(wire, heard)) as client:
            return await observe(flavour, client, heard)

    found: dict[str, str] = flavour.run(main())
    return found


@pytest.mark.usefixtures("_chosen")
@pytest.mark.parametrize(
    ("wire", "obstacle"),
    # Where asyncio looks names up, its loop waits for the lookup when it is closed.
    [(wire, name) for wire in TELLING for name in OBSTACLES if wire not in ASYNCIO or name != SLOW_NAME],
)
def test_what_an_obstacle_keeps_back_was_never_sent(wire: str, obstacle: str) -> None:
    with OBSTACLES[obstacle]() as url:
        assert observed(wire, url) == ROWS[obstacle]


@pytest.mark.usefixtures("_chosen")
@pytest.mark.parametrize("wire", ["httpx", "async-httpx"])
@pytest.mark.parametrize("obstacle", PROXIES)
def test_a_proxy_that_opens_no_tunnel_was_sent_nothing(
    obstacle: str, wire: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer(default=PROXIES[obstacle]) as proxy:
        for name in ("https_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert observed(wire, "https://service.invalid/v2") == ROWS[obstacle]
    assert {arrival.method for arrival in proxy.arrivals} == {"CONNECT"}


@pytest.mark.usefixtures("_chosen")
@wires
def test_a_request_that_gets_no_place_among_the_connections_was_never_sent(
    wire: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runpod_sdk._http._wire._ORDINARY_MAX", 1)
    monkeypatch.setattr("runpod_sdk._http._wire._HELD_MAX", 1)
    flavour, heard, found = WIRES[wire], set[str](), dict[str, str]()
    options = options_of(wire, heard)
    takers: list[Callable[[Any], Any]] = [lambda client: client.endpoint("o").health()]
    if wire in GIVEN:
        options["transport"] = flavour.transport(limits=httpx.Limits(max_connections=1))
    else:
        takers.append(lambda client: client.endpoint("o").job("j1").wait())

    async def take(client: Any, call: Callable[[Any], Any]) -> None:
        with suppress(APIError):
            await settled(call(client.with_options(timeout=60.0, retry=None, poll=PollPolicy(outage=0.0))))

    async def late(client: Any) -> None:
        for _ in takers:
            await flavour.blocking(server.stalled.acquire)
        try:
            found.update(await observe(flavour, client, heard))
        finally:
            await flavour.blocking(server.close)

    async def main() -> None:
        async with flavour.opened(server, **options) as client:
            await flavour.together([partial(late, client), *(partial(take, client, call) for call in takers)])

    with FaultServer(default=cut(nothing, Connection.stall)) as server:
        flavour.run(main())
    assert found == ROWS["no place among the connections"]
    assert server.operations("e") == []


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
