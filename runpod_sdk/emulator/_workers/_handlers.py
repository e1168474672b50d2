"""Loads a worker file in this process: runs it, and captures what it passes to `runpod.serverless.start`.

`start` of the official package never returns; here it takes the handler and ends the file, so that nothing after it
runs either. What is different from a process of its own: the file is `__main__`, with arguments of its own, only while
it is loaded; signals, environment, working directory and event loop are those of this process.
"""

from __future__ import annotations

import inspect
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._workers._host._package import Hooks, offer, why
from runpod_sdk.emulator._workers._modules import OwnModules
from runpod_sdk.emulator._workers._programs import HandlerFileError, Program, stamps_of
from runpod_sdk.emulator._workers._results import what
from runpod_sdk.emulator._workers._run import is_running, post, progress_update

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    Handler = Callable[[dict[str, Any]], Any]


_CONCURRENCY_MAX = 1000  # jobs at once of one worker; each has a place here, whatever a modifier answers


class _Started(BaseException):  # no error, and no Exception: a file that catches those ends all the same
    """Ends a file that has called `start`."""


_CONFIG: ContextVar[list[dict[str, Any]] | None] = ContextVar("runpod_handler_config", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerFile:
    """What a handler file says of itself.

    Attributes:
        program: what was loaded.
        path: the file.
        handler: what runs its jobs.
        return_aggregate_stream: the chunks of a generator are also its output.
        refresh_worker: a worker is replaced after each job.
        concurrency: how many jobs one worker runs at once: what its `concurrency_modifier` first answers, for an async
            handler; a sync handler of the official worker runs one at a time.
        modules: the modules beside it.
        stamps: when it and they had last been changed, in nanoseconds.
    """

    program: Program
    path: Path
    handler: Handler
    return_aggregate_stream: bool = False
    refresh_worker: bool = False
    concurrency: int = 1
    modules: OwnModules
    stamps: dict[Path, int] = field(default_factory=dict[Path, int])


def load(program: Program) -> HandlerFile:
    """Run a file, and return what it hands to `start`; or, for a program that is a function, that function.

    Without a function it runs as `__main__`, so that a guarded call of `start` is made.

    Raises:
        HandlerFileError: it raised, it never called `start`, it has no such function, or it is no file.
    """
    path = program.path
    if path is None:
        raise HandlerFileError(f"{program.named}: only a file can be loaded in this process")
    stamps = stamps_of([path])  # before it is read: what is changed meanwhile is seen as a change
    function = program.target.rpartition(":")[2] if program.kind == "function" else None
    modules = OwnModules(program.folder)
    configs: list[dict[str, Any]] = []
    try:
        module = _run(program, path, modules, configs, is_main=function is None)
        modules.adopt(module)
        handler, config = _chosen(path, module, function, configs)
        concurrency = _concurrency(path, handler, config.get("concurrency_modifier"))
    except BaseException:
        modules.forget()
        raise
    return HandlerFile(
        program=program,
        path=path,
        handler=handler,
        return_aggregate_stream=bool(config.get("return_aggregate_stream", False)),
        refresh_worker=bool(config.get("refresh_worker", False)),
        concurrency=concurrency,
        modules=modules,
        stamps=stamps_of(modules.files().values()) | stamps,
    )


def _start(config: Any, official: Callable[[Any], None]) -> None:
    """Stand in for `runpod.serverless.start`."""
    configs = _CONFIG.get()
    if configs is None:  # no file is being loaded
        official(config)
        return
    configs.append(config if isinstance(config, dict) else {})  # pyright: ignore[reportUnknownArgumentType]
    raise _Started


def _progress(job: Any, progress: Any, official: Callable[[Any, Any], None]) -> None:
    """Stand in for `runpod.serverless.progress_update`."""
    if is_running(job):
        progress_update(job, progress)
    else:
        official(job, progress)


def _post(job: Any, data: Any, is_chunk: bool) -> bool:  # noqa: FBT001  of a hook
    """Stand in for `send_result` and `stream_result` of `runpod.serverless.modules.rp_http`."""
    return is_running(job) and post(job, data, is_chunk=is_chunk)


_HOOKS = Hooks(_start, _progress, _post)


def _run(
    program: Program, path: Path, modules: OwnModules, configs: list[dict[str, Any]], *, is_main: bool
) -> ModuleType:
    """Run a file; what it does once it has called `start`, the official package would not have let it do."""
    offer(_HOOKS)
    module = ModuleType("__main__" if is_main else path.stem)
    module.__file__ = str(path)
    dotted = program.target.partition(":")[0] if program.folder != path.parent else ""
    try:
        with _found(module, [str(path), *program.arguments]), _taking(configs):
            modules.prepare(module, dotted.rpartition(".")[0])
            exec(compile(path.read_bytes(), str(path), "exec"), vars(module))  # noqa: S102  the user's own file
    except _Started:
        pass
    except (Exception, SystemExit) as error:
        if not configs:
            raise HandlerFileError(f"{path}: {why(error)}") from error
    return module


def _chosen(
    path: Path, module: ModuleType, function: str | None, configs: list[dict[str, Any]]
) -> tuple[Handler, dict[str, Any]]:
    """Return the handler, and what else `start` was told of it."""
    config = configs[-1] if configs else {}
    if function is not None:
        handler: Any = getattr(module, function, None)
        if not callable(handler):
            raise HandlerFileError(f"{path}: it has no function {function!r}")
        return handler, config if config.get("handler") is handler else {}
    if not configs:
        raise HandlerFileError(f"{path}: it never calls runpod.serverless.start(){_hint(module, path)}")
    handler = config.get("handler")
    if not callable(handler):
        raise HandlerFileError(f"{path}: it calls runpod.serverless.start() without a handler")
    return handler, config


@contextmanager
def _found(module: ModuleType, argv: list[str]) -> Generator[None]:
    """Let a file find itself under its name, and its own path and arguments in sys.argv."""
    former, former_argv = sys.modules.get(module.__name__), sys.argv
    sys.modules[module.__name__] = module
    sys.argv = argv
    try:
        yield
    finally:
        sys.argv = former_argv
        if former is None:
            del sys.modules[module.__name__]
        else:
            sys.modules[module.__name__] = former


@contextmanager
def _taking(configs: list[dict[str, Any]]) -> Generator[None]:
    token = _CONFIG.set(configs)
    try:
        yield
    finally:
        _CONFIG.reset(token)


def _hint(module: ModuleType, path: Path) -> str:
    likely = vars(module).get("handler")
    return f"; name its function: {path.name}:handler" if callable(likely) else ""


def _concurrency(path: Path, handler: Handler, modifier: Callable[[Any], Any] | None) -> int:
    """Return how many jobs one worker runs at once; a float counts as the whole jobs that are begun in it."""
    is_async = inspect.iscoroutinefunction(handler) or inspect.isasyncgenfunction(handler)
    if modifier is None or not is_async:
        return 1
    try:
        answer = modifier(1)
        if not answer - 0 > 0:
            raise ValueError(f"{answer!r}: no job would ever be taken")  # noqa: TRY301  said as all else
        return -int(-min(answer, _CONCURRENCY_MAX) // 1)
    except (Exception, SystemExit) as error:
        raise HandlerFileError(f"{path}: its concurrency_modifier cannot be used: {what(error)}") from error
