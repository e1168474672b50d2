"""Generate from runpod-queue.yaml the low-level client, the emulator's copy, and the edition for OpenAPI 3.0.

One command does everything, and does the same each time:

    python openapi/generate.py            write the results into the tree
    python openapi/generate.py --check    write nothing; exit 1 if the tree differs from what would be written

This file decides what is written where. How the client looks is left to generator.yaml and templates/.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from edition_3_0 import edition_3_0
from openapi_spec_validator import validate

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SPEC = HERE / "runpod-queue.yaml"
CLIENT = Path("generated") / "runpod_queue_client"
DOCUMENT = Path("runpod_sdk") / "emulator" / "openapi.json"
EDITION = Path("generated") / "runpod-queue-3.0.openapi.json"


def read_spec() -> dict[str, Any]:
    """Read the document and raise unless it is valid OpenAPI."""
    spec: dict[str, Any] = yaml.safe_load(SPEC.read_text(encoding="utf-8"))
    validate(spec)
    return spec


def write_client(root: Path) -> None:
    """Write the generated client below `root`, where none may stand yet."""
    target = root / CLIENT
    target.parent.mkdir(parents=True, exist_ok=True)
    # The generator and the formatter of this very environment, whose versions are pinned, before any other.
    tools = str(Path(sys.executable).parent)
    path = os.pathsep.join([tools, os.environ.get("PATH", os.defpath)])
    generator = shutil.which("openapi-python-client", path=path)
    if generator is None:
        raise SystemExit(f"generate: openapi-python-client not found, neither in {tools} nor on PATH")
    command = [
        generator,
        "generate",
        "--path",
        str(SPEC),
        "--config",
        str(HERE / "generator.yaml"),
        "--custom-template-path",
        str(HERE / "templates"),
        "--meta",
        "none",
        "--output-path",
        str(target),
        "--fail-on-warning",
    ]
    code = subprocess.run(command, check=False, cwd=target.parent, env={**os.environ, "PATH": path}).returncode
    if code:
        raise SystemExit(f"generate: openapi-python-client failed with exit code {code}")
    # --meta none leaves out the marker that makes type checkers read the package.
    (target / "py.typed").touch()


def write_document(root: Path, spec: dict[str, Any]) -> None:
    """Write the document as JSON below `root`, in the order of the YAML, and its edition for OpenAPI 3.0."""
    edition = edition_3_0(spec)
    validate(edition)
    for place, document in ((DOCUMENT, spec), (EDITION, edition)):
        target = root / place
        target.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(document, indent=2, ensure_ascii=False)
        target.write_text(text + "\n", encoding="utf-8", newline="\n")


def files_below(folder: Path) -> set[Path]:
    """Return the files below `folder`, relative to it, without what Python leaves behind."""
    return {
        path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }


def differences(fresh: Path) -> list[str]:
    """Return one line for each file that differs between the tree and `fresh`."""
    lines: list[str] = []
    theirs = {CLIENT / path for path in files_below(ROOT / CLIENT)}
    ours = {CLIENT / path for path in files_below(fresh / CLIENT)}
    theirs |= {path for path in (DOCUMENT, EDITION) if (ROOT / path).is_file()}
    ours |= {DOCUMENT, EDITION}
    for path in sorted(theirs | ours):
        if path not in theirs:
            lines.append(f"missing:   {path.as_posix()}")
        elif path not in ours:
            lines.append(f"stale:     {path.as_posix()}")
        elif not filecmp.cmp(ROOT / path, fresh / path, shallow=False):
            lines.append(f"different: {path.as_posix()}")
    return lines


def replace(fresh: Path) -> None:
    """Put the files below `fresh` in the place of those in the tree."""
    # Removed as a whole: files of operations that are gone must not stay.
    shutil.rmtree(ROOT / CLIENT, ignore_errors=True)
    shutil.copytree(fresh / CLIENT, ROOT / CLIENT)
    for path in (DOCUMENT, EDITION):
        shutil.copyfile(fresh / path, ROOT / path)


def main() -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(description="Generate the client and openapi.json from the OpenAPI document.")
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if the tree is out of date")
    arguments = parser.parse_args()
    spec = read_spec()
    # First aside, in either case: a failure must not leave the tree without a client.
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        write_client(fresh)
        write_document(fresh, spec)
        lines = differences(fresh)
        if not arguments.check:
            replace(fresh)
    print("\n".join(lines or ["generated files are up to date"]))
    if lines and arguments.check:
        print("run `nox -s generate` and commit the result")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
