"""Bulk runs: 2,000 jobs of 200 ms on 100 workers, 4,000 of 100 ms on a slow disk, and 20,000 trivial ones.

    python benchmarks/bulk.py [--quick] [--json FILE]

The emulator serves in a process of its own on loopback, without ledger; each run has a fresh client process, whose CPU
and peak memory are the client's alone. `map` has 128 and 64 jobs in flight; so have raw httpx, raw aiohttp and the
floor, an asyncio.Protocol, which hold a request for each job. The official client looks once a second, with 800 in
flight. "sync" are threads, "journal" runs that keep one, and "slow journal" those whose disk takes 20 ms more for each
commit. "Memory a job" is by how much the peak grows over a run of a tenth of the jobs.
"""

from __future__ import annotations

import json

from processes import AIOHTTP, FAST, FLOOR, HTTPX, OFFICIAL, OURS, measured, present, serving
from rows import Row, main

CLIENTS = (OURS, FAST, OFFICIAL, AIOHTTP, FLOOR)
FLAVOURS = ("async", "sync")  # raw clients have tasks only; so has the official one here: its threads poll, too
KEPT = ("async, journal", "sync, journal")
SLOW = ("async, slow journal", "sync, slow journal")  # each commit takes 20 ms more
# The case: jobs, seconds each, in flight, and what is expected of it: wall s, peak MB, requests, CPU ms and KB a job.
# 100 workers do 500 jobs of 200 ms a second at most, so a disk is slow with shorter ones.
ON_SLOW_DISK = "4,000 jobs of 100 ms"
CASES = {
    "2,000 jobs of 200 ms": (2_000, 0.2, 128, {"wall": 4.5, "rss": 50.0, "requests": 4_100.0}),
    ON_SLOW_DISK: (4_000, 0.1, 128, {"rss": 50.0}),
    "20,000 trivial jobs": (20_000, 0.0, 64, {"cpu_each": 0.8, "grown": 3.0}),
}
OURS_ALONE = {"2,000 jobs of 200 ms": KEPT, ON_SLOW_DISK: SLOW}
# CPU that a journal may cost a job, ms.
KEPT_MOST = 0.25
# Jobs a second where each commit of a journal takes 20 ms more, at least.
RATE_LEAST = 500.0
WORDS = {
    "rate": ("jobs a second", ""),
    "kept": ("CPU of the journal a job", "ms"),
    "wall": ("wall", "s"),
    "cpu_each": ("CPU a job", "ms"),
    "rss": ("peak memory", "MB"),
    "grown": ("memory a job", "KB"),
    "requests": ("requests", ""),
}


def runs_of(case: str, *, quick: bool, rounds: int) -> dict[tuple[str, str], list[dict[str, float]]]:
    """Run one case with every client, in turn; the runs by flavour and client."""
    jobs, seconds, in_flight, _ = CASES[case]
    count = jobs // 10 if quick else jobs
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    pairs = [
        (flavour, who)
        for who in present((OURS, FAST) if case == ON_SLOW_DISK else CLIENTS)
        for flavour in (*FLAVOURS, *OURS_ALONE.get(case, ()))
        if flavour == "async" or who in (OURS, FAST)
    ]
    with serving("bulk_server.py") as server:

        def one(flavour: str, who: str, many: int) -> dict[str, float]:
            each = measured("bulk_clients.py", who, flavour, json.dumps(server.told), many, seconds, in_flight)
            return {**each, "cpu_each": each["cpu"] / many * 1e3, "rate": many / each["wall"]}

        for turn in range(rounds):
            for flavour, who in pairs:
                if turn > 0 and not seconds and who not in (OURS, FAST):
                    continue  # 20,000 jobs are many runs of one
                found.setdefault((flavour, who), []).append(one(flavour, who, count))
            if turn == 0 and "wall" in CASES[case][3]:  # httpx's own pool takes 25 s, all of it CPU
                found["async", HTTPX] = [one("async", HTTPX, count)]
        if "grown" in CASES[case][3]:
            for (flavour, who), runs in found.items():
                small = one(flavour, who, count // 10)
                for run in runs:
                    run["grown"] = (run["rss"] - small["rss"]) * 1e3 / (count - count // 10)
    _note_kept(found)
    return found


def _note_kept(found: dict[tuple[str, str], list[dict[str, float]]]) -> None:
    """Note by how much a journal raises the CPU of a job, ms."""
    for (flavour, who), runs in found.items():
        if flavour in KEPT:
            for run, plain in zip(runs, found[flavour.split(", ")[0], who], strict=True):
                run["kept"] = run["cpu_each"] - plain["cpu_each"]


def rows(quick: bool) -> list[Row]:  # noqa: FBT001  as each benchmark has it
    """Measure both cases."""
    made: list[Row] = []
    for case, (jobs, _, _, targets) in CASES.items():
        words = case.replace(f"{jobs:,}", f"{jobs // 10:,}") if quick else case
        for (flavour, who), runs in runs_of(case, quick=quick, rounds=1 if quick else 2).items():
            for key, (figure, unit) in WORDS.items():
                if key in runs[0] and (key != "rate" or flavour in SLOW):
                    is_ours = who in (OURS, FAST)
                    is_whole = not quick or key not in ("wall", "requests")
                    made.append(
                        Row(
                            figure=f"{words}, {flavour}: {figure}",
                            who=who,
                            unit=unit,
                            values=tuple(run[key] for run in runs),
                            least=RATE_LEAST if key == "rate" and not quick else None,
                            most={**targets, "kept": KEPT_MOST}.get(key) if is_ours and is_whole else None,
                        )
                    )
    return sorted(made, key=lambda row: row.figure.split(": ")[0])


if __name__ == "__main__":
    main(rows, __doc__)
