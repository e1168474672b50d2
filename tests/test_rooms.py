"""How the package is laid out: imports between rooms point one way, and its top is small."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import runpod_sdk

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(runpod_sdk.__file__).parent
TREES = {path.relative_to(ROOT.parent).with_suffix(""): ast.parse(path.read_bytes()) for path in ROOT.rglob("*.py")}


def imported(module: Path, tree: ast.Module) -> Iterator[tuple[str, ...]]:
    """Yield what a module imports, for type checkers too, from the name of the package on."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            base = module.parts[: -node.level] if node.level else ()
            name = (*base, *(node.module or "").split("."))
            yield from ((*name, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)


def test_imports_between_rooms_point_one_way_for_type_checkers_too() -> None:
    rooms = TopologicalSorter[str]()
    for module, tree in TREES.items():
        others = {name[1] for name in imported(module, tree) if name[0] == ROOT.name and len(name) > 1}
        if module.parts[1] != "__init__":  # which only says where the names are
            rooms.add(module.parts[1], *others - {module.parts[1]})
    assert list(rooms.static_order()), "CycleError names the rooms"


def test_the_top_of_the_package_is_small() -> None:
    assert len([path for path in ROOT.iterdir() if path.name != "__pycache__"]) <= 16
