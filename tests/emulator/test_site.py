"""Many emulators on one socket: each is alone below its path, and is gone from there when it is closed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod_sdk.clock import SystemClock, VirtualClock
from runpod_sdk.emulator import Emulator
from runpod_sdk.emulator._doors._site import Site

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADERS = {"authorization": "test"}
JOIN = 10


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


def post(url: str, **body: Any) -> Any:
    return httpx.post(url, json=body, headers=HEADERS, timeout=JOIN).json()


def wait_for_a_job(emulator: Emulator) -> None:
    """Wait until a submit has arrived; real time, as the socket has no other."""
    clock = SystemClock()
    end = clock.monotonic() + JOIN
    while not emulator.jobs:
        assert clock.monotonic() < end, "never came to it"
        clock.sleep(0.001)


def test_the_same_endpoint_id_leads_each_to_its_own(site: Site) -> None:
    with Emulator() as first, Emulator() as second:
        first.endpoint("e", lambda job: ["first", job["input"]])
        second.endpoint("e", lambda job: ["second", job["input"]])
        urls = [first.mount(site).url, second.mount(site).url]
        outputs = [post(f"{url}/e/runsync", input={"n": 1})["output"] for url in urls]
        assert outputs == [["first", {"n": 1}], ["second", {"n": 1}]]
        assert [request.path for request in first.requests] == ["/v2/e/runsync"]
        assert len(first.jobs) == len(second.jobs) == 1


def test_the_control_routes_are_those_of_the_one_that_is_asked(site: Site) -> None:
    with Emulator() as first, Emulator() as second:
        first.endpoint("a")
        second.endpoint("b")
        origins = [emulator.mount(site).url.removesuffix("/v2") for emulator in (first, second)]
        ready = [httpx.get(f"{origin}/_emulator/ready").json()["endpoints"] for origin in origins]
        assert ready == [["a"], ["b"]]


def test_closing_an_emulator_answers_what_it_holds_and_leaves_the_others(site: Site) -> None:
    answers: list[Any] = []
    first, second = Emulator(), Emulator()
    first.endpoint("held", workers=0)
    second.endpoint("e", lambda job: job["input"])
    url, other = first.mount(site).url, second.mount(site).url
    thread = threading.Thread(target=lambda: answers.append(post(f"{url}/held/runsync", input={"n": 1})), daemon=True)
    thread.start()
    wait_for_a_job(first)
    first.close()
    thread.join(JOIN)
    assert [answer["status"] for answer in answers] == ["IN_QUEUE"]
    assert httpx.get(f"{url}/held/health", headers=HEADERS).status_code == 404
    assert post(f"{other}/e/runsync", input={"n": 2})["output"] == {"n": 2}
    second.close()


def test_no_path_is_given_out_twice(site: Site) -> None:
    urls: list[str] = []
    for _ in range(2):
        with Emulator() as emulator:
            urls.append(emulator.mount(site).url)
    assert len(set(urls)) == 2


def test_closing_the_site_answers_what_is_held(site: Site) -> None:
    answers: list[Any] = []
    with Emulator() as emulator:
        emulator.endpoint("held", workers=0)
        server = emulator.mount(site)
        thread = threading.Thread(
            target=lambda: answers.append(post(f"{server.url}/held/runsync", input={"n": 1})), daemon=True
        )
        thread.start()
        wait_for_a_job(emulator)
        site.close()
        thread.join(JOIN)
        assert [answer["status"] for answer in answers] == ["IN_QUEUE"]
        assert not server.is_open
    with pytest.raises(httpx.ConnectError):
        httpx.get(site.origin)


def test_a_path_of_nobody_is_not_found(site: Site) -> None:
    answer = httpx.get(f"{site.origin}/v2/e/health", headers=HEADERS)
    assert (answer.status_code, list(answer.json())) == (404, ["error"])


def test_the_environment_of_a_worker_leads_below_the_path(site: Site) -> None:
    with Emulator() as emulator:
        emulator.endpoint("e", workers=0)
        server = emulator.mount(site)
        environment = server.worker_environment("e", "w1", host="here")
        assert environment["RUNPOD_WEBHOOK_GET_JOB"] == f"http://here:{site.port}/1/v2/e/job-take/$ID?gpu=cpu"


def test_a_clock_that_jumps_cannot_be_mounted(site: Site) -> None:
    with Emulator(clock=VirtualClock()) as emulator, pytest.raises(ValueError, match="auto_jump=False"):
        emulator.mount(site)
