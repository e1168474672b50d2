"""How long after its end a job is with the caller, and a chunk after its yield; with the official client beside.

    python benchmarks/latency.py [--quick] [--json FILE]

The emulator serves in a process of its own, on loopback, and again behind a proxy that takes 25 ms each way; there the
way back is taken off. A handler returns, and yields, the time at which it does so; the caller compares it with its own
clock, which is the same. Jobs take 200 ms; a stream has 10 chunks, 100 ms apart. The official client, which polls, is
measured with threads.
"""

from __future__ import annotations

from statistics import median

from processes import FAST, OFFICIAL, OURS, measured, present, serving
from rows import Row, main

AWAY = {"loopback": 0.0, "50 ms": 25.0}  # from the server to the caller, ms
PLACES = {"loopback": "", "50 ms": ", 50 ms of round trip"}
KINDS = {"output": "job done → output()", "run_sync": "job done → run_sync()", "stream": "chunk yielded → caller"}
CLIENTS = ((OURS, "sync"), (OURS, "async"), (FAST, "async"), (OFFICIAL, "sync"))
# By kind: most of p50 and p95, ms, and of requests a job.
MOST: dict[str, tuple[float, float, float | None]] = {
    "output": (2.0, 10.0, 2.0),
    "run_sync": (2.0, 10.0, 1.0),
    "stream": (2.0, 15.0, None),
}
FIRST_MOST = 10.0


def percentile(lags: list[float], share: float) -> float:
    """Return the lag that this share of them does not exceed."""
    return sorted(lags)[min(len(lags) - 1, int(len(lags) * share))]


def rows(quick: bool) -> list[Row]:  # noqa: FBT001  as each benchmark has it
    """Measure all, round by round."""
    rounds, jobs, streams = (1, 3, 1) if quick else (2, 6, 2)
    found: dict[tuple[str, str, str], list[tuple[list[list[float]], float]]] = {}
    clients = [(who, flavour) for who, flavour in CLIENTS if present([who])]
    with serving("latency_server.py") as server:
        for _ in range(rounds):
            for place in PLACES:
                for kind in KINDS:
                    for who, flavour in clients:
                        many = streams if kind == "stream" else jobs
                        before = server.ask()
                        url, key = server.told[place], server.told["key"]
                        lags = measured("latency_clients.py", who, flavour, kind, url, key, many)
                        requests = (server.ask() - before - 1) / many
                        lags = [[lag - AWAY[place] for lag in job] for job in lags]
                        found.setdefault((place, kind, f"{who}, {flavour}"), []).append((lags, requests))
    made: list[Row] = []
    for (place, kind, who), runs in found.items():
        is_ours = OFFICIAL not in who
        p50, p95, requests_most = MOST[kind] if is_ours else (None, None, None)

        def row(
            words: str,
            values: list[float],
            most: float | None,
            unit: str = "ms",
            what: str = KINDS[kind] + PLACES[place],
            who: str = who,
        ) -> Row:
            return Row(figure=f"{what}: {words}", who=who, unit=unit, values=tuple(values), most=most)

        alike = [[lag for job in lags for lag in job] for lags, _ in runs]
        made += [row("p50", [median(lags) for lags in alike], p50)]
        made += [row("p95", [percentile(lags, 0.95) for lags in alike], p95)]
        if kind == "stream":
            first = [max(job[0] for job in lags) for lags, _ in runs]
            made.append(row("the first one, at most", first, FIRST_MOST if is_ours else None))
        else:
            made.append(row("requests a job", [requests for _, requests in runs], requests_most, ""))
    return made


if __name__ == "__main__":
    main(rows, __doc__)
