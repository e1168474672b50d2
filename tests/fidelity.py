"""Write docs/fidelity.md from the tests' own marks: `python tests/fidelity.py`; with --check, fail if it is stale.

A test that holds a behaviour of the service carries `@pytest.mark.fidelity("topic: sentence", source="…")`. The source
says how well the behaviour is known, in the words of the spec. Behaviours that no test holds are listed here.
"""

from __future__ import annotations

import io
import sys
from collections import Counter, defaultdict
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "fidelity.md"

SOURCES = {
    "documented": "the official documentation says so",
    "live": "seen in a reply of the real service that its engineers published",
    "official source": "the source of an official client, worker library or tool depends on it",
    "reported": "third parties report it",
    "assumed": "nothing was found: a choice of this project, not knowledge of the service",
}

TOPICS = (
    "routes",
    "/run",
    "/runsync",
    "/status",
    "/status-sync",
    "/stream",
    "/cancel",
    "/retry",
    "/purge-queue",
    "/health",
    "/batch",
    "/openai",
    "errors",
    "states",
    "rate limits",
    "webhooks",
    "worker",
    "official clients",
    "official workers",
)

# What the emulator does, as far as we know, and no test holds.
UNTESTED: tuple[tuple[str, str], ...] = ()

# What the service does, and the emulator does not.
LEFT_OUT = (
    ("/batch: requests that are lost as the service's store fails, and starts that are not guaranteed", "documented"),
    ("/requests, which stands in the table of rate limits, and the limits of /openai/*", "documented"),
    ("/metrics, which runpod-flash 1.19 to 1.21 reads", "official source"),
    ("states: RUNNING", "documented"),
    ("worker: no workers after 7 days without a request; declare the endpoint with workers=0", "documented"),
    ("errors: pages of the edge (502, 504, 520, 524) and their HTML; `Fault.html` makes them", "reported"),
    ("errors: 402 without credit and 403 without permission; `Fault.status` makes them", "reported"),
    ("worker: a start that takes more than seven minutes makes it unhealthy", "documented"),
    ("worker: takes no job after one whose handler removed its id; here that result is lost", "official source"),
    ("worker: dies of a handler that closes `sys.stdout`; here it goes on", "official source"),
)


@dataclass
class Behaviour:
    """One row of the page."""

    source: str
    tests: set[str] = field(default_factory=set[str])


class Collector:
    """A pytest plugin that reads the marks of what is collected."""

    def __init__(self) -> None:
        self.behaviours: dict[str, Behaviour] = {}
        self.problems: list[str] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Read the marks."""
        for item in session.items:
            for mark in item.iter_markers("fidelity"):
                self._add(item.nodeid.partition("[")[0], *mark.args, **mark.kwargs)

    def _add(self, test: str, sentence: str, *, source: str) -> None:
        known = self.behaviours.setdefault(sentence, Behaviour(source))
        known.tests.add(test)
        if source not in SOURCES:
            self.problems.append(f"{test}: source={source!r} is none of {', '.join(SOURCES)}")
        if known.source != source:
            self.problems.append(f"{test}: {sentence!r} is {known.source} elsewhere, and {source} here")
        if sentence.partition(": ")[0] not in TOPICS:
            self.problems.append(f"{test}: {sentence!r} begins with none of {', '.join(TOPICS)}")


def collected() -> Collector:
    """Collect all tests, and return what their marks say.

    Raises:
        SystemExit: a test cannot be collected, or a mark makes no sense.
    """
    collector = Collector()
    with redirect_stdout(io.StringIO()) as said:
        code = pytest.main(["--collect-only", "-q", "--rootdir", str(ROOT), str(ROOT / "tests")], plugins=[collector])
    problems = [] if code == 0 else [said.getvalue()]
    problems += collector.problems
    problems += [f"UNTESTED: {sentence!r} has a test" for sentence, _ in UNTESTED if sentence in collector.behaviours]
    if problems:
        raise SystemExit("\n".join(problems))
    return collector


def page(behaviours: dict[str, Behaviour]) -> str:
    """Return docs/fidelity.md."""
    counts = Counter(behaviour.source for behaviour in behaviours.values())
    by_topic: defaultdict[str, list[str]] = defaultdict(list)
    for sentence in sorted(behaviours):
        by_topic[sentence.partition(": ")[0]].append(sentence)
    parts = [_HEAD, "| how well known | meaning | behaviours |\n|---|---|---|\n"]
    parts += [f"| {source} | {meaning} | {counts[source]} |\n" for source, meaning in SOURCES.items()]
    for topic in TOPICS:
        if by_topic[topic]:
            parts.append(f"\n## {topic}\n\n| behaviour | how well known | test |\n|---|---|---|\n")
            parts += [_row(sentence, behaviours[sentence]) for sentence in by_topic[topic]]
    if UNTESTED:
        parts.append(
            "\n## Without a test\n\nThe emulator does this, as far as we know; nothing would notice if it stopped.\n\n"
        )
        parts.append(_plain_rows(UNTESTED))
    parts.append("\n## Not emulated\n\n")
    parts.append(_plain_rows(LEFT_OUT))
    return "".join(parts)


_HEAD = """\
# How faithful the emulator is

Each behaviour of the emulator that a client or a worker can see, how well it is known that the real service does the
same, and the test that holds it. `python tests/fidelity.py` writes this page from the marks on the tests, and
`nox -s drift` fails where it is stale. The tests of official software run in `nox -s official`.

**Nobody has compared it with the real service by `runpod-sdk verify` yet.** What is unknown about the service is an
option of the emulator (`Options`), whose default is described here.

"""


def _row(sentence: str, behaviour: Behaviour) -> str:
    _, _, said = sentence.partition(": ")
    links = [f"[{_name(test)}](../{test.partition('::')[0]})" for test in sorted(behaviour.tests)]
    return f"| {_cell(said)} | {behaviour.source} | {', '.join(links)} |\n"


def _plain_rows(rows: Iterable[tuple[str, str]]) -> str:
    return "| behaviour | how well known |\n|---|---|\n" + "".join(
        f"| {_cell(row)} | {known} |\n" for row, known in rows
    )


def _name(test: str) -> str:
    return test.rpartition("::")[2].removeprefix("test_").replace("_", " ")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(arguments: list[str]) -> int:
    """Write the page, or compare it."""
    text = page(collected().behaviours)
    if "--check" not in arguments:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{PAGE.relative_to(ROOT)} is stale: python tests/fidelity.py writes it\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
