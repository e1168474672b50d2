"""What notebooks are given to show: tables that are escaped, short, and hold neither key nor input."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runpod_sdk import AsyncClient, Client, Health, JobCounts, JobState, JobStatus, QueueReason, WorkerCounts
from runpod_sdk._display._markup import CELL_MAX, line_html, progress_html, table
from runpod_sdk.emulator import Emulator


class Reader(HTMLParser):
    """Reads a table back, and the tags that it is made of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:  # noqa: ARG002  the base class has it
        self.tags.add(tag)
        if tag in ("th", "td", "caption"):
            self.texts.append("")

    def handle_data(self, data: str) -> None:
        self.texts[-1] += data


def rows(value: Any) -> dict[str, str]:
    texts = Reader(value._repr_html_()).texts[1:]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def test_a_text_that_no_notebook_can_be_sent_is_escaped() -> None:
    state = JobState(id="j1", endpoint_id="abc", status=JobStatus.FAILED, error="half a \ud83d")
    assert rows(state)["error"] == "half a \\ud83d"


@given(title=st.text(), name=st.text(), value=st.text() | st.lists(st.text()))
def test_nothing_gets_out_of_its_cell(title: str, name: str, value: Any) -> None:
    assert Reader(table(title, [(name, value)])).tags <= {"table", "caption", "tr", "th", "td", "tbody"}
    assert "<script" not in line_html("<script>" + title)
    assert "<script" not in progress_html("<script>" + title, 1, 2)


def test_a_state_shows_its_facts_and_only_those_it_has() -> None:
    state = JobState(
        id="j1",
        endpoint_id="abc",
        status=JobStatus.COMPLETED,
        output={"url": "<b>"},
        worker_id="w1",
        delay_time_ms=1500,
        execution_time_ms=250,
    )
    assert rows(state) == {
        "id": "j1",
        "endpoint": "abc",
        "status": "COMPLETED",
        "output": "{'url': '<b>'}",
        "worker": "w1",
        "in the queue": "1.5 s",
        "on the worker": "0.2 s",
    }


def test_a_falsy_output_is_shown_and_none_of_a_job_that_runs_is_not() -> None:
    facts: Any = {"id": "j1", "endpoint_id": "abc"}
    nothings: list[Any] = [0, "", None, []]
    for falsy in nothings:
        assert rows(JobState(**facts, status=JobStatus.COMPLETED, output=falsy))["output"] == repr(falsy)
    assert "output" not in rows(JobState(**facts, status=JobStatus.IN_PROGRESS, progress=0))


def test_an_output_is_cut() -> None:
    state = JobState(id="j1", endpoint_id="abc", status=JobStatus.COMPLETED, output="x" * 10_000_000, error="y" * 5000)
    assert len(rows(state)["output"]) == len(rows(state)["error"]) == CELL_MAX + 1


def test_a_queued_job_shows_what_it_waits_for() -> None:
    reason = QueueReason(cause="throttled", in_queue=1, workers=WorkerCounts(throttled=2))
    state = JobState(id="j1", endpoint_id="abc", status=JobStatus.IN_QUEUE, queue_reason=reason)
    assert rows(state)["waits for"] == str(reason)


def test_health_shows_what_is_there() -> None:
    health = Health(jobs=JobCounts(in_queue=2, completed=7), workers=WorkerCounts())
    assert rows(health) == {"jobs": "7 completed, 2 in queue", "workers": "none"}


def test_a_job_shows_its_ids_and_makes_no_request() -> None:
    with Emulator() as emulator, Client(**emulator.connection) as client:
        emulator.endpoint("abc", lambda job: job["input"])
        job = client.endpoint("abc").run({"prompt": "secret-input"})
        emulator.clock.sleep(1)
        asked = len(emulator.requests)
        shown = rows(job)
        assert (shown["id"], shown["endpoint"]) == (job.id, "abc")
        assert shown["submitted"].endswith(" UTC")
        assert len(emulator.requests) == asked
    other: Any = AsyncClient("a-key").endpoint("abc").job("j1")
    assert rows(other) == {"id": "j1", "endpoint": "abc"}


def test_a_bulk_run_shows_how_far_it_is_with_neither_key_nor_input() -> None:
    def handler(job: dict[str, Any]) -> Any:
        if job["input"]["n"] == 2:
            raise ValueError("bad")
        return "fine"

    with Emulator(api_key="a-key-of-mine") as emulator, Client(**emulator.connection) as client:
        emulator.endpoint("abc", handler)
        with client.endpoint("abc").map([{"n": n, "prompt": "secret-input"} for n in range(4)]) as results:
            assert rows(results)["results"] == "0"
            list(results)
        shown = rows(results)
        assert (shown["results"], shown["succeeded"], shown["failed"]) == ("4", "3", "1")
        assert "cancelled" not in shown
        html = "".join(value._repr_html_() for value in (results, results.report()))
        assert "a-key-of-mine" not in html
        assert "secret-input" not in html
