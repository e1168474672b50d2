"""Separate copies of the modules beside a worker file, for each time it is loaded in this process.

They are kept under names that nobody else uses, and the file, and they themselves, import them under the names that
they have in production, whenever they do. Two files with a `utils.py` each do not meet, and no test finds the `utils`
of a worker in place of its own.
"""

from __future__ import annotations

import builtins
import importlib
import itertools
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec

_NUMBERS = itertools.count(1)


class OwnModules:
    """The modules of one load.

    Args:
        folder: where they lie; what Python would have at the front of its path.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._prefix = f"_runpod_worker_file_{next(_NUMBERS)}"
        self._is_own: dict[str, bool] = {}
        self._builtins = {**vars(builtins), "__import__": self._import}
        package = sys.modules[self._prefix] = ModuleType(self._prefix)
        package.__path__ = [self._folder]
        self._finder = _Finder(self._prefix, self._builtins)
        sys.meta_path.insert(0, self._finder)

    def prepare(self, module: ModuleType, package: str = "") -> None:
        """Let a module that is about to be run import them; `package`: relatively, too."""
        module.__dict__["__builtins__"] = self._builtins
        if package:
            importlib.import_module(f"{self._prefix}.{package}")
            module.__package__ = f"{self._prefix}.{package}"

    def adopt(self, module: ModuleType) -> None:
        """Keep the file itself, too, once it was run: what it defines is found there, by pickle and by annotations."""
        name = f"{self._prefix}.{module.__name__}"
        sys.modules[name] = module
        _rename(vars(module), module.__name__, name)

    def files(self) -> dict[str, Path]:
        """Return where those lie that were imported so far, by name."""
        found = {name: getattr(module, "__file__", None) for name, module in sys.modules.items() if self._has(name)}
        return {name.removeprefix(f"{self._prefix}."): Path(file) for name, file in found.items() if file}

    def forget(self) -> None:
        """Forget them."""
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        for name in [name for name in sys.modules if name == self._prefix or self._has(name)]:
            del sys.modules[name]

    def _has(self, name: str) -> bool:
        return name.startswith(f"{self._prefix}.")

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002  the signature of __import__
        locals: Mapping[str, Any] | None = None,  # noqa: A002  the same
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """Import as the statement does; what lies in the folder goes first, under its name here."""
        top = name.partition(".")[0]
        if level or not self._owns(top):
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        known = f"{self._prefix}.{name}"
        if fromlist:
            return builtins.__import__(known, globals, locals, fromlist)
        importlib.import_module(known)
        return sys.modules[f"{self._prefix}.{top}"]

    def _owns(self, top: str) -> bool:
        if top not in self._is_own:
            self._is_own[top] = self._find(top)
        return self._is_own[top]

    def _find(self, top: str) -> bool:
        spec = None if top in sys.builtin_module_names else PathFinder.find_spec(top, [self._folder])
        if spec is None:
            return False
        # A folder without __init__.py is a package only if there is no other of its name.
        return spec.origin is not None or PathFinder.find_spec(top) is None


def _rename(names: Mapping[str, Any], former: str, name: str) -> None:
    """Let classes and functions say where they are found, but for exceptions, whose names are in the errors of jobs."""
    for value in list(names.values()):
        is_error = isinstance(value, type) and issubclass(value, BaseException)
        if isinstance(value, type | FunctionType) and value.__module__ == former and not is_error:
            value.__module__ = name
            if isinstance(value, type):
                _rename(vars(value), former, name)


class _Finder:
    def __init__(self, prefix: str, names: dict[str, Any]) -> None:
        self._prefix = f"{prefix}."
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(self._prefix):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None and spec.origin is not None:
            spec.loader = _Loader(spec.loader, self._names)  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]  it is one
        return spec


class _Loader:
    """Loads a module that sees other builtins; for all else it is the loader that it replaces."""

    def __init__(self, loader: Loader, names: dict[str, Any]) -> None:
        self._loader = loader
        self._names = names

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = self._names
        self._loader.exec_module(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
