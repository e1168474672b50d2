"""What the processes of a run compile, once for all of them: it is half of what a short run costs.

Each process of xdist imports all tests, and each process that a test starts imports the package. A process leaves
nothing of that to the others where PYTHONDONTWRITEBYTECODE is set, and little where all of them begin together.
"""

from __future__ import annotations

import compileall
import re
from pathlib import Path
from typing import TYPE_CHECKING

from _pytest.assertion import rewrite

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parent.parent
TESTS = re.compile(r"[/\\](test_[^/\\]*|conftest)\.py$")  # which pytest compiles in its own way


def compile_packages() -> None:
    """Compile the package, and what the tests import beside it, unless that has been done."""
    for folder in ("runpod_sdk", "generated", "tests"):
        is_new = next((ROOT / folder).rglob("*.pyc"), None) is None
        compileall.compile_dir(ROOT / folder, quiet=2, rx=TESTS, workers=0 if is_new else 1)  # 0: all that there are


def rewrite_share(config: pytest.Config, nth: int, of: int) -> None:
    """Rewrite every `of`-th file of tests as pytest does when it imports them; the others are left to other processes.

    Where a pytest has its means elsewhere, this does nothing, and each process does all of it.
    """
    try:
        read, write, rewritten = rewrite._read_pyc, rewrite._write_pyc, rewrite._rewrite_test
        folder_of, tail, state = rewrite.get_cache_dir, rewrite.PYC_TAIL, config.stash[rewrite.assertstate_key]
    except (AttributeError, KeyError):
        return
    for path in sorted((ROOT / "tests").rglob("test_*.py"))[nth::of]:
        compiled = folder_of(path) / (path.stem + tail)
        if read(path, compiled) is None and rewrite.try_makedirs(compiled.parent):
            found, code = rewritten(path, config)
            write(state, code, found, compiled)
