"""Draws the states of a job from the emulator's table: docs/assets/states.svg, and the rows of docs/states.md.

python tools/states_page.py            writes both
python tools/states_page.py --check    fails where what is there is not what would be written
"""

from __future__ import annotations

import sys
from pathlib import Path

from runpod_sdk.emulator._queue._machine import FINAL, TABLE, Event, State

ROOT = Path(__file__).parent.parent
PAGE, PICTURE = ROOT / "docs" / "states.md", ROOT / "docs" / "assets" / "states.svg"
BEGIN, END = "<!-- rows: python tools/states_page.py -->\n", "<!-- end of rows -->\n"

# Who moves a job, and by what; in the order of the page.
MOVERS = {
    Event.TAKE: ("a worker", "takes the job"),
    Event.REPORT: ("its worker", "sends progress or a chunk of a stream"),
    Event.SUCCEED: ("its worker", "sends a result"),
    Event.FAIL: ("its worker", "sends an error, or the job was lost too often"),
    Event.ERROR: ("its worker", 'the same, where `Options(failed_status="ERROR")` says so'),
    Event.LOSE: ("the service", "its worker died, and the job may be given to another: it may run twice"),
    Event.OVERRUN: ("the service", "`execution_timeout` is over; it says FAILED, as is reported of it"),
    Event.TIME_OUT: (
        "the service",
        'the same in the words of its documentation: `Options(overrun_status="TIMED_OUT")`',
    ),
    Event.CANCEL: ("you", "`job.cancel()`"),
    Event.PURGE: ("you", "`endpoint.purge_queue()`; what a job then is, is assumed"),
    Event.RETRY: ("you", "`job.retry()`"),
    Event.EXPIRE: ("the service", "`ttl` is over, or the time for which it keeps a result: 404 from then on"),
}

# The picture: left and top of each box; colours that both a light and a dark page bear.
WIDTH, HEIGHT, GREY, ACCENT = 132, 34, "#808490", "#8f6fd6"
BOXES = {
    State.IN_QUEUE: (10, 110),
    State.IN_PROGRESS: (250, 110),
    State.COMPLETED: (500, 10),
    State.FAILED: (500, 76),
    State.TIMED_OUT: (500, 142),
    State.CANCELLED: (500, 208),
}
# Of each arrow its way, and the middle of its words: those that lie beside each other are told apart by hand.
ARROWS: dict[tuple[State, Event], tuple[str, int, int]] = {
    (State.IN_QUEUE, Event.TAKE): ("M142 120 H250", 196, 113),
    (State.IN_PROGRESS, Event.LOSE): ("M250 134 H142", 196, 149),
    (State.IN_PROGRESS, Event.SUCCEED): ("M382 118 C440 110 430 27 500 27", 428, 24),
    (State.IN_PROGRESS, Event.FAIL): ("M382 124 C440 120 440 93 500 93", 470, 86),
    (State.IN_PROGRESS, Event.TIME_OUT): ("M382 130 C440 134 440 159 500 159", 468, 176),
    (State.IN_PROGRESS, Event.CANCEL): ("M382 136 C430 150 430 225 500 225", 412, 214),
    (State.IN_QUEUE, Event.CANCEL): ("M76 144 C76 260 250 236 500 236", 230, 256),
    (State.FAILED, Event.RETRY): ("M566 76 C560 46 76 20 76 110", 220, 42),
}


_HEAD = f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 642 270" font-family="sans-serif" font-size="12" role="img">
<title>The states of a job, and what moves it</title>
<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">
<path d="M0 0 L8 4 L0 8 z" fill="{GREY}"/></marker></defs>
"""


def rows() -> str:
    """Return the table: one row an event, with all that it moves."""
    lines = ["| from | to | who | by what |\n|---|---|---|---|\n"]
    for event, (who, how) in MOVERS.items():
        for after in dict.fromkeys(to for (_, by), to in TABLE.items() if by is event):
            before = ", ".join(said(state) for (state, by), to in TABLE.items() if by is event and to is after)
            lines.append(f"| {before} | {said(after)} | {who} | {how} |\n")
    return "".join(lines)


def said(state: State) -> str:
    """Return a state as the page names it."""
    return "forgotten" if state is State.GONE else state.value


def picture() -> str:
    """Return the SVG; each of its arrows has to be a row of the table."""
    parts = [_HEAD]
    for key, (way, x, y) in ARROWS.items():
        if key not in TABLE:
            raise SystemExit(f"the picture has an arrow that the table does not know: {key}")
        parts.append(f'<path d="{way}" fill="none" stroke="{GREY}" marker-end="url(#tip)"/>\n')
        parts.append(f'<text x="{x}" y="{y}" text-anchor="middle" fill="{GREY}">{key[1].value}</text>\n')
    for state, (left, top) in BOXES.items():
        colour = ACCENT if state in FINAL else GREY
        box = f'x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" rx="6"'
        parts.append(f'<rect {box} fill="{colour}" fill-opacity="0.12" stroke="{colour}"/>\n')
        text = f'x="{left + WIDTH // 2}" y="{top + 21}" text-anchor="middle"'
        parts.append(f'<text {text} fill="{colour}" font-weight="bold">{state.value}</text>\n')
    return "".join(parts) + "</svg>\n"


def page() -> str:
    """Return docs/states.md with its rows as they have to be."""
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    return head + BEGIN + "\n" + rows() + "\n" + END + rest.split(END)[1]


def main(arguments: list[str]) -> int:
    """Write both, or compare them."""
    stale: list[str] = []
    for path, text in ((PAGE, page()), (PICTURE, picture())):
        if "--check" not in arguments:
            path.write_text(text, encoding="utf-8", newline="\n")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(str(path.relative_to(ROOT)))
    if stale:
        sys.stderr.write(f"stale: {', '.join(stale)}; python tools/states_page.py writes it\n")
    return bool(stale)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
