"""How the package is laid out: imports between rooms point one way, a class name has one meaning, the top is small."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import runpod_sdk

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(runpod_sdk.__file__).parent
# Of the official package, hence of `compat`, and of what stands for it where worker files import it.
OFFICIAL = {"AuthenticationError", "Endpoint", "Job", "QueryError"}
CLASS = re.compile(r"^ *class _?(\w+)[(:\[]", re.MULTILINE)


def imported(module: Path, tree: ast.Module) -> Iterator[tuple[str, ...]]:
    """Yield what a module imports, for type checkers too, from the name of the package on."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            base = module.parts[: -node.level] if node.level else ()
            name = (*base, *(node.module or "").split("."))
            yield from ((*name, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)


@pytest.mark.slow
@pytest.mark.parametrize("house", [(ROOT.name,), (ROOT.name, "emulator")], ids=["package", "emulator"])
def test_imports_between_rooms_point_one_way_for_type_checkers_too(house: tuple[str, ...]) -> None:
    rooms = TopologicalSorter[str]()
    depth = len(house)
    for path in ROOT.rglob("*.py"):
        module = path.relative_to(ROOT.parent).with_suffix("")
        if module.parts[:depth] != house or module.parts[depth] == "__init__":  # which only says where the names are
            continue
        names = imported(module, ast.parse(path.read_bytes()))
        others = {name[depth] for name in names if name[:depth] == house and len(name) > depth}
        rooms.add(module.parts[depth], *others - {module.parts[depth]})
    assert list(rooms.static_order()), "CycleError names the rooms"


def test_a_class_name_has_one_meaning() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in ROOT.rglob("*.py"):
        room = path.relative_to(ROOT)
        is_official = {"compat", "_standin"} & set(room.parts)
        for name in CLASS.findall(path.read_text(encoding="utf-8")):
            if not (is_official and name in OFFICIAL):
                places[name].append(str(room))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_the_top_of_the_package_is_small() -> None:
    assert len([path for path in ROOT.iterdir() if path.name != "__pycache__"]) <= 16
