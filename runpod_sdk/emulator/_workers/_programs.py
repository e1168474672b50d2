"""What a worker runs: a file, module or function, with arguments. Pure, but for a look at the disk.

A file that belongs to a package, and imports from it, is run as `python -m` would run it, from the folder that holds
the package; any other file as `python FILE` would, from its own folder.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

_MODULE = "-m "
_SKIPPED_FOLDERS = {"site-packages", "node_modules", "__pycache__"}


class HandlerFileError(Exception):
    """A worker's file that cannot be used; `__cause__` is what it raised, if it was run in this process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What a worker process runs.

    Attributes:
        named: what the user called it.
        kind: how it is run.
        target: the file, the module, or either with `:function`; passed to the worker host.
        folder: the working directory.
        arguments: what stands behind it in `sys.argv`.
        path: its file; None: a module that is only found when it is run.
    """

    named: str
    kind: Literal["file", "module", "function"]
    target: str
    folder: Path
    arguments: tuple[str, ...] = ()
    path: Path | None = None


def parted(target: str) -> tuple[Path, str | None]:
    """Return the file and the function; what follows a colon is one where it can be."""
    file, _, function = target.rpartition(":")
    named = bool(file) and function.isidentifier()
    return Path(file if named else target).resolve(), function if named else None


def is_module(target: str) -> bool:
    """Whether this is `-m package.module`."""
    return target.startswith(_MODULE)


def module_of(target: str) -> str:
    """Return the module of `-m package.module`, without a function."""
    return target.removeprefix(_MODULE).strip().partition(":")[0]


def folder_of_module(target: str, folders: Iterable[Path]) -> Path:
    """Return the first of these folders that has the module of `-m package.module`.

    Raises:
        HandlerFileError: none has it.
    """
    top = module_of(target).partition(".")[0]
    places = list(dict.fromkeys(folders))
    for folder in places:
        if (folder / top).is_dir() or (folder / f"{top}.py").is_file():
            return folder
    raise HandlerFileError(f"{target}: no such module in {' or '.join(map(str, places))}")


def program_of(target: str, arguments: tuple[str, ...] = (), folder: Path | None = None) -> Program:
    """Return what `target` names: FILE, FILE:FUNCTION, -m MODULE or -m MODULE:FUNCTION.

    Args:
        target: see above; a path is relative to the working directory.
        arguments: what stands behind it.
        folder: where a module is looked for; None: the working directory.

    Raises:
        HandlerFileError: there is no such file.
    """
    if is_module(target):
        module, _, function = target.removeprefix(_MODULE).strip().partition(":")
        return Program(
            named=target,
            kind="function" if function else "module",
            target=f"{module}:{function}" if function else module,
            folder=(folder or Path()).resolve(),
            arguments=arguments,
        )
    path, found = parted(target)
    if not path.is_file():
        raise HandlerFileError(f"{path}: no such file")
    package = _package_of(path)
    if package is not None:
        module = ".".join((*package.parts, path.stem))
        folder = path.parents[len(package.parts)]
        kind: Literal["module", "function"] = "function" if found else "module"
        name = f"{module}:{found}" if found else module
        return Program(named=target, kind=kind, target=name, folder=folder, arguments=arguments, path=path)
    if found:
        return Program(
            named=target, kind="function", target=f"{path}:{found}", folder=path.parent, arguments=arguments, path=path
        )
    return Program(named=target, kind="file", target=str(path), folder=path.parent, arguments=arguments, path=path)


def stamps_of(paths: Iterable[Path]) -> dict[Path, int]:
    """Return when each file was last changed, in nanoseconds; 0 of one that is just being replaced."""
    stamps: dict[Path, int] = {}
    for path in paths:
        try:
            stamps[path] = path.stat().st_mtime_ns
        except OSError:
            stamps[path] = 0
    return stamps


def scripts_in(folder: Path) -> list[Path]:
    """Return the Python files in a folder and below, without those of environments."""
    return sorted(path for path in folder.rglob("*.py") if not _SKIPPED_FOLDERS & set(path.parts))


def scripts_of(program: Program) -> list[Path]:
    """Return the Python files that a program may be made of: those beside it, or of its package."""
    if program.path is not None:
        return scripts_in(program.path.parent)
    top = program.target.partition(":")[0].partition(".")[0]
    return scripts_in(program.folder / top) or [program.folder / f"{top}.py"]


def _package_of(path: Path) -> Path | None:
    """Return the package that a file lies in, as a relative path, if the file needs it; else None."""
    top = path.parent
    while (top / "__init__.py").is_file() and top.parent != top:
        top = top.parent
    if top == path.parent:
        return None
    package = path.parent.relative_to(top)
    return package if _imports_from(path, package.parts[0]) else None


def _imports_from(path: Path, package: str) -> bool:
    """Whether a file imports relatively, or from the package with this name."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # it says so itself when it is run
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").partition(".")[0] == package):
            return True
        if isinstance(node, ast.Import) and any(alias.name.partition(".")[0] == package for alias in node.names):
            return True
    return False
