"""What the pytest plugin judges: faults that a mark promises, and whether each job ran once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runpod_sdk.emulator import Emulator, Fault
from runpod_sdk.pytest_plugin._once import complaints
from tests.inner_runs import ALONE, HANDLER, passed, run, why_failed, why_no_setup

if TYPE_CHECKING:
    from runpod_sdk.pytest_plugin import EmulatorFixture

pytest_plugins = ["pytester"]

IMPORTS = """
        import pytest
        from runpod_sdk import SubmissionUnknownError
        from runpod_sdk.emulator import Fault
"""


# The mark runpod_fault.


def test_a_marked_fault_strikes_a_worker_file(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(handler=HANDLER)
    tests = f"""{IMPORTS}
        @pytest.mark.runpod_fault(Fault.status(503, on="health", times=2))
        def test_it(runpod_emulator):
            endpoint = runpod_emulator.serve("handler.py")
            endpoint.health()
            assert endpoint.run_sync({{"prompt": "hi"}}, timeout=60) == "HI"
            assert [request.status for request in runpod_emulator.requests] == [503, 503, 200, 200]
    """
    assert passed(pytester, tests) == 1


@pytest.mark.runpod_fault(Fault.status(502, on="health", nth=2), Fault.status(504, on="health", times=1))
@pytest.mark.runpod_fault(Fault.status(503, on="health", times=1))
def test_of_many_marks_the_one_nearest_to_the_test_strikes_first(runpod_emulator: EmulatorFixture) -> None:
    runpod_emulator.serve().health()
    assert [request.status for request in runpod_emulator.requests] == [503, 504, 502, 200]


def test_marks_of_a_class_and_a_module_count_too(pytester: pytest.Pytester) -> None:
    tests = f"""{IMPORTS}
        pytestmark = pytest.mark.runpod_fault(Fault.status(502, on="health", times=1))

        @pytest.mark.runpod_fault(Fault.status(503, on="health", times=1))
        class TestIt:
            def test_it(self, runpod_emulator):
                runpod_emulator.serve().health()
                assert [request.status for request in runpod_emulator.requests] == [503, 502, 200]

        def test_that_needs_no_emulator():
            pass
    """
    assert passed(pytester, tests) == 2


def test_a_mark_strikes_on_the_socket(pytester: pytest.Pytester) -> None:
    tests = f"""{IMPORTS}
        @pytest.mark.runpod_fault(Fault.drop("after", on="run", times=1))
        def test_it(runpod_server):
            endpoint = runpod_server.serve()
            with pytest.raises(SubmissionUnknownError):
                endpoint.run({{"mock_return": 1}})
            assert len(runpod_server.jobs) == 1
    """
    assert passed(pytester, tests) == 1


def test_a_fault_that_never_struck_fails_the_test(pytester: pytest.Pytester) -> None:
    tests = f"""{IMPORTS}
        @pytest.mark.runpod_fault(Fault.status(503, on="retry"))
        def test_it(runpod_emulator):
            runpod_emulator.serve().health()
    """
    said = why_failed(pytester, tests)
    assert "never struck in this test (say optional=True where that may be)" in said
    assert "{'kind': 'status', 'on': ['retry'], 'code': 503}: no request was meant" in said


def test_an_optional_fault_need_not_strike(pytester: pytest.Pytester) -> None:
    tests = f"""{IMPORTS}
        @pytest.mark.runpod_fault(Fault.status(503, on="run", rate=0.01), optional=True)
        def test_it(runpod_emulator):
            runpod_emulator.serve().health()
    """
    assert passed(pytester, tests) == 1


def test_a_test_that_fails_by_itself_says_nothing_of_faults(pytester: pytest.Pytester) -> None:
    tests = f"""{IMPORTS}
        @pytest.mark.runpod_fault(Fault.status(503))
        def test_it(runpod_emulator):
            assert not "its own reason"
    """
    said = why_failed(pytester, tests)
    assert "its own reason" in said
    assert "never struck" not in said


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("mark", "why"),
    [
        ("()", "a fault is missing"),
        ("(503)", "503 is no Fault"),
        ("(Fault.status(503), times=2)", "unknown argument times"),
        ("(Fault.status(503), optional='yes')", "optional='yes': True or False expected"),
    ],
)
def test_a_mark_that_makes_no_sense_stops_the_test_before_it_runs(
    pytester: pytest.Pytester, mark: str, why: str
) -> None:
    tests = f"""{IMPORTS}
        @pytest.mark.runpod_fault{mark}
        def test_it(runpod_emulator):
            raise RuntimeError("it ran")
    """
    said = why_no_setup(pytester, tests)
    assert why in said
    assert '@pytest.mark.runpod_fault(Fault.status(503, on="run", times=2))' in said


def test_a_mark_without_an_emulator_fails_the_test(pytester: pytest.Pytester) -> None:
    tests = f"""{IMPORTS}
        @pytest.mark.runpod_fault(Fault.status(503))
        def test_it():
            pass
    """
    assert "this test takes neither runpod_emulator nor runpod_server" in why_failed(pytester, tests)


def test_the_mark_is_registered(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess(*ALONE, "--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.runpod_fault(fault, ..., optional=False): *"])
    tests = f"""{IMPORTS}
        @pytest.mark.runpod_fault(Fault.status(503), optional=True)
        def test_it(runpod_emulator):
            pass
    """
    assert run(pytester, tests, "--strict-markers").parseoutcomes() == {"passed": 1}


# assert_each_job_ran_once.


def test_jobs_that_ran_once_pass_however_they_ended(pytester: pytest.Pytester) -> None:
    tests = f"""{IMPORTS}
        def test_it(runpod_emulator, assert_each_job_ran_once):
            endpoint = runpod_emulator.serve()
            endpoint.run_sync({{"mock_return": 1}}, timeout=60)
            endpoint.run_sync({{"mock_return": 1}}, timeout=60)
            assert endpoint.run({{"mock_error": "no"}}).wait(60).status == "FAILED"
            runpod_emulator.clock.sleep(90)  # by now the first two are forgotten
            assert len(runpod_emulator.jobs) == 1
            assert_each_job_ran_once()
    """
    assert passed(pytester, tests) == 1


def test_a_job_that_a_dying_worker_left_to_another_is_named(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(handler=HANDLER)
    tests = f"""{IMPORTS}
        @pytest.mark.runpod_fault(Fault.kill_worker("done", times=1))
        def test_it(runpod_emulator, assert_each_job_ran_once):
            endpoint = runpod_emulator.serve("handler.py")
            endpoint.run_sync({{"prompt": "first"}}, timeout=60)
            endpoint.run_sync({{"prompt": "second"}}, timeout=60)
            assert_each_job_ran_once()
    """
    said = why_failed(pytester, tests)
    assert "not every job ran exactly once (" in said
    [line] = [line for line in said.splitlines() if line.startswith("E ") and "ran 2 times" in line]
    assert 'IN_QUEUE on endpoint "handler", take on ' in line
    assert "lose → IN_QUEUE" in line
    assert line.endswith("succeed → COMPLETED")
    assert "_once.py" not in said  # the line that is shown is the test's own


ODD = {
    "has not ended": (1, "endpoint.run({'mock_delay': 60})"),
    "has not ended: IN_QUEUE": (0, "endpoint.run({'n': 1})"),
    'never ran: IN_QUEUE on endpoint "worker", cancel → CANCELLED': (0, "endpoint.run({'n': 1}).cancel()"),
    'never ran: IN_QUEUE on endpoint "worker", purge → CANCELLED': (
        0,
        "endpoint.run({'n': 1}); endpoint.purge_queue()",
    ),
    "was forgotten before it had ended": (
        1,
        "endpoint.run({'mock_delay': 60}, ttl=10); runpod_emulator.clock.sleep(20)",
    ),
    "ran 2 times": (1, "job = endpoint.run({'mock_error': 'no'}); job.wait(60); job.retry().wait(60)"),
}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("what", ODD)
def test_each_job_that_did_not_run_once_is_named(pytester: pytest.Pytester, what: str) -> None:
    workers, act = ODD[what]
    tests = f"""
        def test_it(runpod_emulator, assert_each_job_ran_once):
            endpoint = runpod_emulator.serve(workers={workers})
            {act}
            assert_each_job_ran_once()
    """
    assert what in why_failed(pytester, tests)


@pytest.mark.runpod_fault(Fault.drop("after", on="run", times=1))
def test_an_input_that_was_submitted_again_is_named(
    runpod_emulator: EmulatorFixture, request: pytest.FixtureRequest
) -> None:
    once = request.getfixturevalue("assert_each_job_ran_once")
    job = runpod_emulator.serve().run({"mock_return": 1}, on_unknown="resubmit")
    job.wait(60)
    with pytest.raises(AssertionError) as caught:
        once()
    assert "are one input, submitted again where the answer to /run was dropped" in str(caught.value)
    assert all(job_id in str(caught.value) for job_id in runpod_emulator.jobs)


def test_a_test_that_is_run_again_is_judged_by_its_last_run(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        import pytest
        from _pytest.runner import runtestprotocol

        def pytest_runtest_protocol(item, nextitem):
            runtestprotocol(item, nextitem=None, log=False)
            runtestprotocol(item, nextitem=nextitem)
            return True
    """)
    tests = f"""{IMPORTS}
        RUNS = []

        @pytest.mark.runpod_fault(Fault.status(503, on="health", times=1))
        def test_it(runpod_emulator, assert_each_job_ran_once):
            RUNS.append(runpod_emulator)
            endpoint = runpod_emulator.serve(workers=len(RUNS) - 1)
            job = endpoint.run({{"mock_return": 1}})
            if len(RUNS) == 1:
                assert_each_job_ran_once()
            endpoint.health()
            job.wait(60)
    """
    assert passed(pytester, tests) == 1


def test_without_any_job_it_fails(pytester: pytest.Pytester) -> None:
    tests = """
        def test_it(runpod_emulator, assert_each_job_ran_once):
            assert_each_job_ran_once()
    """
    assert "no job was submitted" in why_failed(pytester, tests)


def test_taken_and_not_called_it_judges_when_the_test_has_passed(pytester: pytest.Pytester) -> None:
    tests = """
        import pytest
        pytestmark = pytest.mark.usefixtures("assert_each_job_ran_once")

        def test_good(runpod_emulator):
            runpod_emulator.serve().run_sync({"mock_return": 1}, timeout=60)

        def test_bad(runpod_emulator):
            runpod_emulator.serve().run({"mock_delay": 60})
    """
    said = why_failed(pytester, tests)
    assert "assert_each_job_ran_once: not every job ran exactly once (1 problem in 1 job):" in said
    assert "has not ended" in said
    assert "pytest_runtest_call" not in said


def test_of_many_jobs_only_some_are_named_and_the_rest_counted(pytester: pytest.Pytester) -> None:
    tests = """
        def test_it(runpod_emulator, assert_each_job_ran_once):
            endpoint = runpod_emulator.serve(workers=0)
            for n in range(30):
                endpoint.run({"n": n})
            assert_each_job_ran_once()
    """
    said = why_failed(pytester, tests)
    assert "in 30 jobs):" in said
    assert said.count("E         job ") == 20
    assert "… and 10 more" in said


def test_a_ledger_that_was_too_short_is_said_so() -> None:
    with Emulator() as emulator:
        verdict = replace(emulator.ledger.verdict(), is_complete=False)
        assert complaints(verdict, {}, []) == [
            "the ledger (Options.ledger) was too short for all jobs: there may be more"
        ]
