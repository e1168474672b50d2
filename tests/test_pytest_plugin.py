"""The pytest plugin: what its fixtures give, when they close it, and what the plugin costs those who do not use it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from runpod_sdk import JobFailedError, pytest_plugin
from runpod_sdk.pytest_plugin import EmulatorFixture
from tests.inner_runs import ALONE, HANDLER, passed, run, why_failed

pytest_plugins = ["pytester"]

FIXTURES = (
    "runpod_emulator",
    "runpod_emulator_module",
    "runpod_emulator_session",
    "runpod_emulator_factory",
    "runpod_server",
    "runpod_client",
    "runpod_async_client",
    "assert_each_job_ran_once",
)


def example_of(fixture: str) -> str:
    tree = ast.parse(Path(pytest_plugin.__file__).read_text(encoding="utf-8"))
    [function] = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == fixture]
    _, _, example = (ast.get_docstring(function) or "").partition("```python\n")
    return dedent("    " + example.partition("```")[0].strip())


def test_an_installed_package_brings_the_fixtures_without_configuration(pytester: pytest.Pytester) -> None:
    assert "runpod_sdk.pytest_plugin" in [entry.value for entry in entry_points(group="pytest11")]
    result = pytester.runpytest_inprocess(*ALONE, "--fixtures")
    for fixture in FIXTURES:
        result.stdout.fnmatch_lines([f"{fixture}*"])


@pytest.mark.slow
@pytest.mark.parametrize("fixture", FIXTURES)
def test_the_example_of_each_fixture_is_a_test_that_passes(pytester: pytest.Pytester, fixture: str) -> None:
    pytester.makepyfile(handler=HANDLER)
    assert passed(pytester, f"import asyncio\nimport pytest\n\n{example_of(fixture)}") == 1


WORKER_TESTS = """{"tests": [
    {"name": "basic", "input": {"prompt": "a"}, "timeout": 10000, "expected_output": "A"},
    {"name": "other", "input": {"prompt": "b"}, "expected_output": "A"},
    {"name": "broken", "input": {}}
]}"""


def test_each_input_of_a_worker_is_a_test(pytester: pytest.Pytester) -> None:
    pytester.mkdir("src").joinpath("handler.py").write_text(HANDLER)
    pytester.path.joinpath("test_input.json").write_text('{"input": {"prompt": "x"}}')
    pytester.mkdir(".runpod").joinpath("tests.json").write_text(WORKER_TESTS)
    tests = """
        import pytest

        @pytest.mark.runpod_test_inputs("src/handler.py")
        def test_it(runpod_test_input):
            assert runpod_test_input.check() == runpod_test_input.input["prompt"].upper()
    """
    result = run(pytester, tests, "-v")
    ends = dict.fromkeys(("test_input.json", "basic"), "PASSED") | {"other": "FAILED", "broken": "FAILED"}
    result.stdout.fnmatch_lines([f"*::test_it[[]{name}[]] {end}*" for name, end in ends.items()])
    result.stdout.fnmatch_lines(['*other of *tests.json: the output is "B", and "A" was expected*'])
    assert result.parseoutcomes() == {"passed": 2, "failed": 2}


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("mark", "why"),
    [
        ("", 'it needs @pytest.mark.runpod_test_inputs("handler.py")'),
        ('@pytest.mark.runpod_test_inputs("handler.py")', "neither test_input.json nor .runpod/tests.json is in"),
        ('@pytest.mark.runpod_test_inputs("none.py")', "none.py: no such file in"),
        ("@pytest.mark.runpod_test_inputs()", "one worker's file expected"),
    ],
)
def test_why_there_are_no_inputs_is_said(pytester: pytest.Pytester, mark: str, why: str) -> None:
    pytester.makepyfile(handler=HANDLER)
    text = f"import pytest\n{mark}\ndef test_it(runpod_test_input):\n    runpod_test_input.check()\n"
    result = run(pytester, text)
    assert why in result.stdout.str()
    assert result.parseoutcomes().keys() <= {"error", "errors"}


FAILING = """
import runpod

def load():
    print("the model is loaded")

def handler(job):
    print("asked for", job["input"])
    return {"half": 1 / job["input"]["n"]}

load()
runpod.serverless.start({"handler": handler})
"""


@pytest.mark.one_in(5)
@pytest.mark.parametrize("how", ["output", "status"])
@pytest.mark.parametrize("fixture", ["runpod_emulator", "runpod_emulator_module", "runpod_server"])
def test_a_failed_job_shows_the_line_of_its_worker_and_what_that_printed(
    pytester: pytest.Pytester, fixture: str, how: str
) -> None:
    pytester.makepyfile(handler=FAILING)
    ends = {"output": "job.output(timeout=60)", "status": "assert job.wait(timeout=60).status == 'COMPLETED'"}[how]
    tests = f"""
        def test_it({fixture}):
            job = {fixture}.serve("handler.py").run({{"n": 0}})
            {ends}
    """
    shown = why_failed(pytester, tests)
    assert ("The worker's traceback:" in shown) is (how == "output")
    assert 'handler.py", line 8, in handler' in shown
    assert "ZeroDivisionError: division by zero" in shown
    assert "| the model is loaded" in shown
    assert "| asked for {'n': 0}" in shown
    assert " of handler: FAILED on worker " in shown


def test_a_failed_test_shows_its_own_lines_and_none_of_this_package(pytester: pytest.Pytester) -> None:
    tests = """
        def handler(job):
            raise ValueError("bad prompt")

        def test_it(runpod_emulator):
            runpod_emulator.serve(handler).run_sync({"n": 0}, timeout=60)
    """
    shown = why_failed(pytester, tests)
    assert "runpod_emulator.serve(handler).run_sync" in shown
    assert "_sync_endpoint.py" not in shown
    assert "E       runpod_sdk.errors.JobFailedError: job " in shown
    whole = run(pytester, tests, "--full-trace").stdout.str()
    assert "_sync_endpoint.py" in whole


def test_a_test_without_failed_jobs_shows_none(pytester: pytest.Pytester) -> None:
    tests = """
        def test_it(runpod_emulator):
            assert runpod_emulator.serve(lambda job: 1).run_sync({"n": 0}, timeout=60) == 2
    """
    assert "job " not in why_failed(pytester, tests).partition("short test summary")[0].replace("lambda job", "")


@pytest.mark.slow
def test_a_worker_of_a_module_is_started_once_and_one_of_a_test_each_time(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(handler="import os, runpod\nrunpod.serverless.start({'handler': lambda job: os.getpid()})")
    tests = """
        import pytest

        SEEN = {}

        @pytest.fixture(scope="module")
        def shared(runpod_emulator_module):
            return runpod_emulator_module.serve("handler.py")

        @pytest.fixture(scope="session")
        def kept(runpod_emulator_session):
            return runpod_emulator_session.serve("handler.py")

        @pytest.mark.parametrize("n", range(2))
        def test_it(n, shared, kept, runpod_emulator, runpod_emulator_module):
            for name, endpoint in (("shared", shared), ("kept", kept), ("own", runpod_emulator.serve("handler.py"))):
                SEEN.setdefault(name, set()).add(endpoint.run_sync({"n": n}, timeout=60))
            assert len(runpod_emulator_module.jobs) == 1
            runpod_emulator_module.reset()
            if n:
                assert [len(SEEN[name]) for name in ("shared", "kept", "own")] == [1, 1, 2]
    """
    assert passed(pytester, tests) == 2


def test_a_factory_makes_emulators_as_they_are_wanted(pytester: pytest.Pytester) -> None:
    tests = """
        import pytest
        from runpod_sdk.emulator import Options

        MADE = []

        def test_it(runpod_emulator_factory, assert_each_job_ran_once):
            for status in ("FAILED", "TIMED_OUT"):
                emulator = runpod_emulator_factory(options=Options(overrun_status=status))
                MADE.append(emulator)
                endpoint = emulator.serve(lambda job: emulator.clock.sleep(3600))
                job = endpoint.run({"n": 1}, execution_timeout=60)
                assert job.wait(timeout=600).status == status
            assert_each_job_ran_once()

        def test_they_are_closed():
            for emulator in MADE:
                with pytest.raises(RuntimeError, match="closed"):
                    emulator.connection
    """
    assert passed(pytester, tests) == 2


def test_an_hour_on_a_worker_passes_at_once(pytester: pytest.Pytester) -> None:
    tests = """
        def test_hour(runpod_emulator, runpod_client):
            runpod_emulator.endpoint("abc")
            started_at = runpod_emulator.clock.monotonic()
            runpod_client.endpoint("abc").run_sync({"mock_delay": 3600}, execution_timeout=7200)
            assert runpod_emulator.clock.monotonic() - started_at >= 3600
    """
    assert passed(pytester, tests) == 1


def test_each_test_gets_its_own_emulator_and_the_last_one_is_closed(pytester: pytest.Pytester) -> None:
    tests = """
        import pytest

        KEPT = []

        @pytest.mark.parametrize("again", [False, True])
        def test_own(runpod_emulator, again):
            runpod_emulator.endpoint("abc")
            for emulator in KEPT:
                with pytest.raises(RuntimeError, match="closed"):
                    emulator.connection
            KEPT.append(runpod_emulator)
    """
    assert passed(pytester, tests) == 2


def test_the_client_is_closed_after_its_test(pytester: pytest.Pytester) -> None:
    tests = """
        import pytest

        KEPT = []

        def test_first(runpod_emulator, runpod_client):
            runpod_emulator.endpoint("abc")
            KEPT.append(runpod_client.endpoint("abc"))
            KEPT[0].health()

        def test_second():
            with pytest.raises(RuntimeError, match="closed"):
                KEPT[0].health()
    """
    assert passed(pytester, tests) == 2


def test_the_async_client_is_closed_after_its_test_though_its_loop_is_gone(pytester: pytest.Pytester) -> None:
    tests = """
        import asyncio

        import pytest

        KEPT = []

        def test_first(runpod_emulator, runpod_async_client):
            runpod_emulator.endpoint("abc")
            KEPT.append(runpod_async_client.endpoint("abc"))
            asyncio.run(KEPT[0].health())

        def test_second():
            with pytest.raises(RuntimeError, match="closed"):
                asyncio.run(KEPT[0].health())
    """
    assert passed(pytester, tests) == 2


def test_the_async_client_works_in_tests_that_a_plugin_runs_in_its_loop(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        dedent("""
            import asyncio
            import inspect

            import pytest

            LOOP = asyncio.new_event_loop()

            @pytest.hookimpl(tryfirst=True)
            def pytest_pyfunc_call(pyfuncitem):
                names = inspect.signature(pyfuncitem.obj).parameters
                LOOP.run_until_complete(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
                return True

            def pytest_unconfigure():
                LOOP.close()
        """)
    )
    tests = """
        import pytest

        @pytest.mark.parametrize("again", [False, True])
        async def test_output(runpod_emulator, runpod_async_client, again):
            runpod_emulator.endpoint("abc", lambda job: job["input"]["n"] + 1)
            job = await runpod_async_client.endpoint("abc").run({"n": 1})
            assert await job.output(timeout=60) == 2
    """
    assert passed(pytester, tests) == 2


def test_a_test_of_a_worker_file_is_five_lines(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(handler=HANDLER)
    tests = """
        def test_my_worker(runpod_emulator):
            endpoint = runpod_emulator.serve("handler.py")
            assert endpoint.run_sync({"prompt": "hi"}, timeout=60) == "HI"
    """
    assert passed(pytester, tests) == 1


KINDS: dict[str, tuple[str, str, Any]] = {
    "async": ("async def handler(job):\n    return job['input']['n'] + 1", "", 2),
    "generator": ("def handler(job):\n    yield from range(job['input']['n'])", "", []),
    "aggregate": (
        "async def handler(job):\n    for n in range(3):\n        yield n",
        ", 'return_aggregate_stream': True",
        [0, 1, 2],
    ),
}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_file_may_hold_any_kind_of_handler(
    runpod_emulator: EmulatorFixture, tmp_path: Path, kind: str
) -> None:
    handler, options, output = KINDS[kind]
    file = tmp_path / "handler.py"
    file.write_text(f"import runpod\n{handler}\nrunpod.serverless.start({{'handler': handler{options}}})")
    assert runpod_emulator.serve(file).run_sync({"n": 1}, timeout=60) == output


def test_a_worker_that_raises_fails_with_its_own_traceback(runpod_emulator: EmulatorFixture, tmp_path: Path) -> None:
    file = tmp_path / "handler.py"
    file.write_text("def handler(job):\n    raise ValueError('bad prompt')")
    endpoint = runpod_emulator.serve(f"{file}:handler")
    with pytest.raises(JobFailedError, match="bad prompt") as caught:
        endpoint.run_sync({"n": 1}, timeout=60)
    assert "raise ValueError" in (caught.value.worker_traceback or "")
    assert [job.status for job in runpod_emulator.jobs.values()] == ["FAILED"]


def test_a_generator_is_streamed(runpod_emulator: EmulatorFixture) -> None:
    def letters(job: dict[str, Any]) -> Iterator[str]:
        yield from job["input"]["text"]

    with runpod_emulator.serve(letters).stream({"text": "abc"}, timeout=60) as stream:
        assert list(stream) == ["a", "b", "c"]


def test_without_a_handler_the_built_in_one_does_what_the_input_says(runpod_emulator: EmulatorFixture) -> None:
    endpoint = runpod_emulator.serve()
    assert (endpoint.id, endpoint.run_sync({"mock_return": 7}, timeout=60)) == ("worker", 7)


@pytest.mark.slow
def test_a_file_is_looked_for_beside_the_test_then_in_the_rootdir(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]")
    pytester.makepyfile(
        **{
            "worker": "def handler(job): return 'rootdir'",
            "other": "def handler(job): return 'rootdir'",
            "tests/other": "def handler(job): return 'beside'",
            "tests/test_found": """
                def test_found(runpod_emulator):
                    for name, place in (("worker", "rootdir"), ("other", "beside")):
                        endpoint = runpod_emulator.serve(f"{name}.py:handler")
                        assert endpoint.run_sync({"n": 1}, timeout=60) == place
            """,
        }
    )
    pytester.chdir()
    result = pytester.runpytest_inprocess(*ALONE, "-W", "error", "tests")
    assert result.parseoutcomes() == {"passed": 1}


def test_a_file_that_is_nowhere_is_an_error_that_names_where_it_was_looked_for(pytester: pytest.Pytester) -> None:
    said = why_failed(pytester, 'def test_it(runpod_emulator):\n    runpod_emulator.serve("worker.py")')
    assert f"worker.py: no such file in {pytester.path}" in said


@pytest.mark.slow
def test_an_endpoint_is_called_like_its_file_or_function(runpod_emulator: EmulatorFixture, tmp_path: Path) -> None:
    file = tmp_path / "my worker.py"
    file.write_text("def run(job): return 1")
    runpod_emulator.endpoint("my-worker")
    served = [
        runpod_emulator.serve(f"{file}:run"),
        runpod_emulator.serve(f"{file}:run"),
        runpod_emulator.serve(f"{file}:run", "chosen"),
    ]
    assert [endpoint.id for endpoint in served] == ["run", "run-2", "chosen"]
    file.write_text("import runpod\nrunpod.serverless.start({'handler': lambda job: 1})")
    assert [runpod_emulator.serve(file).id, runpod_emulator.serve(file).id] == ["my-worker-2", "my-worker-3"]


def test_each_test_runs_the_file_anew(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(counter="import state\ndef count(job):\n    state.N += 1\n    return state.N", state="N = 0")
    tests = """
        import pytest

        @pytest.mark.parametrize("again", [False, True])
        def test_first(runpod_emulator, again):
            assert runpod_emulator.serve("counter.py:count").run_sync({"n": 1}, timeout=60) == 1
    """
    assert passed(pytester, tests) == 2


def test_an_async_client_reaches_what_was_served(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(handler=HANDLER)
    tests = """
        import asyncio

        def test_it(runpod_emulator, runpod_async_client):
            endpoint = runpod_async_client.endpoint(runpod_emulator.serve("handler.py").id)
            assert asyncio.run(endpoint.run_sync({"prompt": "hi"}, timeout=60)) == "HI"
    """
    assert passed(pytester, tests) == 1


@pytest.mark.slow
def test_tests_in_many_processes_do_not_meet(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # some of those here take seconds to import
    pytester.makepyfile(handler=HANDLER)
    tests = """
        import pytest

        @pytest.mark.parametrize("n", range(6))
        def test_it(runpod_emulator, runpod_server, n):
            for emulator in (runpod_emulator, runpod_server):
                assert emulator.serve("handler.py").run_sync({"prompt": f"n{n}"}, timeout=60) == f"N{n}"
                assert len(emulator.jobs) == 1
    """
    result = run(pytester, tests, "-p", "runpod_sdk.pytest_plugin", "-p", "xdist", "-n", "2")
    assert result.parseoutcomes() == {"passed": 6}


def test_both_clients_see_the_same_jobs(pytester: pytest.Pytester) -> None:
    tests = """
        import asyncio

        def test_same(runpod_emulator, runpod_client, runpod_async_client):
            runpod_emulator.endpoint("abc", lambda job: job["input"])
            job = runpod_client.endpoint("abc").run({"n": 1})
            other = runpod_async_client.endpoint("abc").job(job.id)
            assert asyncio.run(other.output(timeout=60)) == {"n": 1}
    """
    assert passed(pytester, tests) == 1


@pytest.mark.slow
def test_importing_the_plugin_imports_neither_client_nor_emulator() -> None:
    script = "import sys, runpod_sdk.pytest_plugin; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603
    loaded = done.stdout.split()
    assert not {"httpx", "attrs", "starlette", "uvicorn", "rich", "asyncio"} & set(loaded)
    assert {name for name in loaded if name.startswith("runpod")} <= {
        "runpod_sdk",
        "runpod_sdk._values",
        "runpod_sdk._values._version",
        "runpod_sdk.pytest_plugin",
    }
