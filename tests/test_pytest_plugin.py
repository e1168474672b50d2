"""The pytest plugin: what its fixtures give, when they close it, and what the plugin costs those who do not use it."""

import ast
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from textwrap import dedent

import pytest

from runpod_sdk import AsyncClient, Client, pytest_plugin
from runpod_sdk.emulator import Emulator

pytest_plugins = ["pytester"]

# After each run pytester forgets the modules that it did not know before, and half of a lazy package would be another.
KNOWN = (AsyncClient, Client, Emulator)

FIXTURES = (
    "runpod_emulator",
    "runpod_server",
    "runpod_client",
    "runpod_async_client",
    "assert_each_job_ran_once",
)
HANDLER = """
import runpod

def handler(job):
    return job["input"]["prompt"].upper()

runpod.serverless.start({"handler": handler})
"""


def example_of(fixture: str) -> str:
    tree = ast.parse(Path(pytest_plugin.__file__).read_text(encoding="utf-8"))
    [function] = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == fixture]
    _, _, example = (ast.get_docstring(function) or "").partition("Example:\n")
    return dedent(example)


def passed(pytester: pytest.Pytester, tests: str) -> int:
    pytester.makepyfile(dedent(tests))
    result = pytester.runpytest_inprocess("-W", "error")
    outcomes = result.parseoutcomes()
    assert set(outcomes) <= {"passed"}
    return outcomes["passed"]


def test_an_installed_package_brings_the_fixtures_without_configuration(pytester: pytest.Pytester) -> None:
    assert "runpod_sdk.pytest_plugin" in [entry.value for entry in entry_points(group="pytest11")]
    result = pytester.runpytest_inprocess("--fixtures")
    for fixture in FIXTURES:
        result.stdout.fnmatch_lines([f"{fixture}*"])


@pytest.mark.parametrize("fixture", FIXTURES)
def test_the_example_of_each_fixture_is_a_test_that_passes(pytester: pytest.Pytester, fixture: str) -> None:
    pytester.makepyfile(handler=HANDLER)
    assert passed(pytester, f"import asyncio\nimport pytest\n\n{example_of(fixture)}") == 1


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


def test_importing_the_plugin_imports_neither_client_nor_emulator() -> None:
    script = "import sys, runpod_sdk.pytest_plugin; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603
    loaded = done.stdout.split()
    assert not {"httpx", "attrs", "starlette", "uvicorn", "rich", "asyncio"} & set(loaded)
    assert {name for name in loaded if name.startswith("runpod")} <= {
        "runpod_sdk",
        "runpod_sdk._version",
        "runpod_sdk.pytest_plugin",
    }
