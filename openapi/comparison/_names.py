"""What generators make of two documents: the public names of a Python client and of TypeScript types.

A program that was written for the old ones must find each name that it may use: modules, classes, their fields, the
members of enums, functions and their parameters, and in which class a function's answer or a field comes. What is new
breaks nothing. openapi-python-client makes the Python client, with the settings of this repository, and
openapi-typescript the types; both are run on both documents.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._references import InvalidDocumentError
from ._schemas import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Document = dict[str, Any]

_HERE = Path(__file__).resolve().parents[1]
_TYPESCRIPT = ("-p", "typescript@5.9.3", "-p", "openapi-typescript@7.13.0")


class MissingToolError(Exception):
    """A generator is not there."""


def names_changes(old: Document, new: Document, *, typescript: bool = True) -> list[Change]:
    """Return the names that were made for the old document, and are not for the new one.

    Raises:
        InvalidDocumentError: a generator refuses one of them.
        MissingToolError: openapi-python-client, or npx for TypeScript, is not installed.
    """
    makers: dict[str, Callable[[Document], set[str]]] = {"Python": python_names}
    if typescript:
        makers["TypeScript"] = typescript_names
    return [
        Change(where=language, what=f"{name} is gone", is_breaking=True)
        for language, names_of in makers.items()
        for name in lost(names_of(old), names_of(new))
    ]


def lost(was: set[str], now: set[str]) -> list[str]:
    """Return the names that are gone, without the parts of what is gone as a whole."""
    gone = was - now
    return sorted(name for name in gone if not _is_told(name, gone))


def _is_told(name: str, gone: set[str]) -> bool:
    """Return whether a name is gone as part of something that is gone as a whole."""
    parts = re.split(r"(?=[.( ])", name)
    return any("".join(parts[:count]) in gone for count in range(1, len(parts)))


def _made(command: list[str], document: Document, folder: Path, env: dict[str, str]) -> None:
    (folder / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
    done = subprocess.run(
        command, cwd=folder, env=env, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        raise InvalidDocumentError(f"{Path(command[0]).name} refuses it: {done.stdout.strip()[-500:]}")


def python_names(document: Document) -> set[str]:
    """Return the names in the Python client that openapi-python-client makes."""
    tools = str(Path(sys.executable).parent)
    path = os.pathsep.join([tools, os.environ.get("PATH", os.defpath)])
    generator = shutil.which("openapi-python-client", path=path)
    if generator is None:
        raise MissingToolError(f"openapi-python-client is neither in {tools} nor on PATH")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "generator.yaml"
        # As generator.yaml has it, but for the formatting: names do not depend on it.
        config.write_text("use_path_prefixes_for_title_model_names: false\npost_hooks: []\n", encoding="utf-8")
        settings = ["--config", str(config), "--custom-template-path", str(_HERE / "templates"), "--meta", "none"]
        command = [generator, "generate", "--path", "openapi.json", *settings, "--output-path", "client"]
        _made(command, document, folder, {**os.environ, "PATH": path})
        client = folder / "client"
        return {name for file in sorted(client.rglob("*.py")) for name in module_names(file, client)}


def module_names(file: Path, client: Path) -> Iterator[str]:
    """Yield what a module of a generated client lets its users name."""
    module = ".".join(file.relative_to(client).with_suffix("").parts).removesuffix(".__init__")
    if module in {"__init__", "client", "types", "errors"}:
        return  # the same in every client
    tree = ast.parse(file.read_text(encoding="utf-8"))
    ours = {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level for alias in node.names
    }
    ours -= {"AuthenticatedClient", "Client", "Response", "UNSET", "Unset", "errors", "types", "File", "FileTypes"}
    yield module
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield f"{module}.{node.name}"
            yield from (f"{module}.{node.name}{name}" for name in _class_names(node, ours))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield f"{module}.{node.name}"
            yield from (f"{module}.{node.name}{name}" for name in _function_names(node, ours))


def _class_names(node: ast.ClassDef, ours: set[str]) -> Iterator[str]:
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name) and part.target.id[0] != "_":
            yield f".{part.target.id}"
            yield from (f".{part.target.id} as {name}" for name in _spoken_of(part.annotation, ours))
        elif isinstance(part, ast.Assign):
            yield from (f".{target.id}" for target in part.targets if isinstance(target, ast.Name))


def _function_names(node: ast.FunctionDef | ast.AsyncFunctionDef, ours: set[str]) -> Iterator[str]:
    for index, argument in enumerate([*node.args.posonlyargs, *node.args.args]):
        yield f"({argument.arg}) as argument {index}"
    for argument in [*node.args.args, *node.args.kwonlyargs]:
        yield f"({argument.arg})"
        if argument.annotation is not None:
            yield from (f"({argument.arg}) as {name}" for name in _spoken_of(argument.annotation, ours))
    if node.returns is not None:
        yield from (f" as {name}" for name in _spoken_of(node.returns, ours))


def _spoken_of(annotation: ast.expr, ours: set[str]) -> Iterator[str]:
    """Yield the classes of the client that an annotation names, be it as a text."""
    text = ast.unparse(annotation)
    yield from (name for name in sorted(ours) if re.search(rf"\b{re.escape(name)}\b", text))


_KEY = re.compile(r"""^( *)(?:readonly )?("(?:[^"\\]|\\.)+"|[\w$]+)\??: (.*)$""")


def typescript_names(document: Document) -> set[str]:
    """Return the names in the types that openapi-typescript makes."""
    npx = shutil.which("npx")
    if npx is None:
        raise MissingToolError("npx is not on PATH: the names of TypeScript types are not compared")
    command = [npx, "--yes", *_TYPESCRIPT, "openapi-typescript", "openapi.json", "--output", "types.d.ts"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _made(command, document, folder, dict(os.environ))
        return set(type_names((folder / "types.d.ts").read_text(encoding="utf-8")))


def type_names(text: str) -> Iterator[str]:
    """Yield what types that openapi-typescript wrote name: paths, operations and their parameters, components."""
    path: list[str] = []
    for line in text.splitlines():
        if exported := re.match(r"export (?:interface|type) ([\w$]+)", line):
            path = [exported[1]]
        found = _KEY.match(line)
        if found is None or found[3].startswith("never"):
            continue
        path = [*path[: len(found[1]) // 4], found[2].strip('"')]
        kind, depth = path[0], len(path)
        is_parameter = kind == "operations" and depth == 5 and path[2] == "parameters"
        is_named = kind in {"paths", "webhooks", "components"} and depth == 3 and path[2] != "parameters"
        if is_named or is_parameter or (kind == "operations" and depth == 2):
            yield ".".join(path)
