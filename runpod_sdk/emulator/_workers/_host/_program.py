"""Runs the user's file as a program, with the `sys.argv`, `sys.path` and `__main__` that it expects."""

from __future__ import annotations

import os
import runpy
import socket
import sys
import time
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from os.path import basename, dirname
from typing import TYPE_CHECKING, Any

from ._fitness import UnfitError, check_fitness
from ._loop import ModifierError, WorkerLoop
from ._package import STAND_IN, Hooks, offer, why
from ._results import NotJSONError, encoded, shown
from ._wire import Channel

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from types import ModuleType, TracebackType

_SERVERLESS = "runpod.serverless"
_REFUSED = ("rp_serve_api", "test_input")  # arguments with which the official package does something else


class _StartCalled(BaseException):  # no Exception: a file that catches those ends all the same
    """Ends a file of which only a function is wanted, where it calls `start`."""


class ProgramError(Exception):
    """A program that cannot be a worker; the message says why."""


def main(arguments: list[str]) -> int:
    """Run what the arguments name, see `__main__.py`, and return the exit code."""
    fd, kind, target, *rest = arguments
    os.set_inheritable(int(fd), False)
    source = target.rpartition(":")[0] if kind == "function" else target
    is_file = kind != "module" and source.endswith(".py")
    sys.argv = [source, *rest]
    if not sys.flags.safe_path:  # which keeps the folder of a script away
        sys.path[0] = dirname(source) if is_file else os.getcwd()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    program = HostedProgram(Channel(socket.socket(fileno=int(fd))))
    offer(Hooks(program.start, program.progress, program.post))
    return program.run(kind, target)


class HostedProgram:
    """One run of a user's program.

    Args:
        wire: the emulator.
    """

    def __init__(self, wire: Channel) -> None:
        self._wire = wire
        self._loads_function = False
        self._configs: list[Any] = []
        self._began = time.perf_counter()

    def run(self, kind: str, target: str) -> int:
        """Run it to its end, and return the exit code."""
        try:
            if kind == "function":
                self._serve(self._config_of(target))
            elif kind == "module":
                self._check(runpy.run_module(target, run_name="__main__", alter_sys=True), f"-m {target}")
            else:
                self._check(runpy.run_path(target, run_name="__main__"), basename(target))
        except (ProgramError, ModifierError) as error:
            self._wire.send(["failed", str(error)])
            _show(error.__cause__)
            return 1
        except SystemExit as error:
            if not self._configs:
                self._wire.send(["failed", why(error)])
            raise
        except BaseException as error:  # noqa: BLE001  told to both: the emulator, and whoever reads what is printed
            self._wire.send(["failed", why(error)])
            _show(error)
            return 1
        return 0

    def start(self, config: Any, _: Callable[[Any], None]) -> None:
        """Replace `runpod.serverless.start`: run jobs until the worker is told to stop."""
        if self._loads_function:
            self._configs.append(config)
            raise _StartCalled
        self._serve(config)

    def progress(self, job: dict[str, Any], progress: Any, _: Callable[[Any, Any], None]) -> None:
        """Stand in for `runpod.serverless.progress_update`."""
        job_id = job["id"]
        shown(progress)  # rp_progress.py: log.debug, in the handler
        try:
            body = encoded(progress)
        except NotJSONError as error:  # in a thread of the official library, which that ends
            self._wire.send(["note", job_id, f"progress cannot be sent: {error}"])
        else:
            self._wire.send(["progress", job_id], body)

    def post(self, job: Any, data: Any, is_chunk: bool) -> bool:  # noqa: FBT001  of a hook
        """Stand in for `send_result` and `stream_result` of `runpod.serverless.modules.rp_http`."""
        fields: dict[str, Any] = data if isinstance(data, dict) else {}  # pyright: ignore[reportUnknownVariableType]
        is_progress = not is_chunk and fields.get("status") == "IN_PROGRESS"
        try:
            body = encoded(fields.get("output") if is_progress else data)
        except NotJSONError as error:
            if not error.is_caught:
                raise
            self._wire.send(["note", job["id"], f"what was sent by hand cannot be sent: {error}"])
        else:
            self._wire.send(["progress" if is_progress else "chunk" if is_chunk else "done", job["id"]], body)
        return True

    def _serve(self, config: Any) -> None:
        known: dict[str, Any] = config if isinstance(config, dict) else {}  # pyright: ignore[reportUnknownVariableType]
        if not callable(known.get("handler")):
            raise ProgramError("it calls runpod.serverless.start() without a handler")
        self._configs.append(known)
        known["reference_counter_start"] = time.perf_counter()
        self._take_arguments(known)
        try:
            check_fitness()
        except UnfitError as error:
            raise ProgramError(str(error)) from error.__cause__
        ready = {"aggregate": bool(known.get("return_aggregate_stream", False))}
        WorkerLoop(self._wire, known, ready).run()

    @staticmethod
    def _take_arguments(config: dict[str, Any]) -> None:
        """Let the package take its own arguments out of `sys.argv`, as its `start` does."""
        take = getattr(sys.modules.get(_SERVERLESS), "_set_config_args", None)
        if take is None:
            return
        take(config)
        for name in _REFUSED:
            if config["rp_args"].get(name):
                raise ProgramError(f"--{name}: with it a worker serves itself; it is the emulator that serves")

    def _check(self, found: dict[str, Any], name: str) -> None:
        """Refuse a file that has ended without being a worker."""
        if not self._configs:
            hint = f"; name its function: {name}:handler" if callable(found.get("handler")) else ""
            raise ProgramError(f"it never calls runpod.serverless.start(){hint}")

    def _config_of(self, target: str) -> dict[str, Any]:
        """Load a file, and return what it would hand to `start` with this function."""
        source, _, name = target.rpartition(":")
        self._loads_function = True
        module = self._loaded(_spec_of(source))
        self._loads_function = False
        handler = getattr(module, name, None)
        if not callable(handler):
            raise ProgramError(f"it has no function {name!r}")
        given: Any = self._configs.pop() if self._configs else None
        config: dict[str, Any] = given if isinstance(given, dict) else {}  # pyright: ignore[reportUnknownVariableType]
        return config if config.get("handler") is handler else {"handler": handler}

    def _loaded(self, spec: ModuleSpec) -> ModuleType:
        module = sys.modules[spec.name] = module_from_spec(spec)
        try:
            if spec.loader is not None:
                spec.loader.exec_module(module)
        except _StartCalled:
            pass
        except (Exception, SystemExit):
            if not self._configs:  # what it does once it has called `start`, it would not have done in production
                raise
        return module


def _spec_of(source: str) -> ModuleSpec:
    """Return where a module is: that of a file, or one by its name."""
    is_file = source.endswith(".py")
    spec = spec_from_file_location(basename(source)[:-3], source) if is_file else find_spec(source)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {source!r}", name=source)
    return spec


def _show(error: BaseException | None) -> None:
    """Print an error as Python does, from the user's own frames on."""
    if error is not None:
        error = error.with_traceback(_of_the_user(error.__traceback__))
        sys.excepthook(type(error), error, error.__traceback__)


def _of_the_user(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the frames that lead to the user's file."""
    ours = (dirname(__file__), STAND_IN, "<frozen ", runpy.__file__)
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(ours):
        trace = trace.tb_next
    return trace
