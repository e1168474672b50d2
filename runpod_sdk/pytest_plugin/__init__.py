"""Fixtures and a mark for testing worker files, and code that calls endpoints.

`runpod_emulator` is in this process, and its time is virtual: nobody else can reach it, which is why an hour of waiting
takes milliseconds. `runpod_server` has a URL, for whatever is not this process or makes its own client, and the time of
this machine. Two fixtures, because one could only guess from its first use which of them a test needs.

pytest loads this file in every run, also in those that need none of it: so it imports nothing but pytest, and each
fixture imports what it gives.
"""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from runpod_sdk import AsyncClient, Client
    from runpod_sdk.emulator._doors._site import Site
    from runpod_sdk.pytest_plugin._emulated import EmulatorFixture as EmulatorFixture
    from runpod_sdk.pytest_plugin._emulated import ServerFixture as ServerFixture
    from runpod_sdk.pytest_plugin._inputs import InputFixture

_FAULT = "runpod_fault"
_INPUTS = "runpod_test_inputs"
_INPUTS_MARK = (
    f"{_INPUTS}(file): make a test of each input in the worker's test_input.json and .runpod/tests.json; "
    "the fixture runpod_test_input has it"
)
_FIXTURES = {
    "runpod_emulator",
    "runpod_emulator_module",
    "runpod_emulator_session",
    "runpod_emulator_factory",
    "runpod_server",
}
_MARK = (
    f"{_FAULT}(fault, ..., optional=False): what goes wrong in runpod_emulator and runpod_server during this test; "
    "it fails if a fault never struck, unless that is optional"
)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks."""
    config.addinivalue_line("markers", _MARK)
    config.addinivalue_line("markers", _INPUTS_MARK)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each input that a worker's repository is tested with."""
    mark = metafunc.definition.get_closest_marker(_INPUTS)
    if mark is not None and "runpod_test_input" in metafunc.fixturenames:
        from runpod_sdk.pytest_plugin import _inputs as inputs  # noqa: PLC0415  see the top of this file

        inputs.parametrize(metafunc, mark)


@pytest.hookimpl(trylast=True)  # after the test itself has run, and only if it passed
def pytest_runtest_call(item: pytest.Item) -> None:
    """Fail a test whose faults never struck, or whose jobs did not run once each."""
    if item.get_closest_marker(_FAULT) is not None:
        from runpod_sdk.pytest_plugin._faults import check  # noqa: PLC0415  see the top of this file

        check(item)
    if "assert_each_job_ran_once" in getattr(item, "fixturenames", ()):
        from runpod_sdk.pytest_plugin._once import judge  # noqa: PLC0415  see the top of this file

        judge(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show why jobs of a failed test have failed: what their workers raised."""
    if call.excinfo is None or call.when != "call" or not _FIXTURES.intersection(getattr(item, "fixturenames", ())):
        return (yield)
    from runpod_sdk.pytest_plugin import _failures as failures  # noqa: PLC0415  see the top of this file

    failures.note(call.excinfo.value)
    if not (item.config.getoption("fulltrace") or item.config.getoption("usepdb")):
        failures.without_our_frames(call.excinfo.value)
    report = yield
    if report.failed:
        report.sections.extend(failures.sections(item))
    return report


def __getattr__(name: str) -> object:
    if name not in ("EmulatorFixture", "ServerFixture"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from runpod_sdk.pytest_plugin import _emulated  # noqa: PLC0415  see the top of this file

    return getattr(_emulated, name)


@pytest.fixture
def runpod_emulator(request: pytest.FixtureRequest) -> Iterator[EmulatorFixture]:
    """Provide an emulator of the service in this process, without a socket; an hour of waiting takes milliseconds.

    Examples:
        ```python
        def test_my_worker(runpod_emulator):
            endpoint = runpod_emulator.serve("handler.py")
            assert endpoint.run_sync({"prompt": "hello"}, timeout=60) == "HELLO"
            assert [request.operation for request in runpod_emulator.requests] == ["runsync"]
        ```
    """
    from runpod_sdk.pytest_plugin._emulated import emulator_for  # noqa: PLC0415  see the top of this file

    with emulator_for(request) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def runpod_emulator_module(request: pytest.FixtureRequest) -> Iterator[EmulatorFixture]:
    """Provide an emulator as `runpod_emulator` does, that all tests of a module share: a worker loads its model once.

    Its jobs, requests and faults are those of all tests so far; `reset()` forgets them, and keeps all workers.

    Examples:
        ```python
        @pytest.fixture(scope="module")
        def endpoint(runpod_emulator_module):
            return runpod_emulator_module.serve("handler.py")

        def test_my_worker(endpoint):
            assert endpoint.run_sync({"prompt": "hello"}, timeout=60) == "HELLO"
        ```
    """
    from runpod_sdk.pytest_plugin._emulated import shared_emulator_for  # noqa: PLC0415  see the top of this file

    with shared_emulator_for(request) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def runpod_emulator_session(request: pytest.FixtureRequest) -> Iterator[EmulatorFixture]:
    """Provide an emulator as `runpod_emulator_module` does, that all tests of a session share.

    Examples:
        ```python
        @pytest.fixture(scope="session")
        def endpoint(runpod_emulator_session):
            return runpod_emulator_session.serve("handler.py")  # looked for in pytest's rootdir

        def test_my_worker(endpoint):
            assert endpoint.run_sync({"prompt": "hello"}, timeout=60) == "HELLO"
        ```
    """
    from runpod_sdk.pytest_plugin._emulated import shared_emulator_for  # noqa: PLC0415  see the top of this file

    with shared_emulator_for(request) as emulator:
        yield emulator


@pytest.fixture
def runpod_emulator_factory(request: pytest.FixtureRequest) -> Iterator[Callable[..., EmulatorFixture]]:
    """Provide a function that makes emulators as `runpod_emulator` is one, with arguments of `Emulator`.

    Examples:
        ```python
        def test_my_worker(runpod_emulator_factory):
            from runpod_sdk.emulator import Options
            emulator = runpod_emulator_factory(options=Options(overrun_status="TIMED_OUT"), seed=7)
            endpoint = emulator.serve(lambda job: emulator.clock.sleep(3600))
            assert endpoint.run({"n": 1}, execution_timeout=60).wait(timeout=600).status == "TIMED_OUT"
        ```
    """
    from runpod_sdk.pytest_plugin._emulated import factory_for  # noqa: PLC0415  see the top of this file

    with factory_for(request) as make:
        yield make


@pytest.fixture
def runpod_test_input(request: pytest.FixtureRequest, runpod_emulator: EmulatorFixture) -> InputFixture:
    """Provide an input of the worker that `@pytest.mark.runpod_test_inputs` names; each makes a test.

    Examples:
        ```python
        @pytest.mark.runpod_test_inputs("handler.py")
        def test_the_inputs_that_the_worker_comes_with(runpod_test_input):
            runpod_test_input.check()  # as .runpod/tests.json has it, and as expected_output says
        ```
    """
    from runpod_sdk.pytest_plugin import _inputs as inputs  # noqa: PLC0415  see the top of this file

    mark = request.node.get_closest_marker(_INPUTS)
    if mark is None:
        pytest.fail('runpod_test_input: it needs @pytest.mark.runpod_test_inputs("handler.py")', pytrace=False)
    return inputs.InputFixture(request.param, inputs.target_of(mark), runpod_emulator)


@pytest.fixture(scope="session")
def _runpod_site() -> Iterator[Site]:
    """Listen on a socket, once a session, for the tests that take `runpod_server`."""
    from runpod_sdk.emulator._doors._site import Site  # noqa: PLC0415  see the top of this file

    try:
        site = Site()
    except ModuleNotFoundError as error:
        pytest.fail(f"runpod_server: {error}", pytrace=False)
    with closing(site):
        yield site


@pytest.fixture
def runpod_server(request: pytest.FixtureRequest, _runpod_site: Site) -> Iterator[ServerFixture]:
    """Provide an emulator at a URL of its own, on a socket that the tests of a session share; its time is real.

    While the test runs, RUNPOD_API_KEY and RUNPOD_ENDPOINT_BASE_URL lead to it: clients that are made without
    arguments, here or in a process that the test starts, find it. So does the official client, where it is imported
    already; one that is not yet needs `runpod.api_key`, as ever. What has the address of the service written into it
    does not reach that from this process, as Runpod's hosts are not found; a process that the test starts, or a proxy,
    would.

    Examples:
        ```python
        def test_a_program_that_calls_an_endpoint(runpod_server):
            runpod_server.endpoint("abc", lambda job: job["input"]["prompt"].upper())
            from runpod_sdk import Client
            with Client() as client:
                assert client.endpoint("abc").run_sync({"prompt": "hello"}, timeout=60) == "HELLO"
        ```
    """
    from runpod_sdk.pytest_plugin._emulated import server_for  # noqa: PLC0415  see the top of this file

    with server_for(request, _runpod_site) as server:
        yield server


@pytest.fixture
def assert_each_job_ran_once(request: pytest.FixtureRequest) -> Callable[[], None]:
    """Provide a function that fails the test unless each job has ended and ran once; it names those that did not.

    A test that takes it and does not call it is judged when it has passed, as with
    `@pytest.mark.usefixtures("assert_each_job_ran_once")`.

    Examples:
        ```python
        def test_nothing_is_lost(runpod_emulator, assert_each_job_ran_once):
            endpoint = runpod_emulator.serve(lambda job: job["input"]["n"])
            assert [result.output for result in endpoint.map({"n": n} for n in range(3))]
            assert_each_job_ran_once()
        ```
    """
    from runpod_sdk.pytest_plugin._once import assertion_for  # noqa: PLC0415  see the top of this file

    return assertion_for(request.node)


@pytest.fixture
def runpod_client(runpod_emulator: EmulatorFixture) -> Client:
    """Provide a `Client` on `runpod_emulator`; it ends with the test.

    Examples:
        ```python
        def test_my_handler(runpod_emulator, runpod_client):
            runpod_emulator.endpoint("abc", lambda job: job["input"]["prompt"].upper())
            output = runpod_client.endpoint("abc").run_sync({"prompt": "hello"}, timeout=60)
            assert output == "HELLO"
            assert [request.operation for request in runpod_emulator.requests] == ["runsync"]
        ```
    """
    return runpod_emulator.client


@pytest.fixture
def runpod_async_client(runpod_emulator: EmulatorFixture) -> Iterator[AsyncClient]:
    """Provide an `AsyncClient` on `runpod_emulator`, for one event loop: that of `asyncio.run`, or of any plugin.

    Examples:
        ```python
        def test_my_handler(runpod_emulator, runpod_async_client):
            runpod_emulator.endpoint("abc", lambda job: job["input"]["prompt"].upper())
            call = runpod_async_client.endpoint("abc").run_sync({"prompt": "hello"}, timeout=60)
            assert asyncio.run(call) == "HELLO"
            assert len(runpod_emulator.requests) == 1
        ```
    """
    from runpod_sdk import AsyncClient  # noqa: PLC0415  see the top of this file

    client = AsyncClient(**runpod_emulator.connection)
    yield client
    # The loop of the test is gone, and a new one would unset a plugin's. None is needed: without a socket there is
    # nothing to wait for, so the first step is the last.
    ending = client.aclose()
    with suppress(StopIteration):
        ending.send(None)
    ending.close()
