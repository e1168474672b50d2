"""Loads a user's handler file as it is: runs it, and keeps what it hands to `runpod.serverless.start`.

`start` of the official package never returns; here it takes the handler and ends the file, so that nothing after it
runs either. Where the official package is installed, only `start` and `progress_update` are replaced in it, and only
for what the emulator loads and hands out; where it is not, a stand-in of the same name takes its place.
"""

from __future__ import annotations

import importlib.abc
import inspect
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from runpod_sdk.emulator._workers import _callables

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from importlib.machinery import ModuleSpec

    Handler = Callable[[dict[str, Any]], Any]

_STAND_IN = str(Path(__file__).with_name("_standin"))
_SERVERLESS = "runpod.serverless"


class HandlerFileError(Exception):
    """A handler file that cannot be loaded; `__cause__` is what it raised itself, if it did."""


class _Started(BaseException):  # no error, and no Exception: a file that catches those ends all the same
    """Ends a file that has called `start`."""


_CONFIG: ContextVar[list[dict[str, Any]] | None] = ContextVar("runpod_handler_config", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerFile:
    """What a handler file says of itself.

    Attributes:
        target: what was loaded: the path, with `:function` or without.
        path: the file.
        handler: what runs its jobs.
        return_aggregate_stream: the chunks of a generator are also its output.
        concurrency: how many jobs one worker runs at once: what its `concurrency_modifier` first answers, for an async
            handler; a sync handler of the official worker runs one at a time.
        modules: the modules beside it that it has imported, by name, and where they are.
        stamps: when it and they had last been changed, in nanoseconds.
    """

    target: str
    path: Path
    handler: Handler
    return_aggregate_stream: bool = False
    concurrency: int = 1
    modules: dict[str, Path] = field(default_factory=dict[str, Path])
    stamps: dict[Path, int] = field(default_factory=dict[Path, int])


def load(target: str, former: HandlerFile | None = None) -> HandlerFile:
    """Run a handler file, and return what it hands to `start`; or, for `file.py:function`, that function.

    Without a function it runs as `__main__`, so that a guarded call of `start` is made. Its folder stays on sys.path.

    Args:
        target: the path, with `:function` or without.
        former: what was loaded before from there, and is now forgotten, with the modules beside it.

    Raises:
        HandlerFileError: there is no such file, it raised, it never called `start`, or it has no such function.
    """
    path, function = parted(target)
    if not path.is_file():
        raise HandlerFileError(f"{path}: no such file")
    stamps = stamps_of([path])  # before it is read: what is changed meanwhile is seen as a change
    folder = str(path.parent)
    if former is not None:
        forget(former)
    if folder in sys.path:
        sys.path.remove(folder)
    sys.path.insert(0, folder)  # first, as Python does: the next folder may hold modules of the same names
    _offer_runpod()
    known = set(sys.modules)
    module = ModuleType("__main__" if function is None else path.stem)
    module.__file__ = str(path)
    configs: list[dict[str, Any]] = []
    with _as_main(module, path), _taking(configs):
        _run(path, module, configs)
    modules = {name: Path(file) for name, file in _beside(path, set(sys.modules) - known)}
    config = configs[-1] if configs else {}
    if function is not None:
        handler: Any = getattr(module, function, None)
        if not callable(handler):
            raise HandlerFileError(f"{path}: it has no function {function!r}")
        config = config if config.get("handler") is handler else {}
    elif not configs:
        raise HandlerFileError(f"{path}: it never calls runpod.serverless.start(){_hint(module, path)}")
    else:
        handler = config.get("handler")
        if not callable(handler):
            raise HandlerFileError(f"{path}: it calls runpod.serverless.start() without a handler")
    return HandlerFile(
        target=target,
        path=path,
        handler=handler,
        return_aggregate_stream=bool(config.get("return_aggregate_stream", False)),
        concurrency=_concurrency(path, handler, config.get("concurrency_modifier")),
        modules=modules,
        stamps=stamps_of(modules.values()) | stamps,
    )


def parted(target: str) -> tuple[Path, str | None]:
    """Return the file and the function; what follows a colon is one where it can be."""
    file, _, function = target.rpartition(":")
    named = bool(file) and function.isidentifier()
    return Path(file if named else target).resolve(), function if named else None


def forget(file: HandlerFile) -> None:
    """Forget the modules beside a file that it had imported, so that whoever imports those names next runs his own."""
    for name in file.modules:
        sys.modules.pop(name, None)


def stamps_of(paths: Iterable[Path]) -> dict[Path, int]:
    """Return when each file was last changed, in nanoseconds; 0 of one that is just being replaced."""
    stamps: dict[Path, int] = {}
    for path in paths:
        try:
            stamps[path] = path.stat().st_mtime_ns
        except OSError:
            stamps[path] = 0
    return stamps


def start(config: dict[str, Any]) -> None:
    """Stand in for `runpod.serverless.start`.

    Raises:
        RuntimeError: no file is being loaded.
    """
    configs = _CONFIG.get()
    if configs is None:
        raise RuntimeError("runpod.serverless.start: no emulator is loading this file; run `runpod-sdk emulate FILE`")
    configs.append(config if isinstance(config, dict) else {})  # pyright: ignore[reportUnnecessaryIsInstance]
    raise _Started


def progress_update(job: dict[str, Any], progress: Any) -> None:
    """Stand in for `runpod.serverless.progress_update`."""
    _callables.progress_update(job, progress)


def _run(path: Path, module: ModuleType, configs: list[dict[str, Any]]) -> None:
    """Run a file; what it does once it has called `start`, the official package would not have let it do."""
    try:
        code = compile(path.read_bytes(), str(path), "exec")
        exec(code, vars(module))  # noqa: S102  the user's own file
    except _Started:
        pass
    except (Exception, SystemExit) as error:
        if not configs:
            raise HandlerFileError(f"{path}: {_why(error)}") from error


def _why(error: BaseException) -> str:
    """Say why a file cannot be loaded."""
    if isinstance(error, SystemExit):
        return "it exited before it called runpod.serverless.start()"
    if isinstance(error, ImportError):
        if (error.name or "").partition(".")[0] == "runpod" and _STAND_IN in sys.path:
            return (
                f"{error.msg.partition(' (')[0]}: it is not in the emulator's stand-in for the runpod package; "
                "to use it, install the official package beside the emulator: pip install runpod"
            )
        return str(error)
    return f"{type(error).__name__}: {error}"


@contextmanager
def _as_main(module: ModuleType, path: Path) -> Generator[None]:
    """Let a file find itself under its name, and its own path in sys.argv."""
    former, argv = sys.modules.get(module.__name__), sys.argv
    sys.modules[module.__name__] = module
    sys.argv = [str(path)]
    try:
        yield
    finally:
        sys.argv = argv
        if former is not None:
            sys.modules[module.__name__] = former


@contextmanager
def _taking(configs: list[dict[str, Any]]) -> Generator[None]:
    token = _CONFIG.set(configs)
    try:
        yield
    finally:
        _CONFIG.reset(token)


def _beside(path: Path, names: set[str]) -> list[tuple[str, str]]:
    """Return the modules among `names` that lie beside `path`, but not in an environment there."""
    found: list[tuple[str, str]] = []
    for name in names:
        file: str | None = getattr(sys.modules.get(name), "__file__", None)
        if not file or file.startswith(_STAND_IN) or file == str(path):
            continue
        if Path(file).is_relative_to(path.parent) and "site-packages" not in Path(file).parts:
            found.append((name, file))
    return found


def _hint(module: ModuleType, path: Path) -> str:
    likely = vars(module).get("handler")
    return f"; name its function: {path.name}:handler" if callable(likely) else ""


def _concurrency(path: Path, handler: Handler, modifier: Callable[[int], int] | None) -> int:
    is_async = inspect.iscoroutinefunction(handler) or inspect.isasyncgenfunction(handler)
    try:
        return max(1, modifier(1)) if modifier is not None and is_async else 1
    except Exception as error:
        raise HandlerFileError(f"{path}: its concurrency_modifier cannot be used: {_why(error)}") from error


# The package `runpod`.


def _offer_runpod() -> None:
    """Let `import runpod` find the official package, with its `start` replaced, or the stand-in."""
    loaded = sys.modules.get(_SERVERLESS)
    if loaded is not None:
        _replace(loaded)
    elif PathFinder.find_spec("runpod", [folder for folder in sys.path if folder != _STAND_IN]) is not None:
        if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
            sys.meta_path.insert(0, _Finder())
    elif _STAND_IN not in sys.path:
        sys.path.append(_STAND_IN)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds `runpod.serverless` of the official package as it would be found, and replaces `start` in it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _SERVERLESS:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _replace(module)


def _replace(serverless: ModuleType) -> None:
    """Let the official `start` and `progress_update` serve the emulator, and else do what they did."""
    if getattr(serverless, "emulated", False) or (serverless.__file__ or "").startswith(_STAND_IN):
        return
    official_start, official_progress = serverless.start, serverless.progress_update

    def emulated_start(config: dict[str, Any]) -> None:
        if _CONFIG.get() is None:
            official_start(config)
        else:
            start(config)

    def emulated_progress(job: dict[str, Any], progress: Any) -> None:
        if isinstance(job, _callables.HandedJob):
            progress_update(job, progress)
        else:
            official_progress(job, progress)

    vars(serverless).update(emulated=True, start=emulated_start, progress_update=emulated_progress)
    own = sys.modules.get(f"{_SERVERLESS}.modules.rp_progress")
    if own is not None:
        vars(own).update(progress_update=emulated_progress)
