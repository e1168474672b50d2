"""What `runpod_sdk` offers, and how little an import of it costs."""
# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import runpod_sdk

if TYPE_CHECKING:
    # Fails in `nox -s types` where a wrong name is no error: then this comment is not needed.
    from runpod_sdk import Klient  # type: ignore[attr-defined]  # noqa: F401


def in_a_fresh_python(code: str) -> str:
    # Measuring coverage would bring in modules of its own.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603  ours
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_all_is_sorted_and_has_no_name_twice() -> None:
    assert sorted(set(runpod_sdk.__all__)) == runpod_sdk.__all__


@pytest.mark.parametrize("name", runpod_sdk.__all__)
def test_every_name_can_be_imported(name: str) -> None:
    assert getattr(runpod_sdk, name) is not None
    assert name in dir(runpod_sdk)


ROOMS: dict[str, str] = vars(runpod_sdk)["_ROOM_OF"]


def test_every_name_is_lazy_and_every_lazy_name_is_public() -> None:
    assert {*ROOMS, "__version__"} == set(runpod_sdk.__all__)


def test_a_name_is_the_same_object_as_in_its_room() -> None:
    for name, room in ROOMS.items():
        assert getattr(runpod_sdk, name) is getattr(importlib.import_module(f"runpod_sdk.{room}"), name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'runpod_sdk' has no attribute 'Klient'"):
        getattr(runpod_sdk, "Klient")  # noqa: B009  mypy knows better


@pytest.mark.slow
def test_star_import_brings_all_names() -> None:
    assert in_a_fresh_python("from runpod_sdk import *; print(Client.__name__, AsyncJob.__name__)") == "Client AsyncJob"


def test_an_import_brings_in_nothing_heavy() -> None:
    loaded = in_a_fresh_python("import sys, runpod_sdk; print(*sys.modules)").split()
    assert "runpod_sdk" in loaded
    assert not {"httpx", "attr", "attrs", "asyncio", "runpod_queue_client", "dataclasses", "ssl"} & set(loaded)


def test_no_module_of_the_sdk_prints_or_warns_when_it_is_imported() -> None:
    code = "from runpod_sdk import Client, AsyncClient, errors, clock"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)  # noqa: S603  ours
    assert done.stdout + done.stderr == ""


def test_a_client_brings_in_http_with_its_first_request() -> None:
    imports = "import sys; from runpod_sdk import AsyncClient, Client"
    code = f"{imports}; Client('k').endpoint('abc').job('j'); print(*sys.modules)"
    assert not {"httpx", "attr", "attrs", "asyncio", "runpod_queue_client"} & set(in_a_fresh_python(code).split())


@pytest.mark.slow
def test_every_module_can_be_imported_first() -> None:
    """Else there is a cycle that the usual order of imports hides. Inside of packages: from the last to the first."""
    code = """
import importlib, pkgutil, sys
import runpod_sdk
inside = [module.name for module in pkgutil.walk_packages(runpod_sdk.__path__, "runpod_sdk.")]
rooms = [name for name in inside if name.count(".") == 1 or name.startswith("runpod_sdk._")]
for names in [*([room] for room in rooms), inside[::-1]]:
    for loaded in [loaded for loaded in sys.modules if loaded.partition(".")[0] == "runpod_sdk"]:
        del sys.modules[loaded]
    for name in names:
        if "__main__" not in name:
            importlib.import_module(name)
print(len(rooms))
"""
    assert int(in_a_fresh_python(code)) > 30
