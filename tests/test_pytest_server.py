"""The fixture `runpod_server`: a URL for each test, on one socket of the session; and nothing for those without it."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from runpod_sdk import APIConnectionError, Client, SystemClock
from tests.inner_runs import HANDLER, passed, why_failed, why_no_setup

if TYPE_CHECKING:
    from runpod_sdk.pytest_plugin import ServerFixture

pytest_plugins = ["pytester"]

posix = pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX")
WORKER = Path(__file__).parent / "emulator" / "scripted_worker.py"


def test_whoever_knows_the_url_can_call(runpod_server: ServerFixture) -> None:
    runpod_server.endpoint("e", lambda job: job["input"])
    headers = {"authorization": f"Bearer {runpod_server.api_key}"}
    answer = httpx.post(f"{runpod_server.url}/e/runsync", json={"input": {"n": 1}}, headers=headers, timeout=60)
    assert answer.json()["output"] == {"n": 1}
    assert [request.operation for request in runpod_server.requests] == ["runsync"]


def test_a_client_without_arguments_finds_it(runpod_server: ServerFixture) -> None:
    assert {name: os.environ[name] for name in runpod_server.environment} == runpod_server.environment
    runpod_server.endpoint("abc", lambda job: job["input"]["n"] + 1)
    with Client() as client:
        assert client.endpoint("abc").run_sync({"n": 1}, timeout=60) == 2


@pytest.mark.parametrize("host", ["api.runpod.ai", "rest.RunPod.io", b"api.runpod.ai", "runpod.net."])
def test_runpods_own_hosts_are_not_found(runpod_server: ServerFixture, host: str | bytes) -> None:
    with pytest.raises(socket.gaierror, match=r"this test does not reach .*(?i:runpod)"):
        socket.getaddrinfo(host, 443)
    assert runpod_server.url


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", None])
def test_all_other_hosts_are_looked_up_as_ever(runpod_server: ServerFixture, host: str | None) -> None:
    assert socket.getaddrinfo(host, 80)
    assert runpod_server.url


def test_a_client_with_the_services_own_address_reaches_nothing(runpod_server: ServerFixture) -> None:
    with (
        Client("key-of-a-user", base_url="https://api.runpod.ai/v2", retry=None) as client,
        pytest.raises(APIConnectionError, match=r"does not reach api\.runpod\.ai"),
    ):
        client.endpoint("abc").health()
    with pytest.raises(httpx.ConnectError):
        httpx.get("https://api.runpod.ai/v2/abc/health")
    assert runpod_server.requests == []


def test_a_client_by_connection_finds_it(runpod_server: ServerFixture) -> None:
    runpod_server.endpoint("abc", lambda job: job["input"]["n"] + 1)
    with Client(**runpod_server.connection) as client:
        assert client.endpoint("abc").run_sync({"n": 1}, timeout=60) == 2


def test_the_environment_is_as_before_when_the_test_is_over(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "before")
    monkeypatch.delenv("RUNPOD_ENDPOINT_BASE_URL", raising=False)
    tests = """
        import os

        def test_with(runpod_server):
            assert os.environ["RUNPOD_API_KEY"] == runpod_server.api_key

        def test_without():
            assert os.environ["RUNPOD_API_KEY"] == "before"
            assert "RUNPOD_ENDPOINT_BASE_URL" not in os.environ
    """
    assert passed(pytester, tests) == 2


def test_the_official_client_is_led_there_and_back(pytester: pytest.Pytester) -> None:
    """official source: runpod/__init__.py reads its environment when it is imported, the clients read it from there."""
    pytester.makepyfile(runpod='api_key = None\nendpoint_url_base = "https://api.runpod.ai/v2"')
    tests = """
        import runpod

        def test_with(runpod_server):
            assert (runpod.endpoint_url_base, runpod.api_key) == (runpod_server.url, runpod_server.api_key)

        def test_without():
            assert (runpod.endpoint_url_base, runpod.api_key) == ("https://api.runpod.ai/v2", None)
    """
    assert passed(pytester, tests) == 2


def test_a_worker_file_is_served_as_it_is(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(handler=HANDLER)
    tests = """
        def test_it(runpod_server):
            endpoint = runpod_server.serve("handler.py")
            assert endpoint.run_sync({"prompt": "hi"}, timeout=60) == "HI"
    """
    assert passed(pytester, tests) == 1


def test_tests_share_the_socket_and_see_nothing_of_each_other(pytester: pytest.Pytester) -> None:
    tests = """
        from urllib.parse import urlsplit

        import pytest

        URLS = []

        @pytest.mark.parametrize("n", range(3))
        def test_it(runpod_server, n):
            endpoint = runpod_server.serve(lambda job: n, "same")
            assert endpoint.run_sync({"n": 1}, timeout=60) == n
            assert len(runpod_server.jobs) == len(runpod_server.requests) == 1
            assert runpod_server.ledger.verdict().submitted == 1
            URLS.append(runpod_server.url)

        def test_after():
            assert len(set(URLS)) == 3
            assert len({urlsplit(url).port for url in URLS}) == 1
    """
    assert passed(pytester, tests) == 4


def test_what_a_test_holds_ends_with_it(pytester: pytest.Pytester) -> None:
    tests = """
        import threading

        import httpx

        ANSWERS = []
        THREADS = []
        HEADERS = {"authorization": "test"}

        def test_that_leaves_a_request_behind(runpod_server):
            runpod_server.endpoint("e", workers=0)
            url = f"{runpod_server.url}/e/runsync?wait=300000"

            def ask():
                ANSWERS.append(httpx.post(url, json={"input": {"n": 1}}, headers=HEADERS, timeout=60))

            THREADS.append(threading.Thread(target=ask, daemon=True))
            THREADS[0].start()
            assert any(runpod_server.jobs or runpod_server.clock.sleep(0.001) for _ in range(30_000))

        def test_after(runpod_server):
            THREADS[0].join(30)
            [answer] = ANSWERS
            assert answer.json()["status"] == "IN_QUEUE"
            late = httpx.get(str(answer.url).partition("runsync")[0] + "health", headers=HEADERS)
            assert late.status_code == 404
            assert runpod_server.jobs == {}
    """
    assert passed(pytester, tests) == 2


@posix
def test_real_workers_are_processes_that_end_with_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(worker=WORKER.read_text(encoding="utf-8"))
    tests = f"""
        import os

        PIDS = []

        def test_it(runpod_server, assert_each_job_ran_once):
            endpoint = runpod_server.serve(command=[{sys.executable!r}, "worker.py"], workers=2)
            assert endpoint.id == "worker"
            assert endpoint.run_sync({{"do": "nothing"}}, timeout=60) in runpod_server.logs
            supervisor = runpod_server.emulator.endpoints["worker"].supervisor
            PIDS.extend(supervisor.processes.values())
            assert_each_job_ran_once()

        def test_after():
            assert len(PIDS) == 2
            for pid in PIDS:
                try:
                    os.kill(pid, 0)
                except ProcessLookupError:
                    continue
                raise AssertionError("it is still there")
    """
    assert passed(pytester, tests) == 2


@posix
def test_what_a_worker_has_printed_is_in_the_report_of_a_failure(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(worker="print('there is no such model')\nraise SystemExit(1)")
    tests = f"""
        def test_it(runpod_server):
            endpoint = runpod_server.serve(command=[{sys.executable!r}, "worker.py"])
            look = lambda: any("no such model" in log for log in runpod_server.logs.values())
            assert any(look() or runpod_server.clock.sleep(0.001) for _ in range(30_000))
            raise RuntimeError("it never answered")
    """
    said = why_failed(pytester, tests)
    assert "log of worker " in said
    assert "there is no such model" in said


def test_its_time_is_that_of_this_machine(runpod_server: ServerFixture) -> None:
    assert isinstance(runpod_server.clock, SystemClock)


@pytest.mark.slow
def test_a_test_without_it_pays_for_no_socket(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest("import sys\nsys.modules['uvicorn'] = None  # as if it were not installed")
    pytester.makepyfile(handler=HANDLER)
    pytester.makepyfile(
        test_it="""
        def test_in_process(runpod_emulator):
            endpoint = runpod_emulator.serve("handler.py")
            assert endpoint.run_sync({"prompt": "hi"}, timeout=60) == "HI"
        """
    )
    result = pytester.runpytest_subprocess("-p", "runpod_sdk.pytest_plugin", "-W", "error")
    assert result.parseoutcomes() == {"passed": 1}


def test_without_uvicorn_it_says_what_to_install(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    said = why_no_setup(pytester, "def test_it(runpod_server): pass")
    assert "pip install 'runpod-sdk[emulator]'" in said
