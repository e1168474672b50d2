"""CPU and memory of a call: POST run and GET status in turn, against a static server, each client in its own process.

    python benchmarks/calls.py [--quick] [--json FILE]

Rounds are interleaved, so that a busy machine slows all of them alike; read the ratios. `floor` is http.client, and an
asyncio.Protocol that knows just enough HTTP. processes.py says in which environment each client runs.
"""

from __future__ import annotations

from processes import AIOHTTP, FAST, FLOOR, HTTPX, OFFICIAL, OURS, measured, present, serving
from rows import Row, main

SYNC = (FLOOR, HTTPX, OURS, OFFICIAL)
SHARED = (HTTPX, OURS)  # of which threads may share one
ASYNC = (FLOOR, AIOHTTP, HTTPX, OURS, FAST, OFFICIAL)
THREADS = (1, 16)
AT_ONCE = (1, 16, 64, 200)
MOST = {"sync call": 300.0, "async call, 1 at once": 450.0} | {f"async call, {n} at once": 350.0 for n in AT_ONCE[1:]}
RATIO_MOST = 0.5  # of the official client's CPU
CROWD = "async call, 64 at once"
# Of raw aiohttp's CPU there, which the official client for asyncio is: read by h11, and by httptools.
RAW_MOST = {OURS: 2.7, FAST: 1.6}


def cases() -> dict[str, tuple[str, int, tuple[str, ...]]]:
    """Return the flavour, how many are at once, and the clients, by figure."""
    made: dict[str, tuple[str, int, tuple[str, ...]]] = {}
    for threads in THREADS:
        figure = "sync call" if threads == 1 else f"sync call, {threads} threads"
        made[figure] = ("sync", threads, SYNC if threads == 1 else SHARED)
    for at_once in AT_ONCE:
        made[f"async call, {at_once} at once"] = ("async", at_once, ASYNC)
    return made


def rows(quick: bool) -> list[Row]:  # noqa: FBT001  as each benchmark has it
    """Measure all, round by round."""
    rounds, calls = (2, 400) if quick else (4, 2000)
    cpu: dict[tuple[str, str], list[float]] = {}
    memory: dict[tuple[str, str], list[float]] = {}
    with serving("static_server.py") as server:
        url = f"http://127.0.0.1:{server.told}/v2"
        for _ in range(rounds):
            for figure, (flavour, at_once, clients) in cases().items():
                for client in present(clients):
                    # httpx's own pool takes 10 to 30 times as long there.
                    share = calls // 4 if (client, flavour) == (HTTPX, "async") and at_once > 1 else calls
                    found = measured("calls_clients.py", client, flavour, url, share, at_once)
                    cpu.setdefault((figure, client), []).append(found["cpu"])
                    memory.setdefault((figure, client), []).append(found["rss"])
    made = [
        Row(
            figure=figure,
            who=client,
            unit="µs",
            values=tuple(values),
            most=MOST.get(figure) if client in (OURS, FAST) else None,
        )
        for (figure, client), values in cpu.items()
    ]
    compared = [("sync call", OURS, OFFICIAL, RATIO_MOST)] if OFFICIAL in present(SYNC) else []
    if AIOHTTP in present(ASYNC):
        compared += [(CROWD, client, AIOHTTP, RAW_MOST[client]) for client in present(RAW_MOST)]
    for figure, client, other, most in compared:
        pairs = zip(cpu[figure, client], cpu[figure, other], strict=True)
        values = tuple(ours / theirs for ours, theirs in pairs)
        of = "the official client" if other == OFFICIAL else f"raw {other}"
        made.append(Row(figure=f"{figure}, against {of}", who=client, unit="times", values=values, most=most))
    for figure in ("sync call", CROWD):
        made += [
            Row(figure=f"peak memory of the process, {figure}", who=client, unit="MB", values=tuple(values))
            for (of, client), values in memory.items()
            if of == figure
        ]
    return made


if __name__ == "__main__":
    main(rows, __doc__)
