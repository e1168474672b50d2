"""What worker files use of the official package beside `start`: the stand-in does the same, result by result."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runpod_sdk import Client
from runpod_sdk.clock import SystemClock
from runpod_sdk.emulator import Emulator
from tests.files_server import FilesServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(os.name != "posix", reason="worker processes are POSIX")

WORKERS = Path(__file__).parent / "workers"
LIBRARY = str(WORKERS / "library.py")
ROOT = Path(__file__).parents[2]
WHAT = (
    "download",
    "one_download",
    "single",
    "single_missing",
    "refused",
    "too_large",
    "addresses",
    "upload_nowhere",
    "upload",
    "checks",
    "volume",
    "measured",
    "small",
    "more",
    "by_hand",
)


@pytest.fixture(scope="module")
def do(official_python: str) -> Iterator[Callable[[str, str], Any]]:
    """Run something on a worker of either kind, and return what came of it, without the address of the files."""
    emulator = Emulator(clock=SystemClock())
    emulator.endpoint("official", command=[official_python, LIBRARY])
    emulator.endpoint("stand-in", LIBRARY)
    with FilesServer() as files, emulator.serve() as server, Client(**server.connection) as client:

        def do(endpoint: str, what: str) -> Any:
            found = client.endpoint(endpoint).run_sync({"what": what, "url": files.url}, timeout=60)
            return json.loads(json.dumps(found).replace(files.url, "URL"))

        yield do
    emulator.close()


@pytest.mark.parametrize("what", WHAT)
def test_both_do_the_same(do: Callable[[str, str], Any], what: str) -> None:
    assert do("stand-in", what) == do("official", what)


@pytest.mark.parametrize("release", ["official_python", "official_python_2"])
def test_a_file_sees_the_official_package_whole_where_it_is_installed(
    do: Callable[[str, str], Any], release: str, request: pytest.FixtureRequest
) -> None:
    python: str = request.getfixturevalue(release)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'generated'}"}
    with FilesServer() as files:
        command = [python, str(WORKERS / "whole.py"), LIBRARY, files.url, *WHAT]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)  # noqa: S603  ours
        found = json.loads(done.stdout.splitlines()[-1].replace(files.url, "URL"))
    assert dict(zip(WHAT, found, strict=True)) == {what: do("stand-in", what) for what in WHAT}
