"""Every fault, for every operation, in both flavours and over both kinds of transport: what comes of it."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import APIConnectionError, APIError, APITimeoutError, PollPolicy, RetryPolicy, StreamInterruptedError
from runpod_sdk.errors import SubmissionUnknownError
from tests.faults.acts import answer_and_close, cut, endless_interim, in_the_body, not_tls, nothing
from tests.faults.flavours import FLAVOURS, Flavour, ImpatientClock, MuteTransport, listed, settled, slept
from tests.faults.server import Act, Connection, FaultServer, answer
from tests.faults.table import CALLS, GIVEN, MUTE, WIRES, Call, Row, choose, hold_briefly, rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runpod_sdk import Retry

# Seconds for a request that a stall ends: more and more, as a busy machine may need them; and for all others.
SHORT, LONG = (0.2, 3.0), 60.0

CASES = [pytest.param(row, wire, id=f"{wire}: {row.name}") for row in rows() for wire in row.wires]


@pytest.mark.parametrize(("row", "wire"), CASES)
def test_what_comes_of_a_fault(row: Row, wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hold_briefly(monkeypatch)
    choose(wire, monkeypatch)
    *sooner, last = SHORT if row.is_slow else (LONG,)
    for limit in sooner:
        with suppress(AssertionError):  # one that did not even get to the server is a request of nobody's
            assert cells_of(row, wire, limit) == row.cells
            return
    assert cells_of(row, wire, last) == row.cells


def cells_of(row: Row, wire: str, limit: float) -> dict[str, str]:
    flavour = WIRES[wire]
    # Where nothing listens at first, each call needs a port of its own.
    rounds = [[name] for name in CALLS] if row.is_refused else [list(CALLS)]
    cells: dict[str, str] = {}
    for names in rounds:
        cells |= flavour.run(observe(flavour, row, names, wire, limit))
    return cells


async def observe(flavour: Flavour, row: Row, names: Iterable[str], wire: str, limit: float) -> dict[str, str]:
    """Make the calls, and say what came of each; check what holds whatever comes."""
    repeats: Counter[tuple[str, str]] = Counter()

    def on_retry(retry: Retry) -> None:
        repeats[retry.endpoint_id, retry.operation] += 1

    default = answer if row.scheme == "http" else not_tls
    with FaultServer(listening=not row.is_refused, default=default) as server:
        options: dict[str, Any] = {
            "base_url": server.url.replace("http", row.scheme, 1),
            "clock": ImpatientClock(server.listen),
            "timeout": limit,
            "retry": RetryPolicy(on_retry=on_retry),
            "poll": PollPolicy(hold=0.01),
        }
        if wire in GIVEN:
            options["transport"] = MuteTransport() if wire in MUTE else flavour.transport()
        for name in names:
            # No two submits are answered with one id.
            job_id = "j2" if name == "run_sync" else "j1"
            server.script(name, *row.acts, status=CALLS[name].status, job_id=job_id)
        async with flavour.opened(server, **options) as client:
            bodies = [partial(watch, flavour, client, server, row, name, repeats) for name in names]
            found = await flavour.together(bodies) if row.is_slow else [await body() for body in bodies]
            recorded = {operation: stats.requests for operation, stats in client.stats.items()}
            unknowns = sorted(record.endpoint_id for record in client.unknowns)
    cells = dict(zip(names, found, strict=True))
    unseen = (2 if cells == {"retry": "error"} else 1) if row.is_refused else 0
    assert sum(recorded.values()) == len(server.arrivals) + unseen, "requests seen = attempts recorded"
    if not unseen and row.scheme == "http":
        assert recorded == server.counts()
    assert not any(server.acts.values()), "no fault was left out"
    assert max(job.queued for job in server.jobs.values()) <= 1, "no submit was done twice"
    assert max(job.purged for job in server.jobs.values()) <= 1, "no purge was done twice"
    assert unknowns == sorted(name for name in cells if cells[name] == "unknown"), "each is on record, once"
    return cells


async def watch(
    flavour: Flavour, client: Any, server: FaultServer, row: Row, name: str, repeats: Counter[tuple[str, str]]
) -> str:
    """Make one call, and return the cell that describes what came of it."""
    call = CALLS[name]
    if row.warm is not None:
        server.script("warm", row.warm, row.warm)
        for warm_up in (client.endpoint("warm").health, client.endpoint("warm").job("j1").wait):
            await settled(warm_up())
            if row.warm is answer_and_close:
                await flavour.blocking(server.closed.acquire)
    slept(forget=True)
    try:
        value = await call.body(client.endpoint(name))
    except APIError as error:
        cell = cell_of_error(error, repeated=repeats[name, call.operation] > 0)
    except StreamInterruptedError:
        cell = "gap"
    else:
        cell = cell_of_value(call, value, server.operations(name), repeats[name, call.operation])
    if row.warm is not None:
        [first, *_] = [arrival for arrival in server.arrivals if arrival.endpoint_id == name]
        assert (first.nth == 1) == (row.warm is answer_and_close), "the connection is a used one, or a new one"
    return cell


def cell_of_error(error: APIError, *, repeated: bool) -> str:
    if isinstance(error, SubmissionUnknownError):
        return f"{error!r} after a repeat" if repeated else "unknown"
    if repeated:
        return "down" if isinstance(error, APIConnectionError) else f"{error!r} after a repeat"
    return "error"


def cell_of_value(call: Call, value: object, operations: list[str], repeats: int) -> str:
    if value != call.value:
        return f"a wrong value: {value!r}"
    looks = 0 if call.operation in ("status", "stream") else operations.count("status")
    if looks > 1 or repeats > 1:
        return f"too many requests: {operations}"
    if looks:
        return "settled"
    if repeats:
        return "again"
    return "mended" if slept() else "ok"


@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)
@pytest.mark.parametrize("act", [endless_interim, cut(nothing, Connection.stall)], ids=["slow", "silent"])
def test_a_request_has_an_end_however_slowly_its_answer_comes(act: Act, flavour: Flavour) -> None:
    async def body(client: Any) -> None:
        with pytest.raises(APITimeoutError):
            await settled(client.endpoint("e").health())

    with FaultServer(default=act) as server:
        flavour.play(server, body, timeout=SHORT[0], retry=None)


@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)
def test_a_gap_that_nothing_fills_is_told(flavour: Flavour) -> None:
    """Where the worker does not aggregate its stream, what was lost is gone: the rest comes, and then the error."""

    async def body(client: Any) -> None:
        stream = client.endpoint("e").job("j1").stream()
        with pytest.raises(StreamInterruptedError) as caught:
            await listed(stream)
        assert (caught.value.gap_after, caught.value.received, stream.received) == (0, 1, 1)

    with FaultServer() as server:
        server.script("e", cut(in_the_body)).output = []
        flavour.play(server, body, clock=ImpatientClock())
