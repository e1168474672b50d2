"""The console: its page, what it is told as it happens, and what it asks for; without a browser."""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk.clock import AdjustableClock, VirtualClock
from runpod_sdk.emulator import Emulator, Fault, progress_update
from runpod_sdk.emulator._doors._chunk_log import ChunkLog
from runpod_sdk.emulator._doors._console import Watch
from runpod_sdk.emulator._doors._secrets import MASK, Secrets, masked
from runpod_sdk.emulator._hub import Hub
from runpod_sdk.emulator._queue._queue import Queue
from runpod_sdk.emulator._queue._requests import Chunk, Submit
from runpod_sdk.emulator._workers._events import WorkerPrinted
from runpod_sdk.emulator._workers._worker_log import LINES, WorkerLog

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

KEY = {"authorization": "test"}
SIZE = 150_000  # bytes of the page with all that it loads


class World:
    """An emulator whose time is moved by hand, and a browser's place in front of it."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.root = emulator.serve().url.removesuffix("/v2")
        self.client = httpx.Client(base_url=self.root, headers={"origin": self.root}, timeout=10)

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return self.client.request(method, f"/_emulator/{path}", json=body)

    def submit(self, **job_input: Any) -> str:
        job_id: str = self.ask("POST", "v2/e/run", {"input": {"n": 1} | job_input}).json()["id"]
        return job_id

    @contextmanager
    def listening(self) -> Generator[Iterator[tuple[str, Any]]]:
        with self.client.stream("GET", "/_emulator/events") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield events(answer.iter_lines())


def events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    for line in lines:
        if line.startswith("event: "):
            yield line.removeprefix("event: "), json.loads(next(lines).removeprefix("data: "))


def anything(_: Any) -> bool:
    return True


def until(told: Iterator[tuple[str, Any]], kind: str, fits: Callable[[Any], bool] = anything) -> Any:
    """Return the value of the next event of a kind that fits; the socket's timeout ends it."""
    return next(value for name, value in told if name == kind and fits(value))


@pytest.fixture
def world() -> Iterator[World]:
    with Emulator(clock=VirtualClock(auto_jump=False)) as emulator:
        emulator.endpoint("e")
        world = World(emulator)
        yield world
        world.client.close()


def test_the_page_loads_nothing_from_elsewhere_and_is_small(world: World) -> None:
    page = world.client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert loaded, "it has modules"
    seen, size = {"index.html"}, len(page.content)
    names = [name for name in loaded if not name.startswith("data:")]
    while names:
        name = names.pop()
        assert name.startswith("_emulator/console/")
        if name in seen:
            continue
        seen.add(name)
        answer = world.client.get(f"/{name}")
        assert answer.status_code == 200
        size += len(answer.content)
        names += [f"_emulator/console/{found}" for found in re.findall(r'from "\./([^"]+)"', answer.text)]
        assert "http://" not in answer.text.replace("http://www.w3.org/", "")
        assert "https://" not in answer.text
    on_disk = files("runpod_sdk.emulator._doors").joinpath("console").iterdir()
    assert {name.rpartition("/")[2] for name in seen} == {each.name for each in on_disk}
    assert size <= SIZE


@pytest.mark.parametrize("path", ["/", "/_emulator/console/console.js"])
def test_the_page_is_guarded(world: World, path: str) -> None:
    answer = world.client.get(path, headers={"sec-fetch-site": "cross-site"})  # somebody followed a link
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert world.client.get(path, headers={"host": "evil.example"}).status_code == 403
    assert world.client.post(path).status_code == 405


@pytest.mark.parametrize("name", ["", "nothing.js", "../_control_api.py", "%2e%2e/_control_api.py", "console.js/"])
def test_nothing_else_is_served(world: World, name: str) -> None:
    assert world.client.get(f"/_emulator/console/{name}").status_code == 404


def test_it_is_told_of_a_job_as_it_goes(world: World) -> None:
    first = world.submit(mock_delay=10)
    with world.listening() as told:
        rows = until(told, "rows")
        assert [row["to"] for row in rows if row["kind"] == "job" and row["job"] == first] == [
            "IN_QUEUE",
            "IN_PROGRESS",
        ]
        assert until(told, "health")["e"]["jobs"]["inProgress"] == 1
        assert until(told, "verdict")["submitted"] == 1
        world.ask("POST", "clock/advance", {"seconds": 10})
        ended = until(told, "rows", lambda rows: any(row.get("to") == "COMPLETED" for row in rows))
        assert next(row["n"] for row in ended) > rows[-1]["n"]
        second = world.submit()
        until(told, "rows", lambda rows: any(row.get("job") == second for row in rows))
        assert until(told, "verdict", lambda verdict: verdict["submitted"] == 2)["clean"]


def test_it_is_told_of_a_reset(world: World) -> None:
    world.submit()
    with world.listening() as told:
        until(told, "rows")
        world.ask("POST", "reset")
        until(told, "reset")
        again = world.submit()
        assert {row.get("job", again) for row in until(told, "rows")} == {again}


def test_all_rows_are_told_in_pieces_and_none_twice() -> None:
    hub = Hub(VirtualClock(auto_jump=False))
    for number in range(2500):
        hub.ledger.fault(None, "kill", number, "before", "e")
    watch = Watch(hub, WorkerLog(), Secrets())
    numbers: list[int] = []
    sizes: list[int] = []
    for _ in range(5):
        told = dict(events(iter(watch.news().decode().splitlines())))
        numbers += [row["n"] for row in told.get("rows", [])]
        sizes.append(len(told.get("rows", [])))
    assert numbers == list(range(1, 2501))
    assert sizes == [1000, 1000, 500, 0, 0]
    assert watch.news() == b"", "nothing has happened"


def test_a_served_emulator_closes_under_a_console_that_listens(world: World) -> None:
    with world.listening() as told:
        until(told, "verdict")
        closing = threading.Thread(target=world.emulator.close)
        closing.start()
        assert not [kind for kind, _ in told if kind == "rows"]
        closing.join(10)
        assert not closing.is_alive()


def test_it_cancels_retries_and_purges_without_a_key(world: World) -> None:
    failed = world.submit(mock_error=True)
    world.ask("POST", "clock/advance", {"seconds": 1})
    assert world.emulator.jobs[failed].status == "FAILED"
    assert world.ask("POST", f"v2/e/retry/{failed}").status_code == 200
    world.ask("POST", "clock/advance", {"seconds": 1})
    busy, waiting, purged = (world.submit(mock_delay=100) for _ in range(3))
    assert world.ask("POST", f"v2/e/cancel/{waiting}").json()["status"] == "CANCELLED"
    assert world.ask("POST", "v2/e/purge-queue").json()["removed"] == 1
    jobs = world.emulator.jobs
    assert [jobs[job].status for job in (busy, waiting, purged)] == ["IN_PROGRESS", "CANCELLED", "CANCELLED"]


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "v2/e/run", 405),
        ("POST", "v2/e/runsync", 404),  # it is held
        ("POST", "v2/e/status/x", 404),
        ("POST", "v2/e/job-done/w/x", 404),
        ("POST", "v2/e/cancel/x/y", 404),
        ("POST", "v2/e/x/run", 404),
        ("POST", "v2/none/run", 404),
        ("GET", "jobs/none", 404),
        ("POST", "events", 405),
    ],
)
def test_it_can_ask_for_nothing_else(world: World, method: str, path: str, code: int) -> None:
    assert world.ask(method, path, {"input": {"n": 1}}).status_code == code


def test_faults_strike_it_too_and_are_told(world: World) -> None:
    world.emulator.inject(Fault.drop(on="run", when="after", times=1))
    lost = world.ask("POST", "v2/e/run", {"input": {"n": 1}})
    assert (lost.status_code, len(world.emulator.jobs)) == (502, 1)
    world.emulator.inject(Fault.status(503, on="run", times=1))
    assert world.ask("POST", "v2/e/run", {"input": {"n": 2}}).status_code == 503
    assert [row["fault"] for row in world.emulator.ledger.rows() if row["kind"] == "fault"] == ["drop", "status"]


def test_by_another_name_it_needs_the_key(world: World) -> None:
    job_id = world.submit()
    elsewhere = {"host": "10.0.0.1:8000", "origin": "http://10.0.0.1:8000"}
    for method, path in (("GET", "events"), ("GET", f"jobs/{job_id}"), ("POST", f"v2/e/cancel/{job_id}")):
        url = f"/_emulator/{path}"
        assert world.client.request(method, url, headers=elsewhere).status_code == 401
    assert world.client.get(f"/_emulator/jobs/{job_id}", headers=elsewhere | KEY).status_code == 200
    assert world.client.get("/", headers=elsewhere).status_code == 200


def test_one_job_is_shown_with_its_secrets_masked(world: World) -> None:
    job_id = world.submit(api_key="hunter2", deep=[{"AWS_SECRET": "hunter2"}], mock_return={"token": "hunter2", "n": 1})
    world.ask("POST", "clock/advance", {"seconds": 1})
    shown = world.ask("GET", f"jobs/{job_id}")
    assert "hunter2" not in shown.text
    assert shown.json()["state"]["output"] == {"token": MASK, "n": 1}
    assert shown.json()["input"]["deep"] == [{"AWS_SECRET": MASK}]


def test_what_is_masked() -> None:
    s3 = {"accessId": "a", "accessSecret": "b"}
    value = {
        "s3Config": s3,
        "Password": 1,
        "x": {"Authorization": ["a"]},
        "prompt": "key",
        "none_key": None,
        "n": [1, "a"],
    }
    assert masked(value) == {
        "s3Config": MASK,
        "Password": MASK,
        "x": {"Authorization": MASK},
        "prompt": "key",
        "none_key": None,
        "n": [1, "a"],
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://b.example/x?X-Amz-Signature=0123abcd&size=3", f"https://b.example/x?X-Amz-Signature={MASK}&size=3"),
        ("GET / authorization: Bearer abc.def-123", f"GET / authorization: Bearer {MASK}"),
        ("sent with bearer abcdefgh12", f"sent with bearer {MASK}"),
        ("postgres://me:hunter2@db/x", f"postgres://me:{MASK}@db/x"),
        ('{"error": "bad", "api_key": "sk-123456"}', f'{{"error": "bad", "api_key": "{MASK}"}}'),
        ("{'deep': {'HF_TOKEN': 'hf_abcdef'}}", f"{{'deep': {{'HF_TOKEN': '{MASK}'}}}}"),
        ("max_tokens=2048, keywords: fast, key: 123456", "max_tokens=2048, keywords: fast, key: 123456"),
        ("a token of love, and a monkey", "a token of love, and a monkey"),
        ("İİİ Token: abcdefgh, ok", f"İİİ Token: {MASK}, ok"),
    ],
)
def test_what_is_masked_in_text(text: str, shown: str) -> None:
    assert masked({"x": [text]}) == {"x": [shown]}


def test_numbers_of_tokens_are_no_secrets() -> None:
    value = {"max_tokens": 2048, "num_keys": 3, "tokens": ["abc"], "keyframes": [1]}
    assert masked(value) == {**value, "tokens": MASK}


def test_all_texts_under_the_name_of_a_secret_are_secrets_the_latest_ones() -> None:
    secrets = Secrets()
    secrets.note({"credentials": {"users": ["alice-pw", {"x": "bobs-pw"}], "n": 1}, "list": [{"token": "tok-123"}]}, {})
    assert secrets.hidden(["alice-pw", {"a": "bobs-pw"}, "tok-123 it is", 5]) == [MASK, {"a": MASK}, f"{MASK} it is", 5]
    for number in range(200):
        secrets.note({"token": f"secret-{number}"}, {"s3Config": "none"})
    assert secrets.hidden(["alice-pw", "secret-0 and secret-199"]) == ["alice-pw", f"{MASK} and {MASK}"]


def test_what_was_a_secret_in_an_input_is_shown_nowhere(world: World) -> None:
    def fails(job: dict[str, Any]) -> None:
        raise ValueError(f"no access with {job['input']['deep'][0]['secret']} and {job['s3Config']['accessId']}")

    world.emulator.endpoint("fails", fails)
    s3 = {"accessId": "AKIA-hunter2", "accessSecret": "x", "bucketName": "photos", "endpointUrl": "https://s3.example"}
    body = {"input": {"deep": [{"secret": "hunter2!"}], "said": "photos of hunter2!"}, "s3Config": s3}
    job_id = world.ask("POST", "v2/fails/run", body).json()["id"]
    with world.listening() as told:
        until(told, "rows", lambda rows: any(row.get("to") == "FAILED" for row in rows))
    shown = world.ask("GET", f"jobs/{job_id}")
    assert "hunter2" not in shown.text
    assert shown.json()["input"] == {"deep": [{"secret": MASK}], "said": f"photos of {MASK}"}
    assert f"no access with {MASK} and {MASK}" in shown.json()["state"]["error"]


def test_what_was_a_secret_is_not_in_what_workers_print() -> None:
    hub = Hub(VirtualClock())
    endpoint = hub.add(Queue("e", new_id=lambda: "job"))
    log = WorkerLog()
    watch = Watch(hub, log, Secrets())
    submit = Submit(input={"api_key": "hunter2"}, execution_timeout=600, ttl=600, retention=600)
    hub.ask(endpoint, submit, logged=hub.ledger.request("run", "POST", "/v2/e/run", "e", None, "0" * 64))
    log.add(WorkerPrinted(endpoint_id="e", worker_id="w", text="calling with hunter2"))
    told = dict(events(iter(watch.news().decode().splitlines())))
    assert [line["text"] for line in told["lines"]] == [f"calling with {MASK}"]


def test_what_is_nested_too_deeply_is_not_shown_and_harms_nobody(world: World) -> None:
    deep: Any = "hunter2"
    for _ in range(400):
        deep = [{"a": deep}]
    job_id = world.submit(deep=deep, token="abcdef")  # noqa: S106  it is the secret of the test
    with world.listening() as told:
        until(told, "rows")
        assert until(told, "health")
    shown = world.ask("GET", f"jobs/{job_id}")
    assert shown.status_code == 200
    assert "abcdef" not in shown.text


def test_in_process_there_is_no_console() -> None:
    with Emulator() as emulator, httpx.Client(transport=emulator.transport) as client:
        assert client.get("https://emulator.invalid/_emulator/events").status_code == 501


# Time, workers, tests and chunks, as the console has them.


@pytest.fixture
def served() -> Iterator[World]:
    with Emulator(clock=AdjustableClock()) as emulator:
        emulator.endpoint("e")
        world = World(emulator)
        yield world
        world.client.close()


def test_time_is_paused_moved_on_and_made_faster(served: World) -> None:
    assert served.ask("GET", "clock").json()["paces"] is True
    paused = served.ask("POST", "clock/rate", {"rate": 0}).json()
    assert (paused["mode"], paused["rate"]) == ("paused", 0)
    job_id = served.submit(mock_delay=60)
    moved = served.ask("POST", "clock/advance", {"seconds": 59.0}).json()
    assert moved["monotonic"] == pytest.approx(paused["monotonic"] + 59)
    assert served.emulator.jobs[job_id].status == "IN_PROGRESS"
    with served.listening() as told:
        assert served.ask("POST", "clock/rate", {"rate": 600}).json()["mode"] == "scaled"
        until(told, "rows", lambda rows: any(row.get("to") == "COMPLETED" for row in rows))


@pytest.mark.parametrize("body", [{}, {"rate": -1}, {"rate": "1"}, {"rate": True}, {"rate": 1e300}, []])
def test_a_rate_is_a_number(served: World, body: Any) -> None:
    assert served.ask("POST", "clock/rate", body).status_code == 400


def test_only_a_clock_that_can_changes_its_rate(world: World) -> None:
    assert world.ask("POST", "clock/rate", {"rate": 2}).status_code == 409
    assert world.ask("GET", "clock").json()["paces"] is False


def test_the_worker_of_a_job_is_killed_by_a_button(world: World) -> None:
    job_id = world.submit(mock_delay=10)
    worker_id = world.emulator.jobs[job_id].state["workerId"]
    with world.listening() as told:
        assert world.ask("POST", f"kill/{job_id}").json() == {"killed": worker_id}
        steps: list[str] = []
        while len(steps) < 4:  # the last one as soon as its thread has left the first run
            steps += [row["event"] for row in until(told, "rows") if row["kind"] == "job"]
        assert steps == ["submit", "take", "lose", "take"]
        world.ask("POST", "clock/advance", {"seconds": 10})
        until(told, "rows", lambda rows: any(row.get("to") == "COMPLETED" for row in rows))
    verdict = world.emulator.ledger.verdict()
    assert (verdict.faults, verdict.is_clean) == ({"kill": 1}, False), "its handler had begun"
    assert world.ask("POST", f"kill/{job_id}").status_code == 409, "it has ended"
    assert world.ask("POST", "kill/none").status_code == 409


WORKER = """
import runpod

def handler(job):
    print("working")
    yield from job["input"]["words"]

runpod.serverless.start({"handler": handler})
"""


@pytest.fixture
def worker_file(tmp_path: Path) -> str:
    (tmp_path / "handler.py").write_text(WORKER)
    tests = {"tests": [{"name": "words", "input": {"words": ["a", "b"], "token": "hunter2"}, "timeout": 7000}]}
    (tmp_path / ".runpod").mkdir()
    (tmp_path / ".runpod" / "tests.json").write_text(json.dumps(tests))
    return str(tmp_path / "handler.py")


@pytest.mark.slow
def test_tests_of_a_worker_are_run_as_they_stand_and_its_lines_and_chunks_are_shown(worker_file: str) -> None:
    with Emulator(clock=AdjustableClock(), echo=False) as emulator:
        emulator.endpoint("e")
        emulator.endpoint("file", worker_file)
        world = World(emulator)
        listed = world.ask("GET", "tests").json()
        assert listed["file"] == {
            "tests": [{"name": "words", "input": {"words": ["a", "b"], "token": MASK}}],
            "problem": "",
        }
        assert listed["e"] == {"tests": [], "problem": "no file runs its jobs"}
        with world.listening() as told:
            job_id = world.ask("POST", "tests/file/0").json()["id"]
            printed, ended = False, False
            while not (printed and ended):
                kind, value = next(told)
                printed = printed or (kind == "lines" and any(line["text"] == "working" for line in value))
                ended = ended or (kind == "rows" and any(row.get("to") == "COMPLETED" for row in value))
        assert emulator.jobs[job_id].input == {"words": ["a", "b"], "token": "hunter2"}
        assert world.ask("GET", f"jobs/{job_id}").json()["chunks"] == ["a", "b"]
        for path in ("tests/file/1", "tests/file/x", "tests/none/0", "tests/file"):
            assert world.ask("POST", path).status_code == 404
        assert world.ask("POST", "tests/e/0").status_code == 400
        world.client.close()


def test_chunks_that_were_read_are_shown_and_a_job_that_begins_again_begins_anew() -> None:
    log = ChunkLog(lambda: 0.0, lambda: 1)

    def add(job_id: str, worker_id: str, output: Any) -> None:
        log.add(Chunk(job_id=job_id, worker_id=worker_id, body={"output": output}))

    for number in range(3):
        add("job", "one", number)
    add("job", "another", "again")
    assert log.of("job") == ["again"]
    assert [each["output"] for each in log.reports("job")[0]] == [0, 1, 2, "again"], "its timeline has both runs"
    for number in range(1000):
        add(f"job {number}", "one", number)
    assert (log.of("job"), log.of("job 999")) == ([], [999]), "the last ones are kept"
    for number in range(2500):
        add("long", "one", number)
    reports, more = log.reports("long")
    assert (len(reports), more) == (2000, 500)


def test_what_a_job_sends_stands_between_its_steps(world: World) -> None:
    def talks(job: dict[str, Any]) -> Iterator[Any]:
        yield job["input"]["a"]
        progress_update(job, {"token": "hunter2", "done": 0.5})
        yield "x" * 500

    world.emulator.endpoint("talks", talks)
    job_id = world.ask("POST", "v2/talks/run", {"input": {"a": {"n": 1}}}).json()["id"]
    with world.listening() as told:
        steps: dict[str, int] = {}
        while "succeed" not in steps:
            steps |= {row["event"]: row["n"] for row in until(told, "rows") if row["kind"] == "job"}
    shown = world.ask("GET", f"jobs/{job_id}").json()
    assert [(each["kind"], each["output"]) for each in shown["reports"]] == [
        ("chunk", '{"n": 1}'),
        ("progress", f'{{"token": "{MASK}", "done": 0.5}}'),
        ("chunk", "x" * 80 + "…"),
    ]
    assert all(steps["take"] <= each["after"] < steps["succeed"] for each in shown["reports"])
    assert shown["more_reports"] == 0


def test_lines_are_numbered_and_the_last_ones_kept() -> None:
    log = WorkerLog()
    for number in range(LINES + 10):
        log.add(WorkerPrinted(endpoint_id="e", worker_id="w", text=str(number)))
    assert [line["text"] for line in log.since(0, 2)] == ["10", "11"]
    assert [line["n"] for line in log.since(LINES + 8, 100)] == [LINES + 9, LINES + 10]
    assert log.since(LINES + 10, 100) == []
