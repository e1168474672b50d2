"""The `runpod` package that a worker file imports: the official one where installed, else the stand-in.

In both, `start`, `progress_update` and what sends results by hand are replaced; whoever loads the file says by what.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from os.path import dirname, join
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType

STAND_IN = join(dirname(dirname(__file__)), "_standin")
STATE = "runpod.serverless.modules.worker_state"
DEBUGGER = "runpod.serverless.utils.rp_debugger"
_SERVERLESS = "runpod.serverless"
_HTTP = "runpod.serverless.modules.rp_http"
_MARK = "_emulated"


class Hooks(NamedTuple):
    """What takes the place of functions of the package.

    Attributes:
        start: called with what a file passes to `start`, and the function that it replaces.
        progress: the same of `progress_update`: job, progress, and what it replaces.
        post: called with job, body, and whether that is a chunk, by `send_result` and `stream_result` of `rp_http`;
            False: it has no use for it, and what it replaces is called.
    """

    start: Callable[[Any, Callable[[Any], None]], None]
    progress: Callable[[Any, Any, Callable[[Any, Any], None]], None]
    post: Callable[[Any, Any, bool], bool]


def offer(hooks: Hooks) -> None:
    """Let `import runpod` find the official package or the stand-in, with `hooks` in it."""
    loaded = sys.modules.get(_SERVERLESS)
    if loaded is not None:
        _replace(loaded, hooks)
        if _HTTP in sys.modules:
            _replace_http(sys.modules[_HTTP], hooks)
        return
    is_installed = PathFinder.find_spec("runpod", [folder for folder in sys.path if folder != STAND_IN]) is not None
    if not is_installed and STAND_IN not in sys.path:
        sys.path.append(STAND_IN)
    if not any(isinstance(finder, _StandinFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _StandinFinder(hooks))


def forget_timers() -> None:
    """Forget what the official debugger has measured, as the next job may measure the same."""  # rp_job.py: handle_job
    debugger = sys.modules.get(DEBUGGER)
    if debugger is not None:
        debugger.clear_debugger_output()


def note_begin(job: dict[str, Any]) -> None:
    """Let the package know that a job runs, for files that ask it how many do."""  # rp_scale.py: get_jobs
    running = getattr(sys.modules.get(STATE), "JobsProgress", None)
    if running is not None:
        running().add(job)


def note_end(job_id: str) -> None:
    """Let it know that the job runs no more."""
    running = getattr(sys.modules.get(STATE), "JobsProgress", None)
    if running is not None:
        running().remove(job_id)


def why(error: BaseException) -> str:
    """Say why a file cannot be run, in a line."""
    if isinstance(error, SystemExit):
        return "it exited before it called runpod.serverless.start()"
    if not isinstance(error, ImportError):
        return _line(error)
    if (error.name or "").partition(".")[0] == "runpod" and STAND_IN in sys.path:
        return (
            f"{error.msg.partition(' (')[0]}: it is not in the emulator's stand-in for the runpod package; "
            "to use it, install the official package beside the emulator: pip install runpod"
        )
    return str(error)


def _line(error: BaseException) -> str:
    from ._results import what  # noqa: PLC0415  only where something went wrong

    return what(error)


class _StandinFinder:
    """Finds two modules of the package as they would be found, and replaces functions in them when they are loaded."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        replace = {_SERVERLESS: _replace, _HTTP: _replace_http}.get(fullname)
        if replace is None:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _StandinLoader(spec.loader, self._hooks, replace)  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]  as one, without importlib.abc
        return spec


class _StandinLoader:
    def __init__(self, loader: Loader, hooks: Hooks, replace: Callable[[ModuleType, Hooks], None]) -> None:
        self._loader = loader
        self._hooks = hooks
        self._replace = replace

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        self._replace(module, self._hooks)


def _replace(serverless: ModuleType, hooks: Hooks) -> None:
    if hasattr(serverless, _MARK):
        return
    official_start, official_progress = serverless.start, serverless.progress_update

    def start(config: dict[str, Any]) -> None:
        hooks.start(config, official_start)

    def progress_update(job: dict[str, Any], progress: Any) -> None:
        hooks.progress(job, progress, official_progress)

    vars(serverless).update({_MARK: True, "start": start, "progress_update": progress_update})
    own = sys.modules.get(f"{_SERVERLESS}.modules.rp_progress")
    if own is not None:
        vars(own).update(progress_update=progress_update)


def _replace_http(http: ModuleType, hooks: Hooks) -> None:
    if hasattr(http, _MARK):
        return
    official_send: Callable[..., Awaitable[None]] = http.send_result
    official_stream: Callable[..., Awaitable[None]] = http.stream_result

    async def send_result(session: Any, job_data: Any, job: dict[str, Any], is_stream: bool = False) -> None:  # noqa: FBT001, FBT002  the official signature
        if not hooks.post(job, job_data, False):
            await official_send(session, job_data, job, is_stream)

    async def stream_result(session: Any, job_data: Any, job: dict[str, Any]) -> None:
        if not hooks.post(job, job_data, True):
            await official_stream(session, job_data, job)

    vars(http).update({_MARK: True, "send_result": send_result, "stream_result": stream_result})
