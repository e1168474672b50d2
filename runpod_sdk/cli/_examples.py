"""The command `examples`: lists the examples in the package, and prints one."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

_DESCRIPTION = """\
Whole programs to begin from, each with what it needs in its first lines.

  examples                            list them
  examples quickstart                 print one
  examples quickstart > quickstart.py"""

_EXIT_CODES = """\
exit codes:
  0    printed
  2    bad arguments: there is none of that name
  130  Ctrl-C"""

_PACKAGE = Path(__file__).parents[1]
# In a wheel they lie in the package; in a checkout, beside it.
_FOLDERS = (_PACKAGE / "_examples", _PACKAGE.parent / "examples")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = _DESCRIPTION
    parser.epilog = _EXIT_CODES
    parser.add_argument("name", nargs="?", metavar="NAME", help="which one to print, such as quickstart")


def run(arguments: argparse.Namespace) -> int:
    """Print what was asked for, and return the exit code."""
    found = examples()
    if arguments.name is None:
        width = max(map(len, found))
        for name, path in found.items():
            print(f"{name:<{width}}  {_summary(path)}")
        return 0
    wanted = arguments.name.removesuffix(".py").removesuffix(".ipynb")
    if wanted not in found:
        print(f"no example is called {arguments.name!r}; there are: {', '.join(found)}", file=sys.stderr)
        return 2
    print(found[wanted].read_text(encoding="utf-8"), end="")
    return 0


def examples() -> dict[str, Path]:
    """Return the examples by their names."""
    folder = next(filter(Path.is_dir, _FOLDERS), _FOLDERS[-1])
    paths = [path for path in folder.rglob("*") if path.suffix in {".py", ".ipynb"} and path.name != "__init__.py"]
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(paths)}


def _summary(path: Path) -> str:
    """Return the first line of what an example says of itself."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        [first, *_] = json.loads(text)["cells"]
        said = "".join(first["source"]).lstrip("# ")
    else:
        said = ast.get_docstring(ast.parse(text)) or ""
    return said.split("\n")[0]
