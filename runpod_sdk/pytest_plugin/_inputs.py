"""`runpod_test_inputs`: the tests in a worker's repository, each as a pytest test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk.emulator import HandlerFileError
from runpod_sdk.emulator._workers._programs import folder_of_module, is_module, parted, program_of
from runpod_sdk.emulator._workers._worker_tests import WorkerTestError, folders_above, worker_tests

if TYPE_CHECKING:
    from pathlib import Path

    from runpod_sdk.emulator._workers._worker_tests import WorkerTest
    from runpod_sdk.pytest_plugin._emulated import EmulatorFixture

FIXTURE = "runpod_test_input"


class InputFixture:
    """One input that a worker's repository is tested with.

    Attributes:
        name: what it is called there.
        input: the job's input.
        execution_timeout: seconds that the job may take; None: as the endpoint has it.
    """

    def __init__(self, test: WorkerTest, target: str, emulator: EmulatorFixture) -> None:
        self._test = test
        self._target = target
        self._emulator = emulator
        self.name = test.name
        self.input = test.input
        self.execution_timeout = test.execution_timeout

    def check(self) -> Any:
        """Run it, and return the output.

        Raises:
            JobFailedError: the worker failed; and whatever else `Job.output` raises.
            AssertionError: another output came than `expected_output`.
        """
        __tracebackhide__ = True
        endpoint = self._emulator.serve(self._target)
        output = endpoint.run(self.input, execution_timeout=self.execution_timeout).output()
        problem = self._test.problem("COMPLETED", output)
        if problem:
            raise AssertionError(f"{self.name} of {self._test.file}: {problem}")
        return output


def parametrize(metafunc: pytest.Metafunc, mark: pytest.Mark) -> None:
    """Make a test of each input."""
    target = target_of(mark)
    folders = [metafunc.definition.path.parent, metafunc.config.rootpath]
    try:
        found = worker_tests(_above(target, folders, metafunc.config.rootpath))
    except (HandlerFileError, WorkerTestError) as error:
        raise pytest.UsageError(f"{metafunc.definition.nodeid}: {error}") from None
    metafunc.parametrize(FIXTURE, found, ids=[test.name for test in found], indirect=True)


def target_of(mark: pytest.Mark) -> str:
    """Return the worker that a mark names."""
    if len(mark.args) != 1 or mark.kwargs:
        raise pytest.UsageError("runpod_test_inputs: one worker's file expected")
    return str(mark.args[0])


def _above(target: str, folders: list[Path], top: Path) -> list[Path]:
    if is_module(target):
        return folders_above(program_of(target, (), folder_of_module(target, folders)), top)
    for folder in folders:
        if parted(str(folder / target))[0].is_file():
            return folders_above(program_of(str(folder / target)), top)
    raise HandlerFileError(f"{target}: no such file in {' or '.join(map(str, dict.fromkeys(folders)))}")
