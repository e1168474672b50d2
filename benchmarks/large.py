"""What 10 MB of input and of output cost over what JSON itself does: CPU, and memory at its peak, as a multiple.

    python benchmarks/large.py [--quick] [--json FILE]

Against a server on loopback that answers every look with 10 MB. JSON's own cost, that of `json.dumps` and `json.loads`,
is measured in the same process and taken off. Rounds are interleaved.
"""

from __future__ import annotations

from processes import AIOHTTP, FAST, HTTPX, OFFICIAL, OURS, measured, present, serving
from rows import Row, main

CLIENTS = {"sync": (OURS, OFFICIAL, HTTPX), "async": (OURS, FAST, AIOHTTP)}
# By figure: words, unit, target.
FIGURES = {
    "in": ("10 MB of input, CPU over JSON's", "ms", 30.0),
    "out": ("10 MB of output, CPU over JSON's", "ms", 30.0),
    "peak_in": ("10 MB of input, peak memory", "bodies", 3.0),
    "peak_out": ("10 MB of output, peak memory", "bodies", 3.0),
}


def rows(quick: bool) -> list[Row]:  # noqa: FBT001  as each benchmark has it
    """Measure all, round by round."""
    rounds, repeat = (1, 5) if quick else (3, 9)
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    with serving("large_server.py") as server:
        url = f"http://127.0.0.1:{server.told}/v2"
        for _ in range(rounds):
            for flavour, clients in CLIENTS.items():
                for client in present(clients):
                    one = measured("large_clients.py", client, flavour, url, repeat)
                    found.setdefault((flavour, client), []).append(one)
    return [
        Row(
            figure=f"{flavour}: {words}",
            who=client,
            unit=unit,
            values=tuple(run[key] for run in runs),
            most=most if client in (OURS, FAST) else None,
        )
        for key, (words, unit, most) in FIGURES.items()
        for (flavour, client), runs in found.items()
    ]


if __name__ == "__main__":
    main(rows, __doc__)
