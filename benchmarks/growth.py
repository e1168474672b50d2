"""Does the cost grow? A call beside 1 to 1,000 waiters, what these cost, and a job in bulk runs of 1,000 to 100,000.

    python benchmarks/growth.py [--quick] [--json FILE]

The emulator serves in a process of its own, without ledger; each measurement has a fresh client process, whose CPU and
memory are the client's alone. Waiters wait for jobs that never start: 400 of their requests are held, the others share
20 looks a second. They are tasks; or threads, where it says so. Flat is a ratio near 1 between the ends of each series.
"""

from __future__ import annotations

import json

from processes import OURS, measured, serving
from rows import Row, main

WAITERS = (1, 10, 100, 1_000)
THREADS = 300
JOBS = (1_000, 10_000, 100_000)
FLAT = 1.5  # between the ends of a series: above what a busy machine does to two runs of the same
# Of waiters, by what they are measured by: words, unit. 400 held and 200 others bound descriptors.
WAITING = {
    "cpu": ("CPU of a call beside waiters", "µs"),
    "parked": ("CPU of parked waiters", "% of a core"),
    "descriptors": ("descriptors open", ""),
    "run": ("run beside waiters", "ms"),
    "cancel": ("cancel beside waiters", "ms"),
}
DESCRIPTORS_MOST = 620.0
PARKED_MOST = 0.1  # what a clock that is read now and then may make of nothing
WHO = {"tasks": "waiters", "threads": "threads", "jobs": "jobs"}
BULK = {"cpu": ("CPU of a job in bulk", "µs"), "rss": ("peak memory in bulk", "MB")}


def rows(quick: bool) -> list[Row]:  # noqa: FBT001  as each benchmark has it
    """Measure each series, round by round."""
    cases = [("tasks", size) for size in WAITERS if size != 10 or not quick] + [("threads", THREADS)]
    cases += [("jobs", size) for size in (JOBS[:-1] if quick else JOBS)]
    found: dict[tuple[str, int], list[dict[str, float]]] = {}
    with serving("bulk_server.py") as server:
        for turn in range(1 if quick else 2):
            for kind, size in cases:
                if turn == 0 or size < JOBS[-1]:  # the largest takes a minute
                    one = measured("growth_clients.py", OURS, kind, json.dumps(server.told), size)
                    found.setdefault((kind, size), []).append(one)
    made: list[Row] = []
    for (kind, size), runs in found.items():
        for key, (figure, unit) in (BULK if kind == "jobs" else WAITING).items():
            made.append(
                Row(
                    figure=figure,
                    who=f"{size:,} {WHO[kind] if size > 1 else WHO[kind][:-1]}",
                    unit=unit,
                    values=tuple(run[key] for run in runs),
                    most={"descriptors": DESCRIPTORS_MOST, "parked": PARKED_MOST}.get(key),
                )
            )
    for kind, name in (("tasks", "a call, 1,000 waiters over 1"), ("jobs", "a job, the largest run over 1,000 jobs")):
        sizes = [size for of, size in found if of == kind]
        ends = [[run["cpu"] for run in found[kind, size]] for size in (sizes[0], sizes[-1])]
        ratios = tuple(last / first for first, last in zip(*ends, strict=False))
        made.append(Row(figure=f"growth of {name}", who="ratio", unit="times", values=ratios, most=FLAT))
    return made


if __name__ == "__main__":
    main(rows, __doc__)
